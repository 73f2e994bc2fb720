//! Which candidates this side has for a peer.

use std::net::SocketAddr;
use std::time::Duration;

use gatelodge_wire::IceServer;
use tokio::time::timeout;

use crate::engine::{Engine, EngineConfig, EngineError, EngineEvent};
use crate::identity::Identity;
use crate::path::CandidateKind;

/// How long to gather: a server that does not answer is given up by then.
const LIMIT: Duration = Duration::from_secs(6);

/// An address that a peer would be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gathered {
    /// Where it comes from.
    pub kind: CandidateKind,
    /// The address.
    pub address: SocketAddr,
}

/// Gathers candidates as a session does, with these servers. `local` adds the loopback addresses, for peers on this machine.
/// Takes 6 s at most; what was found by then counts.
///
/// # Errors
///
/// [`EngineError`] if no socket can be had.
pub async fn gather(ice_servers: &[IceServer], local: bool) -> Result<Vec<Gathered>, EngineError> {
    let failed = EngineError::at("could not make a certificate for an attempt");
    let identity = Identity::generate().map_err(failed)?;
    let config = EngineConfig { identity: &identity, ice_servers, relay_only: false, local, bind: &[] };
    let (engine, mut events) = Engine::new(config).await?;
    let gathering = async {
        engine.open_channel("mcp").await?;
        engine.set_connecting(true);
        engine.start_offer().await?;
        while let Some(event) = events.recv().await {
            if matches!(event, EngineEvent::Gathered) {
                break;
            }
        }
        Ok::<_, EngineError>(())
    };
    let outcome = timeout(LIMIT, gathering).await;
    let description = engine.local_description().await.unwrap_or_default();
    engine.close().await;
    match outcome {
        Ok(Err(error)) => Err(error),
        _ => Ok(candidates(&description)),
    }
}

/// Reads the candidates of a description (RFC 8839, section 5.1).
pub(crate) fn candidates(description: &str) -> Vec<Gathered> {
    let candidate = |line: &str| {
        let words: Vec<&str> = line.trim_end().strip_prefix("a=candidate:")?.split(' ').collect();
        let [_, _, _, _, ip, port, "typ", kind, ..] = words[..] else { return None };
        let kind = match kind {
            "host" => CandidateKind::Host,
            "srflx" | "prflx" => CandidateKind::Reflexive,
            "relay" => CandidateKind::Relayed,
            _ => return None,
        };
        Some(Gathered { kind, address: SocketAddr::new(ip.parse().ok()?, port.parse().ok()?) })
    };
    let mut found = Vec::new();
    for gathered in description.lines().filter_map(candidate) {
        if !found.contains(&gathered) {
            found.push(gathered);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_read_once_each() {
        let description = "v=0\r\n\
            a=candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host\r\n\
            a=candidate:1 2 udp 2130706431 192.0.2.7 5000 typ host\r\n\
            a=candidate:2 1 udp 1694498815 198.51.100.1 6000 typ srflx raddr 192.0.2.7 rport 5000\r\n\
            a=candidate:3 1 udp 1 2001:db8::1 7000 typ relay raddr :: rport 0\r\n\
            a=candidate:4 1 tcp 1 name.local 9 typ host tcptype active\r\n";
        let of = |kind, address: &str| Gathered { kind, address: address.parse().unwrap() };
        assert_eq!(
            candidates(description),
            [
                of(CandidateKind::Host, "192.0.2.7:5000"),
                of(CandidateKind::Reflexive, "198.51.100.1:6000"),
                of(CandidateKind::Relayed, "[2001:db8::1]:7000"),
            ]
        );
    }
}
