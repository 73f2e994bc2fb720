//! The upstream side: the local MCP servers, one of their own for each channel.
//!
//! An [`Upstream`] carries whole JSON-RPC messages as bytes and never looks into them further than to see that they may
//! be one. [`ServerLauncher`] makes upstreams of programs; built-in servers get theirs from [`Upstream::in_process`].
//! What judges the messages stands between an upstream and its channel.

mod child;
mod crashes;
mod end;
mod group;
pub mod guard;
mod in_process;
mod launcher;
mod lines;
mod log;
mod login_shell;
mod one_line;
mod probe;
mod program;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use child::{ChildReceiver, ChildSender};
use end::{EndState, Held};
use in_process::{InProcessReceiver, InProcessSender};

pub use end::{EndCause, EndReason, Ending};
pub use in_process::{InProcessError, InProcessTransport};
pub use launcher::{LaunchOptions, ServerLauncher, StartError};
pub use log::{LogLine, LogSource, ServerLog};
pub(crate) use login_shell::home;
pub use login_shell::{LoginEnvironment, LoginShell};
pub use probe::{Era, ProbeError, ServerReport, probe_upstream};
pub(crate) use program::locate;
pub use program::{ProgramError, ResolveSecrets};

/// The largest message in either direction unless configured otherwise, in bytes: the same as over a data channel.
pub const MESSAGE_LIMIT: usize = 64 * 1024 * 1024;

/// How long a built-in server may take to stop once it is asked to. It only has to drop what it does.
const BUILT_IN_WAIT: Duration = Duration::from_secs(2);

/// One running server, for one channel.
///
/// Dropping both halves ends it gently.
#[derive(Debug)]
pub struct Upstream {
    sender: UpstreamSender,
    receiver: UpstreamReceiver,
}

/// The sending half of an [`Upstream`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct UpstreamSender {
    inner: SenderInner,
    held: Arc<Held>,
}

#[derive(Debug, Clone)]
enum SenderInner {
    Child(ChildSender),
    InProcess(InProcessSender),
}

/// The receiving half of an [`Upstream`].
#[derive(Debug)]
pub struct UpstreamReceiver {
    inner: ReceiverInner,
    held: Arc<Held>,
}

#[derive(Debug)]
enum ReceiverInner {
    Child(ChildReceiver),
    InProcess(InProcessReceiver),
}

/// Why a message did not go to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The server has ended, is being ended, or has closed its standard input. [`UpstreamSender::ended`] says why.
    #[error("the server has ended")]
    Ended,
    /// The message is over the limit. The upstream is as good as before.
    #[error("the message has {len} bytes, over the limit of {limit}")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The message is no JSON: a string has a raw line break in it. The upstream is as good as before.
    #[error("the message has a raw line break inside a string, which is not JSON")]
    BrokenString,
}

impl Upstream {
    /// Makes an upstream of any rmcp server inside this process, which serves the returned half:
    /// `server.serve(transport)`. Nothing runs until it does.
    pub fn in_process() -> (Self, InProcessTransport) {
        let (sender, receiver, transport) = in_process::in_process(MESSAGE_LIMIT);
        let held = Arc::new(Held(Arc::clone(&sender.state)));
        let sender = UpstreamSender { inner: SenderInner::InProcess(sender), held: Arc::clone(&held) };
        let receiver = UpstreamReceiver { inner: ReceiverInner::InProcess(receiver), held };
        (Self { sender, receiver }, transport)
    }

    fn of_child(sender: ChildSender, receiver: ChildReceiver) -> Self {
        let held = Arc::new(Held(Arc::clone(&sender.state)));
        let sender = UpstreamSender { inner: SenderInner::Child(sender), held: Arc::clone(&held) };
        let receiver = UpstreamReceiver { inner: ReceiverInner::Child(receiver), held };
        Self { sender, receiver }
    }

    /// Sends one message. See [`UpstreamSender::send`].
    ///
    /// # Errors
    ///
    /// As [`UpstreamSender::send`].
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<(), UpstreamError> {
        self.sender.send(message).await
    }

    /// Receives the next message. See [`UpstreamReceiver::recv`].
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.receiver.recv().await
    }

    /// Returns another sender to this server.
    pub fn sender(&self) -> UpstreamSender {
        self.sender.clone()
    }

    /// Takes the two directions apart.
    pub fn split(self) -> (UpstreamSender, UpstreamReceiver) {
        (self.sender, self.receiver)
    }

    /// Ends the server, reading and forgetting what it still has to say, and waits until nothing of it is left.
    pub async fn end(mut self, ending: Ending) -> EndReason {
        self.sender.start_end(ending);
        let Self { sender, receiver } = &mut self;
        let reading = async {
            receiver.discard().await;
            receiver.ended().await
        };
        tokio::select! {
            biased;
            reason = sender.ended() => reason,
            reason = reading => reason,
            reason = sender.given_up(ending) => reason,
        }
    }
}

impl UpstreamSender {
    /// Sends one whole JSON-RPC message: the same bytes, except that line breaks between tokens become spaces on their
    /// way to a child process.
    ///
    /// Waits while the server doesn't read, so that memory stays flat. Several messages may be sent at once; they go
    /// one after the other. Dropping the future withdraws the message, or leaves its rest to be written before the
    /// next one; nothing else ever stands between two pieces of a message.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Ended`] if the server is no longer there for it; the other ones for messages that it can't be
    /// given, after which the upstream is as good as before.
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<(), UpstreamError> {
        match &self.inner {
            SenderInner::Child(sender) => sender.send(message.into()).await,
            SenderInner::InProcess(sender) => sender.send(message.into()).await,
        }
    }

    /// Begins to end the server and returns at once. Can be repeated to hurry an end that has begun.
    pub fn start_end(&self, ending: Ending) {
        self.state().ask(EndCause::Ended, ending);
    }

    /// Waits until the server has ended and nothing of it is left; returns why. Does not end it.
    ///
    /// If it was ended, the receiving half should be read or dropped meanwhile: a server that waits for a reader
    /// can't finish by itself, and is killed in the end.
    pub async fn ended(&self) -> EndReason {
        self.state().ended().await
    }

    /// Waits until a built-in server that doesn't stop is no longer waited for. Children are killed instead.
    async fn given_up(&self, ending: Ending) -> EndReason {
        match (&self.inner, ending) {
            (SenderInner::Child(_), _) => std::future::pending().await,
            (SenderInner::InProcess(_), Ending::Gentle) => tokio::time::sleep(BUILT_IN_WAIT).await,
            (SenderInner::InProcess(_), Ending::Now) => {}
        }
        self.state().finish(EndReason { cause: EndCause::Ended, last_words: Vec::new() });
        self.state().ended().await
    }

    fn state(&self) -> &EndState {
        &self.held.0
    }
}

impl UpstreamReceiver {
    /// Receives the next message; `None` when there are no more. Cancel-safe.
    ///
    /// What isn't read stays in the server's pipe, and holds the server back when that is full.
    pub async fn recv(&mut self) -> Option<Bytes> {
        match &mut self.inner {
            ReceiverInner::Child(receiver) => receiver.recv().await,
            ReceiverInner::InProcess(receiver) => receiver.recv().await,
        }
    }

    /// Waits until the server has ended and nothing of it is left; returns why. To be called after
    /// [`recv`](UpstreamReceiver::recv) has returned `None`.
    pub async fn ended(&self) -> EndReason {
        self.held.0.ended().await
    }

    async fn discard(&mut self) {
        match &mut self.inner {
            ReceiverInner::Child(receiver) => receiver.discard().await,
            ReceiverInner::InProcess(receiver) => receiver.discard().await,
        }
    }
}
