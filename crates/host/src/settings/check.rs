//! Which values settings may have.

use std::ops::RangeInclusive;

use gatelodge_wire::{RendezvousUrl, RendezvousUrlError};
use thiserror::Error;

use super::{IceServerSetting, RendezvousChoice, Settings};
use crate::secret::SecretName;

/// Ten years; more is "for ever", which the log's size does not allow.
const DAYS: RangeInclusive<u32> = 1..=3650;

/// A log below 1 MiB has lost a busy day by the evening; one above 4 GiB takes too long to search.
const BYTES: RangeInclusive<u64> = 1 << 20..=4 << 30;

/// Within less than 5 s nobody can read a prompt, and no agent waits for more than an hour.
const TIMEOUT: RangeInclusive<u64> = 5..=3600;

/// As many as a rendezvous may recommend; each is asked for every session.
const ICE_SERVERS: usize = 8;

/// Why settings are not possible. Nothing is changed then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Too few or too many days.
    #[error("activity is kept for 1 to 3650 days, not for {0}")]
    Days(u32),
    /// Too small or too large a log.
    #[error("the activity log may take 1 MiB to 4 GiB, not {0} bytes")]
    Bytes(u64),
    /// Too short or too long a time.
    #[error("a prompt waits for 5 to 3600 seconds, not for {0}")]
    Timeout(u64),
    /// Not the URL of a rendezvous.
    #[error("{url:?} is no rendezvous: {reason}")]
    Rendezvous {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: RendezvousUrlError,
    },
    /// Too many STUN and TURN servers.
    #[error("there may be {ICE_SERVERS} STUN and TURN servers, not {0}; two of each are enough")]
    IceServers(usize),
    /// Not the URL of a STUN or TURN server.
    #[error("{0:?} is no STUN or TURN server; use stun:HOST:PORT, turn:HOST:PORT or turns:HOST:PORT")]
    IceUrl(String),
    /// A TURN server without credentials.
    #[error("{0} needs a user name and the name of a secret with its password")]
    NoCredentials(String),
    /// A STUN server with credentials.
    #[error("{0} takes neither user name nor secret, since STUN has none; leave them empty")]
    NeedlessCredentials(String),
    /// Not the name of a secret, or not of one that there is.
    #[error("{url} refers to the secret {secret:?}, which there is not; keep it first")]
    Secret {
        /// The server.
        url: String,
        /// The name.
        secret: String,
    },
}

impl Settings {
    /// Checks all values; `secrets` are the names of those that there are.
    ///
    /// # Errors
    ///
    /// The first value that is not possible.
    pub(crate) fn check(&self, secrets: &[SecretName]) -> Result<(), SettingsError> {
        if !DAYS.contains(&self.activity_days) {
            return Err(SettingsError::Days(self.activity_days));
        }
        if !BYTES.contains(&self.activity_bytes) {
            return Err(SettingsError::Bytes(self.activity_bytes));
        }
        if !TIMEOUT.contains(&self.approval_timeout.as_secs()) {
            return Err(SettingsError::Timeout(self.approval_timeout.as_secs()));
        }
        if let RendezvousChoice::Url { url } = &self.rendezvous
            && let Err(reason) = url.parse::<RendezvousUrl>()
        {
            return Err(SettingsError::Rendezvous { url: url.clone(), reason });
        }
        if self.ice_servers.len() > ICE_SERVERS {
            return Err(SettingsError::IceServers(self.ice_servers.len()));
        }
        self.ice_servers.iter().try_for_each(|server| server.check(secrets))
    }
}

impl IceServerSetting {
    /// Returns whether it is a TURN server, which asks for credentials.
    pub(crate) fn is_turn(&self) -> bool {
        self.url.starts_with("turn")
    }

    fn check(&self, secrets: &[SecretName]) -> Result<(), SettingsError> {
        let Self { url, username, secret } = self;
        if !is_ice_url(url) {
            return Err(SettingsError::IceUrl(url.clone()));
        }
        match (self.is_turn(), username.is_empty(), secret.is_empty()) {
            (true, false, false) => match secrets.iter().any(|known| known.as_str() == secret) {
                true => Ok(()),
                false => Err(SettingsError::Secret { url: url.clone(), secret: secret.clone() }),
            },
            (true, ..) => Err(SettingsError::NoCredentials(url.clone())),
            (false, true, true) => Ok(()),
            (false, ..) => Err(SettingsError::NeedlessCredentials(url.clone())),
        }
    }
}

/// RFC 7064 and RFC 7065, without `stuns`, which no engine here speaks.
fn is_ice_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let transport = match (scheme, query) {
        ("stun" | "turn" | "turns", None) => true,
        ("turn" | "turns", Some(query)) => matches!(query, "transport=udp" | "transport=tcp"),
        _ => false,
    };
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("v6", rest.strip_prefix(':').or((!rest.is_empty()).then_some("none")))
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let named = !host.is_empty()
        && host.len() <= 253
        && host
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_'));
    transport && named && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}
