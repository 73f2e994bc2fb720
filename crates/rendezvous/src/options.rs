//! The program's options: flags before environment before the file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use gatelodge_rendezvous::{AuthorityRule, Config, Limits, TlsFiles, TurnSecret};
use gatelodge_wire::RendezvousUrl;
use serde::Deserialize;
use thiserror::Error;

/// Where it listens unless told otherwise: every address of the machine, IPv4 through IPv6 where the system has it so.
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), 7424);

/// All that can be set, by flag (`--max-connections 100`), environment (`GATELODGE_RENDEZVOUS_MAX_CONNECTIONS=100`) or in
/// the file (`max-connections = 100`). What is not set anywhere has its default.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Where to listen [default: [::]:7424]
    #[arg(long, value_name = "ADDRESS:PORT", env = "GATELODGE_RENDEZVOUS_LISTEN")]
    listen: Option<SocketAddr>,

    /// The URL under which clients reach this server, such as https://meet.example.org; may be repeated.
    /// Clients sign the name that they came by, and with this set no other one is accepted, so that nobody in between can
    /// register in their place. Without it the request's Host header counts, which does not give that protection
    #[arg(long, value_name = "URL", env = "GATELODGE_RENDEZVOUS_PUBLIC_URL", value_delimiter = ',')]
    public_url: Vec<RendezvousUrl>,

    /// The certificate chain for TLS, PEM; read again on SIGHUP and when it changes. Without it: plain HTTP, for use behind
    /// a reverse proxy that speaks TLS
    #[arg(long, value_name = "FILE", env = "GATELODGE_RENDEZVOUS_TLS_CERT", help_heading = "TLS")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", env = "GATELODGE_RENDEZVOUS_TLS_KEY", help_heading = "TLS")]
    tls_key: Option<PathBuf>,

    /// Believe the last entry of X-Forwarded-For. Only behind a reverse proxy that sets it: otherwise clients choose their
    /// address, and the limits per address are void
    #[arg(long, env = "GATELODGE_RENDEZVOUS_TRUST_FORWARDED_FOR", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    trust_forwarded_for: Option<bool>,

    /// Write clients' addresses to the log. Off by default: this server has no use for them
    #[arg(long, env = "GATELODGE_RENDEZVOUS_LOG_ADDRESSES", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    log_addresses: Option<bool>,

    /// Serve /metrics in the Prometheus text format, without addresses and fingerprints [default: true]
    #[arg(long, env = "GATELODGE_RENDEZVOUS_METRICS", value_name = "BOOL")]
    metrics: Option<bool>,

    /// A STUN server to recommend, such as stun:meet.example.org:3478; may be repeated
    #[arg(
        long,
        value_name = "URL",
        env = "GATELODGE_RENDEZVOUS_STUN_URL",
        value_delimiter = ',',
        help_heading = "STUN and TURN"
    )]
    stun_url: Vec<String>,

    /// A TURN server to recommend, such as turn:meet.example.org:3478?transport=udp; may be repeated. Needs a secret
    #[arg(
        long,
        value_name = "URL",
        env = "GATELODGE_RENDEZVOUS_TURN_URL",
        value_delimiter = ',',
        help_heading = "STUN and TURN"
    )]
    turn_url: Vec<String>,

    /// The file with the secret that is shared with the TURN server (coturn: use-auth-secret, static-auth-secret)
    #[arg(
        long,
        value_name = "FILE",
        env = "GATELODGE_RENDEZVOUS_TURN_SECRET_FILE",
        help_heading = "STUN and TURN"
    )]
    turn_secret_file: Option<PathBuf>,

    /// The secret itself. Better in a file: others on this machine can see the flags of a process
    #[arg(
        long,
        value_name = "SECRET",
        env = "GATELODGE_RENDEZVOUS_TURN_SECRET",
        hide_env_values = true,
        help_heading = "STUN and TURN"
    )]
    turn_secret: Option<String>,

    /// How many seconds a TURN credential is good; clients get a new one after half of it [default: 43200]
    #[arg(
        long,
        value_name = "SECONDS",
        env = "GATELODGE_RENDEZVOUS_TURN_SECONDS",
        help_heading = "STUN and TURN"
    )]
    turn_seconds: Option<u32>,

    /// How many connections there may be [default: 20000]. Each takes a file descriptor
    #[arg(
        long,
        value_name = "NUMBER",
        env = "GATELODGE_RENDEZVOUS_MAX_CONNECTIONS",
        help_heading = "Limits"
    )]
    max_connections: Option<usize>,

    /// How many of them from one address (IPv6: from one /64) [default: 256]
    #[arg(
        long,
        value_name = "NUMBER",
        env = "GATELODGE_RENDEZVOUS_MAX_CONNECTIONS_PER_ADDRESS",
        help_heading = "Limits"
    )]
    max_connections_per_address: Option<usize>,

    /// How often one address may connect [default: 240]; a quarter of it at once
    #[arg(
        long,
        value_name = "NUMBER",
        env = "GATELODGE_RENDEZVOUS_CONNECTS_PER_MINUTE_PER_ADDRESS",
        help_heading = "Limits"
    )]
    connects_per_minute_per_address: Option<u32>,

    /// How often agents of one address may knock [default: 240]; a quarter of it at once
    #[arg(
        long,
        value_name = "NUMBER",
        env = "GATELODGE_RENDEZVOUS_KNOCKS_PER_MINUTE_PER_ADDRESS",
        help_heading = "Limits"
    )]
    knocks_per_minute_per_address: Option<u32>,

    /// How often one identity may knock [default: 60]; a quarter of it at once
    #[arg(
        long,
        value_name = "NUMBER",
        env = "GATELODGE_RENDEZVOUS_KNOCKS_PER_MINUTE",
        help_heading = "Limits"
    )]
    knocks_per_minute: Option<u32>,

    /// How many messages one connection may send [default: 1200]; a quarter of it at once
    #[arg(
        long,
        value_name = "NUMBER",
        env = "GATELODGE_RENDEZVOUS_MESSAGES_PER_MINUTE",
        help_heading = "Limits"
    )]
    messages_per_minute: Option<u32>,

    /// How many bytes may wait for a client that reads slowly, before it is dropped [default: 524288]
    #[arg(long, value_name = "BYTES", env = "GATELODGE_RENDEZVOUS_QUEUE_BYTES", help_heading = "Limits")]
    queue_bytes: Option<usize>,

    /// How many seconds a knock is kept [default: 60]
    #[arg(long, value_name = "SECONDS", env = "GATELODGE_RENDEZVOUS_KNOCK_SECONDS", help_heading = "Limits")]
    knock_seconds: Option<u32>,

    /// How often clients are pinged, in seconds [default: 30]. Less than the patience of proxies on the way
    #[arg(long, value_name = "SECONDS", env = "GATELODGE_RENDEZVOUS_PING_SECONDS", help_heading = "Limits")]
    ping_seconds: Option<u32>,

    /// After how many silent seconds a client is dropped [default: 90]
    #[arg(long, value_name = "SECONDS", env = "GATELODGE_RENDEZVOUS_IDLE_SECONDS", help_heading = "Limits")]
    idle_seconds: Option<u32>,

    /// How many seconds a client has for its request, and then to register [default: 10]
    #[arg(
        long,
        value_name = "SECONDS",
        env = "GATELODGE_RENDEZVOUS_HANDSHAKE_SECONDS",
        help_heading = "Limits"
    )]
    handshake_seconds: Option<u32>,
}

/// What is wrong with the options.
#[derive(Debug, Error)]
pub(crate) enum OptionsError {
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is not a configuration", path.display())]
    Parse { path: PathBuf, source: toml::de::Error },
    #[error("TLS needs both a certificate and a key; give --tls-cert and --tls-key, or neither")]
    HalfTls,
    #[error("a TURN server is of no use without the secret that is shared with it; give --turn-secret-file")]
    NoTurnSecret,
    #[error("{0:?} is not the URL of a {1} server; it should look like {1}:meet.example.org:3478")]
    IceUrl(String, &'static str),
    #[error("{0} must be more than 0")]
    Zero(&'static str),
    #[error("clients are pinged every {ping} s but dropped after {idle} s of silence; idle must be longer")]
    PingAfterIdle { ping: u32, idle: u32 },
}

/// Puts flags and environment over the file, and the defaults under both.
pub(crate) fn config(file: Option<&Path>, flags: &Settings) -> Result<Config, OptionsError> {
    let file = match file {
        Some(path) => {
            let read = |source| OptionsError::Read { path: path.to_owned(), source };
            let text = std::fs::read_to_string(path).map_err(read)?;
            toml::from_str(&text).map_err(|source| OptionsError::Parse { path: path.to_owned(), source })?
        }
        None => Settings::default(),
    };
    merged(flags.clone(), file)
}

fn merged(flags: Settings, file: Settings) -> Result<Config, OptionsError> {
    let list = |flags: Vec<String>, file: Vec<String>| if flags.is_empty() { file } else { flags };
    let mut config = Config::new(flags.listen.or(file.listen).unwrap_or(DEFAULT_LISTEN));
    let urls = if flags.public_url.is_empty() { file.public_url } else { flags.public_url };
    if !urls.is_empty() {
        config.authority = AuthorityRule::Urls(urls);
    }
    config.tls = match (flags.tls_cert.or(file.tls_cert), flags.tls_key.or(file.tls_key)) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        _ => return Err(OptionsError::HalfTls),
    };
    config.trust_forwarded_for = flags.trust_forwarded_for.or(file.trust_forwarded_for).unwrap_or(false);
    config.log_addresses = flags.log_addresses.or(file.log_addresses).unwrap_or(false);
    config.metrics = flags.metrics.or(file.metrics).unwrap_or(true);

    config.ice.stun = list(flags.stun_url, file.stun_url);
    config.ice.turn = list(flags.turn_url, file.turn_url);
    for (urls, scheme) in [(&config.ice.stun, "stun"), (&config.ice.turn, "turn")] {
        for url in urls {
            let known = url.split_once(':').is_some_and(|(found, rest)| {
                found.strip_suffix('s').unwrap_or(found) == scheme
                    && (1..=290).contains(&rest.len())
                    && rest.bytes().all(|byte| byte.is_ascii_graphic())
            });
            if !known {
                return Err(OptionsError::IceUrl(url.clone(), scheme));
            }
        }
    }
    // A secret that is given on the spot goes before a file that is configured.
    let by_flag = flags.turn_secret.is_some() || flags.turn_secret_file.is_some();
    let (secret, secret_file) = match by_flag {
        true => (flags.turn_secret, flags.turn_secret_file),
        false => (file.turn_secret, file.turn_secret_file),
    };
    config.ice.turn_secret = match (secret, secret_file) {
        (Some(secret), _) => Some(TurnSecret::new(&secret)),
        (None, Some(path)) => {
            let read = |source| OptionsError::Read { path: path.clone(), source };
            Some(TurnSecret::new(&std::fs::read_to_string(&path).map_err(read)?))
        }
        (None, None) => None,
    };
    if !config.ice.turn.is_empty() && config.ice.turn_secret.is_none() {
        return Err(OptionsError::NoTurnSecret);
    }
    let defaults = Limits::default();
    let seconds = |value: Option<u32>, default: Duration| {
        value.map_or(default, |value| Duration::from_secs(value.into()))
    };
    config.ice.turn_lifetime = seconds(flags.turn_seconds.or(file.turn_seconds), config.ice.turn_lifetime);
    let number = |name, value: Option<usize>, default| match value {
        Some(0) => Err(OptionsError::Zero(name)),
        value => Ok(value.unwrap_or(default)),
    };
    let rate = |name, value: Option<u32>, default| match value {
        Some(0) => Err(OptionsError::Zero(name)),
        value => Ok(value.unwrap_or(default)),
    };
    let d = &defaults;
    config.limits = Limits {
        max_connections: number(
            "max-connections",
            flags.max_connections.or(file.max_connections),
            d.max_connections,
        )?,
        max_connections_per_address: number(
            "max-connections-per-address",
            flags.max_connections_per_address.or(file.max_connections_per_address),
            d.max_connections_per_address,
        )?,
        connects_per_minute_per_address: rate(
            "connects-per-minute-per-address",
            flags.connects_per_minute_per_address.or(file.connects_per_minute_per_address),
            d.connects_per_minute_per_address,
        )?,
        knocks_per_minute_per_address: rate(
            "knocks-per-minute-per-address",
            flags.knocks_per_minute_per_address.or(file.knocks_per_minute_per_address),
            d.knocks_per_minute_per_address,
        )?,
        knocks_per_minute: rate(
            "knocks-per-minute",
            flags.knocks_per_minute.or(file.knocks_per_minute),
            d.knocks_per_minute,
        )?,
        messages_per_minute: rate(
            "messages-per-minute",
            flags.messages_per_minute.or(file.messages_per_minute),
            d.messages_per_minute,
        )?,
        queue_bytes: number("queue-bytes", flags.queue_bytes.or(file.queue_bytes), d.queue_bytes)?,
        knock_lifetime: seconds(flags.knock_seconds.or(file.knock_seconds), d.knock_lifetime),
        ping_interval: seconds(flags.ping_seconds.or(file.ping_seconds), d.ping_interval),
        idle_timeout: seconds(flags.idle_seconds.or(file.idle_seconds), d.idle_timeout),
        handshake_timeout: seconds(flags.handshake_seconds.or(file.handshake_seconds), d.handshake_timeout),
    };
    let limits = &config.limits;
    for (name, value) in [
        ("knock-seconds", limits.knock_lifetime),
        ("ping-seconds", limits.ping_interval),
        ("handshake-seconds", limits.handshake_timeout),
        ("turn-seconds", config.ice.turn_lifetime),
    ] {
        if value.is_zero() {
            return Err(OptionsError::Zero(name));
        }
    }
    if limits.idle_timeout <= limits.ping_interval {
        let whole = |span: Duration| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
        let (ping, idle) = (whole(limits.ping_interval), whole(limits.idle_timeout));
        return Err(OptionsError::PingAfterIdle { ping, idle });
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn flags_go_before_the_file_and_defaults_come_last() {
        let flags = Settings { max_connections: Some(7), ..Settings::default() };
        let config = merged(
            flags,
            file("max-connections = 9\nidle-seconds = 100\npublic-url = [\"https://meet.example.org\"]"),
        )
        .unwrap();
        assert_eq!(config.limits.max_connections, 7);
        assert_eq!(config.limits.idle_timeout, Duration::from_secs(100));
        assert_eq!(config.limits.knocks_per_minute, Limits::default().knocks_per_minute);
        assert_eq!(config.authority, AuthorityRule::Urls(vec!["https://meet.example.org".parse().unwrap()]));
        assert_eq!(config.listen.port(), 7424);
    }

    #[test]
    fn the_example_is_a_configuration_and_says_the_defaults() {
        let text = include_str!("../dist/gatelodge-rendezvous.toml");
        merged(Settings::default(), file(text)).unwrap();
        // Each commented setting, taken in, is a setting with its default.
        let all: String = text
            .lines()
            .filter_map(|line| line.strip_prefix("#: "))
            .map(|line| format!("{line}\n"))
            .collect();
        let config = merged(Settings::default(), file(&all)).unwrap();
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.ice.turn_lifetime, Config::new(DEFAULT_LISTEN).ice.turn_lifetime);
        assert_eq!(config.listen, DEFAULT_LISTEN);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let wrong = |text: &str| merged(Settings::default(), file(text)).unwrap_err();
        assert!(matches!(wrong("tls-cert = \"c.pem\""), OptionsError::HalfTls));
        assert!(matches!(wrong("turn-url = [\"turn:t.example.org\"]"), OptionsError::NoTurnSecret));
        assert!(matches!(wrong("stun-url = [\"turn:t.example.org\"]"), OptionsError::IceUrl(..)));
        assert!(matches!(wrong("max-connections = 0"), OptionsError::Zero("max-connections")));
        assert!(matches!(wrong("knock-seconds = 0"), OptionsError::Zero("knock-seconds")));
        assert!(matches!(wrong("idle-seconds = 20"), OptionsError::PingAfterIdle { ping: 30, idle: 20 }));
        assert!(toml::from_str::<Settings>("max-connection = 1").is_err());
    }
}
