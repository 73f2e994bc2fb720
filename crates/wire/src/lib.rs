//! Every byte that Gatelodge exchanges, as pure functions: no IO, no clocks, no async.

mod envelope;
mod fingerprint;
mod fragment;
mod paste;
mod sdp;
mod signal;

pub use envelope::{Envelope, EnvelopeError, MESSAGE_TOO_LARGE, RawId, peek, too_large_error};
pub use fingerprint::{Fingerprint, FingerprintError, FingerprintWords, WordsError};
pub use fragment::{FragmentError, FragmentLimits, Fragments, HEADER_LEN, Reassembler, split};
pub use paste::{MAX_PASTE_BYTES, PasteError, PasteKind, decode_paste, encode_paste, paste_is_complete};
pub use sdp::{MaxMessageSize, Sdp, SdpError, SdpRules, Setup, normalise_candidate, with_fragments};
pub use signal::{Candidate, MAX_SIGNAL_BYTES, Signal, SignalError};
