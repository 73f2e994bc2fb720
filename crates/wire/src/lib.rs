//! Every byte that Gatelodge exchanges, as pure functions: no IO, no clocks, no async.

mod envelope;
mod fingerprint;
mod fragment;
mod paste;
mod sdp;
mod signal;

pub use signal::{Candidate, MAX_SIGNAL_BYTES, Signal, SignalError};
