//! One direction of a channel: a bounded queue, and a task that empties it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

/// How many messages a lane holds.
const MESSAGES: usize = 256;

/// How many of them must be free before another message is read: one message can set free many that were held.
const SPARE: usize = 64;

/// With this many free nobody can be waiting for room: messages are taken out in larger numbers than one only as far as
/// large answers go aside, which are far fewer than the difference.
const CROWDED: usize = 2 * SPARE;

/// How many bytes a lane holds before nothing more is read for it. One message more may be of any size, so that the
/// bound is this and the largest message.
const BYTES: usize = 1 << 20;

/// The end of a lane where messages are put in.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    queue: mpsc::Sender<Bytes>,
    state: Arc<State>,
}

/// The end of a lane where messages are taken out.
#[derive(Debug)]
pub(super) struct LaneEnd {
    queue: mpsc::Receiver<Bytes>,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    bytes: AtomicUsize,
    /// Shared by both lanes of a channel: its loop waits for either. Told only when somebody may be waiting.
    room: Arc<Notify>,
}

/// Makes a lane. `room` is told when a message has left a lane that was nearly full.
pub(super) fn lane(room: &Arc<Notify>) -> (Lane, LaneEnd) {
    let (sender, receiver) = mpsc::channel(MESSAGES);
    let state = Arc::new(State { bytes: AtomicUsize::new(0), room: Arc::clone(room) });
    (Lane { queue: sender, state: Arc::clone(&state) }, LaneEnd { queue: receiver, state })
}

impl Lane {
    /// Whether what another message brings about finds room.
    pub(super) fn has_room(&self) -> bool {
        self.has_spare() && self.state.bytes.load(Ordering::Relaxed) < BYTES
    }

    /// Whether there is room for the gate's own small answers.
    pub(super) fn has_spare(&self) -> bool {
        self.queue.capacity() >= SPARE
    }

    /// Puts a message in; `false` if nobody takes any out, or if there is no room left in spite of everything.
    pub(super) fn put(&self, message: Bytes) -> bool {
        let length = message.len();
        let put = self.queue.try_send(message).is_ok();
        if put {
            self.state.bytes.fetch_add(length, Ordering::Relaxed);
        }
        put
    }
}

impl LaneEnd {
    /// Takes the next message out.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        self.queue.recv().await
    }

    /// Says that a message has been sent on.
    pub(super) fn sent(&self, length: usize) {
        let bytes = self.state.bytes.fetch_sub(length, Ordering::Relaxed);
        if bytes >= BYTES || self.queue.capacity() < CROWDED {
            self.state.room.notify_one();
        }
    }
}
