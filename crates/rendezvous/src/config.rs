//! What a rendezvous runs with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use gatelodge_wire::RendezvousUrl;
use zeroize::Zeroizing;

/// What a rendezvous runs with. All but the address can be changed while it runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens; port 0 is a free one.
    pub listen: SocketAddr,
    /// Under which names clients may come.
    pub authority: AuthorityRule,
    /// The certificate and key for TLS; without them it speaks plain HTTP, for a reverse proxy or a network at home.
    pub tls: Option<TlsFiles>,
    /// Whether to believe the last entry of `X-Forwarded-For`. Only behind a reverse proxy that sets it.
    pub trust_forwarded_for: bool,
    /// Whether clients' addresses may be in the log.
    pub log_addresses: bool,
    /// Whether `/metrics` is served.
    pub metrics: bool,
    /// The STUN and TURN servers to recommend.
    pub ice: IceConfig,
    /// The limits.
    pub limits: Limits,
}

impl Config {
    /// Makes a configuration with the defaults.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            authority: AuthorityRule::HostHeader,
            tls: None,
            trust_forwarded_for: false,
            log_addresses: false,
            metrics: true,
            ice: IceConfig::default(),
            limits: Limits::default(),
        }
    }
}

/// Under which names (`host:port`) a client may say that it came here.
///
/// A client signs the name that it was told. If that has to be one of this server's own, nobody in between can use the
/// proof of a client that was lured elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorityRule {
    /// Those of these URLs.
    Urls(Vec<RendezvousUrl>),
    /// The numeric address on which the connection came in, which nobody in between can choose.
    SocketAddress,
    /// What the request's `Host` header says. Somebody in between can choose it, so this proves that client and request
    /// agree, and no more.
    HostHeader,
}

/// The files for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, PEM, this server's own first.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// The STUN and TURN servers that registered clients are told of.
#[derive(Debug, Clone)]
pub struct IceConfig {
    /// STUN servers, such as `stun:stun.example.org:3478`.
    pub stun: Vec<String>,
    /// TURN servers, such as `turn:turn.example.org:3478?transport=udp`; used together with a secret only.
    pub turn: Vec<String>,
    /// The secret that is shared with the TURN servers (coturn's `static-auth-secret`).
    pub turn_secret: Option<TurnSecret>,
    /// How long a credential is good. A client gets a new one in time.
    pub turn_lifetime: Duration,
}

impl Default for IceConfig {
    fn default() -> Self {
        // Long enough for the sessions of a working day, since a relay may ask again whenever an allocation is made anew.
        let turn_lifetime = Duration::from_secs(12 * 3600);
        Self { stun: Vec::new(), turn: Vec::new(), turn_secret: None, turn_lifetime }
    }
}

/// A secret that cannot be printed and is wiped when it is dropped.
#[derive(Clone)]
pub struct TurnSecret(Zeroizing<String>);

impl TurnSecret {
    /// Takes the secret's text, without white space around it.
    pub fn new(secret: &str) -> Self {
        Self(Zeroizing::new(secret.trim().to_owned()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for TurnSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TurnSecret(..)")
    }
}

/// What clients may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many connections there may be. Defaults to 20,000, well under 1 GiB.
    pub max_connections: usize,
    /// How many of them from one address (for IPv6: from one /64 network). Defaults to 256, for offices behind a NAT.
    pub max_connections_per_address: usize,
    /// How often one address may connect; a quarter of it at once. Defaults to 240.
    pub connects_per_minute_per_address: u32,
    /// How often agents of one address may knock; a quarter of it at once. Defaults to 240.
    pub knocks_per_minute_per_address: u32,
    /// How often one identity may knock; a quarter of it at once. Defaults to 60.
    pub knocks_per_minute: u32,
    /// How many messages one connection may send; a quarter of it at once. Defaults to 1,200.
    pub messages_per_minute: u32,
    /// How many bytes may wait for a client that reads slowly. Defaults to 512 KiB.
    pub queue_bytes: usize,
    /// How long a knock is kept, with all that is forwarded in it. Defaults to 60 s.
    pub knock_lifetime: Duration,
    /// How often a client is asked whether it is still there. Defaults to 30 s, under the patience of usual proxies.
    pub ping_interval: Duration,
    /// How long a client may be silent. Defaults to 90 s.
    pub idle_timeout: Duration,
    /// How long a client may take to send its request, and then to register. Defaults to 10 s.
    pub handshake_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_connections_per_address: 256,
            connects_per_minute_per_address: 240,
            knocks_per_minute_per_address: 240,
            knocks_per_minute: 60,
            messages_per_minute: 1_200,
            queue_bytes: 512 * 1024,
            knock_lifetime: Duration::from_secs(60),
            ping_interval: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(90),
            handshake_timeout: Duration::from_secs(10),
        }
    }
}
