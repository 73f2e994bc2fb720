//! The listening side of WebSocket signaling: HTTP upgrades, bounded in number and time, from permitted origins.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::Mutex;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{StatusCode, header};

use super::clocked::Clocked;
use super::{WebSocketSignaling, config, failure};
use crate::signaling::socket::{self, Connected};
use crate::signaling::{SignalingError, SignalingLimits};

/// How many connections may be between being accepted and being upgraded. Each holds a descriptor and a few KiB;
/// an honest client is through after one round trip.
const MAX_PENDING_UPGRADES: usize = 64;

/// A socket on which WebSocket signaling connections come in, at any path.
///
/// Each connection is a link of its own, and so a session of its own. A browser lets any page open a WebSocket to
/// any address, also to one that only this machine can reach, so a request that names an `Origin` is refused unless
/// that origin has been [allowed](Self::allow_origin). Programs other than browsers name none.
pub struct WebSocketSignalingListener {
    listener: TcpListener,
    limits: SignalingLimits,
    origins: Arc<Vec<String>>,
    max_pending_upgrades: usize,
    pending: Mutex<Pending>,
}

/// The connections that have been accepted and not yet handed over. They are upgraded in tasks of their own, which
/// end with the listener.
#[derive(Default)]
struct Pending {
    upgrades: JoinSet<Result<WebSocketSignaling, SignalingError>>,
    by_age: VecDeque<AbortHandle>,
}

impl WebSocketSignalingListener {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// [`SignalingError::Io`] where the address is not to be had.
    pub async fn bind(address: impl ToSocketAddrs) -> Result<Self, SignalingError> {
        Ok(Self {
            listener: socket::bind(address).await?,
            limits: SignalingLimits::default(),
            origins: Arc::default(),
            max_pending_upgrades: MAX_PENDING_UPGRADES,
            pending: Mutex::default(),
        })
    }

    /// Lets the pages of one more origin in, such as `https://app.example` or `http://localhost:5173`; `null` stands
    /// for local files and sandboxed frames. Defaults to none.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl AsRef<str>) -> Self {
        let origin = origin.as_ref().trim_end_matches('/').to_ascii_lowercase();
        Arc::make_mut(&mut self.origins).push(origin);
        self
    }

    /// Sets the limits of every link that is accepted from now on; the connect timeout is that of the upgrade.
    #[must_use]
    pub fn with_limits(mut self, limits: SignalingLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how many connections may be upgraded at a time. One more ends the oldest of them, so that silent ones
    /// cannot keep others out. Defaults to 64.
    #[must_use]
    pub fn max_pending_upgrades(mut self, connections: usize) -> Self {
        self.max_pending_upgrades = connections.max(1);
        self
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// [`SignalingError::Io`] where the system does not say.
    pub fn local_addr(&self) -> Result<SocketAddr, SignalingError> {
        self.listener
            .local_addr()
            .map_err(|e| SignalingError::io("read the address of the signaling socket", e))
    }

    /// Waits for the next connection that has become a WebSocket; the others are dropped without a word here. A
    /// call that is dropped loses none. New connections are taken only while somebody waits.
    ///
    /// # Errors
    ///
    /// [`SignalingError::Io`] where accepting has failed for ten seconds; the caller may try again.
    pub async fn accept(&self) -> Result<WebSocketSignaling, SignalingError> {
        let mut pending = self.pending.lock().await;
        loop {
            tokio::select! {
                biased;
                Some(upgraded) = pending.upgrades.join_next() => match upgraded {
                    Ok(Ok(link)) => return Ok(link),
                    Ok(Err(error)) => tracing::debug!(%error, "a signaling connection did not become a WebSocket"),
                    Err(error) if error.is_panic() => tracing::error!(%error, "upgrading a signaling connection failed"),
                    Err(_) => tracing::debug!("a signaling connection was slow, and gave way to another one"),
                },
                connected = socket::accept(&self.listener) => self.begin_upgrade(&mut pending, connected?),
            }
        }
    }

    fn begin_upgrade(&self, pending: &mut Pending, connected: Connected) {
        pending.by_age.retain(|upgrade| !upgrade.is_finished());
        if pending.by_age.len() >= self.max_pending_upgrades
            && let Some(oldest) = pending.by_age.pop_front()
        {
            oldest.abort();
        }
        let upgrade = upgrade(connected, self.limits.clone(), Arc::clone(&self.origins));
        pending.by_age.push_back(pending.upgrades.spawn(upgrade));
    }
}

impl fmt::Debug for WebSocketSignalingListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketSignalingListener").field("listener", &self.listener).finish_non_exhaustive()
    }
}

#[expect(clippy::result_large_err, reason = "the WebSocket library's callback has this type")]
async fn upgrade(
    connected: Connected,
    limits: SignalingLimits,
    origins: Arc<Vec<String>>,
) -> Result<WebSocketSignaling, SignalingError> {
    let Connected { stream, peer, is_local } = connected;
    let upgrade = accept_hdr_async_with_config(
        Clocked::new(stream),
        |request: &Request, response: Response| check_origin(request, &origins).map(|()| response),
        Some(config(&limits)),
    );
    let late = |_| SignalingError::timed_out("upgrade to a WebSocket", limits.connect_timeout);
    let socket = timeout(limits.connect_timeout, upgrade).await.map_err(late)?.map_err(failure)?;
    Ok(WebSocketSignaling::over(socket, peer, is_local, limits))
}

/// Lets requests through that name no origin, or permitted ones only.
///
/// A page of the same host and port gets no exception: nothing here serves pages, and a name that an attacker
/// rebinds to this machine would look just like that.
#[expect(clippy::result_large_err, reason = "the WebSocket library's callback has this type")]
fn check_origin(request: &Request, origins: &[String]) -> Result<(), ErrorResponse> {
    let is_allowed = |origin: &header::HeaderValue| {
        origin.to_str().is_ok_and(|origin| origins.contains(&origin.to_ascii_lowercase()))
    };
    if request.headers().get_all(header::ORIGIN).iter().all(is_allowed) {
        return Ok(());
    }
    let mut refusal =
        ErrorResponse::new(Some("this origin may not use the signaling of this desktop\n".to_owned()));
    *refusal.status_mut() = StatusCode::FORBIDDEN;
    Err(refusal)
}
