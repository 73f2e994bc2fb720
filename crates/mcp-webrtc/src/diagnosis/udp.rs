//! Requests over UDP: sent again until an answer comes, and given up in time.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

use crate::engine::{StunAnswer, StunRequest};

/// When a request goes out, counted from the one before: at 0, 0.3, 0.9 and 2.1 s, so that three may be lost.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_millis(1200),
    Duration::from_millis(900),
];

/// How long a name may take to resolve.
const LOOKUP_LIMIT: Duration = Duration::from_secs(3);

/// The largest answer; STUN messages keep to a packet of 1,500 bytes.
const DATAGRAM: usize = 1500;

/// Opens a socket towards an address: of its family, at any port.
pub(super) async fn socket_towards(address: SocketAddr) -> std::io::Result<UdpSocket> {
    match address {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await,
    }
}

/// What a server answered and how long that took; `None` if it said nothing.
pub(super) type Answered = Option<(StunAnswer, Duration)>;

/// Asks servers from one socket and waits for their answers, three seconds at most. What others send to the same socket is left
/// out. The error is of the system, for a server that could not be sent to.
pub(super) async fn ask(
    socket: &UdpSocket,
    asked: &[(SocketAddr, StunRequest)],
) -> Vec<std::io::Result<Answered>> {
    let mut answers: Vec<std::io::Result<Answered>> = asked.iter().map(|_| Ok(None)).collect();
    let mut buffer = [0; DATAGRAM];
    for pause in PAUSES {
        let sent = Instant::now();
        for ((server, request), answer) in asked.iter().zip(&mut answers) {
            if !matches!(answer, Ok(Some(_))) {
                *answer = socket.send_to(&request.bytes, server).await.map(|_| None);
            }
        }
        let deadline = sent + pause;
        while answers.iter().any(|answer| !matches!(answer, Ok(Some(_)))) {
            match timeout_at(deadline, socket.recv_from(&mut buffer)).await {
                Ok(Ok((length, _))) => {
                    for ((_, request), answer) in asked.iter().zip(&mut answers) {
                        if let Some(heard) = request.answer(&buffer[..length])
                            && !matches!(answer, Ok(Some(_)))
                        {
                            *answer = Ok(Some((heard, sent.elapsed())));
                        }
                    }
                }
                // An earlier request's "port unreachable"; a later answer counts all the same.
                Ok(Err(_)) => {}
                Err(_) => break,
            }
        }
    }
    answers
}

/// Asks one server.
pub(super) async fn ask_one(
    socket: &UdpSocket,
    server: SocketAddr,
    request: StunRequest,
) -> std::io::Result<Answered> {
    ask(socket, &[(server, request)]).await.pop().unwrap_or(Ok(None))
}

/// Looks up where a STUN or TURN URL leads: the first address of each family. The error is a sentence.
pub(super) async fn resolve(url: &str) -> Result<Vec<SocketAddr>, String> {
    let (host, port) = host_and_port(url).ok_or_else(|| format!("{url} is no STUN or TURN address"))?;
    let failed = |reason: String| format!("the name {host} cannot be resolved ({reason})");
    let found = timeout(LOOKUP_LIMIT, lookup_host((host.as_str(), port))).await;
    let found =
        found.map_err(|_| failed("no answer".to_owned()))?.map_err(|error| failed(error.to_string()))?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if addresses.iter().all(|known| known.is_ipv4() != address.is_ipv4()) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// Returns the scheme of a URL.
pub(super) fn scheme(url: &str) -> &str {
    url.split(':').next().unwrap_or_default()
}

/// Returns the transport that a TURN URL asks for.
pub(super) fn is_over_udp(url: &str) -> bool {
    scheme(url) == "turn" && !url.contains("transport=tcp")
}

/// Reads `stun:HOST[:PORT]` (RFC 7064) and `turn:HOST[:PORT][?transport=...]` (RFC 7065).
fn host_and_port(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once(':')?;
    // The well-known ports (RFC 8489, section 18.4).
    let usual = match scheme {
        "stun" | "turn" => 3478,
        "stuns" | "turns" => 5349,
        _ => return None,
    };
    let rest = rest.split('?').next()?;
    if let Some((host, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let port = match after {
            "" => usual,
            after => after.strip_prefix(':')?.parse().ok()?,
        };
        return Some((host.to_owned(), port));
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (rest, usual),
    };
    (!host.is_empty() && !host.contains(':')).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (url, host, port) in [
            ("stun:stun.example.org", "stun.example.org", 3478),
            ("stun:192.0.2.1:99", "192.0.2.1", 99),
            ("turn:turn.example.org:3479?transport=udp", "turn.example.org", 3479),
            ("turns:[2001:db8::1]?transport=tcp", "2001:db8::1", 5349),
            ("stun:[2001:db8::1]:7", "2001:db8::1", 7),
        ] {
            assert_eq!(host_and_port(url), Some((host.to_owned(), port)), "{url}");
        }
        for url in ["", "stun", "stun:", "http:x", "stun:x:y", "stun:2001:db8::1", "stun:[::1]7"] {
            assert_eq!(host_and_port(url), None, "{url}");
        }
        assert!(is_over_udp("turn:x") && is_over_udp("turn:x?transport=udp"));
        assert!(!is_over_udp("turn:x?transport=tcp") && !is_over_udp("turns:x") && !is_over_udp("stun:x"));
    }
}
