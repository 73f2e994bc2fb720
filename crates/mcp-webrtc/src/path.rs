//! The network path of a session, for people who want to know how they are connected.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

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
        self.kind() == PathKind::Relayed
    }

    /// Returns the path in one word.
    pub fn kind(&self) -> PathKind {
        match (self.local_kind, self.remote_kind) {
            (CandidateKind::Relayed, _) | (_, CandidateKind::Relayed) => PathKind::Relayed,
            (CandidateKind::Host, CandidateKind::Host) => PathKind::Direct,
            _ => PathKind::Reflexive,
        }
    }

    /// Returns the address of the relay, if there is one: that of this side's own, else that of the peer's.
    pub fn relay(&self) -> Option<IpAddr> {
        match (self.local_kind, self.remote_kind) {
            (CandidateKind::Relayed, _) => Some(self.local.ip()),
            (_, CandidateKind::Relayed) => Some(self.remote.ip()),
            _ => None,
        }
    }
}

/// A path in one word, for people who want to know whether anybody is in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathKind {
    /// Between addresses of the two machines' own.
    Direct,
    /// Directly, through a NAT on at least one side.
    Reflexive,
    /// Through a TURN relay.
    Relayed,
}

impl fmt::Display for PathKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Direct => "direct",
            Self::Reflexive => "reflexive",
            Self::Relayed => "relayed",
        })
    }
}

impl fmt::Display for CandidateKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Host => "host",
            Self::Reflexive => "reflexive",
            Self::Relayed => "relayed",
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_relayed() { "relayed" } else { "direct" };
        write!(formatter, "{} to {} ({how})", self.local, self.remote)
    }
}
