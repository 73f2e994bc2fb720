//! What a command fails with: a sentence for people, and a code where a page branches on it.

use gatelodge_host::approval::AnswerError;
use gatelodge_host::manage::Reply;
use serde::Serialize;

/// Why a command was not carried out. The codes are those of `ui/PLATFORM.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    code: &'static str,
    message: String,
}

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::new("other", message)
    }

    /// The keychain or the database cannot be used, so that there is no desktop to ask.
    pub(crate) fn not_running() -> Self {
        Self::new("storage", "the desktop is not running, since its keychain or its database cannot be used")
    }

    /// Whoever asked does not want to know any more.
    pub(crate) fn cancelled() -> Self {
        Self::new("cancelled", "cancelled")
    }

    /// A reply that is none of those that the request has.
    pub(crate) fn of_reply(reply: Reply) -> Self {
        match reply {
            Reply::Failed { message, .. } => Self::other(message),
            other => Self::other(format!("an unexpected reply: {other:?}")),
        }
    }
}

impl From<AnswerError> for Failure {
    fn from(error: AnswerError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<tauri::Error> for Failure {
    fn from(error: tauri::Error) -> Self {
        Self::other(error.to_string())
    }
}
