//! What a rendezvous and those who are registered with it say to each other, one JSON object a WebSocket message.
//!
//! The server says [`ServerMessage::Challenge`], the client proves its key with [`ClientMessage::Register`]; from then on
//! agents knock, desktops answer or decline, and both forward opaque signaling objects. [`registration_content`] is what the
//! proof signs. The server is not trusted by either side: it learns who knocks at whom, and can do nothing but refuse.

mod message;
mod parts;
mod proof;
mod url;

pub use message::{ClientMessage, RendezvousMessageError, ServerMessage};
pub use parts::{
    DeclineCode, IceServer, KnockId, KnockIdError, Nonce, Opaque, RendezvousErrorCode, RendezvousRole,
};
pub use proof::{REGISTRATION_DOMAIN, registration_content, signed_bytes};
pub use url::{RendezvousUrl, RendezvousUrlError};

/// The path of the WebSocket, below the rendezvous' URL. It carries the version.
pub const RENDEZVOUS_PATH: &str = "/v1/rendezvous";

/// The version of the messages in here, as the challenge says it.
pub const RENDEZVOUS_VERSION: u32 = 1;

/// The largest message, in bytes: a signaling object of the largest size (65,536), and room for what is around it.
pub const MAX_RENDEZVOUS_BYTES: usize = crate::MAX_SIGNAL_BYTES + 4096;

#[cfg(test)]
mod tests;
