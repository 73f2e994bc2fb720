//! A UDP socket for the engine that sends in batches.
//!
//! The engine hands over one datagram at a time. Those that go to the same address are collected here and leave as
//! one `sendmsg` with UDP segmentation offload, either when the batch is full or when the engine is about to wait
//! (see [`super::runtime`]): about fifteen datagrams a system call in a bulk transfer, and half the sender's CPU
//! time. Where the kernel offers no offload, datagrams go out one by one.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

/// What the engine's 1 MiB receive window needs in the kernel, with room for the bookkeeping the kernel charges.
/// With the usual default of 212 kB an overrun costs a retransmission time-out of a second.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// Below this much granted buffer a full 1 MiB in flight would overrun the socket.
const AMPLE_BUFFER: usize = 2 * 1024 * 1024;

/// The most segments Linux takes in one call (`UDP_MAX_SEGMENTS`).
const MAX_SEGMENTS: usize = 64;

/// The most bytes in one call; the kernel's own limit is a 16-bit length with headers.
const MAX_BATCH: usize = 60_000;

/// Asks for large kernel buffers and says whether enough was granted.
pub(super) fn enlarge_buffers(socket: &UdpSocket) -> bool {
    let socket = socket2::SockRef::from(socket);
    // The kernel grants what `net.core.rmem_max` and `wmem_max` allow; a refusal leaves the default in place.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    let granted = |size: io::Result<usize>| size.is_ok_and(|size| size >= AMPLE_BUFFER);
    granted(socket.recv_buffer_size()) && granted(socket.send_buffer_size())
}

pub(super) struct BatchingSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    batch: Mutex<Batch>,
    /// Counts the datagrams of all of a session's sockets.
    sent: Arc<AtomicU64>,
}

/// Datagrams of one destination and one size (the last may be shorter) that wait to be sent together.
#[derive(Default)]
struct Batch {
    destination: Option<SocketAddr>,
    segment: usize,
    count: usize,
    /// A datagram shorter than the others can only be the last.
    complete: bool,
    bytes: Vec<u8>,
}

impl Batch {
    fn takes(&self, destination: SocketAddr, len: usize, max_segments: usize) -> bool {
        self.destination == Some(destination)
            && !self.complete
            && len <= self.segment
            && self.count < max_segments
            && self.bytes.len() + len <= MAX_BATCH
    }

    fn clear(&mut self) {
        self.destination = None;
        self.count = 0;
        self.complete = false;
        self.bytes.clear();
    }
}

impl BatchingSocket {
    pub(super) fn new(socket: Arc<dyn AsyncUdpSocket>, sent: Arc<AtomicU64>) -> Self {
        Self { socket, batch: Mutex::default(), sent }
    }

    fn batch(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what has been collected. A datagram that the system refuses is lost, as any datagram may be.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_flush_batch(cx, &mut self.batch())
    }

    fn poll_flush_batch(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<()> {
        let Some(destination) = batch.destination else { return Poll::Ready(()) };
        let transmit = Transmit {
            destination,
            ecn: None,
            contents: &batch.bytes,
            segment_size: (batch.count > 1).then_some(batch.segment),
            src_ip: None,
        };
        let sent = ready!(self.socket.poll_send(cx, &transmit));
        if let Err(error) = sent {
            if batch.count > 1 {
                // Some interfaces refuse segmentation only when it is used. The datagrams are sent singly; one
                // that does not go out at once is lost.
                for datagram in batch.bytes.chunks(batch.segment) {
                    let single = Transmit {
                        destination,
                        ecn: None,
                        contents: datagram,
                        segment_size: None,
                        src_ip: None,
                    };
                    let _ = self.socket.poll_send(cx, &single);
                }
            }
            tracing::trace!(%destination, %error, "datagrams were not sent");
        }
        batch.clear();
        Poll::Ready(())
    }
}

impl Drop for BatchingSocket {
    /// The engine ends without another wait, and the last datagrams are its goodbye.
    fn drop(&mut self) {
        let _ = self.poll_flush(&mut Context::from_waker(Waker::noop()));
    }
}

impl fmt::Debug for BatchingSocket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BatchingSocket").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl AsyncUdpSocket for BatchingSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// One, so that the engine leaves the batching to this type.
    fn max_gso_segments(&self) -> usize {
        1
    }

    fn max_gro_segments(&self) -> usize {
        self.socket.max_gro_segments()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let max_segments = self.socket.max_gso_segments().min(MAX_SEGMENTS);
        if max_segments <= 1 {
            let sent = ready!(self.socket.poll_send(cx, transmit));
            self.sent.fetch_add(1, Ordering::Relaxed);
            return Poll::Ready(sent);
        }
        let len = transmit.contents.len();
        let mut batch = self.batch();
        if batch.destination.is_some() && !batch.takes(transmit.destination, len, max_segments) {
            ready!(self.poll_flush_batch(cx, &mut batch));
        }
        if batch.destination.is_none() {
            batch.destination = Some(transmit.destination);
            batch.segment = len;
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        batch.bytes.extend_from_slice(transmit.contents);
        batch.count += 1;
        batch.complete = len < batch.segment;
        Poll::Ready(Ok(len))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_recv(cx, buffers, meta)
    }
}
