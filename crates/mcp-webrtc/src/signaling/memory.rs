//! Signaling between two ends of one process, for tests and for sessions with oneself.

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{Signal, Signaling, SignalingError, SignalingLimits};

/// How many objects wait for the other end before a sender waits: a description with a few candidates.
const CAPACITY: usize = 16;

/// One end of a link in memory, made by [`memory`].
///
/// Dropping it without [`close`](Signaling::close) ends the link without `bye`, as a peer that crashes does.
#[derive(Debug)]
pub struct MemorySignaling {
    outgoing: Option<mpsc::Sender<Signal>>,
    incoming: mpsc::Receiver<Signal>,
    said_bye: bool,
    heard_bye: bool,
    limits: SignalingLimits,
}

/// Makes a link with two ends in this process.
pub fn memory() -> (MemorySignaling, MemorySignaling) {
    let (to_right, from_left) = mpsc::channel(CAPACITY);
    let (to_left, from_right) = mpsc::channel(CAPACITY);
    (MemorySignaling::new(to_right, from_right), MemorySignaling::new(to_left, from_left))
}

impl MemorySignaling {
    fn new(outgoing: mpsc::Sender<Signal>, incoming: mpsc::Receiver<Signal>) -> Self {
        let limits = SignalingLimits::default();
        Self { outgoing: Some(outgoing), incoming, said_bye: false, heard_bye: false, limits }
    }

    /// Sets the limits of this end; only the time of sending is bounded here.
    #[must_use]
    pub fn with_limits(mut self, limits: SignalingLimits) -> Self {
        self.limits = limits;
        self
    }
}

#[async_trait]
impl Signaling for MemorySignaling {
    async fn send(&mut self, signal: Signal) -> Result<(), SignalingError> {
        let outgoing = self.outgoing.as_ref().filter(|_| !self.said_bye).ok_or(SignalingError::Closed)?;
        let is_bye = signal == Signal::Bye;
        outgoing.send_timeout(signal, self.limits.send_timeout).await.map_err(|e| match e {
            mpsc::error::SendTimeoutError::Timeout(_) => {
                SignalingError::timed_out("send an object", self.limits.send_timeout)
            }
            mpsc::error::SendTimeoutError::Closed(_) => SignalingError::Closed,
        })?;
        self.said_bye |= is_bye;
        Ok(())
    }

    async fn receive(&mut self) -> Result<Option<Signal>, SignalingError> {
        if self.heard_bye || self.outgoing.is_none() {
            return Ok(None);
        }
        let signal = self.incoming.recv().await;
        self.heard_bye = signal == Some(Signal::Bye);
        Ok(signal)
    }

    async fn close(&mut self) {
        // A full queue means that the other end does not read, so it would not see the `bye` either.
        if let Some(outgoing) = self.outgoing.take()
            && !self.said_bye
        {
            let _ = outgoing.try_send(Signal::Bye);
        }
        self.incoming.close();
    }

    fn is_local(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}
