//! One connection of an agent: what carries a session until it is lost, and perhaps takes the place of an earlier one.

use std::sync::Arc;
use std::time::Duration;

use gatelodge_wire::{CONTROL_LABEL, Control, RefusalCode};
use mcp_webrtc::{Channel, Session, SessionEvent, SessionEvents};
use tokio::task::JoinSet;

use super::control::{Claim, ControlChannel};
use super::ending::{Ending, Refusal};
use super::live::Live;
use super::resumable::ResumableChannels;
use crate::event::EventSender;

/// How long a peer that may be a Gatelodge agent has to say hello, so that the prompt can show what it calls itself.
const HELLO_LIMIT: Duration = Duration::from_secs(3);

/// How long an agent that says it resumes has to say what: both come in one packet.
const CLAIM_LIMIT: Duration = Duration::from_secs(5);

/// How long a refused agent has to hear why.
const LAST_WORD: Duration = Duration::from_millis(200);

/// A connection that is up.
pub(super) struct Connection {
    pub(super) session: Session,
    pub(super) control: ControlChannel,
    /// What the desktop calls itself.
    name: String,
    /// What happens to the path.
    events: SessionEvents,
    /// Ended by too much nonsense on the control channel.
    pub(super) ending: Ending,
    /// Channels that were opened before anybody may read them. The session bounds how many.
    early: Vec<Channel>,
    tasks: JoinSet<()>,
}

/// A connection that is to take the place of a session's earlier one.
pub(super) struct Arrival {
    pub(super) connection: Connection,
    pub(super) claim: Claim,
}

/// What a peer wants with its connection.
pub(super) enum Greeting {
    /// A session of its own.
    Fresh,
    /// To go on with one that it had.
    Resume(Claim),
}

impl Connection {
    pub(super) fn new(session: Session, name: String) -> Self {
        let (control, ending) = (ControlChannel::default(), Ending::default());
        let events = session.events();
        Self { session, control, name, events, ending, early: Vec::new(), tasks: JoinSet::new() }
    }

    /// Waits until the agent cannot be heard any more (`false`), or can again. Cancel-safe.
    pub(super) async fn reachable(&mut self) -> bool {
        loop {
            match self.events.recv().await {
                Some(SessionEvent::Interrupted) => return false,
                Some(SessionEvent::Resumed) => return true,
                Some(_) => {}
                // Its end is noticed by other means.
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until it is clear what the peer wants. An error says why the connection has ended.
    pub(super) async fn greet(&mut self) -> Result<Greeting, String> {
        if !self.session.speaks_fragments() {
            // No Gatelodge agent, so that nothing need be waited for.
            self.control.greeted(None);
            return Ok(Greeting::Fresh);
        }
        let control = self.control.clone();
        let wanted = async {
            let hello = tokio::time::timeout(HELLO_LIMIT, control.hello()).await;
            let Ok(Some(hello)) = hello else {
                control.greeted(None);
                return Ok(Greeting::Fresh);
            };
            if !hello.resuming {
                return Ok(Greeting::Fresh);
            }
            let claim = tokio::time::timeout(CLAIM_LIMIT, control.claim()).await;
            claim.map(Greeting::Resume).map_err(|_| "the agent did not say what it resumes".to_owned())
        };
        tokio::pin!(wanted);
        loop {
            tokio::select! {
                biased;
                refusal = self.ending.ended() => return Err(refusal.message),
                reason = self.session.closed() => return Err(reason.to_string()),
                wanted = &mut wanted => return wanted,
                channel = self.session.next_channel() => {
                    let Some(channel) = channel else { return Err(self.session.closed().await.to_string()) };
                    if let Some(channel) = self.listen(channel) {
                        self.early.push(channel);
                    }
                }
            }
        }
    }

    /// Keeps a channel that nobody may read yet, and listens to the control channel.
    pub(super) fn hold(&mut self, channel: Channel) {
        if let Some(channel) = self.listen(channel) {
            self.early.push(channel);
        }
    }

    /// Returns the channels that were kept.
    pub(super) fn held(&mut self) -> Vec<Channel> {
        std::mem::take(&mut self.early)
    }

    /// Listens to the channel if it is the control channel, else gives it back.
    pub(super) fn listen(&mut self, channel: Channel) -> Option<Channel> {
        if channel.label() != CONTROL_LABEL {
            return Some(channel);
        }
        let (name, ending) = (self.name.clone(), self.ending.clone());
        self.tasks.spawn(self.control.clone().serve(channel, name, ending));
        None
    }

    /// Measures the path for the session that it carries.
    pub(super) fn measure(&mut self, live: &Arc<Live>, events: &EventSender) {
        self.tasks.spawn(Arc::clone(live).measure(self.session.measurements(), events.clone()));
    }

    /// Counts the messages of these channels with the agent from now on.
    pub(super) fn count(&mut self, channels: &ResumableChannels) {
        self.control.count(channels);
        let (control, channels) = (self.control.clone(), channels.clone());
        self.tasks.spawn(async move {
            loop {
                let channels = channels.news().await;
                if !channels.is_empty() {
                    control.say_surely(&Control::Ack { channels }).await;
                }
            }
        });
    }

    /// Tells the agent why, as far as it listens, and gives it time to hear it.
    pub(super) async fn refuse(&self, control: &ControlChannel, refusal: &Refusal) {
        let Refusal { code, message, .. } = refusal;
        control.say(&Control::Refused { channel: None, code: *code, message: message.clone() }).await;
        if control.is_open() {
            let _ = tokio::time::timeout(LAST_WORD, self.session.closed()).await;
        }
    }

    /// Ends the connection: nothing is read from it any more, and it is closed in the background.
    pub(super) fn end(mut self) -> impl Future<Output = ()> + Send + 'static {
        self.tasks.abort_all();
        let session = self.session;
        async move { session.close().await }
    }
}

impl Arrival {
    /// Turns the agent away: there is nothing for it to go on with.
    pub(super) async fn turn_away(self, why: &str) {
        let Self { connection, .. } = self;
        connection.refuse(&connection.control, &Refusal::new(RefusalCode::Expired, why)).await;
        connection.end().await;
    }
}
