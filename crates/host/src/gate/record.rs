//! What the gate tells about the messages that pass it, for the activity log: who called what, how large, how long,
//! and what became of it. Never what was in it.

use std::borrow::Cow;
use std::time::Duration;

use gatelodge_wire::MessageFault;

use super::policy::{DenyReason, Side};
use crate::time::Timestamp;

/// Something that the activity log wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// A request has been taken in. Its end has the same number.
    Started(Call),
    /// A request is through.
    Ended {
        /// Which.
        call: Call,
        /// What became of it.
        outcome: Outcome,
        /// The length of the answer in bytes; 0 if there was none.
        answer_bytes: usize,
        /// How long it took from its coming to its answer.
        took: Duration,
        /// Whether a person approved it.
        approved: bool,
    },
    /// A message was not forwarded.
    Dropped {
        /// Who sent it.
        from: Side,
        /// Why.
        reason: DropReason,
        /// Its length.
        bytes: usize,
    },
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The request's number on its channel, from 1 on: ids are the peers' and may come again.
    pub number: u64,
    /// Who made it.
    pub from: Side,
    /// When it came.
    pub at: Timestamp,
    /// Its method.
    pub method: Cow<'static, str>,
    /// The tool, prompt, resource or task that it names.
    pub subject: Option<Box<str>>,
    /// Its length in bytes.
    pub bytes: usize,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// It was answered by a tool's result that says that it failed.
    Failed,
    /// It was answered by a JSON-RPC error.
    Error,
    /// The policy denied it.
    Denied(DenyReason),
    /// The person declined it.
    Declined,
    /// Nobody decided in time.
    TimedOut,
    /// Whoever made it withdrew it.
    Cancelled,
    /// There were too many at once.
    Busy,
    /// The server's answer was not one that can be passed on.
    BadAnswer,
    /// The gate answered it itself.
    AnsweredHere,
    /// The channel ended before.
    Unanswered,
}

/// Why a message was not forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// It could not be read.
    Fault(MessageFault),
    /// A response to nothing that was asked, or the second one.
    NotAsked,
    /// An error that does not say what it is about.
    NoId,
    /// A request whose id or progress token another one has that is not answered yet, or an id that is not allowed.
    Id,
    /// Its params are not what its method wants.
    Params,
    /// The policy.
    Denied(DenyReason),
    /// About a request that is already through.
    Late,
}
