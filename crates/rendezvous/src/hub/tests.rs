//! Knocks and what may pass within them.

use std::collections::VecDeque;
use std::time::Duration;

use super::*;
use crate::outbox::Next;

struct Client {
    id: MemberId,
    fingerprint: Fingerprint,
    outbox: Arc<Outbox>,
}

impl Client {
    fn join(hub: &Hub, byte: u8, role: RendezvousRole) -> Self {
        let outbox = Arc::new(Outbox::new(1 << 20));
        let fingerprint = Fingerprint::from_bytes([byte; 32]);
        let id = hub.register(fingerprint, role, Arc::clone(&outbox), false);
        Self { id, fingerprint, outbox }
    }

    /// Returns what waits for it; a message of the test's own marks the end.
    async fn heard(&self) -> VecDeque<ServerMessage> {
        self.outbox.push(&ServerMessage::Draining { seconds: 0 });
        match self.outbox.next().await {
            Next::Messages(mut messages) => {
                messages.pop_back();
                messages.iter().map(|json| ServerMessage::parse(json.as_bytes()).unwrap()).collect()
            }
            Next::Farewell(farewell) => VecDeque::from([farewell.to_message()]),
        }
    }
}

fn hub() -> Hub {
    Hub::new(Arc::default())
}

fn name(text: &str) -> KnockId {
    text.parse().unwrap()
}

fn body() -> Opaque {
    Opaque::new(r#"{"type":"bye"}"#.to_owned()).unwrap()
}

#[tokio::test]
async fn a_knock_is_answered_and_then_both_may_forward() {
    let hub = hub();
    let desktop = Client::join(&hub, 1, RendezvousRole::Desktop);
    let agent = Client::join(&hub, 2, RendezvousRole::Agent);
    let limits = Limits::default();
    hub.knock(agent.id, desktop.fingerprint, name("a"), None, &limits).unwrap();
    let knocked = ServerMessage::Knocked {
        from: agent.fingerprint,
        session: name("a"),
        invitation: None,
        local: false,
    };
    assert_eq!(desktop.heard().await, [knocked]);
    let knocking = ServerMessage::Knocking { to: desktop.fingerprint, session: name("a"), local: false };
    assert_eq!(agent.heard().await, [knocking]);
    // An agent that was not answered can send nothing.
    let early = hub.forward(agent.id, desktop.fingerprint, name("a"), body());
    assert!(matches!(early, Err((RendezvousErrorCode::NoKnock, _))));
    hub.forward(desktop.id, agent.fingerprint, name("a"), body()).unwrap();
    hub.forward(agent.id, desktop.fingerprint, name("a"), body()).unwrap();
    let forwarded = |from| ServerMessage::Forwarded { from, session: name("a"), body: body() };
    assert_eq!(agent.heard().await, [forwarded(desktop.fingerprint)]);
    assert_eq!(desktop.heard().await, [forwarded(agent.fingerprint)]);
    hub.finish(agent.id, desktop.fingerprint, name("a"));
    assert_eq!(desktop.heard().await, [ServerMessage::Gone { peer: agent.fingerprint, session: name("a") }]);
    assert!(hub.forward(desktop.id, agent.fingerprint, name("a"), body()).is_err());
    assert_eq!(hub.counts(), (1, 1, 0));
}

#[tokio::test]
async fn nobody_gets_into_anothers_knock() {
    let hub = hub();
    let desktop = Client::join(&hub, 1, RendezvousRole::Desktop);
    let agent = Client::join(&hub, 2, RendezvousRole::Agent);
    let thief = Client::join(&hub, 3, RendezvousRole::Agent);
    let twin = Client::join(&hub, 2, RendezvousRole::Agent);
    hub.knock(agent.id, desktop.fingerprint, name("a"), None, &Limits::default()).unwrap();
    hub.forward(desktop.id, agent.fingerprint, name("a"), body()).unwrap();
    for other in [&thief, &twin] {
        assert!(hub.forward(other.id, desktop.fingerprint, name("a"), body()).is_err());
        hub.finish(other.id, desktop.fingerprint, name("a"));
        hub.decline(other.id, desktop.fingerprint, name("a"), DeclineCode::Busy);
    }
    assert_eq!(hub.counts().2, 1);
    assert_eq!(twin.heard().await.len(), 0);
    assert_eq!(agent.heard().await.len(), 2);
}

#[tokio::test]
async fn a_newer_desktop_replaces_the_older() {
    let hub = hub();
    let old = Client::join(&hub, 1, RendezvousRole::Desktop);
    let agent = Client::join(&hub, 2, RendezvousRole::Agent);
    hub.knock(agent.id, old.fingerprint, name("a"), None, &Limits::default()).unwrap();
    let new = Client::join(&hub, 1, RendezvousRole::Desktop);
    let [ServerMessage::Error { code: RendezvousErrorCode::Replaced, .. }] =
        &old.heard().await.make_contiguous()[..]
    else {
        panic!("the older one should hear that it was replaced")
    };
    // The task of the old connection ends later, and takes nothing of the new one away.
    hub.leave(old.id);
    assert_eq!(hub.counts(), (1, 1, 0));
    assert_eq!(
        agent.heard().await.pop_back(),
        Some(ServerMessage::Gone { peer: new.fingerprint, session: name("a") })
    );
    hub.knock(agent.id, new.fingerprint, name("b"), None, &Limits::default()).unwrap();
    assert_eq!(new.heard().await.len(), 1);
}

#[tokio::test]
async fn knocks_end_by_themselves() {
    let hub = hub();
    let desktop = Client::join(&hub, 1, RendezvousRole::Desktop);
    let agent = Client::join(&hub, 2, RendezvousRole::Agent);
    let limits = Limits::default();
    hub.knock(agent.id, desktop.fingerprint, name("a"), None, &limits).unwrap();
    hub.sweep(Instant::now() + limits.knock_lifetime - Duration::from_secs(1), &limits);
    assert_eq!(hub.counts().2, 1);
    hub.sweep(Instant::now() + limits.knock_lifetime, &limits);
    assert_eq!(hub.counts().2, 0);
    for (client, peer) in [(&desktop, agent.fingerprint), (&agent, desktop.fingerprint)] {
        assert_eq!(client.heard().await.pop_back(), Some(ServerMessage::Gone { peer, session: name("a") }));
    }
}

#[tokio::test]
async fn a_desktop_that_is_not_there_or_declines() {
    let hub = hub();
    let agent = Client::join(&hub, 2, RendezvousRole::Agent);
    let nobody = Fingerprint::from_bytes([9; 32]);
    hub.knock(agent.id, nobody, name("a"), None, &Limits::default()).unwrap();
    assert_eq!(agent.heard().await, [ServerMessage::Unreachable { to: nobody, session: name("a") }]);
    let desktop = Client::join(&hub, 1, RendezvousRole::Desktop);
    hub.knock(agent.id, desktop.fingerprint, name("a"), None, &Limits::default()).unwrap();
    hub.decline(desktop.id, agent.fingerprint, name("a"), DeclineCode::NotKnown);
    let declined = ServerMessage::Declined {
        from: desktop.fingerprint,
        session: name("a"),
        code: DeclineCode::NotKnown,
    };
    assert_eq!(agent.heard().await.pop_back(), Some(declined));
}

#[tokio::test]
async fn a_flood_of_knocks_neither_parts_a_desktop_nor_grows() {
    let hub = hub();
    let desktop = Client::join(&hub, 1, RendezvousRole::Desktop);
    let limits = Limits::default();
    let mut last = None;
    for number in 0..2_000_u16 {
        let [high, low] = number.to_be_bytes();
        let mut bytes = [7; 32];
        (bytes[0], bytes[1]) = (high, low);
        let outbox = Arc::new(Outbox::new(1 << 20));
        let fingerprint = Fingerprint::from_bytes(bytes);
        let id = hub.register(fingerprint, RendezvousRole::Agent, Arc::clone(&outbox), false);
        hub.knock(id, desktop.fingerprint, name("a"), None, &limits).unwrap();
        last = Some(Client { id, fingerprint, outbox });
    }
    assert!(hub.counts().2 <= WAITING_KNOCKS);
    let heard = desktop.heard().await;
    assert!(heard.len() <= 256, "{}", heard.len());
    assert!(heard.iter().all(|message| !matches!(message, ServerMessage::Error { .. })));
    // Once the desktop has read what there was, the next one gets through.
    let last = last.unwrap();
    hub.knock(last.id, desktop.fingerprint, name("b"), None, &limits).unwrap();
    let from = last.fingerprint;
    let knocked = ServerMessage::Knocked { from, session: name("b"), invitation: None, local: false };
    assert!(desktop.heard().await.contains(&knocked));
}

#[tokio::test]
async fn an_identity_that_knocks_too_often_has_to_wait() {
    let hub = hub();
    let desktop = Client::join(&hub, 1, RendezvousRole::Desktop);
    let agent = Client::join(&hub, 2, RendezvousRole::Agent);
    let limits = Limits { knocks_per_minute: 20, ..Limits::default() };
    let mut refused = 0;
    for number in 0..10 {
        let name = name(&format!("k{number}"));
        match hub.knock(agent.id, desktop.fingerprint, name.clone(), None, &limits) {
            Ok(()) => hub.finish(agent.id, desktop.fingerprint, name),
            Err((code, _)) => {
                assert_eq!(code, RendezvousErrorCode::TooFast);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 5);
}
