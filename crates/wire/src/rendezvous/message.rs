//! The messages themselves.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::parts::base64_bytes;
use super::{
    DeclineCode, IceServer, KnockId, MAX_RENDEZVOUS_BYTES, Nonce, Opaque, RendezvousErrorCode, RendezvousRole,
};
use crate::{Fingerprint, InvitationId};

/// The longest text for people, in characters: a sentence or two.
const MAX_TEXT: usize = 500;

/// The longest authority: a host name of 253 characters, a colon and a port.
const MAX_AUTHORITY: usize = 260;

/// The largest certificate, in bytes; Gatelodge's have about 350.
const MAX_CERTIFICATE: usize = 4096;

/// The largest signature, in bytes; one of ECDSA P-256 has up to 72.
const MAX_SIGNATURE: usize = 128;

/// How many STUN and TURN servers a rendezvous may recommend.
const MAX_ICE_SERVERS: usize = 8;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientMessage {
    /// Proves who it is: the first message, after the challenge.
    Register {
        /// In which role.
        role: RendezvousRole,
        /// The `host:port` that the client thinks it talks to.
        authority: String,
        /// The certificate, DER.
        #[serde(with = "base64_bytes")]
        certificate: Vec<u8>,
        /// ECDSA P-256 with SHA-256 over [`registration_content`](super::registration_content), ASN.1 DER.
        #[serde(with = "base64_bytes")]
        signature: Vec<u8>,
    },
    /// Agent: would like a session with a desktop.
    Knock {
        /// Which desktop.
        to: Fingerprint,
        /// What this knock is called from now on.
        session: KnockId,
        /// The invitation that the agent has.
        #[serde(skip_serializing_if = "Option::is_none")]
        invitation: Option<InvitationId>,
    },
    /// Passes a signaling object on, within a knock.
    Forward {
        /// The other side.
        to: Fingerprint,
        /// The knock.
        session: KnockId,
        /// The signaling object.
        body: Opaque,
    },
    /// Desktop: does not answer a knock.
    Decline {
        /// The agent.
        to: Fingerprint,
        /// The knock.
        session: KnockId,
        /// Why.
        code: DeclineCode,
    },
    /// Is done with a knock.
    Leave {
        /// The other side.
        to: Fingerprint,
        /// The knock.
        session: KnockId,
    },
    /// A message of a kind that this version doesn't know. It is skipped.
    #[serde(skip)]
    Unknown,
}

/// What a rendezvous says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerMessage {
    /// The first message.
    Challenge {
        /// [`RENDEZVOUS_VERSION`](super::RENDEZVOUS_VERSION).
        version: u32,
        /// What the registration has to sign.
        nonce: Nonce,
    },
    /// The registration was good.
    Registered {
        /// Whose it is.
        fingerprint: Fingerprint,
        /// The client's address, as the rendezvous sees it.
        address: String,
        /// STUN and TURN servers.
        ice_servers: Vec<IceServer>,
    },
    /// New STUN and TURN servers in place of the others, whose credentials expire.
    IceServers {
        /// STUN and TURN servers.
        ice_servers: Vec<IceServer>,
    },
    /// Agent: the desktop is there, and has got the knock.
    Knocking {
        /// The desktop.
        to: Fingerprint,
        /// The knock.
        session: KnockId,
        /// Whether both came to the rendezvous over its own machine's loopback.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        local: bool,
    },
    /// Desktop: an agent knocks.
    Knocked {
        /// The agent, which has proved its key.
        from: Fingerprint,
        /// The knock.
        session: KnockId,
        /// The invitation that the agent says it has.
        #[serde(skip_serializing_if = "Option::is_none")]
        invitation: Option<InvitationId>,
        /// Whether both came to the rendezvous over its own machine's loopback.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        local: bool,
    },
    /// A signaling object within a knock.
    Forwarded {
        /// The other side.
        from: Fingerprint,
        /// The knock.
        session: KnockId,
        /// The signaling object.
        body: Opaque,
    },
    /// Agent: no desktop of this fingerprint is registered here.
    Unreachable {
        /// The desktop.
        to: Fingerprint,
        /// The knock, which is over.
        session: KnockId,
    },
    /// Agent: the desktop does not answer.
    Declined {
        /// The desktop.
        from: Fingerprint,
        /// The knock, which is over.
        session: KnockId,
        /// Why.
        code: DeclineCode,
    },
    /// A knock is over: the other side has left, or its time has passed.
    Gone {
        /// The other side.
        peer: Fingerprint,
        /// The knock.
        session: KnockId,
    },
    /// The rendezvous is about to end, or to start again.
    Draining {
        /// After how many seconds, and as many again at random, to come back.
        seconds: u32,
    },
    /// Something was refused.
    Error {
        /// Why, for programs.
        code: RendezvousErrorCode,
        /// Why, for people.
        message: String,
        /// The knock that it concerns.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<KnockId>,
    },
    /// A message of a kind that this version doesn't know. It is skipped.
    #[serde(skip)]
    Unknown,
}

/// Why bytes are not a message.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RendezvousMessageError {
    /// Over the limit.
    #[error("the message has {0} bytes, over the limit of {MAX_RENDEZVOUS_BYTES}")]
    TooLarge(usize),
    /// Not JSON, or not of the right shape.
    #[error("the message cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A value over its limit.
    #[error("{0} in the message is over its limit")]
    Limit(&'static str),
}

/// A message's kind, which says how the rest is to be read. (Bodies stay unread only if they are not read twice by way of
/// serde's tagged enums.)
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
}

fn kind(bytes: &[u8]) -> Result<Kind<'_>, RendezvousMessageError> {
    if bytes.len() > MAX_RENDEZVOUS_BYTES {
        return Err(RendezvousMessageError::TooLarge(bytes.len()));
    }
    Ok(serde_json::from_slice(bytes)?)
}

/// Reads the members of one kind of message, which the caller's `match` has named.
macro_rules! read {
    ($bytes:expr, $message:ident :: $variant:ident { $($(#[$attribute:meta])* $member:ident: $type:ty),+ $(,)? }) => {{
        #[derive(Deserialize)]
        struct Members { $($(#[$attribute])* $member: $type),+ }
        let Members { $($member),+ } = serde_json::from_slice($bytes)?;
        $message::$variant { $($member),+ }
    }};
}

fn within(fits: bool, what: &'static str) -> Result<(), RendezvousMessageError> {
    if fits { Ok(()) } else { Err(RendezvousMessageError::Limit(what)) }
}

impl ClientMessage {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// See [`RendezvousMessageError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RendezvousMessageError> {
        let message = match &*kind(bytes)?.kind {
            "register" => read!(
                bytes,
                ClientMessage::Register {
                    role: RendezvousRole,
                    authority: String,
                    #[serde(with = "base64_bytes")]
                    certificate: Vec<u8>,
                    #[serde(with = "base64_bytes")]
                    signature: Vec<u8>,
                }
            ),
            "knock" => read!(
                bytes,
                ClientMessage::Knock { to: Fingerprint, session: KnockId, invitation: Option<InvitationId> }
            ),
            "forward" => {
                read!(bytes, ClientMessage::Forward { to: Fingerprint, session: KnockId, body: Opaque })
            }
            "decline" => {
                read!(bytes, ClientMessage::Decline { to: Fingerprint, session: KnockId, code: DeclineCode })
            }
            "leave" => read!(bytes, ClientMessage::Leave { to: Fingerprint, session: KnockId }),
            _ => Self::Unknown,
        };
        if let Self::Register { authority, certificate, signature, .. } = &message {
            within(authority.len() <= MAX_AUTHORITY, "the authority")?;
            within(certificate.len() <= MAX_CERTIFICATE, "the certificate")?;
            within(signature.len() <= MAX_SIGNATURE, "the signature")?;
        }
        Ok(message)
    }

    /// Writes the message as one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("these types have string keys and no other way to fail")
    }
}

impl ServerMessage {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// See [`RendezvousMessageError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RendezvousMessageError> {
        let message = match &*kind(bytes)?.kind {
            "challenge" => read!(bytes, ServerMessage::Challenge { version: u32, nonce: Nonce }),
            "registered" => read!(
                bytes,
                ServerMessage::Registered {
                    fingerprint: Fingerprint,
                    address: String,
                    #[serde(default)]
                    ice_servers: Vec<IceServer>,
                }
            ),
            "ice_servers" => read!(bytes, ServerMessage::IceServers { ice_servers: Vec<IceServer> }),
            "knocking" => read!(
                bytes,
                ServerMessage::Knocking {
                    to: Fingerprint,
                    session: KnockId,
                    #[serde(default)]
                    local: bool,
                }
            ),
            "knocked" => read!(
                bytes,
                ServerMessage::Knocked {
                    from: Fingerprint,
                    session: KnockId,
                    invitation: Option<InvitationId>,
                    #[serde(default)]
                    local: bool,
                }
            ),
            "forwarded" => {
                read!(bytes, ServerMessage::Forwarded { from: Fingerprint, session: KnockId, body: Opaque })
            }
            "unreachable" => read!(bytes, ServerMessage::Unreachable { to: Fingerprint, session: KnockId }),
            "declined" => {
                read!(
                    bytes,
                    ServerMessage::Declined { from: Fingerprint, session: KnockId, code: DeclineCode }
                )
            }
            "gone" => read!(bytes, ServerMessage::Gone { peer: Fingerprint, session: KnockId }),
            "draining" => read!(bytes, ServerMessage::Draining { seconds: u32 }),
            "error" => read!(
                bytes,
                ServerMessage::Error {
                    code: RendezvousErrorCode,
                    message: String,
                    session: Option<KnockId>,
                }
            ),
            _ => Self::Unknown,
        };
        match &message {
            Self::Registered { address, ice_servers, .. } => {
                within(address.len() <= MAX_AUTHORITY, "the address")?;
                check_servers(ice_servers)?;
            }
            Self::IceServers { ice_servers } => check_servers(ice_servers)?,
            Self::Error { message, .. } => within(message.chars().count() <= MAX_TEXT, "the text")?,
            _ => {}
        }
        Ok(message)
    }

    /// Writes the message as one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("these types have string keys and no other way to fail")
    }
}

fn check_servers(servers: &[IceServer]) -> Result<(), RendezvousMessageError> {
    let fits = servers.len() <= MAX_ICE_SERVERS && servers.iter().all(IceServer::is_reasonable);
    within(fits, "the list of STUN and TURN servers")
}
