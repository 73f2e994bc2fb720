//! How much may be in flight: one send window for all channels of a session.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, RawChannel, WeakChannel};

/// Messages up to this size may use the whole window; larger ones leave room for them.
const SMALL: usize = 4 * 1024;

/// A sender looks again after this long even if nothing woke it.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A channel that is being closed waits no longer than this for a peer that acknowledges nothing.
const STALLED: Duration = Duration::from_secs(10);

pub(crate) struct Flow {
    engine: Engine,
    cancel: CancellationToken,
    channels: Mutex<Vec<Arc<WeakChannel>>>,
}

impl Flow {
    pub(crate) fn new(engine: Engine, cancel: CancellationToken) -> Self {
        Self { engine, cancel, channels: Mutex::default() }
    }

    /// Counts a channel's bytes from now on, until it is closed.
    pub(crate) fn watch(&self, raw: &RawChannel) {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.push(Arc::new(raw.downgrade()));
    }

    /// Waits until `bytes` more may be handed to the engine; `None` if the session ends before.
    pub(crate) async fn room(&self, bytes: usize) -> Option<()> {
        let limit = if bytes <= SMALL { self.engine.send_limit() } else { self.engine.send_limit() / 2 };
        let below = |outstanding| outstanding < limit;
        self.cancel.run_until_cancelled(self.until(below)).await
    }

    /// Waits until everything sent has been acknowledged.
    pub(crate) async fn drained(&self) {
        self.until(|outstanding| outstanding == 0).await;
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

    async fn until(&self, enough: impl Fn(usize) -> bool) {
        loop {
            let progress = self.engine.progress().notified();
            if enough(self.outstanding().await) {
                return;
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, progress).await;
        }
    }

    async fn outstanding(&self) -> usize {
        let channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut outstanding = 0;
        for channel in channels {
            match channel.outstanding().await {
                Some(bytes) => outstanding += bytes,
                None => {
                    let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
                    channels.retain(|other| !Arc::ptr_eq(other, &channel));
                }
            }
        }
        outstanding
    }
}
