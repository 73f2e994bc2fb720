//! The URLs of an invitation: where a desktop can be reached, in as few bytes as they need.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::InvitationError;

/// The longest URL in bytes: room for a host name and a path, and four of them still make a text.
pub const MAX_PLACE_BYTES: usize = 200;

/// The forms after the scheme in a place's first byte.
const TEXT: u8 = 0;
const IPV4: u8 = 1;
const IPV6: u8 = 2;

/// Where a desktop can be reached: `tcp://HOST:PORT` and `ws(s)://HOST[:PORT][/PATH]` are signaling links,
/// `http(s)://HOST[:PORT]` is a rendezvous.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct PlaceUrl(String);

/// What kind of place a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaceScheme {
    /// `tcp`: a signaling link, a JSON object a line.
    Tcp,
    /// `ws`: a signaling link over WebSocket.
    Ws,
    /// `wss`: the same over TLS.
    Wss,
    /// `http`: a rendezvous.
    Http,
    /// `https`: the same over TLS.
    Https,
}

impl PlaceScheme {
    /// All schemes, in the order of their numbers in the binary form.
    const ALL: [Self; 5] = [Self::Tcp, Self::Ws, Self::Wss, Self::Http, Self::Https];

    /// Returns the scheme as URLs have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn number(self) -> u8 {
        self as u8
    }
}

impl PlaceUrl {
    /// Returns the URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what kind of place it is.
    pub fn scheme(&self) -> PlaceScheme {
        split(&self.0).expect("the text was checked when it was made").0
    }

    /// Writes the binary form: `scheme << 5 | form`, then address and port (u16, big-endian) of a URL that is nothing
    /// but those, or length (u8) and what follows `://` of any other one.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        let (scheme, rest) = split(&self.0).expect("the text was checked when it was made");
        let head = scheme.number() << 5;
        match rest.parse::<SocketAddr>() {
            // Only what is read back as the same text may be written as numbers.
            Ok(SocketAddr::V4(address)) if address.to_string() == rest => {
                bytes.push(head | IPV4);
                bytes.extend_from_slice(&address.ip().octets());
                bytes.extend_from_slice(&address.port().to_be_bytes());
            }
            Ok(SocketAddr::V6(address)) if address.scope_id() == 0 && address.to_string() == rest => {
                bytes.push(head | IPV6);
                bytes.extend_from_slice(&address.ip().octets());
                bytes.extend_from_slice(&address.port().to_be_bytes());
            }
            _ => {
                bytes.push(head | TEXT);
                bytes.push(u8::try_from(rest.len()).expect("a URL has at most 200 bytes"));
                bytes.extend_from_slice(rest.as_bytes());
            }
        }
    }

    /// Reads the binary form; returns what follows it as well.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, &[u8]), InvitationError> {
        let (&[head], rest) = bytes.split_first_chunk().ok_or(InvitationError::Short)?;
        let scheme = PlaceScheme::ALL.get(usize::from(head >> 5)).ok_or(PlaceUrlError::Scheme)?;
        let (rest, after) = match head & 31 {
            TEXT => {
                let (&[length], rest) = rest.split_first_chunk().ok_or(InvitationError::Short)?;
                let (text, after) = rest.split_at_checked(length.into()).ok_or(InvitationError::Short)?;
                (String::from_utf8(text.to_vec()).map_err(|_| PlaceUrlError::Character)?, after)
            }
            IPV4 => {
                let (ip, rest) = rest.split_first_chunk::<4>().ok_or(InvitationError::Short)?;
                let (port, after) = rest.split_first_chunk().ok_or(InvitationError::Short)?;
                let address = SocketAddr::from((Ipv4Addr::from(*ip), u16::from_be_bytes(*port)));
                (address.to_string(), after)
            }
            IPV6 => {
                let (ip, rest) = rest.split_first_chunk::<16>().ok_or(InvitationError::Short)?;
                let (port, after) = rest.split_first_chunk().ok_or(InvitationError::Short)?;
                let address = SocketAddr::from((Ipv6Addr::from(*ip), u16::from_be_bytes(*port)));
                (address.to_string(), after)
            }
            _ => return Err(PlaceUrlError::Form.into()),
        };
        Ok((format!("{}://{rest}", scheme.as_str()).parse()?, after))
    }
}

fn split(url: &str) -> Option<(PlaceScheme, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    Some((PlaceScheme::ALL.into_iter().find(|known| known.as_str() == scheme)?, rest))
}

impl FromStr for PlaceUrl {
    type Err = PlaceUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_PLACE_BYTES {
            return Err(PlaceUrlError::Long(text.len()));
        }
        let (scheme, rest) = split(text).ok_or(PlaceUrlError::Scheme)?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PlaceUrlError::Character);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // A name and a password would be shown to everybody who sees the invitation.
        if authority.contains('@') {
            return Err(PlaceUrlError::Host);
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let is_bracketed = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
        if host.is_empty() || (!is_bracketed && host.contains([':', '[', ']'])) {
            return Err(PlaceUrlError::Host);
        }
        let is_port = |port: &str| {
            port.bytes().all(|digit| digit.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port != 0)
        };
        match (scheme, port) {
            (PlaceScheme::Tcp, None) => Err(PlaceUrlError::Port),
            (_, Some(port)) if !is_port(port) => Err(PlaceUrlError::Port),
            (PlaceScheme::Tcp, _) if authority.len() != rest.len() => Err(PlaceUrlError::Path),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for PlaceUrl {
    type Error = PlaceUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PlaceUrl> for String {
    fn from(place: PlaceUrl) -> Self {
        place.0
    }
}

impl fmt::Display for PlaceUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Debug for PlaceUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

/// Why a text names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlaceUrlError {
    /// Over the limit.
    #[error("the URL has {0} bytes and may have {MAX_PLACE_BYTES}")]
    Long(usize),
    /// None of the known schemes.
    #[error("the URL begins with none of tcp://, ws://, wss://, http:// and https://")]
    Scheme,
    /// A space, or something beyond ASCII.
    #[error(
        "the URL has characters that URLs do not have; write host names of other scripts in their xn-- form"
    )]
    Character,
    /// No host, or more than a host.
    #[error("the URL names no host")]
    Host,
    /// No port where one is needed, or not a number.
    #[error("the URL names no port from 1 to 65535")]
    Port,
    /// A path where none is possible.
    #[error("a tcp:// URL ends with its port")]
    Path,
    /// A way of writing places that this version does not know.
    #[error("it is written in a way that this program does not know; update it")]
    Form,
}
