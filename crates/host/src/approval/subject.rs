//! What may be asked, and which answers there are to it.

use gatelodge_wire::Fingerprint;
use serde::{Deserialize, Serialize};

use super::{AnswerKind, ShownText};
use crate::grant::Grant;
use crate::server::ServerId;

/// What is asked. Each has its answers: deny always, and what is said here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// An agent that has proved to know an invitation's secret wants to be paired. Answers: always (which pairs it, with
    /// exactly the grants of the terms), session (which pairs it, and lends those for this session), block.
    Pairing {
        /// The least that each server can be lent with, to choose from and to change.
        preset: Vec<Grant>,
        /// The known agent that has the same name and another fingerprint, if there is one.
        namesake: Option<Fingerprint>,
    },
    /// An agent without a record came in by a link. Answers: once (with the least), session (with exactly the grants of
    /// the terms), block; always if its identity is stable.
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
    /// An agent that is in opens a connection to a server for which its grant says "ask". Answers: once, session, always,
    /// deny and end, block.
    Session {
        /// The server.
        server: ServerId,
    },
    /// An agent calls a tool for which its grant says "ask". Answers: once, session, always, deny and end, block.
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
    /// A tool's definition is not the one that was lent. Answers: always (which lends the new one), deny and end.
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

/// What is asked, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum SubjectKind {
    /// See [`Subject::Pairing`].
    Pairing,
    /// See [`Subject::UnknownAgent`].
    UnknownAgent,
    /// See [`Subject::Session`].
    Session,
    /// See [`Subject::ToolCall`].
    ToolCall,
    /// See [`Subject::ChangedTool`].
    ChangedTool,
}

impl Subject {
    /// Returns the kind.
    pub fn kind(&self) -> SubjectKind {
        match self {
            Self::Pairing { .. } => SubjectKind::Pairing,
            Self::UnknownAgent { .. } => SubjectKind::UnknownAgent,
            Self::Session { .. } => SubjectKind::Session,
            Self::ToolCall { .. } => SubjectKind::ToolCall,
            Self::ChangedTool { .. } => SubjectKind::ChangedTool,
        }
    }

    /// Returns the server that it is about, if it is about one.
    pub fn server(&self) -> Option<&ServerId> {
        match self {
            Self::Pairing { .. } | Self::UnknownAgent { .. } => None,
            Self::Session { server } | Self::ToolCall { server, .. } | Self::ChangedTool { server, .. } => {
                Some(server)
            }
        }
    }

    /// Returns the tool that it is about, if it is about one.
    pub fn tool(&self) -> Option<&ShownText> {
        match self {
            Self::ToolCall { tool, .. } | Self::ChangedTool { tool, .. } => Some(tool),
            _ => None,
        }
    }

    /// Returns the known agent that has the same name and another fingerprint, if there is one.
    pub fn namesake(&self) -> Option<Fingerprint> {
        match self {
            Self::Pairing { namesake, .. } | Self::UnknownAgent { namesake, .. } => *namesake,
            _ => None,
        }
    }

    /// Whether an answer is one of this subject's. What cannot be shown whole cannot be allowed.
    pub fn allows(&self, answer: AnswerKind) -> bool {
        use AnswerKind::{Always, Block, Deny, DenyAndEnd, Once, Session};
        match (self, answer) {
            (_, Deny) => true,
            (_, Once | Session | Always) if !self.is_shown_whole() => false,
            // Without a yes its session ends in any case.
            (Self::Pairing { .. }, answer) => matches!(answer, Session | Always | Block),
            (Self::UnknownAgent { stable, .. }, Always) => *stable,
            (Self::UnknownAgent { .. }, answer) => matches!(answer, Once | Session | Block),
            (Self::Session { .. } | Self::ToolCall { .. }, _) => true,
            (Self::ChangedTool { .. }, answer) => matches!(answer, Always | DenyAndEnd),
        }
    }

    /// Returns the answers that there are, from the most to the least that they allow.
    pub fn answers(&self) -> Vec<AnswerKind> {
        AnswerKind::ALL.into_iter().filter(|answer| self.allows(*answer)).collect()
    }

    /// Whether the person sees everything that a yes would be about.
    pub fn is_shown_whole(&self) -> bool {
        self.texts().all(ShownText::is_whole)
    }

    /// How much memory its texts take, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.texts().map(|text| text.text().len()).sum()
    }

    fn texts(&self) -> impl Iterator<Item = &ShownText> {
        let texts = match self {
            Self::ToolCall { tool, arguments, detail, .. } => [Some(tool), Some(arguments), detail.as_ref()],
            Self::ChangedTool { tool, before, now, .. } => [Some(tool), before.as_ref(), Some(now)],
            Self::Pairing { .. } | Self::UnknownAgent { .. } | Self::Session { .. } => [None; 3],
        };
        texts.into_iter().flatten()
    }

    /// Whether somebody asks whom the person has not let in yet.
    pub(super) fn is_of_stranger(&self) -> bool {
        matches!(self, Self::Pairing { .. } | Self::UnknownAgent { .. })
    }

    /// Whether two requests of one agent ask the same thing, so that one prompt does for both. Tool calls never do:
    /// each is shown with its arguments.
    pub(super) fn same_as(&self, other: &Self) -> bool {
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
