//! The agent's side of a channel: a data channel that ends with its connection, or one that outlives it.

use std::time::Duration;

use bytes::Bytes;
use mcp_webrtc::{
    Channel, ChannelReceiver, ChannelSender, ResumableChannel, ResumableReceiver, SendError, Source,
};

use super::super::resumable::ResumableChannels;
use super::lane::LaneEnd;

/// The agent's side of a channel.
pub(in crate::session) struct Line {
    pub(super) sender: LineSender,
    pub(super) receiver: LineReceiver,
}

/// Where messages to the agent go.
#[derive(Clone)]
pub(super) enum LineSender {
    Plain(ChannelSender),
    Resumable { channel: ResumableChannel, number: u32, all: ResumableChannels },
}

/// Where messages of the agent come from.
pub(super) enum LineReceiver {
    Plain(ChannelReceiver),
    Resumable(ResumableReceiver),
}

impl Line {
    pub(in crate::session) fn plain(channel: Channel) -> Self {
        let (sender, receiver) = channel.split();
        Self { sender: LineSender::Plain(sender), receiver: LineReceiver::Plain(receiver) }
    }

    pub(in crate::session) fn resumable(
        channel: ResumableChannel,
        receiver: ResumableReceiver,
        number: u32,
        all: ResumableChannels,
    ) -> Self {
        let sender = LineSender::Resumable { channel, number, all };
        Self { sender, receiver: LineReceiver::Resumable(receiver) }
    }
}

impl LineReceiver {
    /// Waits for the next message; `None` once there will be none. Cancel-safe.
    pub(super) async fn recv(&mut self) -> Option<Bytes> {
        match self {
            Self::Plain(receiver) => receiver.recv().await,
            Self::Resumable(receiver) => receiver.recv().await,
        }
    }
}

impl LineSender {
    /// Sends one message of the desktop's own to a peer that has no control channel.
    pub(super) async fn send_plainly(&self, message: String) {
        if let Self::Plain(sender) = self {
            let _ = sender.send(message).await;
        }
    }

    /// Waits until a resumable channel's agent has taken what was sent, for at most this long.
    pub(super) async fn deliver(&self, limit: Duration) {
        if let Self::Resumable { channel, .. } = self {
            let delivered = async {
                tokio::select! {
                    () = channel.delivered() => {}
                    () = channel.pump(Nothing) => {}
                }
            };
            let _ = tokio::time::timeout(limit, delivered).await;
        }
    }

    /// Closes the channel for good.
    pub(super) async fn close(&self) {
        match self {
            Self::Plain(sender) => sender.close().await,
            Self::Resumable { number, all, .. } => all.close(*number),
        }
    }
}

/// What the gate lets through to a resumable channel's agent.
pub(super) struct LaneSource(pub(super) LaneEnd);

impl Source for LaneSource {
    async fn next(&mut self) -> Bytes {
        match self.0.next().await {
            Some(message) => {
                // From here on it counts with what is kept for the agent.
                self.0.sent(message.len());
                message
            }
            // The loop that fills the lane is ending, and this with it.
            None => std::future::pending().await,
        }
    }

    async fn refused(&mut self, message: Bytes, error: SendError) {
        tracing::debug!(size = message.len(), %error, "a message was not sent to the agent");
    }
}

/// For a channel that gets nothing new any more.
struct Nothing;

impl Source for Nothing {
    async fn next(&mut self) -> Bytes {
        std::future::pending().await
    }

    async fn refused(&mut self, _: Bytes, _: SendError) {}
}
