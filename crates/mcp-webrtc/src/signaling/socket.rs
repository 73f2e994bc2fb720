//! What TCP and WebSocket links have in common under their framing: reaching the other side, being reached, and
//! leaving so that the last words arrive.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs, lookup_host};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{SignalingError, SignalingLimits};

/// The longest that the last words may take: they fit into any socket's buffer unless the other side has stopped
/// reading, and then waiting is of no use.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a link may be silent before the system asks whether the other machine is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// How long to wait after a failed `accept`: descriptors that ran out come back when some other session ends, and
/// trying without a pause would take a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often in a row `accept` may fail before the caller hears of it: after ten seconds.
const ACCEPT_ATTEMPTS: u32 = 100;

/// A connected socket and who is on its other end.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) is_local: bool,
}

impl Connected {
    fn new(stream: TcpStream, peer: SocketAddr) -> io::Result<Self> {
        // Objects are small and each one is waited for.
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER))?;
        let is_loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
        let is_local = is_loopback(peer) && is_loopback(stream.local_addr()?);
        Ok(Self { stream, peer, is_local })
    }
}

/// Tries the addresses of a name one after the other, each with its share of the time that is left.
pub(super) async fn connect(
    address: impl ToSocketAddrs,
    limits: &SignalingLimits,
) -> Result<Connected, SignalingError> {
    let limit = limits.connect_timeout;
    let deadline = Instant::now() + limit;
    let resolve = "resolve the address of the other side";
    let addresses: Vec<SocketAddr> = timeout_at(deadline, lookup_host(address))
        .await
        .map_err(|_| SignalingError::timed_out(resolve, limit))?
        .map_err(|e| SignalingError::io(resolve, e))?
        .collect();

    let mut failure = SignalingError::io(resolve, io::Error::from(io::ErrorKind::NotFound));
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share =
            deadline.saturating_duration_since(Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
        let action = format!("connect to {address}");
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                return Connected::new(stream, *address).map_err(|e| SignalingError::io(action, e));
            }
            Ok(Err(e)) => failure = SignalingError::io(action, e),
            Err(_) => failure = SignalingError::timed_out(action, limit),
        }
    }
    Err(failure)
}

pub(super) async fn bind(address: impl ToSocketAddrs) -> Result<TcpListener, SignalingError> {
    TcpListener::bind(address).await.map_err(|e| SignalingError::io("listen for signaling", e))
}

/// Waits for the next connection. A call that is dropped loses none.
pub(super) async fn accept(listener: &TcpListener) -> Result<Connected, SignalingError> {
    loop {
        let accepted = patiently(|| listener.accept()).await;
        let (stream, peer) = accepted.map_err(|e| SignalingError::io("accept a signaling connection", e))?;
        match Connected::new(stream, peer) {
            Ok(connected) => return Ok(connected),
            // Some systems refuse options on a socket whose other end has gone meanwhile.
            Err(e) => {
                tracing::debug!(%peer, error = %e, "a signaling connection was gone before it was accepted")
            }
        }
    }
}

/// Repeats an `accept` that fails. Nearly all its errors are of one connection (it was gone before it was
/// accepted) or of the moment (no descriptor is free), and they differ from system to system, so none is singled out.
async fn patiently<T, F>(mut accept: impl FnMut() -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut failures = 0;
    loop {
        match accept().await {
            Err(e) if failures < ACCEPT_ATTEMPTS => {
                failures += 1;
                tracing::warn!(error = %e, "accepting a signaling connection failed, trying again");
                sleep(ACCEPT_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// Reads what has come and was not asked for. A socket that is closed with unread bytes in it resets the
/// connection, and the other side may then never see the `bye` that was sent to it.
pub(super) fn discard_unread(stream: &TcpStream) {
    let mut scrap = [0; 4096];
    // A peer that writes as fast as this reads has no need of a `bye`: 64 KiB, one object, is enough.
    for _ in 0..16 {
        if !stream.try_read(&mut scrap).is_ok_and(|bytes| bytes > 0) {
            break;
        }
    }
}

/// Whether an error of reading says only that the other side has gone.
pub(super) fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failing_accept_is_tried_again_with_pauses() {
        let begin = Instant::now();
        let mut failures = 7;
        let accepted = patiently(|| {
            failures -= 1;
            let failed = failures > 0;
            async move { if failed { Err(io::Error::other("too many open files")) } else { Ok("connection") } }
        });
        assert_eq!(accepted.await.unwrap(), "connection");
        assert_eq!(begin.elapsed(), 6 * ACCEPT_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_accept_that_keeps_failing_is_reported() {
        let mut attempts = 0;
        let outcome: io::Result<()> = patiently(|| {
            attempts += 1;
            async { Err(io::Error::other("no such socket")) }
        })
        .await;
        assert_eq!(outcome.unwrap_err().to_string(), "no such socket");
        assert_eq!(attempts, ACCEPT_ATTEMPTS + 1);
    }
}
