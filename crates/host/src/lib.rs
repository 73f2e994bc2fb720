//! The desktop without a desktop: everything that Gatelodge does on the machine whose MCP servers are lent, with no
//! window and no terminal in it.
//!
//! What is lent is described by a [`ServerDefinition`]; who may use it, and how much of it, by a [`Grant`].

mod grant;
mod home;
mod server;
mod time;

pub use gatelodge_wire::Fingerprint;
pub use grant::{EntryRule, Grant, ToolPin, ToolRule, ToolRules};
pub use home::{HOME_VARIABLE, Home};
pub use server::{FolderAccess, ServerDefinition, ServerId, ServerIdError, ServerKind, SharedFolder};
pub use time::Timestamp;
