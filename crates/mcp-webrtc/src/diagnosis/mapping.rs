//! What a NAT makes of this side's address, as STUN servers see it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;

use super::udp;
use crate::engine::{EngineError, StunAnswer, binding_request};

/// How many servers are asked at most; two are enough to tell.
const SERVERS: usize = 6;

/// How a NAT maps this side's address (RFC 4787, section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mapping {
    /// There is none: servers see the machine's own address.
    None,
    /// The same address towards everybody, so that a peer can be told of it.
    EndpointIndependent,
    /// Another address towards each server: what one of them sees is of no use to a peer ("symmetric NAT").
    Symmetric,
}

/// What one STUN server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StunReply {
    /// The server's URL.
    pub url: String,
    /// This side's address as the server saw it and how long that took, or a sentence why there is none.
    pub seen: Result<(SocketAddr, Duration), String>,
}

/// What all of them said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingReport {
    /// By server, and by address family where a server has both.
    pub replies: Vec<StunReply>,
    /// The kind of mapping (of IPv4, where there is any); `None` if fewer than two servers answered from different places,
    /// and there is a NAT.
    pub mapping: Option<Mapping>,
}

/// Asks STUN servers (TURN servers are such as well) from one socket where it is. Takes 6 s at most.
pub async fn mapping(urls: &[String]) -> MappingReport {
    let resolved =
        join_all(urls.iter().take(SERVERS).map(|url| async move { (url, udp::resolve(url).await) })).await;
    let mut replies = Vec::new();
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for (url, addresses) in resolved {
        match addresses {
            Ok(addresses) => {
                for address in addresses {
                    let family: &mut Vec<(String, SocketAddr)> =
                        if address.is_ipv4() { &mut v4 } else { &mut v6 };
                    // The STUN server and the TURN server are often one.
                    if family.iter().all(|(_, known)| *known != address) {
                        family.push((url.clone(), address));
                    }
                }
            }
            Err(reason) => replies.push(StunReply { url: url.clone(), seen: Err(reason) }),
        }
    }
    let (v4, v6) = tokio::join!(ask_all(v4), ask_all(v6));
    let found = [&v4, &v6].into_iter().find_map(|family| family.mapping);
    // A machine without IPv6 hears nothing from half of a server's addresses, which is as it should be.
    let answered: Vec<String> =
        v4.replies.iter().filter(|reply| reply.seen.is_ok()).map(|reply| reply.url.clone()).collect();
    replies.extend(v4.replies);
    replies
        .extend(v6.replies.into_iter().filter(|reply| reply.seen.is_ok() || !answered.contains(&reply.url)));
    MappingReport { replies, mapping: found }
}

async fn ask_all(servers: Vec<(String, SocketAddr)>) -> MappingReport {
    let nothing = |reason: &str| {
        let reply =
            |(url, _): &(String, SocketAddr)| StunReply { url: url.clone(), seen: Err(reason.to_owned()) };
        MappingReport { replies: servers.iter().map(reply).collect(), mapping: None }
    };
    let Some((_, first)) = servers.first() else { return nothing("") };
    let socket = match udp::socket_towards(*first).await {
        Ok(socket) => socket,
        Err(error) => return nothing(&format!("no UDP socket can be opened ({error})")),
    };
    let requests: Result<Vec<_>, _> =
        servers.iter().map(|(_, address)| Ok((*address, binding_request()?))).collect();
    let requests = match requests {
        Ok(requests) => requests,
        Err(error) => {
            let error: EngineError = error;
            return nothing(&error.to_string());
        }
    };
    let answers = udp::ask(&socket, &requests).await;
    let mut seen = Vec::new();
    let mut replies = Vec::new();
    for ((url, server), answer) in servers.into_iter().zip(answers) {
        let reply = match answer {
            Ok(Some((StunAnswer::Mapped(Some(address)), took))) => {
                let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                seen.push((server, address));
                Ok((address, took))
            }
            Ok(Some((StunAnswer::Refused { code, .. }, _))) => Err(format!("it refuses (error {code})")),
            Ok(Some(_)) => Err("it answers, but not what a STUN server answers".to_owned()),
            Ok(None) => Err(format!("no answer from {server} over UDP within 3 s")),
            Err(error) => Err(format!("nothing can be sent to {server} ({error})")),
        };
        replies.push(StunReply { url, seen: reply });
    }
    let mut own = None;
    if let (Some((server, _)), Ok(local)) = (seen.first(), socket.local_addr()) {
        own = own_address(*server).await.map(|ip| SocketAddr::new(ip, local.port()));
    }
    let mapping = judge(&seen, own);
    MappingReport { replies, mapping }
}

/// Returns the machine's own address on the way to a server.
async fn own_address(server: SocketAddr) -> Option<IpAddr> {
    let socket = udp::socket_towards(server).await.ok()?;
    socket.connect(server).await.ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// Concludes from what servers (first) saw of this side (second), whose own address is known perhaps.
fn judge(seen: &[(SocketAddr, SocketAddr)], own: Option<SocketAddr>) -> Option<Mapping> {
    let (_, first) = seen.first()?;
    let elsewhere = seen.iter().any(|(server, _)| *server != seen[0].0);
    if seen.iter().any(|(_, address)| address != first) {
        return Some(Mapping::Symmetric);
    }
    match own {
        Some(own) if own == *first => Some(Mapping::None),
        _ if elsewhere => Some(Mapping::EndpointIndependent),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(seen: &[(&str, &str)], own: &str) -> Option<Mapping> {
        let seen: Vec<_> = seen
            .iter()
            .map(|(server, address)| (server.parse().unwrap(), address.parse().unwrap()))
            .collect();
        judge(&seen, own.parse().ok())
    }

    #[test]
    fn two_servers_are_needed_to_know_a_nat() {
        let (one, two, own) = ("192.0.2.1:3478", "192.0.2.2:3478", "10.0.0.7:5000");
        let (seen, other) = ("198.51.100.1:6000", "198.51.100.1:6001");
        assert_eq!(judged(&[], own), None);
        assert_eq!(judged(&[(one, seen)], own), None);
        assert_eq!(judged(&[(one, seen), (one, seen)], own), None, "twice the same server");
        assert_eq!(judged(&[(one, seen), (two, seen)], own), Some(Mapping::EndpointIndependent));
        assert_eq!(judged(&[(one, seen), ("192.0.2.1:3479", seen)], own), Some(Mapping::EndpointIndependent));
        assert_eq!(judged(&[(one, seen), (two, other)], own), Some(Mapping::Symmetric));
        assert_eq!(judged(&[(one, own)], own), Some(Mapping::None));
    }
}
