//! What can go wrong at a rendezvous, in sentences for people.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use gatelodge_wire::{DeclineCode, RendezvousErrorCode, RendezvousMessageError, RendezvousUrl};

use crate::identity::IdentityError;
use crate::signaling::SignalingError;

/// Why a rendezvous, or a desktop at it, could not be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RendezvousError {
    /// No connection.
    #[error("the rendezvous {url} cannot be reached")]
    Unreachable {
        /// Which one.
        url: RendezvousUrl,
        /// Why.
        #[source]
        source: Box<SignalingError>,
    },
    /// No TLS, or none that can be trusted.
    #[error(
        "there is no trusted TLS connection to {url}; check the address, and if its certificate is of a private authority, \
         name that one's file"
    )]
    Tls {
        /// Which one.
        url: RendezvousUrl,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file with certification authorities can't be used.
    #[error("{} has no usable certificate of an authority", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something else answers there.
    #[error("{url} answers, but is no rendezvous")]
    NotARendezvous {
        /// Where.
        url: RendezvousUrl,
        /// What it does instead.
        #[source]
        source: Box<SignalingError>,
    },
    /// It has no room, or is about to end.
    #[error("the rendezvous {url} has no room at the moment (HTTP status {status}); try again later")]
    Full {
        /// Which one.
        url: RendezvousUrl,
        /// What it said.
        status: u16,
    },
    /// It speaks another version.
    #[error("the rendezvous speaks version {theirs} and this program 1; update the older one")]
    Version {
        /// Its version.
        theirs: u32,
    },
    /// It said no.
    #[error("the rendezvous refused: {message}")]
    Refused {
        /// Why, for programs.
        code: RendezvousErrorCode,
        /// Why, in its words.
        message: String,
    },
    /// It took too long.
    #[error("the rendezvous did not {action} within {limit:?}")]
    TimedOut {
        /// What it should have done.
        action: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// The connection ended.
    #[error("the connection to the rendezvous was lost")]
    Lost,
    /// It sent what is no message, or one out of turn.
    #[error("the rendezvous sent something that it should not")]
    BadMessage(#[source] Option<RendezvousMessageError>),
    /// The identity could not sign.
    #[error("the registration could not be signed")]
    Sign(#[source] IdentityError),
    /// The desktop is not there.
    #[error("the desktop is not there; it has to be running, online and at this rendezvous")]
    NotThere,
    /// The desktop does not want this agent.
    #[error("{}", declined(*code))]
    Declined {
        /// Why.
        code: DeclineCode,
    },
    /// The desktop is there and says nothing.
    #[error("the desktop is there, but did not answer within {limit:?}")]
    NoAnswer {
        /// How long it had.
        limit: Duration,
    },
    /// The desktop left, or the rendezvous ended the knock.
    #[error("the desktop left before it answered")]
    Left,
}

fn declined(code: DeclineCode) -> &'static str {
    match code {
        DeclineCode::NotKnown => {
            "the desktop does not know this agent; pair it first, or let the desktop's user trust its fingerprint"
        }
        DeclineCode::Busy => "the desktop is busy with others at the moment; try again in a minute",
        DeclineCode::Unavailable => {
            "the desktop cannot look up whom it trusts at the moment; its user has been told"
        }
        DeclineCode::GateClosed => {
            "the desktop's user has closed its gate; nobody is let in until it is open again"
        }
        _ => "the desktop declined",
    }
}
