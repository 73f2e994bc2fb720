//! What happened: an append-only log of sessions, decisions and calls, chained by hashes.
//!
//! An entry says who did what to which server, how large it was, how long it took and how it ended. There is no field for
//! results, file contents or secrets; arguments are kept only if the person turned that on. [`Activity`] takes entries
//! from the running desktop, and [`Store`](crate::Store) reads, checks, prunes and exports them.

use std::fmt;

use gatelodge_wire::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::server::ServerId;
use crate::time::Timestamp;

mod chain;
mod query;
mod recorder;
#[cfg(test)]
mod tests;

pub use chain::{ChainHead, ChainVerdict};
pub use query::{ActivityFilter, ActivityRow, CallCounts};
pub use recorder::{Activity, ActivityRecorder};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ActivityEntry {
    /// When.
    pub at: Timestamp,
    /// Which session it belongs to, by its number since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// Which agent did it or had it done to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Fingerprint>,
    /// To which server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerId>,
    /// What.
    #[serde(flatten)]
    pub event: ActivityEvent,
}

impl ActivityEntry {
    /// Makes an entry for what happens now.
    pub fn now(event: ActivityEvent) -> Self {
        Self { at: Timestamp::now(), session: None, agent: None, server: None, event }
    }

    /// Adds the session.
    #[must_use]
    pub fn session(mut self, session: u64) -> Self {
        self.session = Some(session);
        self
    }

    /// Adds the agent.
    #[must_use]
    pub fn agent(mut self, agent: Fingerprint) -> Self {
        self.agent = Some(agent);
        self
    }

    /// Adds the server.
    #[must_use]
    pub fn server(mut self, server: ServerId) -> Self {
        self.server = Some(server);
        self
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum ActivityEvent {
    /// An agent's identity is proved, and its session begins.
    SessionBegun {
        /// The link that it came by.
        link: BriefText,
    },
    /// A session is over.
    SessionEnded {
        /// Why.
        reason: BriefText,
    },
    /// The person is asked.
    ApprovalAsked {
        /// What about.
        subject: BriefText,
    },
    /// The question is answered.
    ApprovalAnswered {
        /// What it was about.
        subject: BriefText,
        /// How.
        answer: Answer,
        /// By whom.
        by: DecidedBy,
    },
    /// A request of an agent, or its refusal.
    Call {
        /// The method, such as `tools/call`.
        method: BriefText,
        /// The tool, or the resource.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        target: Option<BriefText>,
        /// Bytes of the request.
        request_bytes: u64,
        /// From the request to its answer, in milliseconds.
        millis: u64,
        /// How it ended.
        outcome: CallOutcome,
        /// The arguments. They are dropped unless the person turned recording them on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        arguments: Option<ArgumentsText>,
    },
    /// Requests that were refused like others shortly before, and have no entries of their own: an agent that is refused
    /// again and again must not fill the log.
    MoreRefused {
        /// How many.
        calls: u64,
    },
    /// The person changed what an agent may do.
    AgentChanged {
        /// How.
        change: AgentChange,
    },
    /// An agent's grants were found altered behind the application's back, and count as none.
    GrantsAltered,
    /// A server ended unasked.
    ServerCrashed {
        /// What is known about it.
        reason: BriefText,
    },
    /// Entries that could not be written.
    Lost {
        /// How many.
        entries: u64,
    },
}

impl ActivityEvent {
    /// Returns the name of the kind, as it is in the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SessionBegun { .. } => "session-begun",
            Self::SessionEnded { .. } => "session-ended",
            Self::ApprovalAsked { .. } => "approval-asked",
            Self::ApprovalAnswered { .. } => "approval-answered",
            Self::Call { .. } => "call",
            Self::MoreRefused { .. } => "more-refused",
            Self::AgentChanged { .. } => "agent-changed",
            Self::GrantsAltered => "grants-altered",
            Self::ServerCrashed { .. } => "server-crashed",
            Self::Lost { .. } => "lost",
        }
    }
}

/// How a question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "AnswerInLog"))]
pub enum Answer {
    /// Yes, this once.
    Once,
    /// Yes, until the session ends.
    Session,
    /// Yes, from now on.
    Always,
    /// No.
    Denied,
    /// No, and the session ends.
    Ended,
    /// No, and never again.
    Blocked,
}

/// Who answered a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum DecidedBy {
    /// The person.
    Person,
    /// Nobody, in time.
    Timeout,
    /// A rule, such as a limit on questions.
    Policy,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum CallOutcome {
    /// The server answered.
    Answered,
    /// The server answered with an error, or a result that says it is one.
    Failed,
    /// It never reached the server.
    Denied,
    /// The agent took it back.
    Cancelled,
    /// The session or the server ended first.
    Interrupted,
}

impl CallOutcome {
    /// Returns its name, as it is in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What the person changed about an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum AgentChange {
    /// It is trusted now.
    Trusted,
    /// It has other grants.
    Granted,
    /// It has another label.
    Renamed,
    /// It is blocked.
    Blocked,
    /// It is forgotten.
    Forgotten,
}

/// A name or a sentence in the log: 200 bytes hold either.
pub type BriefText = BoundedText<200>;

/// A call's arguments in the log: 4 KiB show what a call was about; what files it wrote is not the log's to keep.
pub type ArgumentsText = BoundedText<4096>;

/// A text of at most so many bytes. A longer one is cut and ends with `...`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct BoundedText<const MAX: usize>(String);

/// What a text that was cut ends with.
const CUT: &str = "...";

impl<const MAX: usize> From<String> for BoundedText<MAX> {
    fn from(mut text: String) -> Self {
        if text.len() > MAX {
            text.truncate(text.floor_char_boundary(MAX - CUT.len()));
            text.push_str(CUT);
            text.shrink_to_fit();
        }
        Self(text)
    }
}

impl<const MAX: usize> From<&str> for BoundedText<MAX> {
    fn from(text: &str) -> Self {
        if text.len() <= MAX {
            return Self(text.to_owned());
        }
        Self(format!("{}{CUT}", &text[..text.floor_char_boundary(MAX - CUT.len())]))
    }
}

impl<const MAX: usize> From<BoundedText<MAX>> for String {
    fn from(text: BoundedText<MAX>) -> Self {
        text.0
    }
}

impl<const MAX: usize> fmt::Display for BoundedText<MAX> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}
