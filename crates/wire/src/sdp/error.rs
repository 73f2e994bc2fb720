//! Why a session description is refused.

use thiserror::Error;

use crate::FingerprintError;

/// Why a session description, or a candidate, is refused.
///
/// Lines are counted from 1. Of the peer's text at most a few escaped characters are repeated, never credentials or
/// addresses, so that an error can be logged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SdpError {
    /// The whole text is longer than allowed.
    #[error("a session description of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its length in bytes.
        size: usize,
        /// [`SdpRules::max_bytes`](crate::SdpRules::max_bytes).
        limit: usize,
    },
    /// A line is longer than allowed.
    #[error("line {line} of the session description has {size} bytes, over the limit of {limit}")]
    LineTooLong {
        /// Which line.
        line: usize,
        /// Its length in bytes.
        size: usize,
        /// [`SdpRules::max_line`](crate::SdpRules::max_line).
        limit: usize,
    },
    /// The bytes are not UTF-8.
    #[error("the session description is not UTF-8 from byte {offset} on")]
    NotUtf8 {
        /// How many bytes before the fault are good.
        offset: usize,
    },
    /// A NUL, a CR without LF or another control character.
    #[error("line {line} of the session description contains the control character {code:#04x}")]
    ControlCharacter {
        /// Which line.
        line: usize,
        /// The character.
        code: u32,
    },
    /// A line that is not a letter, `=` and a value.
    #[error("line {line} of the session description is not of the form x=value")]
    NotALine {
        /// Which line.
        line: usize,
    },
    /// A kind of line that must not stand there, or not again.
    #[error("line {line} of the session description is a {kind}= line, which must not stand there")]
    UnexpectedLine {
        /// Which line.
        line: usize,
        /// Its letter.
        kind: char,
    },
    /// A line that every description has is missing.
    #[error("the session description has no {kind}= line")]
    MissingLine {
        /// Its letter.
        kind: char,
    },
    /// A `v=`, `o=` or `m=` line that can't be read, or of an unknown version or protocol.
    #[error("line {line} of the session description is not a valid {kind}= line")]
    BadLine {
        /// Which line.
        line: usize,
        /// Its letter.
        kind: char,
    },
    /// A section for something else than data channels: audio, video, and the like.
    #[error("line {line} of the session description begins a section that is not for data channels")]
    ForeignSection {
        /// Which line.
        line: usize,
    },
    /// A second section for data channels.
    #[error("line {line} of the session description begins a second section for data channels")]
    SecondSection {
        /// Which line.
        line: usize,
    },
    /// The peer refused the data channel section by port 0.
    #[error("the peer rejected the section for data channels")]
    SectionRejected,
    /// An attribute that is needed is missing.
    #[error("the session description has no a={attribute} line")]
    MissingAttribute {
        /// Its name.
        attribute: &'static str,
    },
    /// An attribute stands there twice, with different values.
    #[error("line {line} of the session description contradicts an earlier a={attribute} line")]
    ConflictingAttribute {
        /// Which line.
        line: usize,
        /// Its name.
        attribute: &'static str,
    },
    /// An attribute's value is not what its specification says.
    #[error("line {line} of the session description: a={attribute} {reason}")]
    BadAttribute {
        /// Which line.
        line: usize,
        /// Its name.
        attribute: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// No SHA-256 fingerprint, perhaps those of other algorithms.
    #[error("the session description has no sha-256 fingerprint")]
    NoFingerprint,
    /// Two different SHA-256 fingerprints.
    #[error("line {line} of the session description contradicts an earlier fingerprint")]
    ConflictingFingerprints {
        /// The line of the second one.
        line: usize,
    },
    /// A SHA-256 fingerprint that can't be read.
    #[error("line {line} of the session description: {source}")]
    BadFingerprint {
        /// Which line.
        line: usize,
        /// What is wrong.
        source: FingerprintError,
    },
    /// More candidate lines than anyone could need.
    #[error("the session description has more than {limit} candidates")]
    TooManyCandidates {
        /// How many are looked at.
        limit: usize,
    },
    /// A candidate line that breaks the grammar of RFC 8839.
    #[error("line {line}: not a valid candidate: {reason}")]
    BadCandidate {
        /// Which line; 1 for a candidate that came by itself.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
}
