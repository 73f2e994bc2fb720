//! Where a rendezvous is: an `http://` or `https://` URL.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::RENDEZVOUS_PATH;

/// The longest URL that is taken: a host name of 253 characters, and a path.
const MAX_LEN: usize = 512;

/// The URL of a rendezvous, such as `https://meet.example.org` or `http://192.0.2.7:7424`.
///
/// The path, if there is one, is where a reverse proxy has put it; [`RENDEZVOUS_PATH`] comes after it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct RendezvousUrl {
    tls: bool,
    /// In lower case, with brackets around an IPv6 address.
    host: String,
    port: u16,
    /// Empty, or with a slash at its beginning and none at its end.
    path: String,
}

/// Why a text is not the URL of a rendezvous.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{url:?} is not the URL of a rendezvous ({reason}); use https://HOST or http://HOST:PORT")]
pub struct RendezvousUrlError {
    url: String,
    reason: &'static str,
}

impl RendezvousUrl {
    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Returns the host without brackets, for looking it up.
    pub fn host(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }

    /// Returns the port, which may be the scheme's own.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns `host:port`, always with the port: what a registration signs.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Returns the URL of the WebSocket.
    pub fn websocket(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        format!("{scheme}://{}{}{RENDEZVOUS_PATH}", self.short_authority(), self.path)
    }

    fn short_authority(&self) -> String {
        if self.port == default_port(self.tls) { self.host.clone() } else { self.authority() }
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

impl FromStr for RendezvousUrl {
    type Err = RendezvousUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason| RendezvousUrlError { url: text.chars().take(80).collect(), reason };
        if text.len() > MAX_LEN {
            return Err(wrong("it is too long"));
        }
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return Err(wrong("it begins with neither https:// nor http://")),
        };
        if rest.contains(['?', '#', '@', '\\']) || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("it has more than a host, a port and a path"));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                let port = port.parse().ok().filter(|port| *port != 0);
                (host, port.ok_or_else(|| wrong("its port is not a number from 1 to 65535"))?)
            }
            _ => (authority, default_port(tls)),
        };
        let host = host.to_ascii_lowercase();
        let good = match host.strip_prefix('[') {
            Some(address) => {
                address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
            }
            None => {
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
                (1..=253).contains(&host.len()) && host.bytes().all(fits)
            }
        };
        if !good {
            return Err(wrong("its host is neither a name nor an address"));
        }
        Ok(Self { tls, host, port, path: path.trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for RendezvousUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(formatter, "{scheme}://{}{}", self.short_authority(), self.path)
    }
}

impl fmt::Debug for RendezvousUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RendezvousUrl({self})")
    }
}

impl Serialize for RendezvousUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RendezvousUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
