//! Why no path was found: concluded from the addresses that each side had to offer, and said in sentences.
//!
//! [`crate::session::establish`] notes what both sides offer, and puts the conclusion into [`SessionError::NoPath`].
//!
//! [`SessionError::NoPath`]: super::SessionError::NoPath

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use gatelodge_wire::IceServer;

/// How many addresses a side had to offer, by where they came from (RFC 8445, section 5.1.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offered {
    /// Addresses of the machine's own interfaces.
    pub host: usize,
    /// Addresses that a NAT gave to it, as STUN servers saw them.
    pub reflexive: usize,
    /// Addresses of TURN relays.
    pub relayed: usize,
    /// Whether two STUN servers saw one socket at different addresses: the NAT gives out another one for each destination
    /// ("symmetric", RFC 4787 section 4.1), so that what a server saw is of no use to a peer. False also where too little is
    /// known to tell.
    pub new_port_per_destination: bool,
    /// What was seen of each socket, where that is told.
    seen: HashMap<SocketAddr, SocketAddr>,
}

impl Offered {
    /// Counts the candidates of a session description.
    pub fn of(description: &str) -> Self {
        let mut offered = Self::default();
        description.lines().for_each(|line| offered.add(line));
        offered
    }

    /// Counts a candidate, with or without `a=` in front. Other lines say nothing.
    pub fn add(&mut self, line: &str) {
        let line = line.trim_end();
        let Some(candidate) = line.strip_prefix("a=").unwrap_or(line).strip_prefix("candidate:") else {
            return;
        };
        let words: Vec<&str> = candidate.split(' ').collect();
        // RFC 8839, section 5.1. A second component would be that of RTCP, which data channels do not have.
        let [_, "1", transport, _, address, port, "typ", kind, ref rest @ ..] = words[..] else { return };
        if !transport.eq_ignore_ascii_case("udp") {
            return;
        }
        match kind {
            "host" => self.host += 1,
            "relay" => self.relayed += 1,
            "srflx" | "prflx" => {
                self.reflexive += 1;
                let (Some(mapped), ["raddr", base, "rport", base_port, ..]) = (socket(address, port), rest)
                else {
                    return;
                };
                // Browsers hide it, and then nobody can tell two sockets from one.
                let base =
                    socket(base, base_port).filter(|base| !base.ip().is_unspecified() && base.port() != 0);
                if let Some(base) = base {
                    self.new_port_per_destination |= *self.seen.entry(base).or_insert(mapped) != mapped;
                }
            }
            _ => {}
        }
    }

    fn nothing(&self) -> bool {
        self.host + self.reflexive + self.relayed == 0
    }
}

fn socket(address: &str, port: &str) -> Option<SocketAddr> {
    Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, port.parse().ok()?))
}

impl fmt::Display for Offered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} own, {} as seen from outside, {} relayed",
            self.host, self.reflexive, self.relayed
        )
    }
}

/// Why no path was found. Its text names the cause, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoPath {
    /// What this side offered.
    pub own: Offered,
    /// What the peer offered.
    pub peer: Offered,
    /// Whether this side knew of a STUN server, which TURN servers are as well.
    pub knew_stun: bool,
    /// Whether this side knew of a TURN server.
    pub knew_turn: bool,
}

impl NoPath {
    /// Notes what there was to connect with.
    pub(crate) fn new(own: Offered, peer: Offered, servers: &[IceServer]) -> Self {
        let knew = |schemes: &[&str]| {
            let scheme =
                |url: &String| url.split_once(':').is_some_and(|(scheme, _)| schemes.contains(&scheme));
            servers.iter().flat_map(|server| &server.urls).any(scheme)
        };
        Self {
            own,
            peer,
            knew_stun: knew(&["stun", "stuns", "turn", "turns"]),
            knew_turn: knew(&["turn", "turns"]),
        }
    }

    /// What is true of the two networks.
    fn cause(&self) -> &'static str {
        let Self { own, peer, .. } = self;
        match () {
            () if own.nothing() => "this side has no network address to offer",
            () if peer.nothing() => "the peer offered no address",
            () if own.relayed + peer.relayed > 0 => "not even the relay (TURN) leads to the other side",
            () if own.new_port_per_destination && peer.new_port_per_destination => {
                "the networks of both sides hand out a new port for each destination (symmetric NAT), which rules out a direct \
                 path"
            }
            () if own.new_port_per_destination => {
                "this side's network hands out a new port for each destination (symmetric NAT), and the peer's lets in \
                 nothing from a port that it has not sent to"
            }
            () if peer.new_port_per_destination => {
                "the peer's network hands out a new port for each destination (symmetric NAT), and this side's lets in \
                 nothing from a port that it has not sent to"
            }
            () if own.reflexive == 0 && self.knew_stun => {
                "no STUN server answered this side, so that it could offer its own network's addresses only"
            }
            () if own.reflexive == 0 => {
                "this side knows no STUN server, and could offer its own network's addresses only"
            }
            () if peer.reflexive == 0 => "the peer offered its own network's addresses only",
            () => "the networks or firewalls of both sides let none of the other's packets in",
        }
    }

    /// What helps.
    fn advice(&self) -> &'static str {
        let Self { own, peer, .. } = self;
        match () {
            () if own.nothing() => "connect this machine to a network",
            () if peer.nothing() => "the other machine has to be connected to a network",
            () if own.relayed + peer.relayed > 0 => {
                "a firewall may block UDP on the way to it, or the relay refuses to pass packets on to the other side"
            }
            () if self.knew_turn => {
                "a relay (TURN) is set up, but gave this side no address: it is down, UDP to it is blocked, or it refused the \
                 credentials"
            }
            () if own.reflexive == 0 && self.knew_stun => {
                "UDP may be blocked on this network, or the server is down; try another network"
            }
            () if own.reflexive == 0 => {
                "if the peer is on another network, use a rendezvous that recommends a STUN server, or name one (--stun)"
            }
            () => {
                "no relay (TURN) is set up that could pass the packets on; set one up at the rendezvous (its turn-url), or let one of \
                 the two machines use another network"
            }
        }
    }
}

impl fmt::Display for NoPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}; {} (addresses of this side: {}; of the peer: {})",
            self.cause(),
            self.advice(),
            self.own,
            self.peer
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "a=candidate:1 1 udp 2130706431 192.168.1.10 5000 typ host\r\n";
    const SEEN: &str =
        "a=candidate:2 1 udp 1694498815 203.0.113.2 5000 typ srflx raddr 192.168.1.10 rport 5000\r\n";
    const SEEN_ELSE: &str =
        "a=candidate:3 1 udp 1694498815 203.0.113.2 6001 typ srflx raddr 192.168.1.10 rport 5000\r\n";
    const RELAY: &str =
        "a=candidate:4 1 udp 16777215 192.0.2.1 7000 typ relay raddr 192.168.1.10 rport 5000\r\n";

    fn offered(lines: &[&str]) -> Offered {
        Offered::of(&format!("v=0\r\n{}a=end-of-candidates\r\n", lines.concat()))
    }

    #[test]
    fn candidates_are_counted_and_mappings_compared() {
        let all = offered(&[HOST, SEEN, SEEN_ELSE, RELAY]);
        assert_eq!((all.host, all.reflexive, all.relayed), (1, 2, 1));
        assert!(all.new_port_per_destination);
        assert!(!offered(&[HOST, SEEN, SEEN]).new_port_per_destination);
        let other_socket = SEEN_ELSE.replace("rport 5000", "rport 5001");
        assert!(!offered(&[SEEN, &other_socket]).new_port_per_destination);
        let hidden = |line: &str| line.replace("192.168.1.10 rport 5000", "0.0.0.0 rport 0");
        assert!(!offered(&[&hidden(SEEN), &hidden(SEEN_ELSE)]).new_port_per_destination);
        let tcp = HOST.replace(" udp ", " tcp ");
        assert!(offered(&[&tcp, "a=candidate:\r\n", "a=candidate:1 1 udp 1 x 1 typ\r\n"]).nothing());
        let mut trickled = Offered::default();
        trickled.add("candidate:1 1 UDP 1 name.local 5000 typ host");
        assert_eq!(trickled.host, 1);
    }

    /// What each side offered, the servers, and what the sentence has to say.
    type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a [IceServer], &'a str, &'a str);

    #[test]
    fn the_cause_is_named_and_what_to_do() {
        let server = |url: &str| IceServer { urls: vec![url.to_owned()], username: None, credential: None };
        let (none, stun, turn) =
            (vec![], vec![server("stun:192.0.2.1")], vec![server("turn:192.0.2.1?transport=udp")]);
        let (symmetric, cone) = ([HOST, SEEN, SEEN_ELSE], [HOST, SEEN]);
        let cases: &[Case<'_>] = &[
            (&symmetric, &symmetric, &stun, "of both sides hand out a new port", "no relay (TURN) is set up"),
            (&symmetric, &symmetric, &turn, "of both sides hand out a new port", "gave this side no address"),
            (&symmetric, &cone, &stun, "this side's network hands out", "no relay (TURN) is set up"),
            (&cone, &symmetric, &stun, "the peer's network hands out", "no relay (TURN) is set up"),
            (&cone, &cone, &stun, "let none of the other's packets in", "no relay (TURN) is set up"),
            (&[HOST], &cone, &stun, "no STUN server answered", "UDP may be blocked"),
            (&[HOST], &cone, &none, "this side knows no STUN server", "recommends a STUN server"),
            (&cone, &[HOST], &stun, "the peer offered its own network's", "no relay (TURN) is set up"),
            (&[], &cone, &stun, "no network address", "connect this machine"),
            (&cone, &[], &stun, "the peer offered no address", "the other machine"),
            (&cone, &[HOST, RELAY], &stun, "not even the relay", "a firewall may block UDP"),
        ];
        for (own, peer, servers, cause, advice) in cases {
            let sentence = NoPath::new(offered(own), offered(peer), servers).to_string();
            assert!(
                sentence.contains(cause) && sentence.contains(advice),
                "{cause:?}, {advice:?}: {sentence}"
            );
        }
    }
}
