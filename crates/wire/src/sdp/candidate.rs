//! ICE candidates: the grammar of RFC 8839 section 5.1, and which of them the engine may try.
//!
//! A candidate makes the engine send packets to an address that the peer chose. Those that a UDP packet can't reach, and
//! those that reach something else than one peer, are left out.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::{SdpError, SdpRules, lines};

/// The only component of a data channel's transport; 2 would be RTCP.
const COMPONENT: u16 = 1;

/// RFC 8839 section 5.1: a foundation is at most 32 characters.
const MAX_FOUNDATION: usize = 32;

/// RFC 8445 section 5.1.2: priorities are 1 to 2^31 - 1.
const MAX_PRIORITY: u32 = i32::MAX as u32;

/// A candidate that can be tried: one component, UDP, a usable address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    foundation: String,
    priority: u32,
    address: SocketAddr,
    kind: Kind,
}

/// RFC 8839 section 5.1, `cand-type`, with the related address that all but the first one have.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Host,
    ServerReflexive(Option<SocketAddr>),
    PeerReflexive(Option<SocketAddr>),
    Relayed(Option<SocketAddr>),
}

impl Candidate {
    /// Reads what follows `candidate:`. `None` is a candidate that is well formed and not to be tried.
    pub(super) fn read(text: &str, line: usize, rules: &SdpRules) -> Result<Option<Self>, SdpError> {
        let bad = |reason| SdpError::BadCandidate { line, reason };
        let mut fields = text.split(' ').filter(|field| !field.is_empty());
        let mut next = || fields.next().ok_or(bad("it has fewer than eight fields"));

        let foundation = next()?;
        if foundation.len() > MAX_FOUNDATION || !foundation.chars().all(is_ice_char) {
            return Err(bad("the foundation is not 1 to 32 letters, digits, '+' or '/'"));
        }
        let component = next()?;
        let component = number::<u16>(component)
            .filter(|component| (1..=256).contains(component))
            .ok_or(bad("the component is not a number from 1 to 256"))?;
        let transport = next()?;
        let priority = next()?;
        let priority = number::<u32>(priority)
            .filter(|priority| (1..=MAX_PRIORITY).contains(priority))
            .ok_or(bad("the priority is not a number from 1 to 2147483647"))?;
        let address = next()?;
        let port = next()?;
        let port = number::<u16>(port).ok_or(bad("the port is not a number from 0 to 65535"))?;
        if !next()?.eq_ignore_ascii_case("typ") {
            return Err(bad("the seventh field is not 'typ'"));
        }
        let kind = next()?.to_ascii_lowercase();

        let related = match fields.next() {
            Some(name) if name.eq_ignore_ascii_case("raddr") => {
                let address = fields.next();
                let name = fields.next().filter(|name| name.eq_ignore_ascii_case("rport"));
                let port = name.and(fields.next()).and_then(number::<u16>);
                let (Some(address), Some(port)) = (address, port) else {
                    return Err(bad("the related address has no port"));
                };
                // It is for diagnosis only. Browsers hide it already; a name in its place is hidden likewise.
                let hidden = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
                Some(address.parse::<IpAddr>().map_or(hidden, |address| SocketAddr::new(address, port)))
            }
            _ => None,
        };
        let kind = match kind.as_str() {
            "host" => Kind::Host,
            "srflx" => Kind::ServerReflexive(related),
            "prflx" => Kind::PeerReflexive(related),
            "relay" => Kind::Relayed(related),
            // RFC 8839 section 5.1: types to come are ignored.
            _ => return Ok(None),
        };
        if component != COMPONENT || !transport.eq_ignore_ascii_case("udp") || port == 0 {
            return Ok(None);
        }
        // Host names, `.local` names and addresses with a zone do not parse: what they mean depends on the machine
        // that asks.
        let Some(address) = address.parse().ok().and_then(|address| usable(address, rules)) else {
            return Ok(None);
        };
        Ok(Some(Self {
            foundation: foundation.to_owned(),
            priority,
            address: SocketAddr::new(address, port),
            kind,
        }))
    }

    /// Whether trying both would send the same packets.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { foundation, priority, address, kind } = self;
        let (name, related) = match kind {
            Kind::Host => ("host", None),
            Kind::ServerReflexive(related) => ("srflx", *related),
            Kind::PeerReflexive(related) => ("prflx", *related),
            Kind::Relayed(related) => ("relay", *related),
        };
        write!(f, "candidate:{foundation} {COMPONENT} udp {priority} {} {}", address.ip(), address.port())?;
        write!(f, " typ {name}")?;
        match related {
            Some(related) => write!(f, " raddr {} rport {}", related.ip(), related.port()),
            None => Ok(()),
        }
    }
}

/// The address that a packet would really go to, if one may be sent there.
fn usable(address: IpAddr, rules: &SdpRules) -> Option<IpAddr> {
    let address = address.to_canonical();
    let usable = match address {
        IpAddr::V4(v4) => {
            // All of 0.0.0.0/8 means "this host" (RFC 791), not only the unspecified address.
            let this_host = v4.octets()[0] == 0;
            !this_host && !v4.is_multicast() && !v4.is_broadcast()
        }
        IpAddr::V6(v6) => !v6.is_multicast() && !is_link_local(v6) && (v6.is_loopback() || !embeds_v4(v6)),
    };
    (usable && (rules.loopback || !address.is_loopback())).then_some(address)
}

/// Link-local addresses can't be sent to without naming an interface of this machine.
fn is_link_local(address: Ipv6Addr) -> bool {
    address.is_unicast_link_local()
}

/// `::/96`, the IPv4-compatible addresses that RFC 4291 gave up, and the unspecified one among them.
fn embeds_v4(address: Ipv6Addr) -> bool {
    address.segments()[..6] == [0; 6]
}

/// RFC 8839 section 5.1, `ice-char`.
pub(super) fn is_ice_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/')
}

/// Digits only: unlike `parse`, no sign.
pub(super) fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Brings one trickled candidate into the normal form, `candidate:...`.
///
/// It may come with or without `a=` and `candidate:` in front, as browsers and libraries send it. `None` is a
/// candidate that the engine shall not try, or the empty one which says that no more will come.
///
/// # Errors
///
/// [`SdpError::BadCandidate`], [`SdpError::LineTooLong`] and [`SdpError::ControlCharacter`].
pub fn normalise_candidate(candidate: &str, rules: &SdpRules) -> Result<Option<String>, SdpError> {
    let line = candidate.strip_suffix('\n').map_or(candidate, |line| line.strip_suffix('\r').unwrap_or(line));
    lines::check_line(line, 1, rules)?;
    let line = line.strip_prefix("a=").unwrap_or(line);
    let line = line.strip_prefix("candidate:").unwrap_or(line);
    if matches!(line, "" | "end-of-candidates") {
        return Ok(None);
    }
    Ok(Candidate::read(line, 1, rules)?.map(|candidate| candidate.to_string()))
}
