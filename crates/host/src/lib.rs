//! The desktop without a desktop: everything that Gatelodge does on the machine whose MCP servers are lent, with no
//! window and no terminal in it.
//!
//! What is lent is described by a [`ServerDefinition`]; who may use it, and how much of it, by a [`Grant`].

mod activity;
pub mod approval;
mod desktop_identity;
pub mod gate;
mod grant;
mod home;
mod keychain;
mod link;
mod secret;
mod server;
mod store;
mod time;
mod trust;
mod upstream;

pub use activity::{
    Activity, ActivityEntry, ActivityEvent, ActivityFilter, ActivityRecorder, ActivityRow, AgentChange,
    Answer, ArgumentsText, BoundedText, BriefText, CallOutcome, ChainHead, ChainVerdict, DecidedBy,
};
pub use desktop_identity::{IdentityEntryError, load_or_create_identity};
pub use gatelodge_wire::Fingerprint;
pub use grant::{EntryRule, Grant, ToolPin, ToolRule, ToolRules};
pub use home::{HOME_VARIABLE, Home};
pub use keychain::{
    Injection, Keychain, KeychainCall, KeychainError, KeychainScope, MAX_KEYCHAIN_VALUE, MemoryKeychain,
    SecretBytes, SystemKeychain,
};
pub use link::{LinkDefinition, LinkId, LinkIdError, LinkKind, LinkPolicy};
pub use secret::{SecretError, SecretName, Secrets, secret_references};
pub use server::{FolderAccess, ServerDefinition, ServerId, ServerIdError, ServerKind, SharedFolder};
pub use store::{Settings, Store, StoreError};
pub use time::Timestamp;
pub use trust::{
    AgentLabel, AgentRecord, AgentState, GrantsVerdict, LabelError, Origin, Pairing, RecordError, TrustError,
    TrustStore,
};
pub use upstream::{
    EndCause, EndReason, Ending, Era, InProcessError, InProcessTransport, LaunchOptions, LogLine, LogSource,
    LoginEnvironment, LoginShell, MESSAGE_LIMIT, ProbeError, ProgramError, ResolveSecrets, ServerLauncher,
    ServerLog, ServerReport, StartError, Upstream, UpstreamError, UpstreamReceiver, UpstreamSender, guard,
    probe_upstream,
};
