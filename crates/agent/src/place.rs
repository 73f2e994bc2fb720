//! Where a desktop is to be found: the link that leads to it.

use std::str::FromStr;

use mcp_webrtc::signaling::{Signaling, SignalingError, TcpSignaling, WebSocketSignaling};
use thiserror::Error;

/// The link that leads to a desktop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// TCP signaling at `host:port`.
    Tcp(String),
    /// WebSocket signaling at a URL.
    WebSocket(String),
}

impl Place {
    /// Opens the link.
    pub(crate) async fn open(&self) -> Result<Box<dyn Signaling>, SignalingError> {
        Ok(match self {
            Self::Tcp(address) => Box::new(TcpSignaling::connect(address.as_str()).await?),
            Self::WebSocket(url) => Box::new(WebSocketSignaling::connect(url).await?),
        })
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("ws://") || text.starts_with("wss://") {
            return Ok(Self::WebSocket(text.to_owned()));
        }
        let address = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("tcp:")).unwrap_or(text);
        let Some((host, port)) = address.rsplit_once(':') else { return Err(PlaceError(text.to_owned())) };
        match !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0) {
            true => Ok(Self::Tcp(address.to_owned())),
            false => Err(PlaceError(text.to_owned())),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "tcp://{address}"),
            Self::WebSocket(url) => formatter.write_str(url),
        }
    }
}

/// A text that names no link.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} names no link; use tcp://HOST:PORT or ws://HOST:PORT/PATH")]
pub(crate) struct PlaceError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_shown() {
        for (text, shown) in [
            ("127.0.0.1:8000", "tcp://127.0.0.1:8000"),
            ("tcp://desk.example:8000", "tcp://desk.example:8000"),
            ("tcp:[::1]:8000", "tcp://[::1]:8000"),
            ("ws://desk.example:80/x", "ws://desk.example:80/x"),
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), shown);
        }
        for text in ["", "desk", ":8000", "desk:", "desk:0", "desk:65536", "desk:http"] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }
}
