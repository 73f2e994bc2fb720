//! Who is on the other side, and whether it may come in.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use gatelodge_wire::Fingerprint;

use crate::path::Path;

/// A peer whose certificate the DTLS handshake has proved.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Peer {
    /// The SHA-256 fingerprint of the handshake's certificate: the peer's name.
    pub fingerprint: Fingerprint,
    /// The certificate itself, in DER form.
    pub certificate: Arc<[u8]>,
    /// The addresses in use, as far as the engine tells.
    pub path: Option<Path>,
    /// The link on which the peer came, for people, such as `TCP 192.0.2.7:5123`.
    pub link: String,
}

/// The verdict on a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// The session goes on; only now can a byte of the peer's reach a channel's reader.
    Admit,
    /// The session ends.
    Deny {
        /// Why, for this side's log and people. The peer is not told.
        reason: String,
    },
}

impl Admission {
    /// Denies for a reason.
    pub fn deny(reason: impl Into<String>) -> Self {
        Self::Deny { reason: reason.into() }
    }
}

type Verdict = Pin<Box<dyn Future<Output = Admission> + Send>>;

/// What the builder's `admit` was given.
pub(super) type AdmissionHook = Box<dyn FnOnce(Peer) -> Verdict + Send>;

pub(super) fn hook<F, V>(hook: F) -> AdmissionHook
where
    F: FnOnce(Peer) -> V + Send + 'static,
    V: Future<Output = Admission> + Send + 'static,
{
    Box::new(move |peer| Box::pin(hook(peer)))
}
