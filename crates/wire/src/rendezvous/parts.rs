//! The values in the messages, each within its limits once it has been read.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::MAX_SIGNAL_BYTES;

/// The longest name of a knock: 32 hexadecimal digits, and as much again for those who name them otherwise.
const MAX_KNOCK_ID: usize = 64;

/// The longest URL of a STUN or TURN server: a host name has up to 253 characters.
const MAX_ICE_URL: usize = 300;

/// How many URLs one server has at most: UDP, TCP and TLS over both families.
const MAX_ICE_URLS: usize = 6;

/// The longest user name or credential of a TURN server; ephemeral ones have under 100 characters.
const MAX_ICE_SECRET: usize = 512;

/// Who registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RendezvousRole {
    /// Can be knocked at.
    Desktop,
    /// Knocks.
    Agent,
}

impl RendezvousRole {
    /// Returns the role as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Agent => "agent",
        }
    }
}

/// The server's random bytes that a registration has to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub [u8; 32]);

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = base64_bytes::deserialize(deserializer)?;
        bytes.try_into().map(Self).map_err(|_| D::Error::custom("a nonce has 32 bytes"))
    }
}

/// A text is no name of a knock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a knock is named by 1 to {MAX_KNOCK_ID} letters, digits, '-' or '_'")]
pub struct KnockIdError;

/// Names a knock, and the exchange that follows it, among those between one agent and one desktop. The agent chooses it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct KnockId(Box<str>);

impl KnockId {
    /// Makes a name from random bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(bytes)).into())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KnockId {
    type Err = KnockIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        match (1..=MAX_KNOCK_ID).contains(&text.len()) && text.bytes().all(fits) {
            true => Ok(Self(text.into())),
            false => Err(KnockIdError),
        }
    }
}

impl<'de> Deserialize<'de> for KnockId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A JSON object that the rendezvous passes on as the same bytes, without looking into it.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Opaque(Box<RawValue>);

impl Opaque {
    /// Takes a JSON object; `None` if it is none, or has over 65,536 bytes.
    pub fn new(json: String) -> Option<Self> {
        let value = RawValue::from_string(json).ok()?;
        (value.get().starts_with('{') && value.get().len() <= MAX_SIGNAL_BYTES).then_some(Self(value))
    }

    /// Returns the object's text.
    pub fn get(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Opaque {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Opaque {}

impl<'de> Deserialize<'de> for Opaque {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Box::<RawValue>::deserialize(deserializer)?;
        match value.get().starts_with('{') && value.get().len() <= MAX_SIGNAL_BYTES {
            true => Ok(Self(value)),
            false => Err(D::Error::custom("a body is a JSON object of at most 65536 bytes")),
        }
    }
}

/// A STUN or TURN server that the rendezvous recommends.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// URLs such as `stun:stun.example.org:3478` and `turn:turn.example.org:3478?transport=udp`.
    pub urls: Vec<String>,
    /// The user name, for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The credential, for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl IceServer {
    /// Whether it keeps to the limits: at most 6 URLs of known schemes.
    pub(super) fn is_reasonable(&self) -> bool {
        let known = |url: &String| {
            let scheme = url.split(':').next().unwrap_or_default();
            matches!(scheme, "stun" | "stuns" | "turn" | "turns")
                && url.len() <= MAX_ICE_URL
                && url.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let short = |text: &Option<String>| text.as_ref().is_none_or(|text| text.len() <= MAX_ICE_SECRET);
        (1..=MAX_ICE_URLS).contains(&self.urls.len())
            && self.urls.iter().all(known)
            && short(&self.username)
            && short(&self.credential)
    }
}

/// The credential is not shown.
impl fmt::Debug for IceServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// Why a desktop does not answer a knock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeclineCode {
    /// The agent is not known, and has no invitation that is open.
    NotKnown,
    /// Too many knock at the moment.
    Busy,
    /// The desktop cannot look up whom it trusts.
    Unavailable,
    /// The desktop's person lets nobody in at the moment.
    GateClosed,
    /// A reason that this version doesn't know.
    #[serde(other)]
    Other,
}

/// Why a rendezvous refuses something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RendezvousErrorCode {
    /// A message could not be read, or came out of turn. The connection is closed.
    BadMessage,
    /// The certificate or the signature is not good. The connection is closed.
    BadProof,
    /// The signature is for another rendezvous. The connection is closed.
    WrongAuthority,
    /// The registration took too long, or nothing came for too long. The connection is closed.
    Idle,
    /// What was sent was not read fast enough. The connection is closed.
    TooSlow,
    /// Too many messages, or too many connections. The connection is closed.
    TooMany,
    /// Too many knocks; the next one has to wait. The connection stays.
    TooFast,
    /// The same identity has registered again in the same role. The connection is closed.
    Replaced,
    /// There is no such knock, or no longer. The connection stays.
    NoKnock,
    /// A reason that this version doesn't know.
    #[serde(other)]
    Other,
}

/// Bytes as base64 with padding (RFC 4648, section 4).
pub(super) mod base64_bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(|_| D::Error::custom("not base64"))
    }
}
