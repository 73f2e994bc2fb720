//! What the person answers, and what becomes of a request.

use serde::{Deserialize, Serialize};

use super::Terms;

/// What the person answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes, this time.
    Once,
    /// Yes, until this session ends, on these terms. Nothing of it is kept, but that an agent is paired.
    Session(Terms),
    /// Yes, from now on, on these terms.
    Always(Terms),
    /// No.
    Deny,
    /// No, and the agent's session ends.
    DenyAndEnd,
    /// No, and never ask about this agent again.
    Block,
}

impl Answer {
    /// Returns the answer without its terms.
    pub fn kind(&self) -> AnswerKind {
        match self {
            Self::Once => AnswerKind::Once,
            Self::Session(_) => AnswerKind::Session,
            Self::Always(_) => AnswerKind::Always,
            Self::Deny => AnswerKind::Deny,
            Self::DenyAndEnd => AnswerKind::DenyAndEnd,
            Self::Block => AnswerKind::Block,
        }
    }
}

/// An answer, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum AnswerKind {
    /// See [`Answer::Once`].
    Once,
    /// See [`Answer::Session`].
    Session,
    /// See [`Answer::Always`].
    Always,
    /// See [`Answer::Deny`].
    Deny,
    /// See [`Answer::DenyAndEnd`].
    DenyAndEnd,
    /// See [`Answer::Block`].
    Block,
}

impl AnswerKind {
    /// All answers.
    pub const ALL: [Self; 6] =
        [Self::Once, Self::Session, Self::Always, Self::Deny, Self::DenyAndEnd, Self::Block];

    /// Whether the answer counts before the prompt has been in view and in focus for a while. A no that nobody meant costs
    /// a call, or an invitation; but one that is remembered for good, a block, has to be meant as well.
    pub fn counts_at_once(self) -> bool {
        matches!(self, Self::Deny | Self::DenyAndEnd)
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, this time.
    Once,
    /// Yes, until the session of the request ends, on these terms.
    Session(Terms),
    /// Yes, from now on, on these terms.
    Always(Terms),
    /// No.
    Denied(Denial),
}

/// Why the verdict is no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Denial {
    /// The person said so.
    Declined,
    /// The person said so, and ends the session.
    Ended,
    /// The person said so, and doesn't want to be asked about the agent again.
    Blocked,
    /// Nobody decided in time.
    TimedOut,
    /// Too much is being asked, by this agent or by all. Nobody saw the request.
    Busy,
    /// The agent was denied a while ago, and asks again too soon. Nobody saw the request.
    TooSoon,
    /// The person said "once", or "for this session", to another request that asked the same.
    Merged,
    /// Whoever asked is gone, or the broker is.
    Withdrawn,
}

impl Denial {
    /// Returns the stable code of the denial, as it goes to the peer and into the activity log.
    pub fn code(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Ended => "ended",
            Self::Blocked => "blocked",
            Self::TimedOut => "timed-out",
            Self::Busy => "busy",
            Self::TooSoon => "too-soon",
            Self::Merged => "merged",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Returns a sentence for the peer, written so that a model can act on it.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Declined | Self::Blocked => {
                "The person who lends this server declined. Do not try the same again; ask your user how to go on."
            }
            Self::Ended => {
                "The person who lends this server declined and ended the session. Do not connect again by yourself; ask \
                 your user how to go on."
            }
            Self::TimedOut => {
                "The person who lends this server did not answer in time, so the call was not made. Try again later."
            }
            Self::Busy => {
                "The call was not made: too many approvals are being asked for. Make fewer calls at a time, and wait."
            }
            Self::TooSoon => "This was declined a while ago. It is too soon to ask again.",
            Self::Merged => {
                "Another request that asked the same was allowed, and only that one. This one was not."
            }
            Self::Withdrawn => "The call was not made: the connection that asked for it has ended.",
        }
    }
}
