//! Why an upstream ended, and the state that its halves and its owner share about that.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why an upstream ended, with the last that the server had to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndReason {
    /// What happened.
    pub cause: EndCause,
    /// The last lines of the process's standard error, oldest first: at most 20, together under 4 KiB, without control
    /// characters. They may hold whatever the server wrote, so they are for the person and not for agents.
    pub last_words: Vec<String>,
}

/// What ended an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndCause {
    /// Gatelodge ended it: the channel closed, access was revoked, or the desktop is shutting down.
    Ended,
    /// The process exited by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// The process was ended by a signal that is not ours.
    Signaled {
        /// The signal's number.
        signal: i32,
    },
    /// The server closed its standard output and did not exit.
    StdoutClosed,
    /// The server printed line after line that is no message.
    Garbage {
        /// How many in a row.
        lines: usize,
    },
    /// The server sent a message over the limit.
    LineTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The built-in server finished by itself.
    Finished,
    /// The task that kept the process failed; a defect of Gatelodge.
    Lost,
}

impl EndCause {
    /// Whether the server ended without being asked to.
    pub fn is_crash(&self) -> bool {
        !matches!(self, Self::Ended | Self::Lost)
    }
}

impl fmt::Display for EndCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => formatter.write_str("the server was ended by Gatelodge"),
            Self::Exited { code: 0 } => formatter.write_str("the server exited by itself"),
            Self::Exited { code } => write!(formatter, "the server exited with code {code}"),
            Self::Signaled { signal } => write!(formatter, "the server was killed by signal {signal}"),
            Self::StdoutClosed => formatter.write_str("the server closed its standard output"),
            Self::Garbage { lines } => {
                write!(formatter, "the server printed {lines} lines in a row that are no MCP messages")
            }
            Self::LineTooLong { limit } => {
                write!(formatter, "the server sent a message over the limit of {limit} bytes")
            }
            Self::Finished => formatter.write_str("the built-in server finished"),
            Self::Lost => formatter.write_str("the task that kept the server failed"),
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.cause)?;
        match self.last_words.last() {
            Some(line) => write!(formatter, "; it last said: {line}"),
            None => Ok(()),
        }
    }
}

/// How an upstream is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With time to finish: standard input is closed; after 2 s without an exit comes SIGTERM, after 2 s more SIGKILL.
    Gentle,
    /// At once, for a revoked access: SIGTERM, and SIGKILL after 400 ms.
    Now,
}

/// What the halves of an upstream and its owner know of the end. The first cause stays.
#[derive(Debug, Default)]
pub(crate) struct EndState {
    cause: OnceLock<EndCause>,
    reason: OnceLock<EndReason>,
    /// Somebody wants an end.
    asked: CancellationToken,
    /// Somebody wants it now.
    now: CancellationToken,
    /// Nothing more will be written to standard output.
    gone: CancellationToken,
    /// The reason is there.
    ended: CancellationToken,
}

impl EndState {
    /// Asks for the end. A second call can only hurry it.
    pub(crate) fn ask(&self, cause: EndCause, ending: Ending) {
        let _ = self.cause.set(cause);
        if ending == Ending::Now {
            self.now.cancel();
        }
        self.asked.cancel();
    }

    /// Waits until somebody wants an end.
    pub(crate) async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Waits until somebody wants an end at once.
    pub(crate) async fn hurried(&self) {
        self.now.cancelled().await;
    }

    /// What was given as the cause of the end, if anybody asked for it.
    pub(crate) fn cause(&self) -> Option<&EndCause> {
        self.cause.get()
    }

    /// Tells readers that there is no more to come.
    pub(crate) fn set_gone(&self) {
        self.gone.cancel();
    }

    /// Waits until there is no more to come.
    pub(crate) async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// Everything is over.
    pub(crate) fn finish(&self, reason: EndReason) {
        let _ = self.reason.set(reason);
        self.asked.cancel();
        self.gone.cancel();
        self.ended.cancel();
    }

    /// Waits until everything is over.
    pub(crate) async fn ended(&self) -> EndReason {
        self.ended.cancelled().await;
        self.reason.get().cloned().unwrap_or(EndReason { cause: EndCause::Lost, last_words: Vec::new() })
    }
}

/// Held by the halves of an upstream. When the last one is gone, so is whoever could want the server.
#[derive(Debug)]
pub(crate) struct Held(pub(crate) Arc<EndState>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.ask(EndCause::Ended, Ending::Gentle);
    }
}
