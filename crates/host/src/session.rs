//! One agent's session, from its first packet to its end.
//!
//! The order is the point of it: the certificate is proved by the handshake, the person's verdict on it is looked up or
//! asked for ([`entrance`]), and only then is a byte of the agent's MCP messages read or anything shown to it. Until then
//! a Gatelodge agent hears on the control channel that somebody is being asked, and nothing else.

mod channel;
mod connection;
mod control;
pub(crate) mod ending;
mod entrance;
mod lent;
pub(crate) mod live;
mod pairing;
mod resumable;
mod running;

use std::sync::{Arc, Mutex, PoisonError};

use mcp_webrtc::signaling::Signaling;
use mcp_webrtc::{Admission, Path, Session, SessionError};
use tokio::sync::OwnedSemaphorePermit;

use crate::activity::{ActivityEntry, ActivityEvent};
use crate::desktop::Desktop;
use crate::event::HostEvent;
use crate::link::LinkDefinition;
use crate::links::SettingUp;
pub(crate) use channel::probe;
use connection::{Arrival, Connection, Greeting};
pub(crate) use live::Live;
use running::Running;

/// How many channels an agent may have open at once, the control channel among them. Each one is a process.
const MAX_CHANNELS: usize = 17;

/// Sets up a session over a link and serves it until it ends. `place` is one of the few that all who do so share; it is
/// given back with the handshake.
pub(crate) async fn serve(
    desktop: Arc<Desktop>,
    link: Arc<LinkDefinition>,
    signaling: Box<dyn Signaling>,
    place: SettingUp,
) {
    let undecided: Arc<Mutex<Option<OwnedSemaphorePermit>>> = Arc::default();
    let hook = {
        let (desktop, link) = (Arc::clone(&desktop), Arc::clone(&link));
        let (door, undecided) = (place.door().clone(), Arc::clone(&undecided));
        move |peer: mcp_webrtc::Peer| async move {
            match entrance::at_the_door(&desktop, &link, &peer.fingerprint, &door).await {
                Ok(place) => {
                    *undecided.lock().unwrap_or_else(PoisonError::into_inner) = place;
                    Admission::Admit
                }
                Err(reason) => Admission::deny(reason),
            }
        }
    };
    let mut builder = Session::builder(&desktop.identity).max_channels(MAX_CHANNELS).admit(hook);
    for url in &desktop.stun {
        builder = builder.stun(url.as_str());
    }
    for server in desktop.in_force.ice_servers() {
        builder = builder.ice_server(server.urls, server.username, server.credential);
    }
    let session = tokio::select! {
        biased;
        session = builder.offer(signaling) => session,
        () = place.pushed_out() => {
            let reason = "others came before it was done with setting up a session".to_owned();
            desktop.events.tell(HostEvent::Refused { link: link.id.clone(), agent: None, reason });
            return;
        }
    };
    drop(place);
    let session = match session {
        Ok(session) => session,
        Err(error) => {
            let agent = match &error {
                SessionError::FingerprintMismatch { proved, .. } => Some(*proved),
                _ => None,
            };
            let reason = gatelodge_wire::with_causes(&error);
            desktop.events.tell(HostEvent::Refused { link: link.id.clone(), agent, reason });
            return;
        }
    };
    let agent = session.peer().fingerprint;
    let undecided = undecided.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut connection = Connection::new(session, desktop.name.clone());
    let greeting = tokio::select! {
        biased;
        () = desktop.cancel.cancelled() => Err("the desktop is shutting down".to_owned()),
        greeting = connection.greet() => greeting,
    };
    if let (Ok(_), Some(refusal)) = (&greeting, desktop.front_gate.refusal()) {
        let reason = "the gate is closed".to_owned();
        desktop.events.tell(HostEvent::Refused { link: link.id.clone(), agent: Some(agent), reason });
        connection.refuse(&connection.control, &refusal).await;
        return connection.end().await;
    }
    match greeting {
        Ok(Greeting::Fresh) => begin(desktop, link, connection, undecided).await,
        Ok(Greeting::Resume(claim)) => {
            drop(undecided);
            let arrival = Arrival { connection, claim };
            let resumed = desktop.sessions.resumable(&agent, &arrival.claim.session);
            let left = match &resumed {
                Some(live) => live.take_over(arrival).await,
                None => Err(arrival),
            };
            if let Err(arrival) = left {
                arrival.turn_away("there is no such session to go on with, or not any more").await;
            }
        }
        Err(reason) => {
            desktop.events.tell(HostEvent::Refused { link: link.id.clone(), agent: Some(agent), reason });
            connection.end().await;
        }
    }
}

/// Serves an agent that begins a session.
async fn begin(
    desktop: Arc<Desktop>,
    link: Arc<LinkDefinition>,
    connection: Connection,
    undecided: Option<OwnedSemaphorePermit>,
) {
    let agent = connection.session.peer().fingerprint;
    let taken = connection.session.path().await;
    let path = in_words(taken);
    let live = Arc::new(Live::new(desktop.next_session(), agent, link.id.clone(), path.clone()));
    live.set_kind(taken.map(|path| path.kind()));
    desktop.sessions.add(Arc::clone(&live));
    // Whoever closes the gate ends all sessions that it finds; this one may have come in between.
    if let Some(refusal) = desktop.front_gate.refusal() {
        live.ending.end(refusal);
    }
    desktop.events.tell(HostEvent::Connected { session: live.id, agent, link: link.id.clone(), path });
    let running = Running::new(Arc::clone(&desktop), Arc::clone(&live), link);
    let reason = running.run(connection, undecided).await;
    desktop.sessions.remove(live.id);
    let ended = ActivityEvent::SessionEnded { reason: reason.as_str().into() };
    desktop.activity.record(ActivityEntry::now(ended).session(live.id.0).agent(agent)).await;
    desktop.events.tell(HostEvent::Ended { session: live.id, reason });
}

/// The addresses that a connection uses, as they are shown to people.
fn in_words(path: Option<Path>) -> String {
    path.map_or_else(String::new, |path| path.to_string())
}
