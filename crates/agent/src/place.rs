//! Where a desktop is to be found: the link that leads to it.

use std::str::FromStr;

use gatelodge_host::CA_FILE_VARIABLE;
use gatelodge_wire::{Fingerprint, InvitationId, PlaceScheme, PlaceUrl};
use mcp_webrtc::Identity;
use mcp_webrtc::signaling::rendezvous::{RendezvousAgent, RendezvousOptions};
use mcp_webrtc::signaling::{RendezvousUrl, Signaling, SignalingError, TcpSignaling, WebSocketSignaling};
use thiserror::Error;

/// The link that leads to a desktop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// TCP signaling at `host:port`.
    Tcp(String),
    /// WebSocket signaling at a URL.
    WebSocket(String),
    /// A rendezvous, and the desktop that is registered there.
    Rendezvous {
        /// Where the rendezvous is.
        url: RendezvousUrl,
        /// Which desktop; no other one is accepted.
        desktop: Fingerprint,
    },
}

impl Place {
    /// Reads one of the places of a known desktop, which a rendezvous' own URL does not name.
    pub(crate) fn of_desktop(url: &PlaceUrl, desktop: Fingerprint) -> Result<Self, PlaceError> {
        match url.scheme() {
            PlaceScheme::Http | PlaceScheme::Https => match url.as_str().parse() {
                Ok(url) => Ok(Self::Rendezvous { url, desktop }),
                Err(_) => Err(PlaceError::NoLink(url.to_string())),
            },
            _ => url.as_str().parse(),
        }
    }

    /// Opens the link. A rendezvous wants a proof of who this agent is.
    /// An agent that is not known there yet names the invitation that it has.
    pub(crate) async fn open(
        &self,
        identity: &Identity,
        invitation: Option<InvitationId>,
    ) -> Result<Box<dyn Signaling>, SignalingError> {
        Ok(match self {
            Self::Tcp(address) => Box::new(TcpSignaling::connect(address.as_str()).await?),
            Self::WebSocket(url) => Box::new(WebSocketSignaling::connect(url).await?),
            Self::Rendezvous { url, desktop } => {
                let mut options = RendezvousOptions::default();
                if let Some(path) = std::env::var_os(CA_FILE_VARIABLE) {
                    options = options.ca_file(path);
                }
                let agent = RendezvousAgent::connect(identity, url, options).await?;
                Box::new(agent.knock(*desktop, invitation).await?)
            }
        })
    }

    /// Returns the desktop that has to be there, where the place says which.
    pub(crate) fn desktop(&self) -> Option<Fingerprint> {
        match self {
            Self::Rendezvous { desktop, .. } => Some(*desktop),
            Self::Tcp(_) | Self::WebSocket(_) => None,
        }
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("https://") || text.starts_with("http://") {
            let (url, desktop) =
                text.split_once('#').ok_or_else(|| PlaceError::NoDesktop(text.to_owned()))?;
            let url = url.parse().map_err(|_| PlaceError::NoLink(text.to_owned()))?;
            let desktop = desktop.parse().map_err(|_| PlaceError::NoDesktop(text.to_owned()))?;
            return Ok(Self::Rendezvous { url, desktop });
        }
        if text.starts_with("ws://") || text.starts_with("wss://") {
            return Ok(Self::WebSocket(text.to_owned()));
        }
        let address = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("tcp:")).unwrap_or(text);
        let Some((host, port)) = address.rsplit_once(':') else {
            return Err(PlaceError::NoLink(text.to_owned()));
        };
        match !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0) {
            true => Ok(Self::Tcp(address.to_owned())),
            false => Err(PlaceError::NoLink(text.to_owned())),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "tcp://{address}"),
            Self::WebSocket(url) => formatter.write_str(url),
            Self::Rendezvous { url, desktop } => write!(formatter, "{url}/#{desktop}"),
        }
    }
}

/// A text that names no link.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum PlaceError {
    #[error(
        "{0:?} names no link; use https://RENDEZVOUS/#FINGERPRINT, tcp://HOST:PORT or ws://HOST:PORT/PATH"
    )]
    NoLink(String),
    #[error(
        "{0:?} does not say which desktop; add its fingerprint, as the desktop shows it: https://RENDEZVOUS/#AB:CD:..."
    )]
    NoDesktop(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_at_a_rendezvous_names_its_desktop() {
        let desktop = Fingerprint::of_certificate(b"certificate");
        let text = format!("https://meet.example.org/#{desktop}");
        let place: Place = text.parse().unwrap();
        assert_eq!((place.desktop(), place.to_string()), (Some(desktop), text));
        let short = format!("HTTP://192.0.2.7:7424#{desktop}").to_lowercase();
        assert_eq!(short.parse::<Place>().unwrap().to_string(), format!("http://192.0.2.7:7424/#{desktop}"));
        for text in
            ["https://meet.example.org", "https://meet.example.org/#", "https://meet.example.org/#AB:CD"]
        {
            assert_eq!(text.parse::<Place>(), Err(PlaceError::NoDesktop(text.to_owned())));
        }
        let text = format!("https:///#{desktop}");
        assert_eq!(text.parse::<Place>(), Err(PlaceError::NoLink(text)));
    }

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
