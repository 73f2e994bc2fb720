//! Every byte that Gatelodge exchanges, as pure functions: no IO, no clocks, no async.
//!
//! What two peers say to each other on the way to a session and within it is read and written here, and nowhere
//! else. The callers bring the bytes (sockets, data channels, clipboards) and act on what they mean; that is why
//! everything here can be tested by exact bytes, by properties and by fuzzing.
//!
//! In the order in which a session meets them:
//!
//! - [`Signal`] is the JSON object that carries a description across a signaling link, [`encode_paste`] and
//!   [`decode_paste`] do the same for a clipboard.
//! - [`Sdp`] is a description that has been judged and rebuilt, so that the engine sees what was judged.
//! - [`Fingerprint`] names a peer: SHA-256 of the certificate that it proves to own in the handshake.
//! - [`split`] and [`Reassembler`] carry messages that are larger than a data channel message.
//! - [`Invitation`] is what a person hands to an agent; [`AgentPairing`] and [`DesktopPairing`] prove to each other with it
//!   that nobody is in between.
//! - [`Control`] is what the two sides of a session say to each other beside the MCP messages.
//! - [`answered_id`] tells which request a long answer is to, by its beginning.
//! - [`ClientMessage`] and [`ServerMessage`] are what a rendezvous and those who come to it say to each other.
//! - [`peek`] tells what kind of JSON-RPC message some bytes are, for those who have to answer in its place;
//!   [`read_message`] reads it strictly, for those who decide about it, and [`Json`] points into it.
//!
//! From the offer of a peer to its name:
//!
//! ```
//! use gatelodge_wire::{Sdp, SdpRules, Signal};
//!
//! # let description = "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\n\
//! #     a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=setup:actpass\n\
//! #     a=fingerprint:sha-256 AB".to_owned() + &":AB".repeat(31);
//! # let line = Signal::Offer { sdp: description }.to_json();
//! let Some(Signal::Offer { sdp }) = Signal::parse(line.as_bytes())? else { panic!("not an offer") };
//! let sdp = Sdp::parse(&sdp, &SdpRules::default())?;
//! println!("{} ({}) wants to connect", sdp.fingerprint(), sdp.fingerprint().words());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A message in fragments:
//!
//! ```
//! use gatelodge_wire::{FragmentLimits, Reassembler, split};
//!
//! let message = vec![b'x'; 1 << 20];
//! let mut reassembler = Reassembler::new(FragmentLimits::default());
//! for frame in split(0, &message, 64 << 10) {
//!     if let Some(whole) = reassembler.push(&frame)? {
//!         assert_eq!(whole, message);
//!     }
//! }
//! # Ok::<(), gatelodge_wire::FragmentError>(())
//! ```
//!
//! Errors say what was wrong and where, and repeat next to nothing of what the peer sent: they may be logged.

mod control;
mod envelope;
mod fingerprint;
mod fragment;
mod invitation;
mod line;
mod pairing;
mod paste;
mod rendezvous;
mod resume;
mod sdp;
mod sentence;
mod signal;

pub use control::{
    CONTROL_LABEL, CONTROL_VERSION, ChannelCount, Control, ControlError, LentServer, MAX_CONTROL_BYTES,
    PairFailure, RefusalCode, labelled_channel, labelled_server, resumable_label, server_label,
};
pub use envelope::{
    Elements, Envelope, EnvelopeError, Json, JsonError, MAX_DEPTH, MESSAGE_TOO_LARGE, Member, Members,
    Message, MessageError, MessageFault, RawId, Strictness, answered_id, misspelt, peek, read_message,
    too_large_error,
};
pub use fingerprint::{Fingerprint, FingerprintError, FingerprintWords, WordsError};
pub use fragment::{FragmentError, FragmentLimits, Fragments, HEADER_LEN, Reassembler, split};
pub use invitation::{
    GroupFault, INVITATION_LINK, Invitation, InvitationError, InvitationId, InvitationIdError,
    InvitationSecret, InvitationText, MAX_INVITATION_TEXT, MAX_PLACE_BYTES, MAX_PLACES, PlaceScheme,
    PlaceUrl, PlaceUrlError, TextFault,
};
pub use line::one_line;
pub use pairing::{
    AgentPairing, AgentProved, DesktopPairing, PairBytesError, PairNonce, PairProof, WrongProof,
};
pub use paste::{MAX_PASTE_BYTES, PasteError, PasteKind, decode_paste, encode_paste, paste_is_complete};
pub use rendezvous::{
    ClientMessage, DeclineCode, IceServer, KnockId, KnockIdError, MAX_RENDEZVOUS_BYTES, Nonce, Opaque,
    REGISTRATION_DOMAIN, RENDEZVOUS_PATH, RENDEZVOUS_VERSION, RendezvousErrorCode, RendezvousMessageError,
    RendezvousRole, RendezvousUrl, RendezvousUrlError, ServerMessage, registration_content, signed_bytes,
};
pub use resume::{
    ACK_AFTER_BYTES, ACK_AFTER_MESSAGES, AckDue, ImpossibleCount, Incoming, MAX_KEPT_BYTES, Outgoing,
    RESUME_VERSION, ResumeToken, ResumeTokenError,
};
pub use sdp::{MaxMessageSize, Sdp, SdpError, SdpRules, Setup, normalise_candidate, with_fragments};
pub use sentence::with_causes;
pub use signal::{Candidate, MAX_SIGNAL_BYTES, Signal, SignalError};
