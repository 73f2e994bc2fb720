//! Session descriptions: from what a peer sent to what the WebRTC engine may see.
//!
//! The session passes every remote description through [`Sdp::parse`] and every trickled candidate through
//! [`normalise_candidate`]. The text is not cleaned but *rebuilt* from the parts that were understood, so that
//! nothing reaches the engine which was not judged here, and both read the same fingerprint.
//!
//! Grammar: RFC 8866 (SDP), 8839 (ICE), 8841 (SCTP), 8842 (DTLS), 8122 (fingerprints).

use std::fmt::{self, Write};

use crate::Fingerprint;

mod candidate;
mod description;
mod error;
mod lines;

pub use candidate::normalise_candidate;
pub use error::SdpError;

use candidate::Candidate;
use description::Description;

/// The session-level attribute by which a peer announces that it puts fragments together.
const FRAGMENTS: &str = "x-mcp-fragments";

/// The version of the fragment extension that is spoken here.
const FRAGMENTS_VERSION: &str = "1";

/// What a session description may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdpRules {
    /// Whether loopback candidates are kept, for two peers on one machine. Defaults to false: a remote peer
    /// that names them would have the engine knock at local services.
    pub loopback: bool,
    /// Bytes of the whole text. Defaults to 64 KiB, what a signaling object has room for; real ones for one data
    /// channel have 1 to 8 KiB.
    pub max_bytes: usize,
    /// Bytes of one line without its ending. Defaults to 2,048: the longest known ones are candidates and
    /// SHA-512 fingerprints, of about 200 bytes.
    pub max_line: usize,
    /// Candidates that are kept, the first ones; more are dropped and counted. Defaults to 32: a machine with
    /// eight addresses, two STUN servers and a relay has fewer, and each one costs connectivity checks.
    pub max_candidates: usize,
}

impl Default for SdpRules {
    fn default() -> Self {
        Self { loopback: false, max_bytes: crate::MAX_SIGNAL_BYTES, max_line: 2048, max_candidates: 32 }
    }
}

impl SdpRules {
    /// The default rules, but with loopback candidates kept or not.
    pub fn with_loopback(loopback: bool) -> Self {
        Self { loopback, ..Self::default() }
    }
}

/// A session description with exactly one data channel section, in its normal form.
///
/// # Example
///
/// ```
/// use gatelodge_wire::{MaxMessageSize, Sdp, SdpError, SdpRules, Setup};
///
/// let pairs = vec!["ab"; 32].join(":");
/// let sdp = Sdp::parse(
///     &format!(
///         "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\n\
///          a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=fingerprint:SHA-256 {pairs}\na=setup:actpass\n"
///     ),
///     &SdpRules::default(),
/// )?;
/// assert_eq!(sdp.fingerprint().as_bytes(), &[0xAB; 32]);
/// assert_eq!(sdp.setup(), Setup::ActPass);
/// assert_eq!(sdp.max_message_size(), MaxMessageSize::Limited(65_536));
/// assert_eq!(sdp.fragments(), None);
/// # Ok::<(), SdpError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Sdp {
    text: String,
    fingerprint: Fingerprint,
    setup: Setup,
    max_message_size: MaxMessageSize,
    fragments: Option<u64>,
    candidates: usize,
    dropped_candidates: usize,
}

impl Sdp {
    /// Reads a description as a peer sent it and brings it into the normal form.
    ///
    /// The normal form has CRLF line endings, one section `m=application 9 UDP/DTLS/SCTP webrtc-datachannel`
    /// (older forms are rewritten), one `a=fingerprint:sha-256`, and the candidates that can be reached by a UDP
    /// packet. What has no meaning for a data channel is left out. Defaults are written down: a missing `a=mid`
    /// becomes `0`, a missing `a=sctp-port` 5000, and the group of bundled sections always names the one section,
    /// since the engine rejects a section that is outside of it.
    ///
    /// # Errors
    ///
    /// See [`SdpError`]. Limits are checked before anything else, so that a refusal costs no more than a look
    /// at every byte.
    pub fn parse(raw: &str, rules: &SdpRules) -> Result<Self, SdpError> {
        lines::check_size(raw.len(), rules)?;
        Description::read(raw, rules).map(Self::render)
    }

    /// Like [`parse`](Self::parse), from bytes that should be UTF-8.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse), and [`SdpError::NotUtf8`].
    pub fn parse_bytes(raw: &[u8], rules: &SdpRules) -> Result<Self, SdpError> {
        lines::check_size(raw.len(), rules)?;
        let text =
            std::str::from_utf8(raw).map_err(|error| SdpError::NotUtf8 { offset: error.valid_up_to() })?;
        Self::parse(text, rules)
    }

    /// The normal form, for the engine.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The normal form with another `a=max-message-size`.
    ///
    /// For an engine that sizes what it *receives* by what its peer can receive, and for a sender that keeps to
    /// [`max_message_size`](Self::max_message_size) by itself.
    pub fn with_max_message_size(&self, bytes: u32) -> String {
        let line = format!("a=max-message-size:{}\r\n", self.max_message_size.announced());
        // The normal form has this line once, and no value in it can begin a line.
        self.text.replacen(&line, &format!("a=max-message-size:{bytes}\r\n"), 1)
    }

    /// What the certificate of the handshake will have to match.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The largest message that the peer takes.
    pub fn max_message_size(&self) -> MaxMessageSize {
        self.max_message_size
    }

    /// The bytes of unfinished messages that the peer is willing to hold, if it speaks the fragment extension.
    pub fn fragments(&self) -> Option<u64> {
        self.fragments
    }

    /// How many candidates are left.
    pub fn candidates(&self) -> usize {
        self.candidates
    }

    /// How many candidates were left out: unusable or forbidden ones, repeated ones, and those over the limit.
    pub fn dropped_candidates(&self) -> usize {
        self.dropped_candidates
    }

    /// Who begins the DTLS handshake.
    pub fn setup(&self) -> Setup {
        self.setup
    }

    fn render(description: Description) -> Self {
        let text = text_of(&description).expect("a String takes everything");
        Self {
            text,
            fingerprint: description.fingerprint,
            setup: description.setup,
            max_message_size: description.max_message_size,
            fragments: description.fragments,
            candidates: description.candidates.len(),
            dropped_candidates: description.dropped_candidates,
        }
    }
}

fn text_of(description: &Description) -> Result<String, fmt::Error> {
    let Description { session, mid, .. } = description;
    let mut text = String::with_capacity(1024);
    // User name and address of the origin say something about the peer's machine and nothing to the engine.
    write!(text, "v=0\r\no=- {} {} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", session.0, session.1)?;
    write!(text, "a=group:BUNDLE {mid}\r\n")?;
    if description.ice_lite {
        write!(text, "a=ice-lite\r\n")?;
    }
    if let Some(max) = description.fragments {
        write!(text, "a={FRAGMENTS}:{FRAGMENTS_VERSION} {max}\r\n")?;
    }
    write!(text, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n")?;
    write!(text, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", description.ufrag, description.pwd)?;
    if !description.ice_options.is_empty() {
        write!(text, "a=ice-options:{}\r\n", description.ice_options.join(" "))?;
    }
    write!(text, "a=fingerprint:sha-256 {}\r\na=setup:{}\r\n", description.fingerprint, description.setup)?;
    write!(text, "a=sctp-port:{}\r\n", description.sctp_port)?;
    write!(text, "a=max-message-size:{}\r\n", description.max_message_size.announced())?;
    for candidate in &description.candidates {
        write!(text, "a={candidate}\r\n")?;
    }
    if description.end_of_candidates {
        write!(text, "a=end-of-candidates\r\n")?;
    }
    Ok(text)
}

/// Leaves out the text: it carries the ICE password and the peer's addresses.
impl fmt::Debug for Sdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sdp")
            .field("fingerprint", &self.fingerprint)
            .field("setup", &self.setup)
            .field("max_message_size", &self.max_message_size)
            .field("fragments", &self.fragments)
            .field("candidates", &self.candidates)
            .field("dropped_candidates", &self.dropped_candidates)
            .finish_non_exhaustive()
    }
}

/// `a=setup`: who begins the DTLS handshake (RFC 8842 section 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// An offerer that leaves the choice to the answerer.
    ActPass,
    /// The peer begins: it is the DTLS client.
    Active,
    /// The peer waits: it is the DTLS server.
    Passive,
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ActPass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
        })
    }
}

/// `a=max-message-size`: the largest message that a peer takes (RFC 8841 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxMessageSize {
    /// So many bytes. 65,536 if the description says nothing; more than `u32::MAX` counts as that.
    Limited(u32),
    /// As large as its memory allows, written as 0.
    Unlimited,
}

impl MaxMessageSize {
    /// What applies to a peer that does not say (RFC 8841 section 6.1).
    const DEFAULT: Self = Self::Limited(65_536);

    /// Whether a message of `len` bytes may be sent as it is.
    pub fn allows(self, len: usize) -> bool {
        match self {
            Self::Limited(max) => u32::try_from(len).is_ok_and(|len| len <= max),
            Self::Unlimited => true,
        }
    }

    fn announced(self) -> u32 {
        match self {
            Self::Limited(max) => max,
            Self::Unlimited => 0,
        }
    }
}

/// Announces the fragment extension in a description that our own engine made.
///
/// `max_bytes` is what our [`Reassembler`](crate::Reassembler) holds. The line goes to the session level, in
/// front of the first section; an earlier announcement is replaced.
pub fn with_fragments(local_sdp: &str, max_bytes: u64) -> String {
    let mut line = Some(format!("a={FRAGMENTS}:{FRAGMENTS_VERSION} {max_bytes}\r\n"));
    let is_announcement = |line: &str| {
        let name = line.strip_prefix("a=").and_then(|line| line.split([':', '\r', '\n']).next());
        name == Some(FRAGMENTS)
    };
    let mut text = String::with_capacity(local_sdp.len() + 64);
    for old in local_sdp.split_inclusive('\n') {
        if old.starts_with("m=") {
            text.extend(line.take());
        }
        if !is_announcement(old) {
            text.push_str(old);
        }
    }
    text.extend(line);
    text
}

#[cfg(test)]
mod tests;
