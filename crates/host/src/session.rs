//! One agent's session, from its first packet to its end.
//!
//! The order is the point of it: the certificate is proved by the handshake, the person's verdict on it is looked up or
//! asked for ([`entrance`]), and only then is a byte of the agent's MCP messages read or anything shown to it. Until then
//! a Gatelodge agent hears on the control channel that somebody is being asked, and nothing else.

mod channel;
mod control;
mod entrance;
pub(crate) mod live;
mod pairing;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatelodge_wire::{CONTROL_LABEL, Control, LentServer, RefusalCode, labelled_server};
use mcp_webrtc::signaling::Signaling;
use mcp_webrtc::{Admission, Channel, Path, Session, SessionError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use crate::activity::{ActivityEntry, ActivityEvent};
use crate::desktop::Desktop;
use crate::event::HostEvent;
use crate::link::LinkDefinition;
use crate::links::SettingUp;
use crate::time::Timestamp;
pub(crate) use channel::probe;
use control::ControlChannel;
use entrance::Admitted;
use live::{Live, Refusal};

/// How many channels an agent may have open at once, the control channel among them. Each one is a process.
const MAX_CHANNELS: usize = 17;

/// How long a refused agent has to hear why.
const LAST_WORD: Duration = Duration::from_millis(200);

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
            let reason = crate::error::with_causes(&error);
            desktop.events.tell(HostEvent::Refused { link: link.id.clone(), agent, reason });
            return;
        }
    };
    let agent = session.peer().fingerprint;
    let path = session.path().await.map_or_else(String::new, |path| shown(&path));
    let live = Arc::new(Live::new(desktop.next_session(), agent, link.id.clone(), path.clone()));
    desktop.sessions.add(Arc::clone(&live));
    desktop.events.tell(HostEvent::Connected { session: live.id, agent, link: link.id.clone(), path });
    let running =
        Running { desktop: Arc::clone(&desktop), live: Arc::clone(&live), link, session: session.clone() };
    let undecided = undecided.lock().unwrap_or_else(PoisonError::into_inner).take();
    let reason = running.run(undecided).await;
    session.close().await;
    desktop.sessions.remove(live.id);
    let ended = ActivityEvent::SessionEnded { reason: reason.as_str().into() };
    desktop.activity.record(ActivityEntry::now(ended).session(live.id.0).agent(agent)).await;
    desktop.events.tell(HostEvent::Ended { session: live.id, reason });
}

/// A path as it is shown to people.
fn shown(path: &Path) -> String {
    format!("{path}")
}

/// A session that is being served.
struct Running {
    desktop: Arc<Desktop>,
    live: Arc<Live>,
    link: Arc<LinkDefinition>,
    session: Session,
}

impl Running {
    /// Serves the session; returns why it ended.
    async fn run(&self, undecided: Option<OwnedSemaphorePermit>) -> String {
        let control = ControlChannel::default();
        let mut tasks = JoinSet::new();
        let mut early = Vec::new();
        let verdict = entrance::verdict(&self.desktop, &self.live, &self.link, &self.session, &control);
        tokio::pin!(verdict);
        let admitted = loop {
            tokio::select! {
                biased;
                () = self.desktop.cancel.cancelled() => return self.refuse(&control, shutting_down()).await,
                refusal = self.live.ending.ended() => return self.refuse(&control, refusal).await,
                reason = self.session.closed() => return reason.to_string(),
                channel = self.session.next_channel() => match channel {
                    Some(channel) if channel.label() == CONTROL_LABEL => {
                        let (name, ending) = (self.desktop.name.clone(), self.live.ending.clone());
                        tasks.spawn(control.clone().serve(channel, name, ending));
                    }
                    // The session bounds how many there may be, and nobody reads them yet.
                    Some(channel) => early.push(channel),
                    None => return self.session.closed().await.to_string(),
                },
                verdict = &mut verdict => match verdict {
                    Ok(admitted) => break admitted,
                    Err(refusal) => return self.refuse(&control, refusal).await,
                },
            }
        };
        drop(undecided);
        self.admit(&control, admitted).await;
        let (desktop, live) = (Arc::clone(&self.desktop), Arc::clone(&self.live));
        tasks.spawn(pairing::of_known_agent(desktop, live, control.clone()));
        for channel in early {
            self.take(channel, &control, &mut tasks);
        }
        loop {
            tokio::select! {
                biased;
                () = self.desktop.cancel.cancelled() => return self.refuse(&control, shutting_down()).await,
                refusal = self.live.ending.ended() => return self.refuse(&control, refusal).await,
                reason = self.session.closed() => return reason.to_string(),
                channel = self.session.next_channel() => match channel {
                    Some(channel) => self.take(channel, &control, &mut tasks),
                    None => return self.session.closed().await.to_string(),
                },
                Some(ended) = tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a task of a session failed");
                    }
                }
            }
        }
    }

    /// Puts the verdict into force and tells the agent what is lent to it.
    async fn admit(&self, control: &ControlChannel, admitted: Admitted) {
        self.live.admit(admitted.label.clone(), admitted.grants);
        let servers = self.live.servers(Timestamp::now());
        let lent = self.desktop.definitions(&servers).await;
        let lent = lent.into_iter().map(|server| LentServer { id: server.id.to_string(), name: server.name });
        control.say(&Control::Servers { servers: lent.collect() }).await;
        let begun = ActivityEvent::SessionBegun { link: self.link.id.as_str().into() };
        let entry = ActivityEntry::now(begun).session(self.live.id.0).agent(self.live.agent);
        self.desktop.activity.record(entry).await;
        self.desktop.events.tell(HostEvent::Admitted {
            session: self.live.id,
            label: admitted.label,
            servers,
        });
    }

    /// Serves a channel by its label. A plain peer names none, and gets what the link is set up for.
    fn take(&self, channel: Channel, control: &ControlChannel, tasks: &mut JoinSet<()>) {
        let control = control.clone();
        if channel.label() == CONTROL_LABEL {
            tasks.spawn(control.serve(channel, self.desktop.name.clone(), self.live.ending.clone()));
            return;
        }
        let server = match labelled_server(channel.label()) {
            Some(id) => id.parse().ok(),
            None => self.link.server.clone(),
        };
        let (desktop, live) = (Arc::clone(&self.desktop), Arc::clone(&self.live));
        tasks.spawn(channel::serve(desktop, live, control, channel, server));
    }

    /// Tells the agent why, as far as it listens, and ends the session.
    async fn refuse(&self, control: &ControlChannel, refusal: Refusal) -> String {
        let Refusal { code, message, .. } = refusal;
        control.say(&Control::Refused { channel: None, code, message: message.clone() }).await;
        if control.is_open() {
            let _ = tokio::time::timeout(LAST_WORD, self.session.closed()).await;
        }
        message
    }
}

fn shutting_down() -> Refusal {
    Refusal::new(RefusalCode::Revoked, "the desktop is shutting down")
}
