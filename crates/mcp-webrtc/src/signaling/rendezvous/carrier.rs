//! The task that owns a registered connection and carries what its links say over it.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use gatelodge_wire::{
    ClientMessage, DeclineCode, Fingerprint, InvitationId, KnockId, Opaque, RendezvousErrorCode,
    ServerMessage,
};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::Message;

use super::dial::Socket;
use super::{RendezvousError, SharedIceServers};

/// How many commands wait for the task: more than its links can have under way at once.
pub(super) const COMMANDS: usize = 64;

/// How many objects of one knock wait for their reader: as many as one link takes in its whole life.
pub(super) const ARRIVALS: usize = 128;

/// How long the rendezvous may be silent before it is asked whether it is there. It asks by itself every 30 s.
const ASK_AFTER: Duration = Duration::from_secs(40);

/// How long the rendezvous may be silent before the connection counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(60);

/// How long sending may wait for a rendezvous that does not read.
const SEND_LIMIT: Duration = Duration::from_secs(10);

/// Names a knock: the other side, and the agent's name for it.
pub(super) type Key = (Fingerprint, KnockId);

/// What links ask of the task.
pub(super) enum Command {
    /// Sends something within a knock.
    Send(ClientMessage),
    /// Begins a knock.
    Knock { key: Key, invitation: Option<InvitationId>, arrivals: mpsc::Sender<Arrival> },
    /// Declines a knock, which is over then.
    Decline { key: Key, code: DeclineCode },
    /// Is done with a knock.
    Leave { key: Key },
}

/// What comes in for a link.
pub(super) enum Arrival {
    /// The desktop has got the knock; says whether both are on the rendezvous' machine.
    Knocking { local: bool },
    /// A signaling object.
    Body(Opaque),
    /// The knock has failed.
    Failed(RendezvousError),
}

/// An agent at the door.
pub(super) struct Knocked {
    pub(super) key: Key,
    pub(super) invitation: Option<InvitationId>,
    pub(super) local: bool,
    pub(super) arrivals: mpsc::Receiver<Arrival>,
}

/// Why the connection ended.
pub(super) enum Ended {
    /// Nobody uses it any more.
    Unused,
    /// The rendezvous asks to come back after so many seconds.
    Draining(u32),
    /// It failed.
    Failed(RendezvousError),
}

pub(super) struct Carrier<'a> {
    pub(super) socket: Socket,
    pub(super) commands: &'a mut mpsc::Receiver<Command>,
    pub(super) ice_servers: SharedIceServers,
    /// Takes a desktop's knocks; says with `false` that there are too many.
    pub(super) knock: Box<dyn FnMut(Knocked) -> bool + Send + 'a>,
    pub(super) links: HashMap<Key, mpsc::Sender<Arrival>>,
}

impl Carrier<'_> {
    /// Carries until the connection ends or nobody uses it.
    pub(super) async fn run(mut self) -> Ended {
        let mut heard = Instant::now();
        let mut asked = false;
        loop {
            let wake = heard + if asked { LOST_AFTER } else { ASK_AFTER };
            let outcome = tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => {
                        let _ = timeout(SEND_LIMIT, self.socket.close(None)).await;
                        return Ended::Unused;
                    }
                },
                message = self.socket.next() => {
                    heard = Instant::now();
                    asked = false;
                    match message {
                        Some(Ok(Message::Text(text))) => self.hear(text.as_bytes()).await,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                        Some(Ok(Message::Binary(_) | Message::Frame(_))) => {
                            Err(Ended::Failed(RendezvousError::BadMessage(None)))
                        }
                        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Ended::Failed(RendezvousError::Lost)),
                    }
                }
                () = sleep_until(wake) => {
                    if asked {
                        return Ended::Failed(RendezvousError::Lost);
                    }
                    asked = true;
                    self.links.retain(|_, arrivals| !arrivals.is_closed());
                    self.send(Message::Ping(Default::default())).await
                }
            };
            if let Err(ended) = outcome {
                return ended;
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), Ended> {
        let message = match command {
            Command::Send(message) => message,
            Command::Knock { key, invitation, arrivals } => {
                self.links.insert(key.clone(), arrivals);
                let (to, session) = key;
                ClientMessage::Knock { to, session, invitation }
            }
            Command::Decline { key, code } => {
                self.links.remove(&key);
                let (to, session) = key;
                ClientMessage::Decline { to, session, code }
            }
            Command::Leave { key } => {
                if self.links.remove(&key).is_none() {
                    // The rendezvous has ended it already.
                    return Ok(());
                }
                let (to, session) = key;
                ClientMessage::Leave { to, session }
            }
        };
        self.send(Message::text(message.to_json())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        match timeout(SEND_LIMIT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended::Failed(RendezvousError::Lost)),
        }
    }

    async fn hear(&mut self, text: &[u8]) -> Result<(), Ended> {
        let message = ServerMessage::parse(text)
            .map_err(|error| Ended::Failed(RendezvousError::BadMessage(Some(error))))?;
        match message {
            ServerMessage::Knocked { from, session, invitation, local } => {
                let key = (from, session);
                let (sender, arrivals) = mpsc::channel(ARRIVALS);
                let knocked = Knocked { key: key.clone(), invitation, local, arrivals };
                match (self.knock)(knocked) {
                    true => {
                        self.links.insert(key, sender);
                    }
                    false => return self.obey(Command::Decline { key, code: DeclineCode::Busy }).await,
                }
            }
            ServerMessage::Forwarded { from, session, body } => {
                let key = (from, session);
                let lost = self.links.get(&key).is_some_and(|link| {
                    matches!(
                        link.try_send(Arrival::Body(body)),
                        Err(TrySendError::Full(_) | TrySendError::Closed(_))
                    )
                });
                if lost {
                    // Nobody reads it: either it sends more than a link takes, or this side has lost interest.
                    return self.obey(Command::Leave { key }).await;
                }
            }
            ServerMessage::Knocking { to, session, local } => {
                if let Some(link) = self.links.get(&(to, session)) {
                    let _ = link.try_send(Arrival::Knocking { local });
                }
            }
            ServerMessage::Unreachable { to, session } => {
                self.fail(&(to, session), RendezvousError::NotThere);
            }
            ServerMessage::Declined { from, session, code } => {
                self.fail(&(from, session), RendezvousError::Declined { code });
            }
            ServerMessage::Gone { peer, session } => {
                self.links.remove(&(peer, session));
            }
            ServerMessage::IceServers { ice_servers } => {
                *self.ice_servers.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = ice_servers;
            }
            ServerMessage::Draining { seconds } => return Err(Ended::Draining(seconds)),
            ServerMessage::Error { code, message, session: Some(session) } => {
                let key = self.links.keys().find(|(_, name)| *name == session).cloned();
                if let Some(key) = key {
                    self.fail(&key, RendezvousError::Refused { code, message });
                }
            }
            ServerMessage::Error { code, message, session: None } => {
                let stays = matches!(code, RendezvousErrorCode::TooFast | RendezvousErrorCode::NoKnock);
                if !stays {
                    return Err(Ended::Failed(RendezvousError::Refused { code, message }));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn fail(&mut self, key: &Key, error: RendezvousError) {
        if let Some(link) = self.links.remove(key) {
            let _ = link.try_send(Arrival::Failed(error));
        }
    }
}
