//! An agent's record, and its form in the keychain.

use gatelodge_wire::Fingerprint;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::digest::GrantsDigest;
use super::label::AgentLabel;
use crate::keychain::SecretBytes;
use crate::link::LinkId;
use crate::time::Timestamp;

/// The format of the keychain's entries. A later one is refused, never guessed at.
const FORMAT: u32 = 1;

/// What the person decided about one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentRecord {
    /// Who it is.
    pub fingerprint: Fingerprint,
    /// What the person calls it. No other agent's label looks like it.
    pub label: AgentLabel,
    /// How and when it was approved; `None` for one that was blocked without ever being so.
    pub pairing: Option<Pairing>,
    /// Whether it is trusted.
    pub state: AgentState,
    /// Rises with every change of its grants.
    pub revision: u64,
    /// What the database's grants have to match.
    pub(crate) grants_digest: GrantsDigest,
}

/// How and when an agent was approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairing {
    /// How.
    pub origin: Origin,
    /// When.
    pub at: Timestamp,
}

/// How an agent was approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Origin {
    /// It had an invitation.
    Invitation,
    /// The person entered its fingerprint.
    Fingerprint,
    /// It came by a link, and the person said "always".
    Link(LinkId),
}

/// Whether an agent is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentState {
    /// It may come, and do what its grants say.
    Trusted,
    /// It is refused unasked.
    Blocked,
}

/// The record as the keychain has it.
#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    fingerprint: String,
    label: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pairing: Option<Pairing>,
    state: AgentState,
    revision: u64,
    grants: GrantsDigest,
}

/// The name of an agent's entry in the keychain.
pub(super) fn entry_name(agent: &Fingerprint) -> String {
    format!("agent/{agent}")
}

impl AgentRecord {
    pub(super) fn to_secret(&self) -> SecretBytes {
        let stored = Stored {
            format: FORMAT,
            fingerprint: self.fingerprint.to_string(),
            label: self.label.as_str().to_owned(),
            pairing: self.pairing.clone(),
            state: self.state,
            revision: self.revision,
            grants: self.grants_digest,
        };
        SecretBytes::new(serde_json::to_vec(&stored).expect("texts and numbers always have a JSON form"))
    }

    /// Reads a record, which has to be this agent's.
    pub(super) fn from_secret(agent: &Fingerprint, secret: &SecretBytes) -> Result<Self, RecordError> {
        let format: Format = serde_json::from_slice(secret.expose()).map_err(RecordError::damaged)?;
        if format.format != FORMAT {
            return Err(RecordError::Format { found: format.format });
        }
        let stored: Stored = serde_json::from_slice(secret.expose()).map_err(RecordError::damaged)?;
        if stored.fingerprint.parse() != Ok(*agent) {
            return Err(RecordError::OtherAgent);
        }
        Ok(Self {
            fingerprint: *agent,
            label: stored.label.parse().map_err(RecordError::damaged)?,
            pairing: stored.pairing,
            state: stored.state,
            revision: stored.revision,
            grants_digest: stored.grants,
        })
    }
}

/// The part that all formats have.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Why a keychain entry is no record of its agent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It can't be read.
    #[error("the keychain's record of the agent is damaged ({0})")]
    Damaged(String),
    /// A later version wrote it.
    #[error(
        "the keychain's record of the agent has format {found}, which a newer gatelodge wrote; update gatelodge"
    )]
    Format {
        /// Its format.
        found: u32,
    },
    /// It is the record of another agent.
    #[error("the keychain's record of the agent names another one")]
    OtherAgent,
}

impl RecordError {
    fn damaged(reason: impl std::fmt::Display) -> Self {
        Self::Damaged(reason.to_string())
    }
}
