//! The network path of a session, for people who want to know how they are connected.

use std::fmt;
use std::net::SocketAddr;

/// How an end of a path came to its address (RFC 8445, section 5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CandidateKind {
    /// An address of one of the machine's own interfaces.
    Host,
    /// The address that a NAT gave to it, as a STUN server or the peer saw it.
    Reflexive,
    /// An address of a TURN relay, which passes on encrypted packets.
    Relayed,
}

/// The two ends between which a session's packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// The address on this side.
    pub local: SocketAddr,
    /// Where the local address comes from.
    pub local_kind: CandidateKind,
    /// The peer's address.
    pub remote: SocketAddr,
    /// Where the peer's address comes from.
    pub remote_kind: CandidateKind,
}

impl Path {
    /// Returns whether packets pass through a TURN relay.
    pub fn is_relayed(&self) -> bool {
        self.local_kind == CandidateKind::Relayed || self.remote_kind == CandidateKind::Relayed
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_relayed() { "relayed" } else { "direct" };
        write!(formatter, "{} to {} ({how})", self.local, self.remote)
    }
}
