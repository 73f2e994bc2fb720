//! Prompts as a window shows them, and answers as it gives them: the shapes that cross over to a user interface as JSON.
//!
//! Everything in them that a peer has said went through [`ShownText`] or [`ClaimedName`](super::ClaimedName). A view has no
//! more than the question needs: of servers no environment and no notes.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{
    Answer, AnswerError, AnswerKind, Nonce, Prompt, PromptId, ShownText, Subject, SubjectKind, Terms,
    TermsError, Waiting,
};
use crate::desktop::Desktop;
use crate::grant::Grant;
use crate::server::{ServerDefinition, ServerId, ServerKind};
use crate::time::Timestamp;

mod events;

pub use events::PromptEvents;

/// The longest name of a tool in a summary, in characters. The prompt has it whole.
const MAX_BRIEF: usize = 120;

/// The visible prompt, with all that it says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct PromptView {
    /// Which prompt.
    pub id: PromptId,
    /// Of this showing; whoever answers gives it back.
    pub nonce: Nonce,
    /// The agent's fingerprint.
    pub agent: String,
    /// The six words of it.
    pub words: String,
    /// By the person if `known`, else the agent's own claim.
    pub name: String,
    /// Whether the person knows the agent.
    pub known: bool,
    /// The words of the known agent that has the same name.
    pub namesake_words: Option<String>,
    /// The link that the agent came by; empty if its session is over.
    pub link: String,
    /// `direct`, `reflexive` or `relayed`; empty if it is not known.
    #[cfg_attr(feature = "typescript", ts(type = "'direct' | 'reflexive' | 'relayed' | ''"))]
    pub path_kind: String,
    /// The addresses between which packets travel; empty if they are not known.
    pub path: String,
    /// What is asked.
    pub subject: SubjectView,
    /// The servers that can be lent by the answer, or the one that it is about.
    pub servers: Vec<ServerDefinition>,
    /// The answers that there are.
    pub answers: Vec<AnswerKind>,
    /// How many requests this prompt decides.
    pub requests: usize,
    /// How many other prompts wait.
    pub behind: usize,
    /// How long until nobody's deciding is a no.
    pub millis_left: u64,
    /// The whole time that there is.
    pub millis: u64,
}

/// What is asked. See [`Subject`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "subject", rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "Subject"))]
pub enum SubjectView {
    /// See [`Subject::Pairing`].
    Pairing {
        /// The least that each server can be lent with.
        preset: Vec<Grant>,
        /// The fingerprint of the known agent that has the same name.
        namesake: Option<String>,
    },
    /// See [`Subject::UnknownAgent`].
    UnknownAgent {
        /// What the person calls the link that it came by.
        link: String,
        /// The servers that it would be lent.
        servers: Vec<ServerId>,
        /// Whether it has a lasting identity.
        stable: bool,
        /// The fingerprint of the known agent that has the same name.
        namesake: Option<String>,
    },
    /// See [`Subject::Session`].
    Session {
        /// The server.
        server: ServerId,
    },
    /// See [`Subject::ToolCall`].
    ToolCall {
        /// The server.
        server: ServerId,
        /// The tool.
        tool: ShownText,
        /// Its arguments.
        arguments: ShownText,
        /// What it would change.
        detail: Option<ShownText>,
    },
    /// See [`Subject::ChangedTool`].
    ChangedTool {
        /// The server.
        server: ServerId,
        /// The tool.
        tool: ShownText,
        /// The definition that was lent.
        before: Option<ShownText>,
        /// The definition that came now.
        now: ShownText,
    },
}

/// What a prompt's window is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum PromptEvent {
    /// This prompt is visible. With the same id and nonce only numbers have changed.
    Show {
        /// The prompt.
        prompt: Box<PromptView>,
    },
    /// All answers count from now on.
    Armed {
        /// Which prompt.
        id: PromptId,
        /// The nonce that counts.
        nonce: Nonce,
    },
    /// Only a plain no counts from now on.
    Disarmed {
        /// Which prompt.
        id: PromptId,
    },
    /// No prompt is visible.
    None,
}

/// An answer as a window gives it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum PromptAnswer {
    /// See [`Answer::Once`].
    Once,
    /// See [`Answer::Session`].
    Session {
        /// On which terms.
        terms: TermsView,
    },
    /// See [`Answer::Always`].
    Always {
        /// On which terms.
        terms: TermsView,
    },
    /// See [`Answer::Deny`].
    Deny,
    /// See [`Answer::DenyAndEnd`].
    DenyAndEnd,
    /// See [`Answer::Block`].
    Block,
}

/// Terms as a window gives them. See [`Terms`].
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "Terms"))]
pub struct TermsView {
    /// What the person calls the agent.
    pub label: Option<String>,
    /// What it is lent.
    pub grants: Vec<Grant>,
}

/// A prompt of the queue in short, for a menu or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct WaitingSummary {
    /// Which prompt.
    pub id: PromptId,
    /// What is asked.
    pub subject: SubjectKind,
    /// The agent's fingerprint.
    pub agent: String,
    /// The six words of it.
    pub words: String,
    /// By the person if `known`, else the agent's own claim.
    pub name: String,
    /// Whether the person knows the agent.
    pub known: bool,
    /// The server that it is about.
    pub server: Option<ServerId>,
    /// The tool that it is about, in up to 120 characters.
    pub tool: Option<String>,
    /// When it becomes a no.
    pub expires: Timestamp,
}

/// How an agent came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Way {
    pub(crate) link: String,
    pub(crate) kind: String,
    pub(crate) path: String,
}

impl PromptView {
    /// Makes the view of a prompt whose agent came this way.
    pub(crate) fn new(prompt: &Prompt, way: Way, servers: Vec<ServerDefinition>, now: Instant) -> Self {
        let request = &prompt.request;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            id: prompt.id,
            nonce: prompt.nonce,
            agent: request.agent.to_string(),
            words: request.agent.words().to_string(),
            name: request.name.to_string(),
            known: request.known,
            namesake_words: request.subject.namesake().map(|namesake| namesake.words().to_string()),
            link: way.link,
            path_kind: way.kind,
            path: way.path,
            subject: SubjectView::from(&request.subject),
            servers: servers.into_iter().map(bare).collect(),
            answers: request.subject.answers(),
            requests: prompt.requests,
            behind: prompt.behind,
            millis_left: millis(prompt.until.saturating_duration_since(now)),
            millis: millis(prompt.limit),
        }
    }

    /// Makes the view of a prompt with what the desktop knows about it.
    pub(crate) async fn of(desktop: &Desktop, prompt: &Prompt) -> Self {
        let request = &prompt.request;
        let live = request.session.and_then(|session| desktop.sessions.get(session));
        let servers = match request.subject.server() {
            Some(server) => desktop.definitions(std::slice::from_ref(server)).await,
            None => request.offered.clone(),
        };
        let way = live.map(|live| live.way()).unwrap_or_default();
        Self::new(prompt, way, servers, tokio::time::Instant::now().into_std())
    }
}

/// Takes off what the question does not need: an environment may have secrets in it.
fn bare(mut server: ServerDefinition) -> ServerDefinition {
    server.notes.clear();
    if let ServerKind::Stdio { env, .. } = &mut server.kind {
        env.clear();
    }
    server
}

impl From<&Subject> for SubjectView {
    fn from(subject: &Subject) -> Self {
        let namesake = subject.namesake().map(|namesake| namesake.to_string());
        match subject.clone() {
            Subject::Pairing { preset, .. } => Self::Pairing { preset, namesake },
            Subject::UnknownAgent { link, servers, stable, .. } => {
                Self::UnknownAgent { link, servers, stable, namesake }
            }
            Subject::Session { server } => Self::Session { server },
            Subject::ToolCall { server, tool, arguments, detail } => {
                Self::ToolCall { server, tool, arguments, detail }
            }
            Subject::ChangedTool { server, tool, before, now } => {
                Self::ChangedTool { server, tool, before, now }
            }
        }
    }
}

impl From<&Waiting> for WaitingSummary {
    fn from(waiting: &Waiting) -> Self {
        let request = &waiting.request;
        let left = waiting.until.saturating_duration_since(tokio::time::Instant::now().into_std());
        Self {
            id: waiting.id,
            subject: request.subject.kind(),
            agent: request.agent.to_string(),
            words: request.agent.words().to_string(),
            name: request.name.to_string(),
            known: request.known,
            server: request.subject.server().cloned(),
            tool: request.subject.tool().map(|tool| tool.text().chars().take(MAX_BRIEF).collect()),
            expires: Timestamp::now().after(left),
        }
    }
}

impl PromptAnswer {
    /// Reads the answer. What its terms ask for is checked when it is given to the broker.
    ///
    /// # Errors
    ///
    /// [`AnswerError::Terms`] if the label is none.
    pub fn into_answer(self) -> Result<Answer, AnswerError> {
        Ok(match self {
            Self::Once => Answer::Once,
            Self::Session { terms } => Answer::Session(terms.into_terms()?),
            Self::Always { terms } => Answer::Always(terms.into_terms()?),
            Self::Deny => Answer::Deny,
            Self::DenyAndEnd => Answer::DenyAndEnd,
            Self::Block => Answer::Block,
        })
    }
}

impl TermsView {
    fn into_terms(self) -> Result<Terms, TermsError> {
        let label = self.label.map(|label| label.parse()).transpose()?;
        Ok(Terms { label, grants: self.grants })
    }
}

#[cfg(test)]
mod tests;
