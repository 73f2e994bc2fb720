//! Ways in: what the person set up for agents to reach this desktop by.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use gatelodge_wire::RendezvousUrl;
use serde::{Deserialize, Serialize};

use crate::server::{ServerId, ServerIdError};

/// The short name of a link, made like a server's: lower-case letters, digits, `-`, `_` and `.`, beginning with a letter
/// or a digit, up to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct LinkId(ServerId);

impl LinkId {
    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for LinkId {
    type Err = LinkIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|reason| match reason {
            ServerIdError::Empty => LinkIdError::Empty,
            ServerIdError::Character(character) => LinkIdError::Character(character),
            ServerIdError::TooLong(length) => LinkIdError::TooLong(length),
        })
    }
}

/// Why a text is no link id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkIdError {
    /// There is nothing.
    #[error("a link's id must not be empty; use something short such as home")]
    Empty,
    /// A character that ids don't have, or not in this place.
    #[error(
        "a link's id must not have {0:?} there; use lower-case letters, digits, '-', '_' and '.', and begin with a \
         letter or a digit"
    )]
    Character(char),
    /// Over the limit.
    #[error("a link's id has at most 64 characters; this one has {0}")]
    TooLong(usize),
}

/// One way in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct LinkDefinition {
    /// What commands and the log name it by.
    pub id: LinkId,
    /// What people call it.
    pub name: String,
    /// How signaling comes.
    #[serde(flatten)]
    pub kind: LinkKind,
    /// The one server that a peer gets which speaks plain MCP and can't name one; `None` keeps such peers out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerId>,
    /// Whether it is open at all.
    pub enabled: bool,
    /// Who may come in.
    #[serde(default)]
    pub prompt: LinkPolicy,
}

/// How signaling comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum LinkKind {
    /// JSON lines over TCP, as the Python packages speak them.
    Tcp {
        /// Where this desktop listens. Port 0 is a free one.
        bind: SocketAddr,
    },
    /// JSON messages over WebSocket.
    WebSocket {
        /// Where this desktop listens. Port 0 is a free one.
        bind: SocketAddr,
    },
    /// A rendezvous, at which this desktop is registered. Known agents only, whatever the policy says.
    Rendezvous {
        /// Where it is.
        url: RendezvousUrl,
    },
    /// A rendezvous in this process, for agents on the same network.
    Embedded {
        /// Where it listens. Where the port is [`EMBEDDED_PORT`] and taken, it is a free one.
        bind: SocketAddr,
    },
}

/// The usual port of an embedded rendezvous: nothing else is known to use it.
pub const EMBEDDED_PORT: u16 = 7424;

/// Who may come in through a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum LinkPolicy {
    /// Known agents; for any other one the person is asked.
    AskUnknown,
    /// Known agents only; others are refused unasked. The default, since least is preset.
    #[default]
    PairedOnly,
}
