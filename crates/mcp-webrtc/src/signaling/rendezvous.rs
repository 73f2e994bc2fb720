//! Signaling by way of a rendezvous: a server that both sides reach by outgoing connections.
//!
//! A desktop stays registered with [`RendezvousDesktop`] and gets a [`Knock`] from whoever wants a session; an agent knocks
//! with [`RendezvousAgent`]. Either end is a link like any other. The rendezvous proves to the desktop who knocks, as far as
//! the rendezvous is to be believed; who it really is, the handshake of the session decides.
//!
//! TLS trusts the public authorities that Mozilla's list has, compiled in, and those of files that are named in the options.
//! Agents often run in containers without any list of their own, and little depends on it: a rendezvous that is not the real
//! one can refuse, watch who knocks, and no more.

mod agent;
mod carrier;
mod desktop;
mod dial;
mod error;
mod link;

use std::path::PathBuf;
use std::time::Duration;

use gatelodge_wire::IceServer;

pub use agent::RendezvousAgent;
pub use desktop::{Knock, RendezvousDesktop, RendezvousState};
pub use error::RendezvousError;
pub use link::RendezvousSignaling;

use super::SignalingLimits;

/// How a rendezvous is reached.
#[derive(Debug, Clone)]
pub struct RendezvousOptions {
    limits: SignalingLimits,
    ca_files: Vec<PathBuf>,
    answer_limit: Duration,
    first_retry: Duration,
    last_retry: Duration,
}

impl Default for RendezvousOptions {
    fn default() -> Self {
        Self {
            limits: SignalingLimits::default(),
            ca_files: Vec::new(),
            // A desktop answers with its offer once its candidates are there, which takes it a few seconds where a STUN or
            // TURN server does not answer.
            answer_limit: Duration::from_secs(20),
            first_retry: Duration::from_millis(500),
            last_retry: Duration::from_secs(60),
        }
    }
}

impl RendezvousOptions {
    /// Sets the limits of the connection and of every link over it.
    #[must_use]
    pub fn limits(mut self, limits: SignalingLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Trusts the certification authorities of a file (PEM) as well, for a private rendezvous. May be repeated.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_files.push(path.into());
        self
    }

    /// Sets how long an agent waits for a desktop's first object after it has knocked. Defaults to 20 s.
    #[must_use]
    pub fn answer_limit(mut self, limit: Duration) -> Self {
        self.answer_limit = limit;
        self
    }

    /// Sets the pauses after which a desktop tries again: the first one, and the longest, to which they double. Each is
    /// shortened by up to half at random. Defaults to 0.5 s and 60 s.
    #[must_use]
    pub fn retry(mut self, first: Duration, longest: Duration) -> Self {
        self.first_retry = first;
        self.last_retry = longest.max(first);
        self
    }
}

/// The STUN and TURN servers that the rendezvous recommends at the moment.
type SharedIceServers = std::sync::Arc<std::sync::Mutex<Vec<IceServer>>>;

fn current(servers: &SharedIceServers) -> Vec<IceServer> {
    servers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
}

/// Random bytes, for names and pauses. Where the system has none the pauses are not random, and a name that is not is refused
/// by the rendezvous when it comes twice.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        tracing::warn!("the system has no random numbers");
    }
    bytes
}
