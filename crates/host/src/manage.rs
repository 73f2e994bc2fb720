//! What can be asked of a desktop beside its prompts: to list, change and end things.
//!
//! The same [`Request`] is carried out on a [`Host`](crate::Host) in this process, by the instance that runs (over its
//! socket), or on the database while none runs. The terminal and the tray app both manage the desktop this way; prompts
//! are answered only where they are shown.

mod effect;
mod export;
mod kept;
mod perform;
mod probe;
mod socket;
mod summary;

use std::path::PathBuf;

use gatelodge_wire::{Fingerprint, PlaceUrl};
use serde::{Deserialize, Serialize};

use crate::activity::{ActivityFilter, ActivityRow, CallCounts};
use crate::diagnosis::Check;
use crate::event::SessionId;
use crate::front_gate::{GateChange, GateState};
use crate::grant::Grant;
use crate::link::{LinkDefinition, LinkId};
use crate::pairing::InvitationSummary;
use crate::server::{ServerDefinition, ServerId};
use crate::settings::Settings;

pub use kept::Kept;
pub use perform::perform_offline;
pub(crate) use perform::perform_running;
pub(crate) use socket::serve;
pub use socket::{SocketError, ask_running};
pub use summary::{AgentSummary, RoundTrip, SessionSummary, ToolSummary};

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Request {
    /// Who this desktop is and what is going on.
    Status,
    /// Lists the servers.
    Servers,
    /// Adds a server, or replaces the one of the same id and ends the channels to it.
    PutServer {
        /// The definition.
        server: ServerDefinition,
    },
    /// Removes a server and ends the channels to it.
    RemoveServer {
        /// Which one.
        server: ServerId,
    },
    /// Returns the last lines that a server wrote to its standard error.
    ServerLog {
        /// Which one.
        server: ServerId,
    },
    /// Starts a server for itself, lists what it offers, and ends it.
    ProbeServer {
        /// Which one.
        server: ServerId,
    },
    /// Lists the known agents.
    Agents,
    /// Lets an agent in from now on. It is lent nothing yet.
    Trust {
        /// Which one.
        agent: Fingerprint,
        /// What the person calls it.
        label: String,
    },
    /// Gives an agent another name.
    RenameAgent {
        /// Which one.
        agent: Fingerprint,
        /// The new name.
        label: String,
    },
    /// Turns an agent away from now on, and ends its sessions.
    Block {
        /// Which one.
        agent: Fingerprint,
    },
    /// Forgets an agent with its grants, and ends its sessions.
    Forget {
        /// Which one.
        agent: Fingerprint,
    },
    /// Lists an agent's grants, or everybody's.
    Grants {
        /// Whose.
        agent: Option<Fingerprint>,
    },
    /// Adds a grant, or replaces the one for the same agent and server.
    PutGrant {
        /// The grant.
        grant: Grant,
    },
    /// Takes a grant back, and ends the channels under it.
    RemoveGrant {
        /// Whose.
        agent: Fingerprint,
        /// For what.
        server: ServerId,
    },
    /// Lists the links.
    Links,
    /// Adds a link, or replaces the one of the same id.
    PutLink {
        /// The definition.
        link: LinkDefinition,
    },
    /// Removes a link. Sessions that came by it go on.
    RemoveLink {
        /// Which one.
        link: LinkId,
    },
    /// Opens an invitation.
    Invite {
        /// For how many seconds; 600 if not given.
        #[serde(default)]
        seconds: Option<u64>,
        /// Where agents reach this desktop; by the open links if not given.
        #[serde(default)]
        places: Vec<PlaceUrl>,
    },
    /// Lists the invitations that are open.
    Invitations,
    /// Takes an invitation back.
    CancelInvitation {
        /// Its id, or the beginning of it.
        invitation: String,
    },
    /// Lists the sessions that are up.
    Sessions,
    /// Ends a session.
    EndSession {
        /// Which one.
        session: SessionId,
    },
    /// Reads the activity log.
    Activity {
        /// The largest number of entries; the newest ones.
        limit: usize,
        /// Only what lies before this entry, for the next page.
        before: Option<u64>,
        /// Which entries.
        #[serde(flatten)]
        filter: ActivityFilter,
    },
    /// Counts the calls in the activity log over time.
    ActivityCounts {
        /// In how many equal spans of the time from `from` to `to`; 500 at most.
        buckets: usize,
        /// Which calls.
        #[serde(flatten)]
        filter: ActivityFilter,
    },
    /// Checks the activity log's chain.
    VerifyActivity,
    /// Removes old entries from the activity log.
    PruneActivity {
        /// Days after which an entry is old; those of the settings if not given.
        days: Option<u32>,
    },
    /// Writes the activity log to a file, as JSON lines.
    ExportActivity {
        /// An absolute path; the file must not exist.
        path: PathBuf,
        /// Which entries.
        #[serde(flatten)]
        filter: ActivityFilter,
    },
    /// Keeps a secret that definitions refer to as `${secret:NAME}`.
    PutSecret {
        /// Its name.
        name: String,
        /// Its value.
        value: SecretText,
    },
    /// Removes a secret.
    RemoveSecret {
        /// Its name.
        name: String,
    },
    /// Lists the secrets' names.
    Secrets,
    /// Looks for what keeps agents out. Takes up to 20 s.
    Diagnose,
    /// Returns how the gate is.
    Gate,
    /// Opens or closes the gate. Closing it ends all sessions.
    SetGate {
        /// What becomes of it.
        change: GateChange,
    },
    /// Returns the settings.
    Settings,
    /// Replaces the settings; they count at once.
    PutSettings {
        /// All of them.
        settings: Settings,
    },
}

/// A secret on its way to the keychain. It can't be printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct SecretText(pub String);

impl std::fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SecretText(..)")
    }
}

/// What came of a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Reply {
    /// It was done, and there is nothing to tell.
    Done,
    /// Who this desktop is.
    Status {
        /// Its certificate.
        fingerprint: String,
        /// The certificate's six words.
        words: String,
        /// Whether an instance is running.
        running: bool,
        /// How many sessions are up.
        sessions: usize,
    },
    /// The servers.
    Servers {
        /// In the order of their ids.
        servers: Vec<ServerDefinition>,
    },
    /// What a server wrote.
    ServerLog {
        /// The lines, oldest first.
        lines: Vec<String>,
    },
    /// What a server offers.
    Probed {
        /// Its own name and version.
        server: String,
        /// The protocol revision that it speaks.
        protocol: String,
        /// Its tools.
        tools: Vec<ToolSummary>,
    },
    /// The known agents.
    Agents {
        /// In the order of their labels.
        agents: Vec<AgentSummary>,
    },
    /// Grants.
    Grants {
        /// By agent and server.
        grants: Vec<Grant>,
        /// Agents whose grants were changed behind the app's back; theirs count as none.
        altered: Vec<String>,
    },
    /// The links.
    Links {
        /// In the order of their ids.
        links: Vec<LinkDefinition>,
        /// Where the open ones are reached, by id.
        open: Vec<(LinkId, String)>,
    },
    /// An invitation, as it is shown once.
    Invited {
        /// What is listed of it.
        invitation: InvitationSummary,
        /// The groups, in lines, for people.
        text: SecretText,
        /// The link. In capitals it is for a QR code.
        link: SecretText,
    },
    /// The invitations that are open.
    Invitations {
        /// The oldest first.
        invitations: Vec<InvitationSummary>,
    },
    /// The sessions.
    Sessions {
        /// In the order in which they came.
        sessions: Vec<SessionSummary>,
    },
    /// A part of the activity log.
    Activity {
        /// Newest first.
        entries: Vec<ActivityRow>,
    },
    /// Calls over time.
    ActivityCounts {
        /// One for each span, the oldest first.
        counts: Vec<CallCounts>,
    },
    /// The activity log's chain.
    Verified {
        /// How many entries it has.
        entries: u64,
        /// What is wrong, if anything.
        broken: Option<String>,
    },
    /// Old entries were removed from the activity log.
    Pruned {
        /// How many.
        entries: u64,
    },
    /// The names of the secrets.
    Secrets {
        /// In alphabetical order.
        names: Vec<String>,
    },
    /// What was found.
    Diagnosis {
        /// The findings, in the order in which they are of use.
        checks: Vec<Check>,
    },
    /// The gate.
    Gate {
        /// How it is, or will be at the next start.
        state: GateState,
    },
    /// The settings.
    Settings {
        /// All of them.
        settings: Settings,
    },
    /// It was not done.
    Failed {
        /// Why, for people.
        message: String,
        /// Why, for programs.
        #[serde(default)]
        cause: FailureCause,
    },
}

/// Why a request was not carried out, for programs to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum FailureCause {
    /// The keychain or the database cannot be used.
    Storage,
    /// There is no such thing, it is not allowed, or anything else.
    #[default]
    #[serde(other)]
    Other,
}
