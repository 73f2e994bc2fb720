//! All checks of the network together, and what follows from them.

use std::time::Duration;

use futures_util::future::join_all;
use gatelodge_wire::{Fingerprint, IceServer, RendezvousUrl};

use super::gathering::{Gathered, gather};
use super::mapping::{Mapping, MappingReport, mapping};
use super::relay::{RelayError, relay};
use super::rendezvous::{Found, knock, rendezvous};
use super::{Check, udp};
use crate::identity::Identity;
use crate::path::CandidateKind;
use crate::signaling::SignalingLimits;
use crate::signaling::rendezvous::RendezvousOptions;

/// How long each of connecting to a rendezvous and registering there may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(4);

/// How long a desktop may take to answer a knock: a healthy one gathers its candidates in a second or two.
const KNOCK_LIMIT: Duration = Duration::from_secs(6);

/// What to look at.
#[derive(Debug)]
pub struct Network<'a> {
    /// Who this side is.
    pub identity: &'a Identity,
    /// The rendezvous, each with what the ids of its checks begin with, and the desktop to knock at.
    pub rendezvous: Vec<(String, RendezvousUrl, Option<Fingerprint>)>,
    /// How they are reached.
    pub options: RendezvousOptions,
    /// STUN servers beside those that they recommend.
    pub stun: Vec<String>,
    /// STUN and TURN servers beside those, with credentials.
    pub ice_servers: Vec<IceServer>,
}

/// Runs all checks: those of each rendezvous (see [`rendezvous()`]) with `<prefix>.desktop` for the desktop to knock at, then `udp`,
/// `stun`, `turn` and `candidates`. Takes 15 s at most.
pub async fn network(asked: Network<'_>) -> Vec<Check> {
    let Network { identity, rendezvous: places, options, stun, ice_servers } = asked;
    let options =
        options.limits(SignalingLimits::default().connect_timeout(CONNECT_LIMIT)).answer_limit(KNOCK_LIMIT);
    let reaching = places.iter().map(|(prefix, url, _)| rendezvous(prefix, identity, url, options.clone()));
    let found: Vec<Found> = join_all(reaching).await;
    let mut servers: Vec<IceServer> = found.iter().flat_map(|found| found.ice_servers.clone()).collect();
    servers.extend(stun.iter().map(|url| IceServer {
        urls: vec![url.clone()],
        username: None,
        credential: None,
    }));
    servers.extend(ice_servers);
    // Loopback addresses are of use where everything is on this machine.
    let local = found.iter().any(|found| found.agent.as_ref().is_some_and(|agent| agent.is_local()));
    // Links to listen at, and a rendezvous of this machine's own, are for peers on the same network.
    let afar = (!places.is_empty() && !local) || !servers.is_empty();
    let knocking = found.iter().zip(&places).map(|(found, (prefix, _, desktop))| async move {
        match (desktop, &found.agent) {
            (Some(desktop), Some(agent)) => Some(knock(prefix, agent, *desktop).await),
            (Some(_), None) => Some(Check::skipped(
                format!("{prefix}.desktop"),
                "this side is not registered at the rendezvous",
            )),
            (None, _) => None,
        }
    });
    let (knocked, mapped, relays, gathered) =
        tokio::join!(join_all(knocking), seen(&servers), relays(&servers), gather(&servers, local));
    let mut checks = Vec::new();
    for (found, knocked) in found.into_iter().zip(knocked) {
        checks.extend(found.checks);
        checks.extend(knocked);
    }
    let out = mapped.replies.iter().any(|reply| reply.seen.is_ok())
        || relays.iter().any(|(_, relay)| relay.is_ok());
    checks.push(udp_check(&mapped, out));
    checks.push(stun_check(&mapped, afar));
    checks.push(turn_check(&relays, mapped.mapping));
    checks.push(match gathered {
        Ok(gathered) => candidates_check(&gathered, mapped.mapping, afar),
        Err(error) => Check::failed(
            "candidates",
            format!("no UDP socket can be opened ({error})"),
            "check whether a security program on this machine forbids it",
        ),
    });
    checks
}

/// Asks the STUN servers, and the TURN servers, which are such as well.
async fn seen(servers: &[IceServer]) -> MappingReport {
    let mut urls: Vec<String> = Vec::new();
    for url in servers.iter().flat_map(|server| &server.urls) {
        if (udp::scheme(url) == "stun" || udp::is_over_udp(url)) && !urls.contains(url) {
            urls.push(url.clone());
        }
    }
    // STUN servers first: there is a limit on how many are asked.
    urls.sort_by_key(|url| udp::scheme(url) != "stun");
    mapping(&urls).await
}

async fn relays(servers: &[IceServer]) -> Vec<(&str, Result<std::net::SocketAddr, RelayError>)> {
    let turns = servers.iter().flat_map(|server| server.urls.iter().map(move |url| (url.as_str(), server)));
    let turns = turns.filter(|(url, _)| udp::scheme(url).starts_with("turn"));
    join_all(turns.map(|(url, server)| async move { (url, relay(url, server).await) })).await
}

fn udp_check(mapped: &MappingReport, out: bool) -> Check {
    let asked = mapped.replies.len();
    match (asked, out) {
        (0, _) => Check::skipped("udp", "there is no STUN or TURN server to ask over UDP"),
        (_, true) => Check::ok("udp", "UDP packets get out and answers come back"),
        _ => Check::failed(
            "udp",
            format!("not one UDP packet came back from {asked} {}", plural(asked, "server")),
            "the network blocks UDP, or the servers are down: try another network (a telephone's, say); on this one sessions \
             come about only with peers on the same network",
        ),
    }
}

fn stun_check(mapped: &MappingReport, afar: bool) -> Check {
    let ok: Vec<String> = mapped
        .replies
        .iter()
        .filter_map(|reply| {
            let (address, took) = reply.seen.as_ref().ok()?;
            Some(format!("{} sees {address} ({} ms)", reply.url, took.as_millis()))
        })
        .collect();
    let bad: Vec<String> = mapped
        .replies
        .iter()
        .filter_map(|reply| Some(format!("{}: {}", reply.url, reply.seen.as_ref().err()?)))
        .collect();
    if mapped.replies.is_empty() && !afar {
        return Check::skipped("stun", "there is no STUN server to ask; peers on the same network need none");
    }
    if mapped.replies.is_empty() {
        return Check::warning(
            "stun",
            "no STUN server is known, so that this machine cannot learn its address beyond a NAT",
            "use a rendezvous that recommends one, or name one with --stun stun:HOST:PORT",
        );
    }
    if ok.is_empty() {
        return Check::failed(
            "stun",
            format!("no STUN server answers: {}", bad.join("; ")),
            "check the servers' names; if UDP is blocked on this network, sessions need another one",
        );
    }
    let meaning = match mapped.mapping {
        Some(Mapping::None) => "there is no NAT in front of this machine",
        Some(Mapping::EndpointIndependent) => {
            "the NAT shows one address to everybody (endpoint-independent), so that direct connections are likely"
        }
        Some(Mapping::Symmetric) => {
            "the NAT shows another address to each server (symmetric), so that a direct connection comes about only with a \
             peer whose own NAT is not like that"
        }
        None => "there is a NAT; of which kind only a second server could tell",
    };
    let found = format!("{}; {meaning}", ok.join(", "));
    match bad.is_empty() {
        true => Check::ok("stun", found),
        false => Check::warning(
            "stun",
            format!("{found}; {}", bad.join("; ")),
            "one that answers is enough; tell whoever recommends the silent ones",
        ),
    }
}

fn turn_check(
    relays: &[(&str, Result<std::net::SocketAddr, RelayError>)],
    mapping: Option<Mapping>,
) -> Check {
    let over_udp: Vec<_> =
        relays.iter().filter(|(_, relay)| !matches!(relay, Err(RelayError::NotOverUdp))).collect();
    let good: Vec<String> = over_udp
        .iter()
        .filter_map(|(url, relay)| Some(format!("{url} gave the address {}", relay.as_ref().ok()?)))
        .collect();
    let bad: Vec<String> = over_udp
        .iter()
        .filter_map(|(url, relay)| Some(format!("{url}: {}", cause(relay.as_ref().err()?))))
        .collect();
    if let Some((_, error)) = over_udp.iter().find_map(|(url, relay)| Some((url, relay.as_ref().err()?))) {
        let advice = match error {
            RelayError::WrongCredentials => {
                "whoever runs the rendezvous has to give it the TURN server's own secret (coturn: static-auth-secret), and \
                 both machines the right time"
            }
            RelayError::NoCredentials => {
                "whoever runs the rendezvous has to configure the TURN server's secret there"
            }
            RelayError::Silent(_) | RelayError::Slow | RelayError::Unsent { .. } => {
                "the TURN server is down, or a firewall is in between; without it a session between two strict NATs does not \
                 come about"
            }
            RelayError::Full(_) => "try again later, or let whoever runs the TURN server raise its limits",
            RelayError::Unresolved(_) => {
                "whoever runs the rendezvous has to correct the TURN server's name there"
            }
            _ => "let whoever runs the TURN server look at its log",
        };
        return match good.is_empty() {
            true => Check::failed("turn", format!("no relay: {}", bad.join("; ")), advice),
            false => Check::warning("turn", format!("{}; {}", good.join(", "), bad.join("; ")), advice),
        };
    }
    if !good.is_empty() {
        return Check::ok("turn", good.join(", "));
    }
    if !relays.is_empty() {
        return Check::skipped(
            "turn",
            "the TURN servers are not reached over UDP, which is all that is checked",
        );
    }
    match mapping {
        Some(Mapping::Symmetric) => Check::warning(
            "turn",
            "no TURN server is known, and this machine's NAT is symmetric: with a peer behind such a NAT there is no session",
            "use a rendezvous that recommends a TURN server",
        ),
        _ => Check::ok(
            "turn",
            "no TURN server is known; one is needed only where no direct connection is possible",
        ),
    }
}

fn cause(error: &RelayError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error} ({source})"),
        None => error.to_string(),
    }
}

fn candidates_check(gathered: &[Gathered], mapping: Option<Mapping>, afar: bool) -> Check {
    let of = |kind, which: &str| {
        let of_kind: Vec<_> = gathered.iter().filter(|candidate| candidate.kind == kind).collect();
        let count = |v4: bool| of_kind.iter().filter(|candidate| candidate.address.is_ipv4() == v4).count();
        let families = match (count(true), count(false)) {
            (0, 0) => return format!("no address {which}"),
            (_, 0) => "IPv4".to_owned(),
            (0, _) => "IPv6".to_owned(),
            (v4, v6) => format!("{v4} IPv4, {v6} IPv6"),
        };
        let addresses = if of_kind.len() == 1 { "address" } else { "addresses" };
        format!("{} {addresses} {which} ({families})", of_kind.len())
    };
    let found = format!(
        "this side offers {}, {}, and {}",
        of(CandidateKind::Host, "of its own"),
        of(CandidateKind::Reflexive, "as seen from outside"),
        of(CandidateKind::Relayed, "at a relay")
    );
    let beyond = gathered.iter().any(|candidate| candidate.kind != CandidateKind::Host);
    match (gathered.is_empty(), beyond || !afar || mapping == Some(Mapping::None)) {
        (true, _) => Check::failed(
            "candidates",
            "this side has no address to offer to a peer",
            "connect it to a network",
        ),
        (false, true) => Check::ok("candidates", found),
        (false, false) => Check::warning(
            "candidates",
            format!("{found}; that is enough for peers on the same network only"),
            "a STUN or TURN server that answers is needed for peers elsewhere; see the checks before this one",
        ),
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}
