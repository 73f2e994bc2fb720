//! The engine's view of the async runtime, one per session.
//!
//! Everything is Tokio's own, except for what makes a session quick and clean:
//!
//! - UDP sockets get large kernel buffers and send in batches ([`super::socket`]);
//! - until a session's first channel is open the engine never sleeps for long: what its event handling produces
//!   leaves at its next wake-up, and with the engine's own 200 ms tick a connection takes 600 ms instead of 9;
//! - before each wait of the engine its batches are flushed, and senders that wait for room are told to look again;
//! - a session that nobody uses wakes up less often than the engine asks for;
//! - the peer's goodbye is seen on its way in;
//! - each task that the engine starts is counted, so that a session can wait for the last one.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

use super::socket::{BatchingSocket, enlarge_buffers};

/// The longest sleep of the engine while a session connects.
const CONNECTING_TICK: Duration = Duration::from_millis(1);

/// How long that lasts. A connection that is still not up is waiting for the network, not for a tick.
const CONNECTING_SPAN: Duration = Duration::from_secs(3);

/// The longest sleep afterwards, and how long that lasts: a slow network may still profit, and a session whose channels
/// nobody asks for costs nothing in the end.
const LATE_TICK: Duration = Duration::from_millis(20);
const LATE_SPAN: Duration = Duration::from_secs(30);

/// A session is quiet when no datagram but connectivity checks has come or gone for this long. By then a retransmission
/// that is still due (RFC 9260, section 6.3.3: after 1 s, 2 s, 4 s) has failed twice.
const QUIET: Duration = Duration::from_secs(3);

/// The least sleep of a quiet session. The engine's own 200 ms tick serves connectivity checks, of which an established
/// session needs one every two seconds; what comes in or is sent wakes it in any case.
const QUIET_TICK: Duration = Duration::from_secs(1);

/// The content type of a DTLS record that is an alert, such as `close_notify` (RFC 6347, section 4.1; RFC 5246, section 6.2.1).
const ALERT: u8 = 21;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[derive(Debug)]
pub(super) struct SessionRuntime {
    tokio: TokioRuntime,
    tasks: TaskTracker,
    sockets: Mutex<Vec<Weak<BatchingSocket>>>,
    ample_buffers: AtomicBool,
    traffic: Arc<Traffic>,
    connecting: Mutex<Option<Instant>>,
    /// When the sockets were last seen to be in use.
    active: Mutex<Instant>,
    progress: Notify,
    goodbye: Notify,
}

/// What a session's sockets have seen.
#[derive(Debug)]
pub(super) struct Traffic {
    /// Datagrams handed to the sockets.
    sent: AtomicU64,
    active: AtomicBool,
    alert: AtomicBool,
}

impl Traffic {
    pub(super) fn new() -> Self {
        Self { sent: AtomicU64::new(0), active: AtomicBool::new(true), alert: AtomicBool::new(false) }
    }

    pub(super) fn on_sent(&self, datagram: &[u8]) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.on_any(datagram);
    }

    pub(super) fn on_received(&self, datagram: &[u8]) {
        self.on_any(datagram);
        if datagram.first() == Some(&ALERT) {
            self.alert.store(true, Ordering::Relaxed);
        }
    }

    /// Says whether anything but connectivity checks has come or gone since this was last asked.
    pub(super) fn takes_activity(&self) -> bool {
        self.active.swap(false, Ordering::Relaxed)
    }

    /// Says whether a DTLS alert has come since this was last asked.
    pub(super) fn takes_alert(&self) -> bool {
        self.alert.swap(false, Ordering::Relaxed)
    }

    fn on_any(&self, datagram: &[u8]) {
        // RFC 7983, section 7: what begins with 0 to 3 is STUN.
        if datagram.first().is_some_and(|first| *first > 3) {
            self.active.store(true, Ordering::Relaxed);
        }
    }
}

impl SessionRuntime {
    pub(super) fn new() -> Self {
        Self {
            tokio: TokioRuntime,
            tasks: TaskTracker::new(),
            sockets: Mutex::default(),
            ample_buffers: AtomicBool::new(true),
            traffic: Arc::new(Traffic::new()),
            connecting: Mutex::new(None),
            progress: Notify::new(),
            goodbye: Notify::new(),
            active: Mutex::new(Instant::now()),
        }
    }

    /// Says whether short sleeps are wanted from the next one on.
    pub(super) fn set_connecting(&self, connecting: bool) {
        *self.connecting.lock().unwrap_or_else(PoisonError::into_inner) = connecting.then(Instant::now);
    }

    /// Is notified each time the engine has done what there was to do.
    pub(super) fn progress(&self) -> &Notify {
        &self.progress
    }

    /// Whether the kernel granted every socket so far the buffers that a full window needs.
    pub(super) fn has_ample_buffers(&self) -> bool {
        self.ample_buffers.load(Ordering::Relaxed)
    }

    /// Returns how many datagrams the session has sent.
    pub(super) fn datagrams_sent(&self) -> u64 {
        self.traffic.sent.load(Ordering::Relaxed)
    }

    /// Is notified when something came from the peer that may be its goodbye, and the engine has read it.
    pub(super) fn goodbye(&self) -> &Notify {
        &self.goodbye
    }

    /// Waits until no task of the engine is left.
    pub(super) async fn tasks_ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Returns how long the engine sleeps that asks for `duration`.
    fn adapted(&self, duration: Duration, quiet: bool) -> Duration {
        let started = *self.connecting.lock().unwrap_or_else(PoisonError::into_inner);
        match started.map(|started| started.elapsed()) {
            Some(elapsed) if elapsed < CONNECTING_SPAN => duration.min(CONNECTING_TICK),
            Some(elapsed) if elapsed < LATE_SPAN => duration.min(LATE_TICK),
            Some(_) | None if quiet => duration.max(QUIET_TICK),
            Some(_) | None => duration,
        }
    }

    fn is_quiet(&self) -> bool {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        if self.traffic.takes_activity() {
            *active = Instant::now();
        }
        active.elapsed() >= QUIET
    }
}

impl Runtime for SessionRuntime {
    fn spawn(&self, future: BoxFuture<()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(Box::pin(self.tasks.track_future(future)))
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        if !enlarge_buffers(&socket) {
            self.ample_buffers.store(false, Ordering::Relaxed);
        }
        let traffic = Arc::clone(&self.traffic);
        let socket = Arc::new(BatchingSocket::new(self.tokio.wrap_udp_socket(socket)?, traffic));
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.retain(|socket| socket.strong_count() > 0);
        sockets.push(Arc::downgrade(&socket));
        Ok(socket)
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.tokio.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        self.tokio.connect_tcp(remote)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        self.tokio.resolve_host(host)
    }

    /// The engine's event loop makes a sleep each time it is about to wait, after it has handled all that had come.
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.progress.notify_waiters();
        if self.traffic.takes_alert() {
            self.goodbye.notify_one();
        }
        let quiet = self.is_quiet();
        let mut sleep = self.tokio.sleep(self.adapted(duration, quiet));
        let sockets: Vec<Arc<BatchingSocket>> = {
            let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
            sockets.iter().filter_map(Weak::upgrade).collect()
        };
        if quiet {
            sockets.iter().for_each(|socket| socket.rest());
        }
        Box::pin(std::future::poll_fn(move |cx| {
            for socket in &sockets {
                // A full socket has noted this task; the engine is woken and this runs again.
                let _: Poll<()> = socket.poll_flush(cx);
            }
            sleep.as_mut().poll(cx)
        }))
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.tokio.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.tokio.block_on(future);
    }

    fn yield_now(&self) -> BoxFuture<()> {
        self.tokio.yield_now()
    }

    fn name(&self) -> &'static str {
        "mcp-webrtc"
    }
}
