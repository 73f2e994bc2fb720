//! The one way by which all messages of a session go to the engine.
//!
//! The engine sends all channels through one queue, so what may be in flight is decided for all of them together: by
//! the [`SendWindow`]. A sender that finds no room waits until the engine has worked off what came in,
//! acknowledgements included, and then looks again.

mod window;

use std::future::Future;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, RawChannel, WeakChannel};
use window::{Bulk, SendWindow};

/// Messages up to this size are small: calls, notifications, and results of few packets.
const SMALL: usize = 4 * 1024;

/// How many small messages are handed over before the engine sends them. With one at a time each would be a packet of its
/// own; a whole burst at a time would leave the peer idle until its end, at two thirds of the rate (64 requests of 1 KiB in
/// flight).
const SMALLS_TOGETHER: usize = 16;

/// A sender looks again after this long even if nothing woke it. The engine wakes it long before; this only keeps a
/// sender from hanging should the engine ever stop to say that it is idle.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A channel that is being closed waits no longer than this for a peer that acknowledges nothing.
const STALLED: Duration = Duration::from_secs(10);

pub(crate) struct Flow {
    engine: Engine,
    cancel: CancellationToken,
    /// Held while a message is handed over, so that nobody sees bytes which are counted and not sent, or the other way
    /// round.
    gate: Mutex<Gate>,
    /// Channels that the gate does not know yet.
    joining: std::sync::Mutex<Vec<WeakChannel>>,
}

struct Gate {
    window: SendWindow,
    /// Every open channel: their outstanding bytes share the path.
    channels: Vec<WeakChannel>,
    /// Small messages since the engine was last let in between.
    smalls: usize,
}

impl Gate {
    /// Says whether the engine is let in between this message and the next.
    fn pauses_after(&mut self, bulk: Bulk) -> bool {
        self.smalls = if bulk == Bulk::Small { self.smalls + 1 } else { SMALLS_TOGETHER };
        let pauses = self.smalls >= SMALLS_TOGETHER;
        if pauses {
            self.smalls = 0;
        }
        pauses
    }
}

impl Flow {
    pub(crate) fn new(engine: Engine, cancel: CancellationToken) -> Self {
        let window = SendWindow::new(engine.send_limit());
        Self {
            engine,
            cancel,
            gate: Mutex::new(Gate { window, channels: Vec::new(), smalls: 0 }),
            joining: Default::default(),
        }
    }

    /// Counts a channel's bytes from now on, until it is closed.
    pub(crate) fn watch(&self, raw: &RawChannel) {
        self.joining.lock().unwrap_or_else(PoisonError::into_inner).push(raw.downgrade());
    }

    /// Returns how large the next fragment of a large message should be, in bytes.
    pub(crate) async fn fragment_size(&self) -> usize {
        self.gate.lock().await.window.piece(Instant::now())
    }

    /// Sends a whole message of `bytes` bytes by running `hand_over` once there is room. `None` if the session ends
    /// before.
    pub(crate) async fn message<F: Future>(&self, bytes: usize, hand_over: F) -> Option<F::Output> {
        let bulk = if bytes <= SMALL { Bulk::Small } else { Bulk::Whole };
        self.cancel.run_until_cancelled(self.send(bulk, bytes, hand_over)).await
    }

    /// Sends a fragment, like [`Flow::message`].
    pub(crate) async fn fragment<F: Future>(&self, bytes: usize, hand_over: F) -> Option<F::Output> {
        self.cancel.run_until_cancelled(self.send(Bulk::Fragment, bytes, hand_over)).await
    }

    async fn send<F: Future>(&self, bulk: Bulk, bytes: usize, hand_over: F) -> F::Output {
        loop {
            // Waits from here on, so that no acknowledgement slips between the look and the wait.
            let progress = self.engine.progress().notified();
            let mut gate = self.gate.lock().await;
            let now = Instant::now();
            if gate.window.wants_look(now, bulk) {
                self.look(&mut gate).await;
            }
            if gate.window.admits(now, bulk) {
                if bulk == Bulk::Small {
                    gate.window.on_small(now);
                }
                let output = hand_over.await;
                gate.window.on_sent(now, bytes);
                let pause = gate.pauses_after(bulk);
                drop(gate);
                if pause {
                    // Where the engine shares this thread, it sends while the next message is made: up to twice as fast.
                    tokio::task::yield_now().await;
                }
                return output;
            }
            drop(gate);
            // Both outcomes lead to the same look, so it does not matter which it was.
            let _ = tokio::time::timeout(LOOK_AGAIN, progress).await;
        }
    }

    /// Waits until everything sent has been acknowledged.
    pub(crate) async fn drained(&self) {
        loop {
            let progress = self.engine.progress().notified();
            if self.look(&mut *self.gate.lock().await).await == 0 {
                return;
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, progress).await;
        }
    }

    /// Waits until the peer has acknowledged what was sent on one channel, as long as it acknowledges anything.
    pub(crate) async fn channel_drained(&self, raw: &RawChannel) {
        let channel = raw.downgrade();
        let mut left = usize::MAX;
        let mut since = Instant::now();
        loop {
            let progress = self.engine.progress().notified();
            match channel.outstanding().await {
                None | Some(0) => return,
                Some(outstanding) if outstanding < left => (left, since) = (outstanding, Instant::now()),
                Some(_) if since.elapsed() > STALLED => return,
                Some(_) => {}
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, progress).await;
        }
    }

    /// Tells the window what the engine holds for the session, and returns it.
    async fn look(&self, gate: &mut Gate) -> usize {
        gate.channels.append(&mut self.joining.lock().unwrap_or_else(PoisonError::into_inner));
        let mut outstanding = 0;
        let mut closed = false;
        for channel in &gate.channels {
            match channel.outstanding().await {
                Some(bytes) => outstanding += bytes,
                None => closed = true,
            }
        }
        if closed {
            gate.channels.retain(WeakChannel::is_alive);
        }
        gate.window.on_outstanding(Instant::now(), outstanding);
        outstanding
    }
}
