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
use std::time::{Duration, Instant};

use gatelodge_wire::Fingerprint;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::event::SessionId;
use crate::server::ServerDefinition;

mod broker;
pub(crate) mod bucket;
mod name;
mod queue;
mod shown;
mod subject;
mod terms;
mod verdict;
pub mod view;

pub use broker::Broker;
pub use name::ClaimedName;
pub use queue::{Notice, Queue, QueueConfig, RequestId};
pub use shown::ShownText;
pub use subject::{Subject, SubjectKind};
pub(crate) use terms::lies_in;
pub use terms::{Terms, TermsError};
pub use verdict::{Answer, AnswerKind, Denial, Verdict};

/// Something that a person has to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The certificate that the agent proved to own.
    pub agent: Fingerprint,
    /// What the agent is called: by the person, if it is known; else by itself.
    pub name: ClaimedName,
    /// Whether it is the person who called it so.
    pub known: bool,
    /// The session in which it asks.
    pub session: Option<SessionId>,
    /// The servers that the person may choose from: for an agent that is not let in yet. Nothing else can be lent by an
    /// answer.
    pub offered: Vec<ServerDefinition>,
    /// What is asked.
    pub subject: Subject,
}

/// Names one showing of one prompt. Whoever has it has seen the prompt; nobody can guess it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
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

impl Serialize for Nonce {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("a nonce is 32 hexadecimal digits"))
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
    /// Since when every answer counts, or from when on: it is shown and focused. `None` while it is not both; only a
    /// plain no counts then.
    pub armed_from: Option<Instant>,
    /// When nobody's deciding becomes a no.
    pub until: Instant,
    /// The whole time that there is for it to be visible.
    pub limit: Duration,
}

impl Prompt {
    /// Whether every answer counts; before that only a plain no does.
    pub fn is_armed(&self, now: Instant) -> bool {
        self.armed_from.is_some_and(|from| from <= now)
    }
}

/// A prompt as it stands in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which prompt.
    pub id: PromptId,
    /// What is asked, and by whom.
    pub request: Arc<Request>,
    /// How many requests it decides.
    pub requests: usize,
    /// Whether it is the visible one.
    pub visible: bool,
    /// When it becomes a no, unless it is shown before that, or answered.
    pub until: Instant,
}

/// Names a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "number"))]
pub struct PromptId(u64);

impl PromptId {
    /// Names the prompt of this number. There need not be one.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Returns its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Why an answer does not count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
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
    /// Not an answer to what is asked.
    #[error("this answer is not possible here")]
    NotAllowed,
    /// An answer whose terms are not possible.
    #[error("this answer is not possible: {0}")]
    Terms(#[from] TermsError),
}

impl AnswerError {
    /// Returns the stable code of the error, as user interfaces branch on it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooEarly => "too_early",
            Self::WrongNonce => "wrong_nonce",
            Self::Gone => "gone",
            Self::NotAllowed | Self::Terms(_) => "not_allowed",
        }
    }
}
