//! What the person decided about the application itself: kept in the database, changed while the desktop runs.
//!
//! The windows and the command line show and set it as a whole ([`Settings`]); [`in_force`] is what the parts of a running
//! desktop go by.

mod check;
pub(crate) mod in_force;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use check::SettingsError;

/// What the person decided about the application itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Settings {
    /// How the gate is when the desktop starts. Defaults to what it was before.
    pub gate_at_start: GateAtStart,
    /// The rendezvous at which known agents find this desktop, beside the links. Defaults to none: a rendezvous learns
    /// when this desktop is there.
    pub rendezvous: RendezvousChoice,
    /// STUN and TURN servers for new sessions, beside those that a rendezvous recommends. Defaults to none: asking one
    /// tells it where this desktop is.
    pub ice_servers: Vec<IceServerSetting>,
    /// Whether the arguments of calls go into the activity log. Defaults to no, since they may hold anything.
    pub record_arguments: bool,
    /// Days after which activity is pruned. Defaults to 90: a quarter to look back on.
    pub activity_days: u32,
    /// Bytes of activity above which the oldest is pruned. Defaults to 64 MiB, about 200,000 calls.
    pub activity_bytes: u64,
    /// How long a prompt waits for its answer, in whole seconds; none is "deny". Defaults to 60 s.
    #[serde(with = "seconds")]
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub approval_timeout: Duration,
    /// What the person is notified of.
    pub notify: NotifyChoice,
    /// Light or dark. Defaults to what the system has.
    pub theme: Theme,
    /// How much room things take in the window.
    pub density: Density,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gate_at_start: GateAtStart::default(),
            rendezvous: RendezvousChoice::default(),
            ice_servers: Vec::new(),
            record_arguments: false,
            activity_days: 90,
            activity_bytes: 64 * 1024 * 1024,
            approval_timeout: Duration::from_secs(60),
            notify: NotifyChoice::default(),
            theme: Theme::default(),
            density: Density::default(),
        }
    }
}

/// How the gate is when the desktop starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum GateAtStart {
    /// Open.
    Open,
    /// Closed, until the person opens it.
    Closed,
    /// As it was when the desktop ended: who closed the gate does not expect a restart to open it.
    #[default]
    AsBefore,
}

/// The rendezvous that the person chose.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "use", rename_all = "lowercase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum RendezvousChoice {
    /// None.
    #[default]
    None,
    /// One in the desktop's own process, for agents on the same network.
    Embedded,
    /// One that is elsewhere.
    Url {
        /// Where: `https://HOST` or `http://HOST:PORT`.
        url: String,
    },
}

/// A STUN or TURN server that the person chose.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "IceServer"))]
pub struct IceServerSetting {
    /// Where it is: `stun:HOST[:PORT]` or `turn[s]:HOST[:PORT][?transport=udp|tcp]`.
    pub url: String,
    /// The name at a TURN server; empty for STUN.
    pub username: String,
    /// The name of the secret in the keychain that is the password at a TURN server; empty for STUN.
    pub secret: String,
}

/// What the person is notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct NotifyChoice {
    /// Something waits for an answer.
    pub waiting: bool,
    /// An agent's session began.
    pub session_began: bool,
    /// An agent's session ended.
    pub session_ended: bool,
    /// A tool is not the one that was lent.
    pub tool_changed: bool,
}

impl Default for NotifyChoice {
    /// Everything but the ends of sessions, after which there is nothing to do.
    fn default() -> Self {
        Self { waiting: true, session_began: true, session_ended: false, tool_changed: true }
    }
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// How much room things take in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Density {
    /// More.
    #[default]
    Comfortable,
    /// Less.
    Compact,
}

/// A duration as its whole seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(time.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests;
