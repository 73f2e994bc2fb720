//! The desktop without a desktop: everything that Gatelodge does on the machine whose MCP servers are lent, with no
//! window and no terminal in it.
//!
//! What is lent is described by a [`ServerDefinition`]; who may use it, and how much of it, by a [`Grant`].

mod grant;
mod server;
mod time;
mod upstream;

pub use gatelodge_wire::Fingerprint;
pub use grant::{EntryRule, Grant, ToolPin, ToolRule, ToolRules};
pub use server::{FolderAccess, ServerDefinition, ServerId, ServerIdError, ServerKind, SharedFolder};
pub use time::Timestamp;
pub use upstream::{
    EndCause, EndReason, Ending, Era, InProcessError, InProcessTransport, LaunchOptions, LogLine, LogSource,
    LoginEnvironment, LoginShell, MESSAGE_LIMIT, ProbeError, ProgramError, Secrets, ServerLauncher,
    ServerLog, ServerReport, StartError, Upstream, UpstreamError, UpstreamReceiver, UpstreamSender, guard,
    probe_upstream,
};
