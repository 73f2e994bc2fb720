//! What a session is set up with.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use gatelodge_wire::{Fingerprint, FragmentLimits, IceServer};

use super::Session;
use super::error::SessionError;
use super::establish::{self, Role};
use super::peer::{self, Admission, AdmissionHook, Peer};
use crate::identity::Identity;
use crate::signaling::Signaling;

/// Plain peers open one channel. A Gatelodge agent opens one for each MCP connection.
const DEFAULT_MAX_CHANNELS: usize = 64;

/// Both sides check the paths that they know for eight seconds, a relay is taken after two, and a handshake whose packets get
/// lost repeats them after one, two and four seconds. Somebody may be waiting.
const DEFAULT_HANDSHAKE_DEADLINE: Duration = Duration::from_secs(15);

/// Options of a session, in the order in which they are needed. [`offer`](SessionBuilder::offer) or
/// [`answer`](SessionBuilder::answer) sets it up.
#[must_use = "a builder does nothing until `offer` or `answer`"]
pub struct SessionBuilder {
    pub(super) identity: Identity,
    pub(super) expected: Option<Fingerprint>,
    pub(super) hook: Option<AdmissionHook>,
    pub(super) channels: Vec<String>,
    pub(super) max_channels: usize,
    pub(super) ice_servers: Vec<IceServer>,
    pub(super) relay_only: bool,
    pub(super) bind: Vec<SocketAddr>,
    pub(super) local: Option<bool>,
    pub(super) fragments: Option<FragmentLimits>,
    pub(super) signaling_deadline: Duration,
    pub(super) handshake_deadline: Duration,
    pub(super) admission_deadline: Duration,
}

impl SessionBuilder {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            expected: None,
            hook: None,
            channels: Vec::new(),
            max_channels: DEFAULT_MAX_CHANNELS,
            ice_servers: Vec::new(),
            relay_only: false,
            bind: Vec::new(),
            local: None,
            fragments: Some(FragmentLimits::default()),
            signaling_deadline: Duration::from_secs(30),
            handshake_deadline: DEFAULT_HANDSHAKE_DEADLINE,
            admission_deadline: Duration::from_secs(120),
        }
    }

    /// Refuses any peer but the one with this fingerprint.
    pub fn expect(mut self, fingerprint: Fingerprint) -> Self {
        self.expected = Some(fingerprint);
        self
    }

    /// Asks `hook` about the peer after the handshake has proved its certificate and before a byte of any message is
    /// read. Without a hook every peer is admitted that [`expect`](SessionBuilder::expect) lets through, so set one of
    /// the two wherever the link is not trusted.
    pub fn admit<F, V>(mut self, hook: F) -> Self
    where
        F: FnOnce(Peer) -> V + Send + 'static,
        V: Future<Output = Admission> + Send + 'static,
    {
        self.hook = Some(peer::hook(hook));
        self
    }

    /// Opens a channel with this label from the start; [`Session::next_channel`] yields it. May be called repeatedly.
    ///
    /// An offering side that names none opens one called `mcp`, as plain peers expect.
    pub fn channel(mut self, label: impl Into<String>) -> Self {
        self.channels.push(label.into());
        self
    }

    /// Sets how many channels may be open at once, whoever opened them. Defaults to 64.
    pub fn max_channels(mut self, channels: usize) -> Self {
        self.max_channels = channels;
        self
    }

    /// Adds a STUN server (RFC 8489), such as `stun:stun.example.org:3478`. There is none by default, since asking one
    /// tells it this machine's address.
    pub fn stun(mut self, url: impl Into<String>) -> Self {
        self.ice_servers.push(IceServer { urls: vec![url.into()], username: None, credential: None });
        self
    }

    /// Adds a TURN server (RFC 8656), such as `turn:turn.example.org:3478?transport=udp`. It relays encrypted packets
    /// where there is no direct path, and cannot read them.
    pub fn turn(
        self,
        url: impl Into<String>,
        username: impl Into<String>,
        credential: impl Into<String>,
    ) -> Self {
        self.ice_server([url.into()], Some(username.into()), Some(credential.into()))
    }

    /// Adds a STUN or TURN server with all its URLs. Those that come with the link (see
    /// [`Signaling::ice_servers`]) are used as well.
    pub fn ice_server<U: Into<String>>(
        mut self,
        urls: impl IntoIterator<Item = U>,
        username: Option<String>,
        credential: Option<String>,
    ) -> Self {
        let urls = urls.into_iter().map(Into::into).collect();
        self.ice_servers.push(IceServer { urls, username, credential });
        self
    }

    /// Offers and uses relayed paths only, so that the peer does not learn this machine's addresses. Without a TURN server
    /// there is no path then. Defaults to false.
    pub fn relay_only(mut self, relay_only: bool) -> Self {
        self.relay_only = relay_only;
        self
    }

    /// Binds this address instead of those of all interfaces. Port 0 takes a free one. May be called repeatedly.
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.bind.push(address);
        self
    }

    /// Says whether both peers are on this machine, so that loopback addresses are offered and accepted. By default the
    /// link decides: a TCP link over 127.0.0.1 is local.
    pub fn local(mut self, local: bool) -> Self {
        self.local = Some(local);
        self
    }

    /// Sets what this side puts together from fragments, or with `None` turns the extension off, so that messages end at
    /// what one SCTP message holds (262,144 bytes). Defaults to 64 MiB in 16 unfinished messages.
    pub fn fragments(mut self, limits: impl Into<Option<FragmentLimits>>) -> Self {
        self.fragments = limits.into();
        self
    }

    /// Sets how long offer and answer may take. Defaults to 30 s; copy and paste by hand wants minutes.
    pub fn signaling_deadline(mut self, deadline: Duration) -> Self {
        self.signaling_deadline = deadline;
        self
    }

    /// Sets how long the connection may take once both descriptions are there. Defaults to 15 s; a side that answers by copy and
    /// paste wants minutes. A peer with a certificate other than the one it announced shows itself by missing this deadline.
    pub fn handshake_deadline(mut self, deadline: Duration) -> Self {
        self.handshake_deadline = deadline;
        self
    }

    /// Sets how long the `admit` hook may take; after that the peer is denied. Defaults to 120 s.
    pub fn admission_deadline(mut self, deadline: Duration) -> Self {
        self.admission_deadline = deadline;
        self
    }

    /// Sets up the session with this side making the offer, which is what an MCP server does by convention.
    ///
    /// Returns once the peer is admitted. Dropping the future takes everything back.
    ///
    /// # Errors
    ///
    /// See [`SessionError`]. The link is closed, with `bye`, whatever the outcome.
    pub async fn offer(self, signaling: impl Signaling) -> Result<Session, SessionError> {
        establish::start(self, Role::Offer, Box::new(signaling)).await
    }

    /// Sets up the session with this side answering the peer's offer, which is what an MCP client does by convention.
    ///
    /// Returns once the peer is admitted. Dropping the future takes everything back.
    ///
    /// # Errors
    ///
    /// See [`SessionError`]. The link is closed, with `bye`, whatever the outcome.
    pub async fn answer(self, signaling: impl Signaling) -> Result<Session, SessionError> {
        establish::start(self, Role::Answer, Box::new(signaling)).await
    }
}

impl std::fmt::Debug for SessionBuilder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SessionBuilder").field("identity", &self.identity).finish_non_exhaustive()
    }
}
