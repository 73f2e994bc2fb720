//! Messages larger than one data channel message: split on one side, put together on the other.
//!
//! The channel of the library sends with [`split`] and reads with a [`Reassembler`], when both peers announced
//! the extension in their SDP. A fragment is a binary message: version, flags, number, payload.
//!
//! ```text
//! | u8 version = 1 | u8 flags (bit 0: last) | u32 big-endian message number | payload |
//! ```

use std::{
    collections::{BTreeMap, btree_map::Entry},
    iter::FusedIterator,
};

use bytes::{BufMut, Bytes};
use thiserror::Error;

/// Bytes in front of a fragment's payload.
pub const HEADER_LEN: usize = 6;

/// The only version there is.
const VERSION: u8 = 1;

/// The flag of a message's last fragment. The other seven bits are reserved and must be zero.
const LAST: u8 = 1;

/// Splits a message into fragments of at most `max_frame` bytes, headers included.
///
/// `number` tells the fragments of one message from those of others that are on their way in the same
/// direction; it can be used again when the message is complete. Fragments must be sent in this order, those of other
/// messages may come in between. An empty message is one fragment without payload. A `max_frame` that leaves no
/// room for payload counts as `HEADER_LEN + 1`.
pub fn split(number: u32, message: &[u8], max_frame: usize) -> Fragments<'_> {
    let mut fragments = Fragments { number, rest: Some(message), payload: 1 };
    fragments.set_max_frame(max_frame);
    fragments
}

/// The fragments of one message, each copied out of it when asked for; made by [`split`].
#[derive(Debug, Clone)]
pub struct Fragments<'a> {
    number: u32,
    /// What is not yet sent; `None` after the last fragment.
    rest: Option<&'a [u8]>,
    payload: usize,
}

impl Fragments<'_> {
    /// Sets the largest size of the fragments to come, headers included, for a sender that adapts to its path.
    pub fn set_max_frame(&mut self, max_frame: usize) {
        self.payload = max_frame.saturating_sub(HEADER_LEN).max(1);
    }
}

impl Iterator for Fragments<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let rest = self.rest?;
        let (payload, flags) = match rest.split_at_checked(self.payload) {
            Some((payload, rest)) if !rest.is_empty() => {
                self.rest = Some(rest);
                (payload, 0)
            }
            _ => {
                self.rest = None;
                (rest, LAST)
            }
        };
        let mut frame = Vec::with_capacity(HEADER_LEN + payload.len());
        frame.put_u8(VERSION);
        frame.put_u8(flags);
        frame.put_u32(self.number);
        frame.extend_from_slice(payload);
        Some(frame.into())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.rest.map_or(0, |rest| rest.len().div_ceil(self.payload).max(1));
        (left, Some(left))
    }
}

impl ExactSizeIterator for Fragments<'_> {}

impl FusedIterator for Fragments<'_> {}

/// How much a peer may leave unfinished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentLimits {
    /// Messages that are begun and not complete. Defaults to 16: a few large results at once with room to
    /// spare, and few enough to look through.
    pub max_unfinished: usize,
    /// Payload bytes of all unfinished messages together, and so also of a single one. Defaults to 64 MiB.
    pub max_bytes: usize,
}

impl Default for FragmentLimits {
    fn default() -> Self {
        Self { max_unfinished: 16, max_bytes: 64 << 20 }
    }
}

/// Puts the fragments of one direction of one channel together.
///
/// Payloads are appended to one buffer a message, so that a peer which sends one byte a fragment costs no more
/// than one which sends large ones. Buffers grow by doubling, never beyond what the limit leaves to that message:
/// allocated are at most [`FragmentLimits::max_bytes`] for a single message and less than twice that for several.
///
/// # Example
///
/// ```
/// use gatelodge_wire::{FragmentLimits, Reassembler, split};
///
/// let mut reassembler = Reassembler::new(FragmentLimits::default());
/// let mut whole = None;
/// for frame in split(7, b"a message", 10) {
///     whole = reassembler.push(&frame)?;
/// }
/// assert_eq!(whole.as_deref(), Some(&b"a message"[..]));
/// # Ok::<(), gatelodge_wire::FragmentError>(())
/// ```
#[derive(Debug)]
pub struct Reassembler {
    limits: FragmentLimits,
    unfinished: BTreeMap<u32, Vec<u8>>,
    /// The sum of the lengths in `unfinished`.
    buffered: usize,
}

impl Reassembler {
    /// Starts with nothing buffered.
    pub fn new(limits: FragmentLimits) -> Self {
        Self { limits, unfinished: BTreeMap::new(), buffered: 0 }
    }

    /// Takes one fragment, and gives the message if that was its last.
    ///
    /// # Errors
    ///
    /// Any error means that the peer does not keep to the protocol or to the limits. Nothing of the refused
    /// fragment is kept; the channel is best closed, since that message can't be completed any more.
    pub fn push(&mut self, frame: &[u8]) -> Result<Option<Bytes>, FragmentError> {
        let Some((&[version, flags, a, b, c, d], payload)) = frame.split_first_chunk::<HEADER_LEN>() else {
            return Err(FragmentError::Truncated { len: frame.len() });
        };
        if version != VERSION {
            return Err(FragmentError::Version { found: version });
        }
        if flags & !LAST != 0 {
            return Err(FragmentError::Flags { found: flags });
        }
        let last = flags == LAST;
        if payload.is_empty() && !last {
            return Err(FragmentError::Empty);
        }
        if payload.len() > self.limits.max_bytes - self.buffered {
            return Err(FragmentError::TooLarge { limit: self.limits.max_bytes });
        }
        let number = u32::from_be_bytes([a, b, c, d]);
        let left = self.limits.max_bytes - self.buffered;
        if last {
            let Some(mut message) = self.unfinished.remove(&number) else {
                return Ok(Some(Bytes::copy_from_slice(payload)));
            };
            self.buffered -= message.len();
            append(&mut message, payload, left);
            return Ok(Some(message.into()));
        }
        let begun = self.unfinished.len();
        match self.unfinished.entry(number) {
            Entry::Occupied(message) => append(message.into_mut(), payload, left),
            Entry::Vacant(place) if begun < self.limits.max_unfinished => {
                place.insert(payload.to_vec());
            }
            Entry::Vacant(_) => return Err(FragmentError::TooMany { limit: self.limits.max_unfinished }),
        }
        self.buffered += payload.len();
        Ok(None)
    }

    /// Payload bytes that wait for the rest of their messages.
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// Messages that are begun and not complete.
    pub fn unfinished(&self) -> usize {
        self.unfinished.len()
    }
}

/// Appends a payload, which is known to be within the `left` bytes of the limit. The buffer at least doubles when it
/// grows, so that a message of many fragments is not copied over and over, but not beyond what is left.
fn append(message: &mut Vec<u8>, payload: &[u8], left: usize) {
    let needed = message.len() + payload.len();
    if needed > message.capacity() {
        let capacity = needed.max(message.capacity().saturating_mul(2)).min(message.len() + left);
        message.reserve_exact(capacity - message.len());
    }
    message.extend_from_slice(payload);
}

/// How a fragment breaks the protocol or a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FragmentError {
    /// Shorter than a header.
    #[error("a fragment of {len} bytes is shorter than its header of {HEADER_LEN}")]
    Truncated {
        /// Its length in bytes.
        len: usize,
    },
    /// A version that was not announced.
    #[error("fragment version {found} is not known, only {VERSION}")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// Reserved flags are set.
    #[error("fragment flags {found:#04x} are not known")]
    Flags {
        /// The flags byte.
        found: u8,
    },
    /// No payload, and not the last: such fragments could go on for ever without ever reaching a limit.
    #[error("a fragment without payload that is not the last of its message")]
    Empty,
    /// One more message than may be unfinished.
    #[error("more than {limit} unfinished messages")]
    TooMany {
        /// [`FragmentLimits::max_unfinished`].
        limit: usize,
    },
    /// More bytes than may be unfinished.
    #[error("unfinished messages of more than {limit} bytes")]
    TooLarge {
        /// [`FragmentLimits::max_bytes`].
        limit: usize,
    },
}

#[cfg(test)]
mod tests;
