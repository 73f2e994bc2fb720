//! The server as a whole: listens, counts, serves HTTP, and ends in order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, body::Body};
use gatelodge_wire::{MAX_RENDEZVOUS_BYTES, RENDEZVOUS_PATH, RendezvousErrorCode, ServerMessage};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::address::{AddressBook, AddressKey, Place};
use crate::config::Config;
use crate::connection::{self, Visitor};
use crate::hub::Hub;
use crate::metrics::{Gauges, Metrics};
use crate::outbox::Farewell;
use crate::tls::{self, TlsError};

/// How often knocks and counts are looked through for what has had its time.
const SWEEP: Duration = Duration::from_secs(1);

/// How often the TLS files are looked at; a renewed certificate is good for weeks before the old one ends.
const TLS_WATCH: Duration = Duration::from_secs(60);

/// The pause after a failed accept: descriptors that ran out come back when some other connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long clients have to read that the server is about to end.
const DRAIN_NOTICE: Duration = Duration::from_millis(500);

/// How long an ending server waits for its connections.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// After how many seconds, and as many again at random, clients come back to a server that says it ends.
const COME_BACK: u32 = 3;

/// The largest head of a request, in bytes: room for what proxies add.
const MAX_HEAD: usize = 16 * 1024;

/// Buffers of each WebSocket, in bytes. They are there for as long as the connection, which mostly is idle; larger
/// messages get what they need while they last.
const SOCKET_BUFFER: usize = 1024;

/// How long a connection may be silent before the system asks whether the other machine is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// Why a rendezvous did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is not to be had.
    #[error("could not listen on {address}")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// How much is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Open connections, registered or not.
    pub connections: usize,
    /// Registered desktops.
    pub desktops: usize,
    /// Registered agents.
    pub agents: usize,
    /// Knocks that are going on.
    pub knocks: usize,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    config: RwLock<Arc<Config>>,
    tls: RwLock<Option<Arc<ServerConfig>>>,
    pub(crate) hub: Hub,
    pub(crate) metrics: Arc<Metrics>,
    addresses: Arc<AddressBook>,
    /// Open connections.
    open: AtomicUsize,
    draining: AtomicBool,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Shared {
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_tls(&self, tls: Option<Arc<ServerConfig>>) {
        *self.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
    }

    fn connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn acceptor(&self) -> Option<TlsAcceptor> {
        self.tls.read().unwrap_or_else(PoisonError::into_inner).clone().map(TlsAcceptor::from)
    }
}

/// A rendezvous that runs. Dropping it ends it at once; [`Rendezvous::shutdown`] tells the clients first.
#[derive(Debug)]
pub struct Rendezvous {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Rendezvous {
    /// Starts a server.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let listen = |source| StartError::Listen { address: config.listen, source };
        let tls = config.tls.as_ref().map(tls::load).transpose()?;
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let metrics: Arc<Metrics> = Arc::default();
        let places = Arc::new(Semaphore::new(config.limits.max_connections.min(Semaphore::MAX_PERMITS)));
        let shared = Arc::new(Shared {
            config: RwLock::new(Arc::new(config)),
            tls: RwLock::new(tls),
            hub: Hub::new(Arc::clone(&metrics)),
            metrics,
            addresses: Arc::default(),
            open: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        shared.tasks.spawn(keep(Arc::clone(&shared)));
        shared.tasks.spawn(listen_on(Arc::clone(&shared), listener, places));
        Ok(Self { shared, address })
    }

    /// Returns the address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns how much is going on.
    pub fn counts(&self) -> Counts {
        let (desktops, agents, knocks) = self.shared.hub.counts();
        Counts { connections: self.shared.connections(), desktops, agents, knocks }
    }

    /// Runs with another configuration from now on; its TLS files are read again. The listening address and the number of
    /// connections stay what they are, and clients that are there keep the limits that they came under.
    ///
    /// # Errors
    ///
    /// [`TlsError`]; everything stays as it was then.
    pub fn reload(&self, config: Config) -> Result<(), TlsError> {
        let tls = config.tls.as_ref().map(tls::load).transpose()?;
        self.shared.set_tls(tls);
        *self.shared.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        Ok(())
    }

    /// Tells everybody to come back later, closes their connections, and ends. Idempotent.
    pub async fn shutdown(&self) {
        if !self.shared.draining.swap(true, Ordering::Relaxed) {
            self.shared.hub.tell_all(&ServerMessage::Draining { seconds: COME_BACK });
            sleep(DRAIN_NOTICE).await;
            let farewell = Farewell::new(RendezvousErrorCode::Other, "the rendezvous ends");
            self.shared.hub.part_all(&farewell);
        }
        let limit = Instant::now() + DRAIN_LIMIT;
        while self.shared.connections() > 0 && Instant::now() < limit {
            sleep(Duration::from_millis(20)).await;
        }
        self.shared.cancel.cancel();
        self.shared.tasks.close();
        if timeout(DRAIN_LIMIT, self.shared.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
    }
}

impl Drop for Rendezvous {
    fn drop(&mut self) {
        self.shared.cancel.cancel();
        self.shared.tasks.close();
    }
}

/// Looks through knocks, counts and TLS files.
async fn keep(shared: Arc<Shared>) {
    let mut tls_checked = Instant::now();
    let mut known = shared.config().tls.as_ref().map(tls::written);
    while shared.cancel.run_until_cancelled(sleep(SWEEP)).await.is_some() {
        let config = shared.config();
        shared.hub.sweep(Instant::now(), &config.limits);
        if tls_checked.elapsed() < TLS_WATCH {
            continue;
        }
        tls_checked = Instant::now();
        shared.addresses.sweep(&config.limits);
        let written = config.tls.as_ref().map(tls::written);
        if written != known
            && let Some(files) = &config.tls
        {
            match tls::load(files) {
                Ok(tls) => {
                    shared.set_tls(Some(tls));
                    known = written;
                    tracing::info!("the certificate was read again, since its files have changed");
                }
                // Perhaps it is being written; it is tried again.
                Err(error) => tracing::warn!(%error, "the changed certificate is not used"),
            }
        }
    }
}

/// A connection that was accepted. Clones belong to the same one; its place is free again when the last is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    peer: SocketAddr,
    local: SocketAddr,
    /// One of the places of all connections, and one of those of its address unless a proxy is in between.
    places: Arc<(Open, Option<Place>)>,
}

impl Arrival {
    /// Returns its place among those of its address, as far as the address is known without the proxy.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.places.1.as_ref()
    }
}

/// One of the places of all connections.
#[derive(Debug)]
struct Open {
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn listen_on(shared: Arc<Shared>, listener: TcpListener, places: Arc<Semaphore>) {
    let metrics = Arc::clone(&shared.metrics);
    let router = router(Arc::clone(&shared));
    let accepting = async {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let config = shared.config();
            let place = match config.trust_forwarded_for {
                true => None,
                false => match shared.addresses.enter(AddressKey::of(peer.ip()), &config.limits) {
                    Some(place) => Some(place),
                    None => {
                        metrics.refused_connections.one();
                        continue;
                    }
                },
            };
            let Ok(permit) = Arc::clone(&places).try_acquire_owned() else {
                metrics.refused_connections.one();
                continue;
            };
            let Ok(local) = prepare(&stream) else { continue };
            shared.open.fetch_add(1, Ordering::Relaxed);
            let open = Open { shared: Arc::clone(&shared), _permit: permit };
            let arrival = Arrival { peer, local, places: Arc::new((open, place)) };
            let serving = serve(Arc::clone(&shared), router.clone(), stream, arrival);
            let cancel = shared.cancel.clone();
            shared.tasks.spawn(async move { cancel.run_until_cancelled(serving).await });
        }
    };
    let cancel = shared.cancel.clone();
    cancel.run_until_cancelled(accepting).await;
}

fn prepare(stream: &TcpStream) -> io::Result<SocketAddr> {
    // Messages are small and each one is waited for.
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER))?;
    let local = stream.local_addr()?;
    Ok(SocketAddr::new(local.ip().to_canonical(), local.port()))
}

/// Serves one connection until it is closed, or has become a WebSocket.
async fn serve(shared: Arc<Shared>, router: Router, stream: TcpStream, arrival: Arrival) {
    match shared.acceptor() {
        None => serve_http(&shared, router, stream, arrival).await,
        Some(acceptor) => {
            let limit = shared.config().limits.handshake_timeout;
            match timeout(limit, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => serve_http(&shared, router, stream, arrival).await,
                Ok(Err(_)) | Err(_) => shared.metrics.tls_failures.one(),
            }
        }
    }
}

async fn serve_http(
    shared: &Shared,
    router: Router,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    arrival: Arrival,
) {
    let service = TowerToHyperService::new(router.layer(Extension(arrival)));
    let limit = shared.config().limits.handshake_timeout;
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limit)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // Whoever is slow to read an answer, or stays for more of them, is not waited for either.
    if timeout(2 * limit, serving).await.is_err() {
        tracing::debug!("a request took too long");
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(RENDEZVOUS_PATH, get(rendezvous))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .with_state(shared)
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    match shared.draining.load(Ordering::Relaxed) {
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
        false => "ok\n".into_response(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    if !shared.config().metrics {
        return StatusCode::NOT_FOUND.into_response();
    }
    let (desktops, agents, knocks) = shared.hub.counts();
    let gauges = Gauges { connections: shared.connections(), desktops, agents, knocks };
    let text = shared.metrics.text(gauges);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], Body::from(text)).into_response()
}

async fn rendezvous(
    State(shared): State<Arc<Shared>>,
    Extension(arrival): Extension<Arrival>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if shared.draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "the rendezvous is about to end\n").into_response();
    }
    let config = shared.config();
    let mut address = arrival.peer;
    let mut forwarded_place = None;
    if config.trust_forwarded_for {
        if let Some(forwarded) = forwarded_for(&headers) {
            address = SocketAddr::new(forwarded, 0);
        }
        forwarded_place = shared.addresses.enter(AddressKey::of(address.ip()), &config.limits);
        if forwarded_place.is_none() {
            shared.metrics.refused_connections.one();
            return (StatusCode::TOO_MANY_REQUESTS, "too many connections from your address\n")
                .into_response();
        }
    }
    let visitor = Visitor {
        address: SocketAddr::new(address.ip().to_canonical(), address.port()),
        loopback: arrival.peer.ip().to_canonical().is_loopback() && !config.trust_forwarded_for,
        local: arrival.local,
        host: headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned),
        forwarded_place,
        arrival,
    };
    let tasks = shared.tasks.clone();
    upgrade
        .read_buffer_size(SOCKET_BUFFER)
        .write_buffer_size(SOCKET_BUFFER)
        .max_write_buffer_size(4 * MAX_RENDEZVOUS_BYTES)
        .max_message_size(MAX_RENDEZVOUS_BYTES)
        .max_frame_size(MAX_RENDEZVOUS_BYTES)
        .on_upgrade(move |socket| async move {
            let cancel = shared.cancel.clone();
            let serving = tasks.track_future(connection::serve(shared, socket, visitor));
            cancel.run_until_cancelled(serving).await;
        })
}

/// The client's address as the proxy saw it: the last entry, since those before it are what the client itself says.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_own_entry_counts() {
        let mut headers = HeaderMap::new();
        assert_eq!(forwarded_for(&headers), None);
        headers.append("x-forwarded-for", "10.0.0.1, 192.0.2.7".parse().unwrap());
        assert_eq!(forwarded_for(&headers), Some("192.0.2.7".parse().unwrap()));
        headers.append("x-forwarded-for", "2001:db8::1".parse().unwrap());
        assert_eq!(forwarded_for(&headers), Some("2001:db8::1".parse().unwrap()));
    }
}
