//! The desktop's end of the control channel.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gatelodge_wire::{CONTROL_VERSION, Control, RefusalCode};
use mcp_webrtc::{Channel, ChannelSender};
use tokio::sync::watch;

use super::live::{Ending, Refusal};
use super::pairing::PairObjects;

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
}

/// The control channel of a session, if its peer has opened one. With a plain peer nothing is said.
#[derive(Clone, Debug, Default)]
pub(crate) struct ControlChannel {
    sender: Arc<OnceLock<ChannelSender>>,
    hello: Arc<watch::Sender<Option<Hello>>>,
    /// What the agent says of an invitation.
    pub(super) pairing: PairObjects,
}

impl ControlChannel {
    /// Takes over the channel that the agent has opened, answers its hello, and reads on until it ends. Too
    /// much nonsense ends the session.
    pub(crate) async fn serve(self, channel: Channel, own_name: String, session: Ending) {
        let (sender, mut receiver) = channel.split();
        if self.sender.set(sender).is_err() {
            tracing::debug!("a second control channel is not read");
            return;
        }
        let hello = Control::Hello {
            version: CONTROL_VERSION,
            name: own_name,
            software: concat!("gatelodge/", env!("CARGO_PKG_VERSION")).to_owned(),
            persistent: true,
        };
        self.say(&hello).await;
        let mut senseless = 0;
        while let Some(message) = receiver.recv().await {
            match Control::parse(&message) {
                Ok(Control::Hello { version, name, persistent, .. }) => {
                    self.hello.send_if_modified(|known| {
                        let first = known.is_none();
                        known.get_or_insert(Hello { name, persistent, version });
                        first
                    });
                }
                Ok(Control::Ping { nonce }) => self.say(&Control::Pong { nonce }).await,
                Ok(Control::Goodbye { message }) => tracing::debug!(message, "the agent leaves"),
                Ok(object) => self.pairing.take(object),
                Err(error) => {
                    senseless += 1;
                    tracing::debug!(%error, "the agent's control message is skipped");
                    if senseless == MAX_SENSELESS {
                        let message = "too much on the control channel makes no sense";
                        session.end(Refusal::new(RefusalCode::Other, message));
                        return;
                    }
                }
            }
        }
    }

    /// Sends one object, if there is somebody to read it.
    pub(crate) async fn say(&self, object: &Control) {
        if let Some(sender) = self.sender.get() {
            let _ = tokio::time::timeout(LAST_WORD, sender.send(object.to_json())).await;
        }
    }

    /// Waits for the agent's hello.
    pub(crate) async fn hello(&self) -> Option<Hello> {
        let mut hello = self.hello.subscribe();
        hello.wait_for(Option::is_some).await.ok().and_then(|hello| hello.clone())
    }

    /// Returns whether the peer is a Gatelodge agent.
    pub(crate) fn is_open(&self) -> bool {
        self.sender.get().is_some()
    }
}
