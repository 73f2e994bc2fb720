//! The desktop's end of the control channel.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use gatelodge_wire::{CONTROL_VERSION, ChannelCount, Control, RESUME_VERSION, RefusalCode, ResumeToken};
use mcp_webrtc::{Channel, ChannelSender};
use tokio::sync::watch;

use super::ending::{Ending, Refusal};
use super::pairing::PairObjects;
use super::resumable::ResumableChannels;

/// How long a last word may take to leave.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How many objects may be senseless before the session is ended: a newer version may know a few that this one does not.
const MAX_SENSELESS: u32 = 16;

/// What an agent says about itself. Claims, not proofs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) name: String,
    pub(crate) persistent: bool,
    pub(crate) version: u32,
    /// Whether it can resume sessions.
    pub(super) resumes: bool,
    /// Whether this connection is to take the place of a session's earlier one.
    pub(super) resuming: bool,
}

/// What an agent shows to resume a session.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) session: ResumeToken,
    pub(super) channels: Vec<ChannelCount>,
}

/// The control channel of a session, if its peer has opened one. With a plain peer nothing is said.
#[derive(Clone, Debug, Default)]
pub(crate) struct ControlChannel {
    shared: Arc<Shared>,
    /// What the agent says of an invitation.
    pub(super) pairing: PairObjects,
}

#[derive(Debug, Default)]
struct Shared {
    /// Where to say something: over the latest connection.
    sender: Mutex<Option<ChannelSender>>,
    /// Set once the peer has said hello, or has taken too long for it.
    hello: watch::Sender<Option<Option<Hello>>>,
    claim: watch::Sender<Option<Claim>>,
    /// The channels that the agent's counts are about.
    channels: OnceLock<ResumableChannels>,
    /// Whether the agent has said that it leaves.
    left: AtomicBool,
}

impl ControlChannel {
    /// Takes over the channel that the agent has opened, answers its hello, and reads on until it ends. Too
    /// much nonsense ends the session.
    pub(crate) async fn serve(self, channel: Channel, own_name: String, connection: Ending) {
        let (sender, mut receiver) = channel.split();
        {
            let mut place = self.sender();
            if place.is_some() {
                tracing::debug!("a second control channel is not read");
                return;
            }
            *place = Some(sender);
        }
        let hello = Control::Hello {
            version: CONTROL_VERSION,
            name: own_name,
            software: concat!("gatelodge/", env!("CARGO_PKG_VERSION")).to_owned(),
            persistent: true,
            resume: RESUME_VERSION,
            resuming: false,
        };
        self.say(&hello).await;
        let mut senseless = 0;
        while let Some(message) = receiver.recv().await {
            let taken = match Control::parse(&message) {
                Ok(object) => self.take(object).await,
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = taken {
                senseless += 1;
                tracing::debug!(error, "the agent's control message is skipped");
                if senseless == MAX_SENSELESS {
                    let message = "too much on the control channel makes no sense";
                    connection.end(Refusal::new(RefusalCode::Other, message));
                    return;
                }
            }
        }
    }

    /// Does what an object wants; an error says that it makes no sense.
    async fn take(&self, object: Control) -> Result<(), String> {
        match object {
            Control::Hello { version, name, persistent, resume, resuming, .. } => {
                let resumes = resume == RESUME_VERSION;
                let hello = Hello { name, persistent, version, resumes, resuming: resumes && resuming };
                self.greeted(Some(hello));
            }
            Control::Resume { session, channels } => {
                let claim = Claim { session, channels };
                self.shared.claim.send_if_modified(|known| known.replace(claim).is_none());
            }
            Control::Ack { channels } => {
                let books = self.shared.channels.get().ok_or("no channels are counted")?;
                books.acknowledge(&channels).map_err(|error| error.to_string())?;
            }
            Control::Done { channel } => {
                self.shared.channels.get().ok_or("no channels are counted")?.done(channel);
            }
            Control::Ping { nonce } => self.say(&Control::Pong { nonce }).await,
            Control::Goodbye { message } => {
                tracing::debug!(message, "the agent leaves");
                self.shared.left.store(true, Ordering::Relaxed);
            }
            object => self.pairing.take(object),
        }
        Ok(())
    }

    /// Notes what the peer says about itself; `None` if it has said nothing for too long. The first word counts.
    pub(super) fn greeted(&self, hello: Option<Hello>) {
        self.shared.hello.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert(hello);
            first
        });
    }

    /// Sends one object, if there is somebody to read it.
    pub(crate) async fn say(&self, object: &Control) {
        let _ = tokio::time::timeout(LAST_WORD, self.say_surely(object)).await;
    }

    /// Sends one object for as long as it takes.
    pub(super) async fn say_surely(&self, object: &Control) {
        let sender = self.sender().clone();
        if let Some(sender) = sender {
            let _ = sender.send(object.to_json()).await;
        }
    }

    /// Waits for the agent's hello; `None` from a peer that says none.
    pub(crate) async fn hello(&self) -> Option<Hello> {
        let mut hello = self.shared.hello.subscribe();
        hello.wait_for(Option::is_some).await.ok().and_then(|hello| hello.clone()).flatten()
    }

    /// Returns the agent's hello, if it has said one.
    pub(super) fn known(&self) -> Option<Hello> {
        self.shared.hello.borrow().clone().flatten()
    }

    /// Waits for what the agent shows to resume a session.
    pub(super) async fn claim(&self) -> Claim {
        let mut claim = self.shared.claim.subscribe();
        loop {
            if let Some(claim) = claim.borrow_and_update().clone() {
                return claim;
            }
            // This end of it is held here, so that it is never closed.
            let _ = claim.changed().await;
        }
    }

    /// Says which channels the agent's counts are about.
    pub(super) fn count(&self, channels: &ResumableChannels) {
        let _ = self.shared.channels.set(channels.clone());
    }

    /// Speaks over another connection from now on.
    pub(super) fn speak_over(&self, other: &Self) {
        let sender = other.sender().clone();
        *self.sender() = sender;
    }

    /// Returns whether the agent has said that it leaves.
    pub(super) fn has_left(&self) -> bool {
        self.shared.left.load(Ordering::Relaxed)
    }

    /// Returns whether the peer is a Gatelodge agent.
    pub(crate) fn is_open(&self) -> bool {
        self.sender().is_some()
    }

    fn sender(&self) -> std::sync::MutexGuard<'_, Option<ChannelSender>> {
        self.shared.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
