//! Asking the person: who may come in, and what may be done.
//!
//! The [`Broker`] takes requests from sessions and gates, shows one prompt at a time to whoever draws it (a window, a
//! terminal), and hands back verdicts. It never writes anything down itself: a verdict is all that it can give, and
//! whoever asked acts on it.
//!
//! What protects the person lives here and not in the user interface: an answer counts only with the one-time nonce of
//! the showing, and only after the prompt has been shown and focused for a while; requests are few, fair between
//! agents, and merged where they ask the same thing; and nobody deciding means no.

use std::fmt;
use std::sync::Arc;

use gatelodge_wire::Fingerprint;
use thiserror::Error;

use crate::grant::Grant;
use crate::server::ServerId;

mod broker;
pub(crate) mod bucket;
mod name;
mod queue;
mod shown;

pub use broker::Broker;
pub use name::ClaimedName;
pub use queue::{Notice, Queue, QueueConfig, RequestId};
pub use shown::ShownText;

/// Something that a person has to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The certificate that the agent proved to own.
    pub agent: Fingerprint,
    /// What the agent is called: by the person, if it is known; else by itself.
    pub name: ClaimedName,
    /// What is asked.
    pub subject: Subject,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// An agent that has proved to know an invitation's secret wants to be paired. Answers: always (which pairs it, with
    /// exactly the grants of the terms), deny, block.
    Pairing {
        /// The least that each server can be lent with, to choose from and to change.
        preset: Vec<Grant>,
        /// The known agent that has the same name and another fingerprint, if there is one.
        namesake: Option<Fingerprint>,
    },
    /// An agent without a record came in by a link. Answers: once, deny, block; always if its identity is stable.
    UnknownAgent {
        /// The link that it came by.
        link: String,
        /// The servers that it would be lent.
        servers: Vec<ServerId>,
        /// Whether it proved an identity that it will have the next time, too.
        stable: bool,
        /// The known agent that has the same name and another fingerprint, if there is one.
        namesake: Option<Fingerprint>,
    },
    /// A trusted agent opens a connection to a server for which its grant says "ask". Answers: once, always, deny,
    /// block.
    Session {
        /// The server.
        server: ServerId,
    },
    /// An agent calls a tool for which its grant says "ask". Answers: once, always, deny.
    ToolCall {
        /// The server.
        server: ServerId,
        /// The tool, as the server names it.
        tool: ShownText,
        /// The whole arguments.
        arguments: ShownText,
        /// What the call would change, such as the difference to a file, if the caller can tell.
        detail: Option<ShownText>,
    },
    /// A tool's definition is not the one that was lent. Answers: always (which lends the new one), deny.
    ChangedTool {
        /// The server.
        server: ServerId,
        /// The tool, as the server names it.
        tool: ShownText,
        /// The definition that was lent, if it was kept.
        before: Option<ShownText>,
        /// The definition that came now.
        now: ShownText,
    },
}

impl Subject {
    /// Whether an answer is one of this subject's.
    pub fn allows(&self, answer: &Answer) -> bool {
        match (self, answer) {
            (_, Answer::Deny) => true,
            (Self::Pairing { .. }, answer) => !matches!(answer, Answer::Once),
            (Self::UnknownAgent { stable, .. }, Answer::Always(_)) => *stable,
            (Self::UnknownAgent { .. } | Self::Session { .. }, _) => true,
            (Self::ToolCall { .. }, answer) => !matches!(answer, Answer::Block),
            (Self::ChangedTool { .. }, answer) => matches!(answer, Answer::Always(_)),
        }
    }

    /// Whether somebody asks whom the person has not let in yet.
    pub(crate) fn is_of_stranger(&self) -> bool {
        matches!(self, Self::Pairing { .. } | Self::UnknownAgent { .. })
    }

    /// Whether two requests of one agent ask the same thing, so that one prompt does for both. Tool calls never do:
    /// each is shown with its arguments.
    fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ToolCall { .. }, _) => false,
            (Self::Session { server: a }, Self::Session { server: b }) => a == b,
            (
                Self::UnknownAgent { servers: a, link: c, .. },
                Self::UnknownAgent { servers: b, link: d, .. },
            ) => (a, c) == (b, d),
            (a, b) => a == b,
        }
    }
}

/// What the person answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes, this time.
    Once,
    /// Yes, from now on, on these terms.
    Always(Terms),
    /// No.
    Deny,
    /// No, and never ask about this agent again.
    Block,
}

/// What the person chose beside "yes, from now on".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// What the person calls the agent; `None` keeps what it is called.
    pub label: Option<ClaimedName>,
    /// What it is lent. Only grants to the agent of the prompt are accepted.
    pub grants: Vec<Grant>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, this time.
    Once,
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
    /// The person said so, and doesn't want to be asked about the agent again.
    Blocked,
    /// Nobody decided in time.
    TimedOut,
    /// Too much is being asked, by this agent or by all. Nobody saw the request.
    Busy,
    /// The agent was denied a while ago, and asks again too soon. Nobody saw the request.
    TooSoon,
    /// The person said "once" to another request that asked the same.
    Merged,
    /// Whoever asked is gone, or the broker is.
    Withdrawn,
}

impl Denial {
    /// Returns the stable code of the denial, as it goes to the peer and into the activity log.
    pub fn code(self) -> &'static str {
        match self {
            Self::Declined => "declined",
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
            Self::TimedOut => {
                "The person who lends this server did not answer in time, so the call was not made. Try again later."
            }
            Self::Busy => {
                "The call was not made: too many approvals are being asked for. Make fewer calls at a time, and wait."
            }
            Self::TooSoon => "This was declined a while ago. It is too soon to ask again.",
            Self::Merged => "Another request that asked the same was allowed once. This one was not.",
            Self::Withdrawn => "The call was not made: the connection that asked for it has ended.",
        }
    }
}

/// Names one showing of one prompt. Whoever has it has seen the prompt; nobody can guess it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// Makes a nonce of bytes that nobody can guess.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns it as 32 hexadecimal digits, for a user interface to give back.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads what [`Nonce::to_hex`] wrote.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A log line with it would let its reader answer.
        formatter.write_str("Nonce(..)")
    }
}

/// The prompt that is visible now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Which prompt.
    pub id: PromptId,
    /// What an answer has to come with.
    pub nonce: Nonce,
    /// What is asked, and by whom.
    pub request: Arc<Request>,
    /// How many requests this prompt decides.
    pub requests: usize,
    /// How many other prompts wait.
    pub behind: usize,
    /// When nobody's deciding becomes a no.
    pub until: std::time::Instant,
}

/// Names a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromptId(u64);

impl PromptId {
    /// Returns it as a number, for a user interface to give back.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Why an answer does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The prompt has not been shown and focused for long enough.
    #[error("the prompt has not been in view and in focus for long enough; look at it, then answer")]
    TooEarly,
    /// It is not the nonce of the visible prompt.
    #[error("the answer is not to the prompt that is shown")]
    WrongNonce,
    /// The prompt has been decided or withdrawn, or nobody answered in time.
    #[error("the prompt is not there any more")]
    Gone,
    /// Not an answer to what is asked, or with grants to another agent.
    #[error("this answer is not possible here")]
    NotAllowed,
}
