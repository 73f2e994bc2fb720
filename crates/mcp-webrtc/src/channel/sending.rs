//! The sending side of a channel: sizes, fragments and back-pressure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::{Bytes, BytesMut};
use gatelodge_wire::{Envelope, HEADER_LEN, peek, split, too_large_error};
use tokio::sync::Semaphore;

use crate::engine::RawChannel;
use crate::session::Link;

/// Messages above this size go in fragments where the peer takes them, even if one SCTP message could hold them: a
/// message that has been handed to the engine cannot be overtaken any more.
const FRAGMENT_ABOVE: usize = 64 * 1024;

/// How many large messages may be under way in fragments; peers refuse more (see [`gatelodge_wire::FragmentLimits`]).
const MAX_UNFINISHED: usize = 16;

/// What became of a message that [`ChannelSender::send`](super::ChannelSender::send) took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent {
    /// It was sent.
    Message,
    /// It was a response above the peer's limit; the peer got a JSON-RPC error for the same id.
    ErrorInstead {
        /// The size of the response in bytes.
        size: usize,
        /// The largest message that this peer takes, in bytes.
        limit: usize,
    },
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The message is above what the peer takes.
    #[error("the message has {size} bytes and this peer takes {limit}; ask for less at a time")]
    TooLarge {
        /// The size of the message in bytes.
        size: usize,
        /// The largest message that this peer takes, in bytes.
        limit: usize,
    },
    /// JSON-RPC messages are UTF-8 text.
    #[error("the message is not UTF-8")]
    NotUtf8,
    /// The channel or its session has ended.
    #[error("the channel is closed")]
    Closed,
}

pub(super) struct Outbox {
    raw: RawChannel,
    link: Arc<Link>,
    next_number: AtomicU32,
    unfinished: Arc<Semaphore>,
}

impl Outbox {
    pub(super) fn new(raw: RawChannel, link: Arc<Link>) -> Self {
        link.flow.watch(&raw);
        let unfinished = Arc::new(Semaphore::new(MAX_UNFINISHED));
        Self { raw, link, next_number: AtomicU32::new(0), unfinished }
    }

    pub(super) fn raw(&self) -> &RawChannel {
        &self.raw
    }

    pub(super) fn label(&self) -> &str {
        self.raw.label()
    }

    pub(super) async fn close(&self) {
        // The engine drops what it has not sent when a channel is closed.
        let _ = self.link.cancelled_or(self.link.flow.channel_drained(&self.raw)).await;
        self.raw.close().await;
    }

    /// Closes the channel in a task of the session, for a caller that cannot wait.
    pub(super) fn close_soon(self: &Arc<Self>) {
        let this = Arc::clone(self);
        self.link.spawn(async move { this.close().await });
    }

    /// Sends a message. `handed_over` is called once the engine has the last of it, before it gets anything else.
    pub(super) async fn send(
        self: &Arc<Self>,
        message: Bytes,
        handed_over: impl FnOnce() + Send + 'static,
    ) -> Result<Sent, SendError> {
        let size = message.len();
        let limit = self.limit();
        if size > limit {
            let Ok(Envelope::Response { id, .. }) = peek(&message) else {
                return Err(SendError::TooLarge { size, limit });
            };
            self.send_text(&too_large_error(id, size, limit), handed_over).await?;
            return Ok(Sent::ErrorInstead { size, limit });
        }
        let text = std::str::from_utf8(&message).map_err(|_| SendError::NotUtf8)?;
        if self.link.fragments.is_none() || size <= FRAGMENT_ABOVE.min(self.link.max_message) {
            self.send_text(text, handed_over).await?;
        } else {
            self.send_fragments(message, handed_over).await?;
        }
        Ok(Sent::Message)
    }

    /// Returns the largest message that the peer takes, in bytes.
    fn limit(&self) -> usize {
        match self.link.fragments {
            Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX).max(self.link.max_message),
            None => self.link.max_message,
        }
    }

    async fn send_text(&self, text: &str, handed_over: impl FnOnce()) -> Result<(), SendError> {
        // The flow hands over one message at a time, so that the calls come in the order of the messages.
        let hand_over = async {
            let outcome = self.raw.send_text(text).await;
            if outcome.is_ok() {
                handed_over();
            }
            outcome
        };
        match self.link.flow.message(text.len(), hand_over).await {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(SendError::Closed),
        }
    }

    /// Sends a large message in a task of its own, so that it goes out whole even if the caller stops waiting.
    async fn send_fragments(
        self: &Arc<Self>,
        message: Bytes,
        handed_over: impl FnOnce() + Send + 'static,
    ) -> Result<(), SendError> {
        let permit = Arc::clone(&self.unfinished).acquire_owned().await.map_err(|_| SendError::Closed)?;
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let this = Arc::clone(self);
        let sent = self.link.spawn(async move {
            let _permit = permit;
            let mut fragments = split(number, &message, HEADER_LEN);
            let mut handed_over = Some(handed_over);
            loop {
                let size = this.link.flow.fragment_size().await;
                fragments.set_max_frame(size.min(this.link.max_message));
                let Some(fragment) = fragments.next() else { return Some(()) };
                let (bytes, fragment) = (fragment.len(), BytesMut::from(fragment));
                let last = fragments.len() == 0;
                let hand_over = async {
                    let outcome = this.raw.send_binary(fragment).await;
                    if last
                        && outcome.is_ok()
                        && let Some(handed_over) = handed_over.take()
                    {
                        handed_over();
                    }
                    outcome
                };
                this.link.flow.fragment(bytes, hand_over).await?.ok()?;
            }
        });
        match sent.await {
            Ok(Some(Some(()))) => Ok(()),
            _ => Err(SendError::Closed),
        }
    }
}
