//! The desktop without a desktop: everything that Gatelodge does on the machine whose MCP servers are lent, with no
//! window and no terminal in it.
//!
//! A [`Host`] is a running desktop. What it tells is a stream of [`HostEvent`]s; what it asks is answered where
//! [`Host::approvals`] shows it; what else there is to do goes through [`Host::perform`].
//!
//! ```no_run
//! use gatelodge_host::manage::Request;
//! use gatelodge_host::upstream::guard::GuardCommand;
//! use gatelodge_host::{Home, Host, HostConfig};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = HostConfig::new(Home::from_env(), GuardCommand::current_exe()?);
//! let (host, mut events) = Host::start(config).await?;
//! println!("{:?}", host.perform(Request::Servers).await);
//! while let Some(event) = events.recv().await {
//!     println!("{event:?}");
//! }
//! # Ok(()) }
//! ```
//!
//! # The way of one call
//!
//! A link brings a peer; the handshake proves who it is; [`trust`] knows whether it may come in, or [`approval`] asks.
//! Each channel that it opens gets a server of its own ([`upstream`]), and a [`gate`] between the two that judges every
//! message by the [`Grant`]. What happened is in the [`activity`] log.
//!
//! # What is kept
//!
//! Servers, links, grants and the log are in a database; the desktop's identity, the record of each agent and secrets are
//! in the operating system's keychain. Grants that do not match the record's digest count as none.

pub mod activity;
pub mod approval;
mod desktop;
mod desktop_identity;
pub mod diagnosis;
mod environment;
mod event;
mod front_gate;
pub mod gate;
mod grant;
mod home;
mod host;
mod housekeeping;
mod keychain;
mod link;
mod links;
pub mod live;
pub mod manage;
mod pairing;
mod secret;
mod server;
mod session;
mod settings;
mod store;
mod time;
pub mod trust;
#[cfg(feature = "typescript")]
pub mod typescript;
pub mod upstream;

pub use desktop::{Transient, least_grant};
pub use desktop_identity::{IdentityEntryError, load_or_create_identity};
pub use environment::{CA_FILE_VARIABLE, machine_name};
pub use event::{HostEvent, HostEvents, SessionId};
pub use front_gate::{GateChange, GateState};
pub use gatelodge_wire::Fingerprint;
pub use gatelodge_wire::{PlaceUrl, RendezvousUrl, RendezvousUrlError};
pub use grant::{EntryRule, Grant, ToolPin, ToolRule, ToolRules};
pub use home::{HOME_VARIABLE, Home};
pub use host::{Host, HostConfig, StartError};
pub use keychain::{
    Injection, Keychain, KeychainCall, KeychainError, KeychainScope, KeychainState, MAX_KEYCHAIN_VALUE,
    MemoryKeychain, SecretBytes, SystemKeychain,
};
pub use link::{EMBEDDED_PORT, LinkDefinition, LinkId, LinkIdError, LinkKind, LinkPolicy};
pub use pairing::{DEFAULT_INVITATION_TIME, InvitationSummary};
pub use secret::{SecretError, SecretName, Secrets, secret_references};
pub use server::{FolderAccess, ServerDefinition, ServerId, ServerIdError, ServerKind, SharedFolder};
pub use settings::{
    Density, GateAtStart, IceServerSetting, NotifyChoice, RendezvousChoice, Settings, SettingsError, Theme,
};
pub use store::{Store, StoreError};
pub use time::Timestamp;
