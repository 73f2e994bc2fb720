//! One data channel as a stream of MCP messages.
//!
//! A [`Channel`] carries whole JSON-RPC messages as bytes and never looks into them, with one exception: a response
//! that the peer could not take is replaced by a JSON-RPC error for the same id, so that its caller does not wait
//! for ever. Towards peers that announced the fragment extension, large messages go in fragments (see
//! [`gatelodge_wire::split`]) and small ones pass between them.
//!
//! [`crate::session`] makes channels; [`crate::transport`] turns them into rmcp transports.

mod inbox;
mod sending;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use gatelodge_wire::FragmentError;
use tokio::sync::OwnedSemaphorePermit;

use crate::engine::{RawChannel, RawEvent};
use crate::session::Handle;
use inbox::Inbox;
use sending::Outbox;

pub use sending::{SendError, Sent};

/// A data channel of a session, ready to carry messages.
///
/// The session lives at least as long as its channels. Dropping both halves of a channel closes it; messages that
/// [`send`](Channel::send) has returned for are still delivered.
pub struct Channel {
    sender: ChannelSender,
    receiver: ChannelReceiver,
}

/// The sending half of a [`Channel`]. Cheap to clone.
#[derive(Clone)]
pub struct ChannelSender {
    shared: Arc<Shared>,
}

/// The receiving half of a [`Channel`].
pub struct ChannelReceiver {
    shared: Arc<Shared>,
    /// What came before anybody could read.
    first: Option<RawEvent>,
    /// Gone once the channel has ended.
    inbox: Option<Inbox>,
}

struct Shared {
    outbox: Arc<Outbox>,
    end: OnceLock<ChannelEnd>,
    session: Arc<Handle>,
    /// Counts against the session's limit of channels.
    _permit: OwnedSemaphorePermit,
}

/// Why a channel ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelEnd {
    /// One of the two sides closed it, or the session ended.
    #[error("the channel was closed")]
    Closed,
    /// The peer sent a text message that is not UTF-8.
    #[error("the peer sent a message that is not UTF-8")]
    NotUtf8,
    /// The peer broke the fragment protocol or its limits.
    #[error("the peer sent a fragment that cannot be used: {0}")]
    Fragment(FragmentError),
}

impl Channel {
    /// Makes a channel of one that is open; `first` is the event that showed it.
    pub(crate) fn new(
        raw: RawChannel,
        first: RawEvent,
        session: Arc<Handle>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let link = session.link();
        let inbox = Inbox::new(link.fragments.and(Some(link.reassembly)));
        let outbox = Arc::new(Outbox::new(raw, Arc::clone(link)));
        let shared = Arc::new(Shared { outbox, end: OnceLock::new(), session, _permit: permit });
        let sender = ChannelSender { shared: Arc::clone(&shared) };
        Self { sender, receiver: ChannelReceiver { shared, first: Some(first), inbox: Some(inbox) } }
    }

    /// Returns the label that the opening side gave to the channel.
    pub fn label(&self) -> &str {
        self.sender.label()
    }

    /// Sends one message. See [`ChannelSender::send`].
    ///
    /// # Errors
    ///
    /// As [`ChannelSender::send`].
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<Sent, SendError> {
        self.sender.send(message).await
    }

    /// Receives the next message. See [`ChannelReceiver::recv`].
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.receiver.recv().await
    }

    /// Closes the channel on both sides. Messages that were sent before are still delivered.
    pub async fn close(&self) {
        self.sender.close().await;
    }

    /// Returns why [`Channel::recv`] ended, once it has.
    pub fn end(&self) -> Option<ChannelEnd> {
        self.receiver.end()
    }

    /// Returns another sender for this channel.
    pub fn sender(&self) -> ChannelSender {
        self.sender.clone()
    }

    /// Takes the two directions apart.
    pub fn split(self) -> (ChannelSender, ChannelReceiver) {
        (self.sender, self.receiver)
    }
}

impl ChannelSender {
    /// Returns the label that the opening side gave to the channel.
    pub fn label(&self) -> &str {
        self.shared.outbox.label()
    }

    /// Sends one JSON-RPC message, which must be UTF-8.
    ///
    /// Waits while the path is full, so that a slow peer slows its sender down and memory stays flat. Several
    /// messages may be sent at once: small ones do not wait behind a large one that is on its way in fragments.
    /// Dropping the future either withdraws the message or lets it go whole; half of one is never sent.
    ///
    /// A *response* above the peer's limit is replaced by a JSON-RPC error for its id ([`Sent::ErrorInstead`]).
    ///
    /// # Errors
    ///
    /// [`SendError::TooLarge`] for any other message above the limit, after which the channel is as good as before;
    /// [`SendError::Closed`] if channel or session have ended.
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<Sent, SendError> {
        self.shared.outbox.send(message.into(), || {}).await
    }

    /// Sends one message as [`send`](ChannelSender::send) does, and calls `handed_over` when the last of it is on its way.
    ///
    /// The calls of one channel come in the order in which the peer will have the messages whole, which need not be the
    /// order of the sending where small messages pass a large one.
    ///
    /// # Errors
    ///
    /// As [`send`](ChannelSender::send); `handed_over` has not been called then.
    pub async fn send_noting(
        &self,
        message: impl Into<Bytes>,
        handed_over: impl FnOnce() + Send + 'static,
    ) -> Result<Sent, SendError> {
        self.shared.outbox.send(message.into(), handed_over).await
    }

    /// Closes the channel on both sides. Messages that were sent before are still delivered.
    pub async fn close(&self) {
        self.shared.outbox.close().await;
    }

    /// Returns the session that the channel belongs to.
    pub fn session(&self) -> crate::Session {
        crate::Session::from_handle(Arc::clone(&self.shared.session))
    }
}

impl ChannelReceiver {
    /// Receives the next whole message; `None` when the channel has ended, for the reason that
    /// [`end`](ChannelReceiver::end) gives. Cancel-safe.
    ///
    /// A receiver that is not read holds its peer back, and with it the session's other channels, which share one
    /// window (RFC 9260, section 6.2).
    pub async fn recv(&mut self) -> Option<Bytes> {
        while let Some(inbox) = &mut self.inbox {
            let event = match self.first.take() {
                Some(event) => event,
                None => self.shared.outbox.raw().next().await,
            };
            match inbox.take(event) {
                Ok(Some(message)) => return Some(message),
                Ok(None) => {}
                Err(end) => self.finish(end),
            }
        }
        None
    }

    /// Returns why [`ChannelReceiver::recv`] ended, once it has.
    pub fn end(&self) -> Option<ChannelEnd> {
        self.shared.end.get().cloned()
    }

    fn finish(&mut self, end: ChannelEnd) {
        self.inbox = None;
        if end != ChannelEnd::Closed {
            tracing::debug!(label = self.shared.outbox.label(), %end, "channel closed");
        }
        let _ = self.shared.end.set(end);
        self.shared.session.link().suspicion.notify_one();
        self.shared.outbox.close_soon();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.outbox.close_soon();
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Channel").field("label", &self.label()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ChannelSender {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ChannelSender").field("label", &self.label()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ChannelReceiver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let label = self.shared.outbox.label();
        formatter.debug_struct("ChannelReceiver").field("label", &label).finish_non_exhaustive()
    }
}
