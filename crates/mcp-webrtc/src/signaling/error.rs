//! What can go wrong on a signaling link, for callers that decide and for people who read.

use std::io;
use std::time::Duration;

use gatelodge_wire::SignalError;

use super::rendezvous::RendezvousError;

/// Why a signaling link could not be opened, or is of no further use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalingError {
    /// The operating system's answer.
    #[error("could not {action}")]
    Io {
        /// What was tried, such as "connect to 192.0.2.7:5123".
        action: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// An object, from either side, has more bytes than the link allows.
    #[error("a signaling object is larger than {limit} bytes")]
    TooLarge {
        /// The most bytes of one object.
        limit: usize,
    },
    /// The other side has sent more objects than one link may carry.
    #[error("the other side sent more than {limit} signaling objects")]
    TooManyObjects {
        /// The most objects of one link.
        limit: usize,
    },
    /// What the other side sent is not a signaling object.
    #[error("the other side sent something that is no signaling object: `{excerpt}`")]
    Malformed {
        /// Its beginning, escaped and at most 48 bytes of the original.
        excerpt: String,
        /// What is wrong with it.
        #[source]
        source: SignalError,
    },
    /// Something took longer than the link's limits allow.
    #[error("could not {action} within {limit:?}")]
    TimedOut {
        /// What was tried, such as "read a whole object".
        action: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// The other side sent a binary message or one that is not UTF-8, where signaling objects are text.
    #[error("the other side sent a message that is not text")]
    NotText,
    /// The other side broke the rules of WebSockets (RFC 6455), or could not be understood as one.
    #[error("the other side does not speak the WebSocket protocol")]
    NotWebSocket(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server answered the WebSocket's request with another status than "switching protocols".
    #[error("the signaling server refused the connection with HTTP status {status}")]
    Refused {
        /// The HTTP status code.
        status: u16,
    },
    /// The address is not a URL of the form `ws://host:port/path`.
    #[error("`{url}` is not a WebSocket URL; it should look like ws://192.0.2.7:5123/")]
    InvalidUrl {
        /// What was given.
        url: String,
    },
    /// The address is a `wss://` one.
    #[error("wss:// addresses are not supported here; use ws:// on a network you trust, or the rendezvous")]
    TlsNotSupported,
    /// A pasted text that could not be used, after the last attempt that a person has.
    #[error("the pasted text could not be used")]
    Paste(#[source] gatelodge_wire::PasteError),
    /// The link cannot carry this kind of object.
    #[error("{link} signaling cannot carry single candidates; they must be in the offer or answer")]
    NoTrickle {
        /// The kind of link.
        link: &'static str,
    },
    /// The rendezvous, or the desktop at it.
    #[error(transparent)]
    Rendezvous(Box<RendezvousError>),
    /// The link has been closed, or an earlier error has ended it.
    #[error("the signaling link is closed")]
    Closed,
}

/// The most bytes of a malformed object that an error shows: enough to recognise a protocol, too few for a key.
pub(super) const EXCERPT_BYTES: usize = 48;

impl From<RendezvousError> for SignalingError {
    fn from(error: RendezvousError) -> Self {
        Self::Rendezvous(Box::new(error))
    }
}

impl SignalingError {
    pub(super) fn io(action: impl Into<String>, source: io::Error) -> Self {
        Self::Io { action: action.into(), source }
    }

    pub(super) fn timed_out(action: impl Into<String>, limit: Duration) -> Self {
        Self::TimedOut { action: action.into(), limit }
    }

    pub(super) fn malformed(bytes: &[u8], source: SignalError) -> Self {
        let shown = &bytes[..bytes.len().min(EXCERPT_BYTES)];
        let more = if shown.len() < bytes.len() { "..." } else { "" };
        Self::Malformed { excerpt: format!("{}{more}", shown.escape_ascii()), source }
    }
}
