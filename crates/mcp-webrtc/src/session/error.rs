//! Why a session was not set up, in types for programs and sentences for people.

use std::time::Duration;

use gatelodge_wire::{Fingerprint, SdpError};

use super::no_path::NoPath;
use crate::engine::EngineError;
use crate::signaling::SignalingError;

/// A step of setting up a session that has a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The exchange of offer and answer.
    Signaling,
    /// The DTLS handshake, over a path that was found.
    Handshake,
}

/// Why a session was not set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The link failed.
    #[error("the signaling link failed")]
    Signaling(#[from] SignalingError),
    /// The peer said `bye` or closed the link before the session was up.
    #[error("the peer left before the session was up")]
    PeerLeft,
    /// The peer sent an offer where an answer was due, or the other way round.
    #[error("the peer sent an {got} where an {due} was due; only one side may offer")]
    UnexpectedSignal {
        /// What came.
        got: &'static str,
        /// What was due.
        due: &'static str,
    },
    /// The peer's description breaks a rule.
    #[error("the peer's session description is refused")]
    Sdp(#[from] SdpError),
    /// The peer's offer leaves the beginning of the DTLS handshake to this side, which the engine cannot do as answerer.
    #[error("the peer's offer says a=setup:passive; it has to offer actpass or active")]
    PassiveOffer,
    /// The peer sent this side's own fingerprint back.
    #[error("the peer announced this side's own fingerprint; the link reflects what it is sent")]
    OwnFingerprint,
    /// The engine failed.
    #[error("the WebRTC engine failed")]
    Engine(#[from] EngineError),
    /// A step took too long.
    #[error("{}", timed_out(*stage, *after))]
    TimedOut {
        /// The step.
        stage: Stage,
        /// How long it was given.
        after: Duration,
    },
    /// No path to the peer was found.
    #[error("no path to the peer was found: {0}")]
    NoPath(NoPath),
    /// There is a path, but what came over it was no proof of the certificate that the peer's description announced.
    #[error(
        "there is a path to the peer, but the handshake failed; its certificate may not be the one that its description announced"
    )]
    Handshake,
    /// The certificate of the handshake is not the announced one.
    #[error("the peer's certificate ({proved}) is not the one that its description announced ({announced})")]
    FingerprintMismatch {
        /// What the description said.
        announced: Fingerprint,
        /// What the handshake proved.
        proved: Fingerprint,
    },
    /// It is another peer than the expected one.
    #[error("another peer is there: expected {expected}, found {found}")]
    WrongPeer {
        /// Who was expected.
        expected: Fingerprint,
        /// Who is there.
        found: Fingerprint,
    },
    /// The peer was denied.
    #[error("the peer was denied: {reason}")]
    Denied {
        /// What the hook said.
        reason: String,
    },
    /// The session was given up on this side.
    #[error("the session was given up")]
    Cancelled,
}

fn timed_out(stage: Stage, after: Duration) -> String {
    let seconds = after.as_secs_f64();
    match stage {
        Stage::Signaling => format!("the peer sent no description within {seconds} s"),
        Stage::Handshake => format!(
            "there is a path to the peer, but the handshake took longer than {seconds} s; its certificate may not be the one \
             that its description announced"
        ),
    }
}
