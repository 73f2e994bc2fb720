//! The desktop without a desktop: everything that Gatelodge does on the machine whose MCP servers are lent, with no
//! window and no terminal in it.
//!
//! What is lent is described by a [`ServerDefinition`]; who may use it, and how much of it, by a [`Grant`]. A [`Gate`]
//! stands between each channel of an agent and the server; the [`Broker`] asks the person.

mod approval;
mod gate;
mod grant;
mod server;
mod time;

pub use approval::{
    Answer, AnswerError, Broker, ClaimedName, Denial, Nonce, Notice, Prompt, PromptId, Queue, QueueConfig,
    Request, RequestId, ShownText, Subject, Terms, Verdict,
};
pub use gate::{
    Call, CanonicalError, Decision, Definition, DenyReason, DropReason, EndReason, Gate, GateConfig,
    GateLimits, Judged, Moment, NOT_ALLOWED, Outcome, Output, Question, QuestionKind, Record, Shape, Side,
    TOO_MANY_REQUESTS, Ticket, ToolNews, canonical, decide, pin_of,
};
pub use gatelodge_wire::Fingerprint;
pub use grant::{EntryRule, Grant, ToolPin, ToolRule, ToolRules};
pub use server::{FolderAccess, ServerDefinition, ServerId, ServerIdError, ServerKind, SharedFolder};
pub use time::Timestamp;
