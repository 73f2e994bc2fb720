//! Reads the values that are typed where a desktop is managed: times, rules, addresses.

use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;
use gatelodge_host::{EMBEDDED_PORT, LinkKind, RendezvousUrlError, ToolRule};

use super::options::Rule;

/// How a link that is added gets its peers.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    Listen(LinkKind),
    Rendezvous,
}

/// Reads a variable for a server's environment.
pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("use NAME=VALUE".to_owned()),
    }
}

/// Reads a rule for one tool.
pub(super) fn tool_rule(text: &str) -> Result<(String, ToolRule), String> {
    let wrong = || "use NAME=allow, NAME=ask or NAME=deny".to_owned();
    let (name, rule) = text.rsplit_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
    let rule = Rule::from_str(rule, true).map_err(|_| wrong())?;
    Ok((name.to_owned(), rule.into()))
}

/// Reads a time, in one unit.
pub(in super::super) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "use a number with s, m, h or d, such as 90m or 7d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).filter(|total| *total > 0).map(Duration::from_secs).ok_or_else(wrong)
}

/// Reads the way in that a link is.
pub(super) fn link_way(text: &str) -> Result<Way, String> {
    match text {
        "rendezvous" => Ok(Way::Rendezvous),
        _ => listen_address(text).map(Way::Listen),
    }
}

/// Reads a rendezvous: a URL, or `embedded` with or without an address.
pub(in super::super) fn rendezvous(text: &str) -> Result<LinkKind, String> {
    let anywhere = SocketAddr::from(([0, 0, 0, 0], EMBEDDED_PORT));
    match text.strip_prefix("embedded") {
        Some("") => Ok(LinkKind::Embedded { bind: anywhere }),
        Some(rest) => match rest.strip_prefix('=').and_then(|address| address.parse().ok()) {
            Some(bind) => Ok(LinkKind::Embedded { bind }),
            None => Err("use embedded=ADDRESS:PORT, with a numeric address such as 0.0.0.0".to_owned()),
        },
        None => match text.parse() {
            Ok(url) => Ok(LinkKind::Rendezvous { url }),
            Err(error) => Err(RendezvousUrlError::to_string(&error)),
        },
    }
}

/// Reads where a link listens.
pub(in super::super) fn listen_address(text: &str) -> Result<LinkKind, String> {
    let wrong =
        || "use tcp://ADDRESS:PORT or ws://ADDRESS:PORT, with a numeric address such as 127.0.0.1".to_owned();
    let (scheme, address) = text.split_once("://").ok_or_else(wrong)?;
    let bind: SocketAddr = address.trim_end_matches('/').parse().map_err(|_| wrong())?;
    match scheme {
        "tcp" => Ok(LinkKind::Tcp { bind }),
        "ws" => Ok(LinkKind::WebSocket { bind }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(span("90m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(span("7d"), Ok(Duration::from_secs(604_800)));
        for bad in ["", "h", "0h", "-1h", "1", "1w", "99999999999999999999d"] {
            assert!(span(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn rules_are_read() {
        assert_eq!(tool_rule("write=deny"), Ok(("write".to_owned(), ToolRule::Deny)));
        assert_eq!(tool_rule("a=b=Allow"), Ok(("a=b".to_owned(), ToolRule::Allow)));
        for bad in ["write", "=allow", "write=", "write=maybe"] {
            assert!(tool_rule(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn rendezvous_are_read() {
        let url = "https://meet.example.org".parse().unwrap();
        assert_eq!(rendezvous("https://meet.example.org/"), Ok(LinkKind::Rendezvous { url }));
        assert_eq!(rendezvous("embedded"), Ok(LinkKind::Embedded { bind: ([0, 0, 0, 0], 7424).into() }));
        assert_eq!(
            rendezvous("embedded=127.0.0.1:0"),
            Ok(LinkKind::Embedded { bind: ([127, 0, 0, 1], 0).into() })
        );
        for bad in ["meet.example.org", "embedded=", "embedded:1", "embeddedx", "tcp://a:1", ""] {
            assert!(rendezvous(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn listening_addresses_are_read() {
        assert_eq!(
            listen_address("tcp://127.0.0.1:0"),
            Ok(LinkKind::Tcp { bind: ([127, 0, 0, 1], 0).into() })
        );
        assert_eq!(
            listen_address("ws://[::1]:80/"),
            Ok(LinkKind::WebSocket { bind: "[::1]:80".parse().unwrap() })
        );
        for bad in ["127.0.0.1:80", "tcp://localhost:80", "tcp://127.0.0.1", "udp://127.0.0.1:1"] {
            assert!(listen_address(bad).is_err(), "{bad:?}");
        }
    }
}
