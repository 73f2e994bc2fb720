//! The bookkeeping of channels that outlive the connection which carries them: how many messages have gone each way,
//! and which of them have to be sent again. No IO and no clock, so that every order of events can be tried.
//!
//! Messages are not marked. The *k*-th message of a direction is the *k*-th whose last piece was handed to the
//! connection; since a data channel keeps the order of pieces, it is the *k*-th that the other side has whole. Each side
//! counts what it has taken, tells the other now and then, and once more when a connection takes the place of another.
//! What the other side has not counted is sent again, so that nothing is lost and nothing comes twice.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The version of resuming, as a hello announces it.
pub const RESUME_VERSION: u32 = 1;

/// After how many messages the other side is told at the latest. Rare enough that it costs one message in a hundred, and
/// far from what [`MAX_KEPT_BYTES`] holds.
pub const ACK_AFTER_MESSAGES: u64 = 128;

/// After how many bytes the other side is told at the latest: an eighth of [`MAX_KEPT_BYTES`], so that a fast path is
/// not held up.
pub const ACK_AFTER_BYTES: usize = 512 * 1024;

/// How many bytes of messages are kept until the other side has counted them. One message more may be of any size. Four
/// times what a path of 100 ms and 100 Mbit/s holds.
pub const MAX_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// What a kept message counts beside its own bytes, so that many small ones are bounded as well.
const OVERHEAD: usize = 128;

/// The messages of one direction that the other side may not have.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// How many messages the other side is known to have.
    acknowledged: u64,
    /// Messages that were handed over whole, in that order. The first one is number `acknowledged + 1`.
    sent: VecDeque<Bytes>,
    /// Messages that were not, in the order in which they are to be.
    waiting: VecDeque<Waiting>,
    next_key: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    key: u64,
    message: Bytes,
    taken: bool,
}

impl Outgoing {
    /// Returns whether another message may be kept.
    pub fn has_room(&self) -> bool {
        self.bytes < MAX_KEPT_BYTES
    }

    /// Returns whether the other side has everything.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.waiting.is_empty()
    }

    /// Returns how many messages the other side is known to have.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Keeps a message that is to be sent.
    pub fn add(&mut self, message: Bytes) {
        self.bytes += message.len() + OVERHEAD;
        self.waiting.push_back(Waiting { key: self.next_key, message, taken: false });
        self.next_key += 1;
    }

    /// Takes the next message that is to be sent over the connection there is, with the key for [`Outgoing::sent`].
    pub fn take(&mut self) -> Option<(u64, Bytes)> {
        let next = self.waiting.iter_mut().find(|waiting| !waiting.taken)?;
        next.taken = true;
        Some((next.key, next.message.clone()))
    }

    /// Notes that the last piece of a message was handed to the connection.
    pub fn sent(&mut self, key: u64) {
        if let Some(place) = self.waiting.iter().position(|waiting| waiting.key == key) {
            self.sent.extend(self.waiting.remove(place).map(|waiting| waiting.message));
        }
    }

    /// Drops a message that cannot be sent at all.
    pub fn withdraw(&mut self, key: u64) {
        if let Some(place) = self.waiting.iter().position(|waiting| waiting.key == key)
            && let Some(waiting) = self.waiting.remove(place)
        {
            self.bytes -= waiting.message.len() + OVERHEAD;
        }
    }

    /// Notes how many messages the other side has taken.
    ///
    /// # Errors
    ///
    /// [`ImpossibleCount`] if it had more before, or was not sent as many.
    pub fn acknowledge(&mut self, received: u64) -> Result<(), ImpossibleCount> {
        let sent = self.acknowledged + self.sent.len() as u64;
        let news = received.checked_sub(self.acknowledged).filter(|_| received <= sent);
        let news = news.ok_or(ImpossibleCount { received, acknowledged: self.acknowledged, sent })?;
        for message in self.sent.drain(..usize::try_from(news).unwrap_or(usize::MAX)) {
            self.bytes -= message.len() + OVERHEAD;
        }
        self.acknowledged = received;
        Ok(())
    }

    /// Prepares for another connection: what the other side has not taken is to be sent again, in its order, before
    /// what was not sent at all.
    ///
    /// # Errors
    ///
    /// As [`Outgoing::acknowledge`].
    pub fn rewind(&mut self, received: u64) -> Result<(), ImpossibleCount> {
        self.acknowledge(received)?;
        for waiting in &mut self.waiting {
            waiting.taken = false;
        }
        while let Some(message) = self.sent.pop_back() {
            self.waiting.push_front(Waiting { key: self.next_key, message, taken: false });
            self.next_key += 1;
        }
        Ok(())
    }
}

/// A count that cannot be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the other side counts {received} messages, of {sent} sent and {acknowledged} acknowledged ones")]
pub struct ImpossibleCount {
    /// What the other side says.
    pub received: u64,
    /// What it said before.
    pub acknowledged: u64,
    /// What was sent.
    pub sent: u64,
}

/// When the other side is to be told of messages that were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckDue {
    /// There is nothing new to say: a wait is under way already.
    Waiting,
    /// This is the first message since it was told. It is to be told a little later.
    Soon,
    /// Now: so much was taken that the other side may have to wait.
    Now,
}

/// The count of one direction's messages at the side that takes them.
#[derive(Debug, Default)]
pub struct Incoming {
    received: u64,
    told: u64,
    bytes: usize,
}

impl Incoming {
    /// Returns how many messages were taken.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Counts a message of this size.
    pub fn take(&mut self, bytes: usize) -> AckDue {
        self.received += 1;
        self.bytes += bytes;
        let untold = self.received - self.told;
        if untold.is_multiple_of(ACK_AFTER_MESSAGES) || self.bytes >= ACK_AFTER_BYTES {
            AckDue::Now
        } else if untold == 1 {
            AckDue::Soon
        } else {
            AckDue::Waiting
        }
    }

    /// Returns the count if the other side does not know it yet, and takes it as told.
    pub fn tell(&mut self) -> Option<u64> {
        let news = self.received > self.told;
        self.told = self.received;
        self.bytes = 0;
        news.then_some(self.received)
    }
}

/// The secret by which an agent resumes its session: 128 random bits. Two are compared in constant time.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResumeToken([u8; 16]);

impl ResumeToken {
    /// Makes a token of random bits.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl PartialEq for ResumeToken {
    fn eq(&self, other: &Self) -> bool {
        let differences = self.0.iter().zip(&other.0).fold(0, |seen, (one, other)| seen | (one ^ other));
        std::hint::black_box(differences) == 0
    }
}

impl Eq for ResumeToken {}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ResumeToken(..)")
    }
}

impl From<ResumeToken> for String {
    fn from(token: ResumeToken) -> Self {
        token.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl FromStr for ResumeToken {
    type Err = ResumeTokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        let mut bytes = [0; 16];
        if digits.len() != 2 * bytes.len() {
            return Err(ResumeTokenError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| (digit as char).to_digit(16).ok_or(ResumeTokenError);
            let value = digit(pair[0])? << 4 | digit(pair[1])?;
            *byte = u8::try_from(value).map_err(|_| ResumeTokenError)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for ResumeToken {
    type Error = ResumeTokenError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a session's token has 32 hexadecimal digits")]
pub struct ResumeTokenError;
