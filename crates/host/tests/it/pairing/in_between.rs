//! Somebody in between who swaps the fingerprints in both directions: ends DTLS on both sides with a certificate of his
//! own, and passes everything on that is said on the control channel.

use std::time::Duration;

use gatelodge_wire::{
    AgentPairing, CONTROL_LABEL, Control, DesktopPairing, InvitationSecret, PairFailure, WrongProof,
};
use mcp_webrtc::signaling::{TcpSignaling, TcpSignalingListener, memory};
use mcp_webrtc::{Channel, Identity, Session, SessionError};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::peer::{Agent, Desk, LIMIT, builder, identity, nonce};

/// How many attempts there are, of each kind.
const ATTEMPTS: usize = 1_000;

/// How many exchanges are made over the same two sessions. A new pair of sessions takes a debug build some hundred
/// milliseconds, and what is in between does not change with each exchange; nonces and secrets do.
const OVER_ONE: usize = 50;

/// Both sides' control channels, over two sessions that somebody in between has with them.
struct Tapped {
    agent: Session,
    desktop: Session,
    agents_end: Channel,
    desktops_end: Channel,
    middle: JoinSet<()>,
    _others: Vec<Channel>,
}

async fn pass_on(mut left: Channel, mut right: Channel) {
    loop {
        tokio::select! {
            message = left.recv() => match message {
                Some(message) => if right.send(message).await.is_err() { return },
                None => return,
            },
            message = right.recv() => match message {
                Some(message) => if left.send(message).await.is_err() { return },
                None => return,
            },
        }
    }
}

/// The control channel that the other side opens, with the one for plain peers, which stays open as agents leave it.
async fn channel(session: &Session) -> (Channel, Vec<Channel>) {
    let mut others = Vec::new();
    loop {
        let channel = session.next_channel().await.unwrap();
        if channel.label() == CONTROL_LABEL {
            return (channel, others);
        }
        others.push(channel);
    }
}

/// Sets up a session in which the first one offers, with the control channel that the second one opens at once.
async fn connected(
    offering: &Identity,
    answering: &Identity,
) -> (Session, Channel, Vec<Channel>, Session, Channel) {
    let listener = TcpSignalingListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let offer = async {
        let session = builder(offering).offer(listener.accept().await.unwrap()).await.unwrap();
        let (control, others) = channel(&session).await;
        (session, control, others)
    };
    let answer = async {
        let link = TcpSignaling::connect(place.as_str()).await.unwrap();
        let session = builder(answering).answer(link).await.unwrap();
        let control = session.open_channel(CONTROL_LABEL).await.unwrap();
        (session, control)
    };
    let ((offered, offers_end, others), (answered, answers_end)) = tokio::join!(offer, answer);
    (offered, offers_end, others, answered, answers_end)
}

impl Tapped {
    async fn new(agent: &Identity, desktop: &Identity, in_between: &Identity) -> Self {
        let (left, towards_agent, others, agent, agents_end) = connected(in_between, agent).await;
        let (desktop, desktops_end, more, right, towards_desktop) = connected(desktop, in_between).await;
        let mut middle = JoinSet::new();
        middle.spawn(async move {
            pass_on(towards_agent, towards_desktop).await;
            drop((left, right, others));
        });
        Self { agent, desktop, agents_end, desktops_end, middle, _others: more }
    }

    /// One exchange, with whatever the two sides see of each other; says what the desktop makes of the proof.
    async fn exchange(&mut self, own_agent: &Identity, own_desktop: &Identity) -> Result<(), WrongProof> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).unwrap();
        let secret = InvitationSecret::from_bytes(secret);
        let begun = nonce();
        let pairing = AgentPairing::begin(secret.clone(), own_agent.fingerprint(), begun);
        say(&self.agents_end, &Control::PairBegin { invitation: secret.id(), nonce: begun }).await;
        let Control::PairBegin { invitation, nonce: heard } = next(&mut self.desktops_end).await else {
            panic!("no begin")
        };
        assert_eq!((invitation, heard), (secret.id(), begun));
        let challenge = nonce();
        let seen = self.desktop.peer().fingerprint;
        let checking =
            DesktopPairing::challenge(&secret, &own_desktop.fingerprint(), &seen, &heard, &challenge);
        say(&self.desktops_end, &Control::PairChallenge { nonce: challenge }).await;
        let Control::PairChallenge { nonce } = next(&mut self.agents_end).await else {
            panic!("no challenge")
        };
        let (proved, proof) = pairing.prove(&self.agent.peer().fingerprint, &nonce);
        say(&self.agents_end, &Control::PairProof { proof }).await;
        let Control::PairProof { proof } = next(&mut self.desktops_end).await else { panic!("no proof") };
        let checked = checking.check(&proof);
        // Without the desktop's proof there is nothing better to show the agent than its own.
        assert_eq!(proved.confirm(&checked.unwrap_or(proof)).is_ok(), checked.is_ok());
        checked.map(drop)
    }

    async fn end(mut self) {
        tokio::join!(self.agent.close(), self.desktop.close());
        self.middle.shutdown().await;
    }
}

async fn say(channel: &Channel, object: &Control) {
    channel.send(object.to_json()).await.unwrap();
}

async fn next(channel: &mut Channel) -> Control {
    Control::parse(&timeout(LIMIT, channel.recv()).await.unwrap().unwrap()).unwrap()
}

#[tokio::test]
async fn nobody_in_between_gets_a_single_proof_accepted() {
    let (agent, desktop) = (identity(), identity());
    let mut rounds = JoinSet::new();
    // At once, since most of the time nothing is on its way.
    for _ in 0..ATTEMPTS / OVER_ONE {
        let (agent, desktop) = (agent.clone(), desktop.clone());
        rounds.spawn(async move {
            let mut tapped = Tapped::new(&agent, &desktop, &identity()).await;
            let mut refused = 0;
            for _ in 0..OVER_ONE {
                refused += usize::from(tapped.exchange(&agent, &desktop).await == Err(WrongProof));
            }
            tapped.end().await;
            refused
        });
    }
    let refused: usize = rounds.join_all().await.into_iter().sum();
    assert_eq!(refused, ATTEMPTS);
    // The same without swapped certificates goes through, so that it is they which make the difference: what is in between
    // has both sides' own keys here.
    let (desktops, desktops_end, others, agents, agents_end) = connected(&desktop, &agent).await;
    let (middle, _others) = (JoinSet::new(), others);
    let mut direct = Tapped { agent: agents, desktop: desktops, agents_end, desktops_end, middle, _others };
    assert_eq!(direct.exchange(&agent, &desktop).await, Ok(()));
    direct.end().await;
}

#[tokio::test]
async fn a_paired_agent_never_talks_to_somebody_in_between() {
    let (agent, desktop) = (identity(), identity());
    let mut refused = 0;
    for _ in 0..ATTEMPTS {
        let in_between = identity();
        let (to_agent, at_agent) = memory();
        let (reached, offered) = tokio::join!(
            builder(&agent).expect(desktop.fingerprint()).answer(at_agent),
            builder(&in_between).offer(to_agent),
        );
        let found = match reached {
            Err(SessionError::WrongPeer { expected, found }) if expected == desktop.fingerprint() => found,
            other => panic!("{other:?}"),
        };
        refused += usize::from(found == in_between.fingerprint() && offered.is_err());
    }
    assert_eq!(refused, ATTEMPTS);
}

/// How many go through a whole desktop at a time: as many as it admits to its door, and has invitations for.
const WHOLE: usize = 16;

#[tokio::test]
async fn through_a_whole_desktop_nobody_is_asked_and_nothing_is_kept() {
    let desk = Desk::new().await;
    let mut attempts = JoinSet::new();
    for _ in 0..WHOLE {
        let (invitation, address) = (desk.invite(60).await, desk.address.clone());
        attempts.spawn(async move {
            let (agent, in_between) = (identity(), identity());
            let listener = TcpSignalingListener::bind("127.0.0.1:0").await.unwrap();
            let place = listener.local_addr().unwrap().to_string();
            let tapping = async {
                let towards_agent =
                    builder(&in_between).offer(listener.accept().await.unwrap()).await.unwrap();
                // First, since a desktop does not wait for long for the hello of somebody who has come.
                let (left, _others) = channel(&towards_agent).await;
                let link = TcpSignaling::connect(address.as_str()).await.unwrap();
                let towards_desktop = builder(&in_between).answer(link).await.unwrap();
                let right = towards_desktop.open_channel(CONTROL_LABEL).await.unwrap();
                pass_on(left, right).await;
                tokio::join!(towards_agent.close(), towards_desktop.close());
            };
            // An agent that checks no certificate, so that the exchange alone has to stop it.
            let pairing = async {
                let mut deceived = Agent::come(&agent, &place).await.unwrap();
                let paired = deceived.pair(&invitation).await;
                deceived.leave().await;
                paired
            };
            tokio::join!(pairing, tapping).0
        });
    }
    let outcomes = timeout(Duration::from_secs(60), attempts.join_all()).await.unwrap();
    assert_eq!(outcomes, vec![Err(PairFailure::WrongProof); WHOLE]);
    assert_eq!(desk.invitations().await, WHOLE, "wrong proofs burn no invitation");
    desk.ends_untouched().await;
}
