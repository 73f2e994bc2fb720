//! Ending a session, a connection or a channel, with the reason that the agent is told.

use std::sync::{Arc, OnceLock};

use gatelodge_wire::RefusalCode;
use tokio_util::sync::CancellationToken;

/// Why a session or a channel ends, in words for the agent's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: RefusalCode,
    /// What the agent is told.
    pub(crate) message: String,
    /// What the person is told instead, where that is more than the agent may know.
    cause: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), cause: None }
    }

    /// Adds what only the person is told.
    pub(crate) fn because(self, cause: String) -> Self {
        Self { cause: Some(cause), ..self }
    }

    /// Returns what the person is told.
    pub(crate) fn for_person(&self) -> &str {
        self.cause.as_ref().unwrap_or(&self.message)
    }
}

/// A way to end something once, with a reason that whoever runs it passes on.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ending {
    token: CancellationToken,
    reason: Arc<OnceLock<Refusal>>,
}

impl Ending {
    /// Ends it; the first reason counts.
    pub(crate) fn end(&self, refusal: Refusal) {
        let _ = self.reason.set(refusal);
        self.token.cancel();
    }

    /// Whether it was ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) -> Refusal {
        self.token.cancelled().await;
        let unsaid = || Refusal::new(RefusalCode::Revoked, "the desktop ended it");
        self.reason.get().cloned().unwrap_or_else(unsaid)
    }
}
