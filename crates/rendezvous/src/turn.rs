//! Credentials for TURN servers that expire by themselves, as coturn's REST scheme has them: the user name says until when,
//! and the password is an HMAC over it with a secret that only this server and the TURN server have.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatelodge_wire::{Fingerprint, IceServer};
use ring::hmac;

use crate::config::IceConfig;

/// How many bytes of the fingerprint are in the user name: enough for the TURN server's quota per user, and no more of
/// who uses it than that server needs.
const NAMED_BYTES: usize = 8;

/// The most URLs that fit into one entry of the list.
const URLS_PER_SERVER: usize = 6;

/// Returns what a client is told to use.
pub(crate) fn servers(config: &IceConfig, client: &Fingerprint, now: SystemTime) -> Vec<IceServer> {
    let mut servers = Vec::new();
    for urls in config.stun.chunks(URLS_PER_SERVER) {
        servers.push(IceServer { urls: urls.to_vec(), username: None, credential: None });
    }
    let Some(secret) = &config.turn_secret else { return servers };
    let expiry = now + config.turn_lifetime;
    let expiry = expiry.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let prefix: String = client.as_bytes()[..NAMED_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
    let username = format!("{expiry}:{prefix}");
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let credential = STANDARD.encode(hmac::sign(&key, username.as_bytes()));
    for urls in config.turn.chunks(URLS_PER_SERVER) {
        let (username, credential) = (Some(username.clone()), Some(credential.clone()));
        servers.push(IceServer { urls: urls.to_vec(), username, credential });
    }
    servers
}

/// When a client needs new credentials: with half of their time left.
pub(crate) fn refresh_after(config: &IceConfig) -> Option<Duration> {
    let wanted = config.turn_secret.is_some() && !config.turn.is_empty();
    wanted.then(|| (config.turn_lifetime / 2).max(Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TurnSecret;

    #[test]
    fn credentials_are_those_of_coturns_scheme() {
        let config = IceConfig {
            stun: vec!["stun:s.example.org".into()],
            turn: vec!["turn:t.example.org".into()],
            turn_secret: Some(TurnSecret::new("north\n")),
            turn_lifetime: Duration::from_secs(3600),
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let servers = servers(&config, &Fingerprint::from_bytes([0xAB; 32]), now);
        assert_eq!(servers[0].urls, ["stun:s.example.org"]);
        assert_eq!(servers[1].username.as_deref(), Some("1700003600:abababababababab"));
        // printf %s 1700003600:abababababababab | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(servers[1].credential.as_deref(), Some("ACtsxu5GijxfPIkt7sekGL0fVfo="));
    }

    #[test]
    fn without_a_secret_no_relay_is_named() {
        let config = IceConfig { turn: vec!["turn:t.example.org".into()], ..IceConfig::default() };
        assert!(servers(&config, &Fingerprint::from_bytes([0; 32]), SystemTime::now()).is_empty());
        assert_eq!(refresh_after(&config), None);
    }
}
