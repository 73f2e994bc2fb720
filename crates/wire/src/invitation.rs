//! Invitations: what a desktop's person hands to an agent so that the two find each other and know it.
//!
//! An invitation names the desktop by its certificate's fingerprint and carries a secret that is good for one pairing
//! (see [`pairing`](crate::AgentPairing)), with where to reach the desktop. The desktop shows it as text, as a link and
//! as a QR code; the agent reads it back. [`text`] makes groups of characters of it in which typing errors are found and
//! located, [`place`] keeps the URLs short.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroize;

use crate::Fingerprint;

mod place;
mod text;

pub use place::{MAX_PLACE_BYTES, PlaceScheme, PlaceUrl, PlaceUrlError};
pub use text::{GroupFault, INVITATION_LINK, InvitationText, MAX_INVITATION_TEXT, TextFault};

/// The version of the binary form. A reader refuses others, since it can't know what they promise.
const VERSION: u8 = 1;

/// Bytes of the secret: 128 bits can't be guessed, with or without a limit on tries.
const SECRET_LEN: usize = 16;

/// The most places in an invitation: a few networks and a rendezvous, in a text that can still be typed.
pub const MAX_PLACES: usize = 4;

/// What precedes the secret in the digest whose beginning is an invitation's id.
const ID_DOMAIN: &[u8] = b"gatelodge-invitation-v1";

/// An invitation.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Until when it counts, in seconds since 1970. The desktop decides by its own clock.
    pub expires: u32,
    /// The certificate of the desktop. No other one may answer.
    pub desktop: Fingerprint,
    /// What proves that whoever comes was invited.
    pub secret: InvitationSecret,
    /// Where to reach the desktop, the best place first: 1 to [`MAX_PLACES`].
    places: Vec<PlaceUrl>,
}

impl Invitation {
    /// Makes an invitation.
    ///
    /// # Errors
    ///
    /// [`InvitationError::Places`] unless there are 1 to [`MAX_PLACES`] places.
    pub fn new(
        expires: u32,
        desktop: Fingerprint,
        secret: InvitationSecret,
        places: Vec<PlaceUrl>,
    ) -> Result<Self, InvitationError> {
        match places.len() {
            1..=MAX_PLACES => Ok(Self { expires, desktop, secret, places }),
            count => Err(InvitationError::Places(count)),
        }
    }

    /// Returns where to reach the desktop, the best place first.
    pub fn places(&self) -> &[PlaceUrl] {
        &self.places
    }

    /// Returns the id by which the invitation is spoken of. It is public and tells nothing of the secret.
    pub fn id(&self) -> InvitationId {
        self.secret.id()
    }

    /// Writes the binary form: version and number of places (a nibble each), expiry (u32, big-endian), fingerprint,
    /// secret, places.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(80);
        let count = u8::try_from(self.places.len()).expect("there are at most four places");
        bytes.push(VERSION << 4 | count);
        bytes.extend_from_slice(&self.expires.to_be_bytes());
        bytes.extend_from_slice(self.desktop.as_bytes());
        bytes.extend_from_slice(&self.secret.0);
        for place in &self.places {
            place.write(&mut bytes);
        }
        bytes
    }

    /// Reads the binary form from the beginning of `bytes`; returns the rest as well.
    ///
    /// # Errors
    ///
    /// See [`InvitationError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), InvitationError> {
        let (&[head], rest) = bytes.split_first_chunk().ok_or(InvitationError::Short)?;
        if head >> 4 != VERSION {
            return Err(InvitationError::Version(head >> 4));
        }
        let (expires, rest) = rest.split_first_chunk().ok_or(InvitationError::Short)?;
        let (desktop, rest) = rest.split_first_chunk().ok_or(InvitationError::Short)?;
        let (secret, mut rest) = rest.split_first_chunk().ok_or(InvitationError::Short)?;
        let mut places = Vec::new();
        for _ in 0..head & 15 {
            let (place, after) = PlaceUrl::read(rest)?;
            places.push(place);
            rest = after;
        }
        let (expires, desktop) = (u32::from_be_bytes(*expires), Fingerprint::from_bytes(*desktop));
        Ok((Self::new(expires, desktop, InvitationSecret(*secret), places)?, rest))
    }
}

/// Tells everything but the secret.
impl fmt::Debug for Invitation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Invitation")
            .field("id", &self.id())
            .field("expires", &self.expires)
            .field("desktop", &self.desktop)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

/// The secret of an invitation. It can't be printed, and is wiped from memory when it is dropped.
#[derive(Clone)]
pub struct InvitationSecret(pub(crate) [u8; SECRET_LEN]);

impl InvitationSecret {
    /// Takes 16 bytes that nobody can guess.
    pub const fn from_bytes(bytes: [u8; SECRET_LEN]) -> Self {
        Self(bytes)
    }

    /// Returns the id of the invitation with this secret.
    pub fn id(&self) -> InvitationId {
        let digest = Sha256::new().chain_update(ID_DOMAIN).chain_update(self.0).finalize();
        let (id, _) = digest.split_first_chunk().expect("a SHA-256 digest has more than eight bytes");
        InvitationId(*id)
    }
}

impl PartialEq for InvitationSecret {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]).into()
    }
}

impl Eq for InvitationSecret {}

impl Drop for InvitationSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for InvitationSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InvitationSecret(..)")
    }
}

/// Names an invitation without giving it away: 8 bytes, written as 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InvitationId([u8; 8]);

impl InvitationId {
    /// Takes the 8 bytes as they are.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The 8 bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for InvitationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{:016x}", u64::from_be_bytes(self.0)))
    }
}

impl fmt::Debug for InvitationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "InvitationId({self})")
    }
}

impl FromStr for InvitationId {
    type Err = InvitationIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        match u64::from_str_radix(text, 16) {
            Ok(number) if text.len() == 16 && text.bytes().all(is_digit) => Ok(Self(number.to_be_bytes())),
            _ => Err(InvitationIdError),
        }
    }
}

impl TryFrom<String> for InvitationId {
    type Error = InvitationIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<InvitationId> for String {
    fn from(id: InvitationId) -> Self {
        id.to_string()
    }
}

/// A text is no invitation's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an invitation's id has 16 lower-case hexadecimal digits")]
pub struct InvitationIdError;

/// Why something is no invitation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvitationError {
    /// A later version made it.
    #[error("the invitation has version {0}, which this program does not know; update it")]
    Version(u8),
    /// It ends too early.
    #[error("the invitation is not complete")]
    Short,
    /// None, or too many.
    #[error("the invitation names {0} places and should name 1 to {MAX_PLACES}")]
    Places(usize),
    /// A place is not one.
    #[error("the invitation names a place that is none: {0}")]
    Place(#[from] PlaceUrlError),
    /// The text is not what was written.
    #[error(transparent)]
    Text(#[from] TextFault),
}

#[cfg(test)]
mod tests;
