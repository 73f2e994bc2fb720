//! What one signaling link may cost; every link reads its bounds from here.

use std::time::Duration;

use gatelodge_wire::MAX_SIGNAL_BYTES;

/// Bounds on the size, number and duration of what crosses a signaling link.
#[derive(Debug, Clone)]
pub struct SignalingLimits {
    pub(super) max_bytes_per_object: usize,
    pub(super) max_objects: usize,
    pub(super) object_timeout: Duration,
    pub(super) send_timeout: Duration,
    pub(super) connect_timeout: Duration,
}

impl Default for SignalingLimits {
    fn default() -> Self {
        Self {
            max_bytes_per_object: MAX_SIGNAL_BYTES,
            // Offer and answer, and 32 candidates (more are never used) for each of three gatherings, with room.
            max_objects: 128,
            // 64 KiB in 10 s is 52 kbit/s: slower than any link over which a session would be of use.
            object_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_secs(10),
            // Three SYNs of a TCP handshake (at 0, 1 and 3 s), and time for the last one's answer.
            connect_timeout: Duration::from_secs(10),
        }
    }
}

impl SignalingLimits {
    /// The most bytes of one object, in either direction. Defaults to 64 KiB, and more is never read.
    #[must_use]
    pub fn max_bytes_per_object(mut self, bytes: usize) -> Self {
        self.max_bytes_per_object = bytes.min(MAX_SIGNAL_BYTES);
        self
    }

    /// The most objects that the other side may send in the life of one link. Defaults to 128.
    ///
    /// Empty lines and WebSocket pings keep a link alive and are bounded by their rate: as many as this within one
    /// [`object_timeout`](Self::object_timeout).
    #[must_use]
    pub fn max_objects(mut self, objects: usize) -> Self {
        self.max_objects = objects;
        self
    }

    /// The longest time from the first byte of an object to its last. Defaults to 10 s.
    #[must_use]
    pub fn object_timeout(mut self, timeout: Duration) -> Self {
        self.object_timeout = timeout;
        self
    }

    /// The longest time that sending one object may wait for the other side to read. Defaults to 10 s.
    #[must_use]
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.send_timeout = timeout;
        self
    }

    /// The longest time for reaching the other side, with name resolution and, on a WebSocket, the upgrade on
    /// either side. Defaults to 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }
}
