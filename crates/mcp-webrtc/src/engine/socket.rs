//! A UDP socket for the engine that sends in batches.
//!
//! The engine hands over one datagram at a time. Those that go to the same address are collected here and leave as
//! one `sendmsg` with UDP segmentation offload, either when the batch is full or when the engine is about to wait
//! (see [`super::runtime`]): about fifteen datagrams a system call in a bulk transfer, and half the sender's CPU
//! time. Where the kernel offers no offload, datagrams go out one by one.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::runtime::Traffic;

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

/// What the engine is told that the kernel may join of incoming datagrams, in datagrams of 1,500 bytes. It makes two
/// buffers of that size for every session, for the session's whole life. Ten would make bursts of
/// small messages about a tenth faster, for 18 kB more.
const ENGINE_SEGMENTS: usize = 4;

/// The most bytes that the kernel hands over at once, joined datagrams included.
const RECEIVE_BUFFER: usize = 64 * 1024;

thread_local! {
    /// Where the kernel puts what it hands over, until it is copied out in the same call. One for all sessions of a
    /// thread: idle ones need none, and a busy one has it in the processor's cache.
    static RECEIVED: RefCell<Vec<u8>> = RefCell::new(vec![0; RECEIVE_BUFFER]);
}

pub(super) struct BatchingSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    batch: Mutex<Batch>,
    arrived: Mutex<Arrived>,
    /// What all sockets of the session have seen.
    traffic: Arc<Traffic>,
}

/// Datagrams that the kernel handed over with others and the engine has not taken yet.
#[derive(Default)]
struct Arrived {
    bytes: Vec<u8>,
    taken: usize,
    meta: RecvMeta,
}

impl Arrived {
    /// Gives as many whole datagrams as the buffer holds.
    fn give(&mut self, buffer: &mut [u8]) -> RecvMeta {
        let (meta, taken) = take(&self.bytes[self.taken..], &self.meta, buffer);
        self.taken += taken;
        if self.taken >= self.bytes.len() {
            *self = Self::default();
        }
        meta
    }
}

/// Copies as many whole datagrams of one size as the buffer holds, and says how many bytes these were. A datagram that is
/// larger than the buffer is cut, as the kernel would do it.
fn take(bytes: &[u8], joined: &RecvMeta, buffer: &mut [u8]) -> (RecvMeta, usize) {
    let stride = joined.stride.max(1);
    let taken = bytes.len().min((buffer.len() / stride).max(1) * stride);
    let len = taken.min(buffer.len());
    buffer[..len].copy_from_slice(&bytes[..len]);
    let mut meta = *joined;
    (meta.len, meta.stride) = (len, stride.min(len));
    (meta, taken)
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
    pub(super) fn new(socket: Arc<dyn AsyncUdpSocket>, traffic: Arc<Traffic>) -> Self {
        Self { socket, batch: Mutex::default(), arrived: Mutex::default(), traffic }
    }

    fn batch(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what has been collected. A datagram that the system refuses is lost, as any datagram may be.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_flush_batch(cx, &mut self.batch())
    }

    /// Gives memory back that a busy session has used.
    pub(super) fn rest(&self) {
        let mut batch = self.batch();
        if batch.destination.is_none() {
            batch.bytes = Vec::new();
        }
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

    /// Few, since joined datagrams are taken apart here.
    fn max_gro_segments(&self) -> usize {
        ENGINE_SEGMENTS
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let max_segments = self.socket.max_gso_segments().min(MAX_SEGMENTS);
        if max_segments <= 1 {
            let sent = ready!(self.socket.poll_send(cx, transmit));
            self.traffic.on_sent(transmit.contents);
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
        self.traffic.on_sent(transmit.contents);
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
        let ([buffer, ..], [meta, ..]) = (buffers, meta) else { return Poll::Ready(Ok(0)) };
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        if !arrived.bytes.is_empty() {
            *meta = arrived.give(buffer);
            return Poll::Ready(Ok(1));
        }
        RECEIVED.with_borrow_mut(|received| {
            let mut joined = [RecvMeta::default()];
            let got = ready!(self.socket.poll_recv(cx, &mut [IoSliceMut::new(received)], &mut joined))?;
            let [joined] = joined;
            let bytes = &received[..joined.len.min(received.len())];
            bytes.chunks(joined.stride.max(1)).for_each(|datagram| self.traffic.on_received(datagram));
            let (first, taken) = take(bytes, &joined, buffer);
            *meta = first;
            if taken < bytes.len() {
                *arrived = Arrived { bytes: bytes[taken..].to_vec(), taken: 0, meta: joined };
            }
            Poll::Ready(Ok(got))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// What the kernel hands over: bytes, and the size of the datagrams that are joined in them.
    type Joined = (Vec<u8>, usize);

    #[derive(Debug)]
    struct Kernel(Mutex<VecDeque<Joined>>);

    impl AsyncUdpSocket for Kernel {
        fn local_addr(&self) -> io::Result<SocketAddr> {
            Ok(SocketAddr::from(([127, 0, 0, 1], 1)))
        }

        fn max_gso_segments(&self) -> usize {
            64
        }

        fn max_gro_segments(&self) -> usize {
            64
        }

        fn poll_send(&self, _: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(transmit.contents.len()))
        }

        fn poll_recv(
            &self,
            _: &mut Context<'_>,
            buffers: &mut [IoSliceMut<'_>],
            meta: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            let Some((bytes, stride)) = self.0.lock().unwrap().pop_front() else { return Poll::Pending };
            buffers[0][..bytes.len()].copy_from_slice(&bytes);
            (meta[0].len, meta[0].stride) = (bytes.len(), stride);
            Poll::Ready(Ok(1))
        }
    }

    /// Reads until nothing is left, with a buffer of `room` bytes, and takes the datagrams apart as the engine does.
    fn read(joined: impl IntoIterator<Item = Joined>, room: usize) -> (Vec<Vec<u8>>, Arc<Traffic>) {
        let kernel = Kernel(Mutex::new(joined.into_iter().collect()));
        let traffic = Arc::new(Traffic::new());
        let socket = BatchingSocket::new(Arc::new(kernel), Arc::clone(&traffic));
        let (mut buffer, mut datagrams) = (vec![0; room], Vec::new());
        loop {
            let mut meta = [RecvMeta::default()];
            let mut cx = Context::from_waker(Waker::noop());
            match socket.poll_recv(&mut cx, &mut [IoSliceMut::new(&mut buffer)], &mut meta) {
                Poll::Ready(got) => assert_eq!(got.unwrap(), 1),
                Poll::Pending => return (datagrams, traffic),
            }
            datagrams.extend(buffer[..meta[0].len].chunks(meta[0].stride.max(1)).map(<[u8]>::to_vec));
        }
    }

    #[test]
    fn joined_datagrams_come_one_by_one_and_in_order() {
        let bytes: Vec<u8> = (0..53_u8).collect();
        for room in [10, 25, 30, 1000] {
            let (datagrams, _) = read([(bytes.clone(), 10), (vec![99; 7], 7)], room);
            let mut expected: Vec<_> = bytes.chunks(10).map(<[u8]>::to_vec).collect();
            expected.push(vec![99; 7]);
            assert_eq!(datagrams, expected, "with room for {room}");
        }
    }

    #[test]
    fn a_datagram_without_room_is_cut_and_the_next_one_is_whole() {
        let (datagrams, _) = read([(vec![1; 20], 20), (vec![], 1), (vec![2; 3], 3)], 12);
        assert_eq!(datagrams, [vec![1; 12], vec![2; 3]]);
        let (datagrams, _) = read([([[1; 20], [2; 20]].concat(), 20)], 12);
        assert_eq!(datagrams, [vec![1; 12], vec![2; 12]]);
    }

    #[test]
    fn an_alert_is_seen_wherever_it_is() {
        assert!(read([([[23; 5], [23; 5], [21; 5]].concat(), 5)], 10).1.takes_alert());
        assert!(!read([([[23; 5], [22; 5]].concat(), 5)], 10).1.takes_alert());
    }

    #[test]
    fn connectivity_checks_are_no_activity() {
        let traffic = |datagram: &[u8]| {
            let traffic = Traffic::new();
            assert!(traffic.takes_activity(), "a new session is active");
            traffic.on_received(datagram);
            traffic.takes_activity()
        };
        assert!(!traffic(&[0, 1]) && !traffic(&[1, 1]) && !traffic(&[]));
        assert!(traffic(&[23, 254, 253]));
    }
}
