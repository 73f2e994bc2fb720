//! What the other side of a link has sent so far, held against the limits; each link that reads from a stranger
//! has one.

use tokio::time::Instant;

use super::{Signal, SignalingError, SignalingLimits};

/// The account of one link's incoming side.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) limits: SignalingLimits,
    objects: usize,
    keep_alives: usize,
    keep_alives_since: Instant,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The other side is done: it has said `bye`, or closed the link.
    Over,
    /// An error has been reported. Nothing more is read: what follows a line that is no object may be the body of
    /// an HTTP request, with which a page in the user's browser would like to be taken for a peer.
    Failed,
}

impl Intake {
    pub(super) fn new(limits: SignalingLimits) -> Self {
        Self { limits, objects: 0, keep_alives: 0, keep_alives_since: Instant::now(), state: State::Open }
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> Result<bool, SignalingError> {
        match self.state {
            State::Open => Ok(false),
            State::Over => Ok(true),
            State::Failed => Err(SignalingError::Closed),
        }
    }

    /// Reads and counts one object; `None` for one that means nothing here.
    pub(super) fn object(&mut self, json: &[u8]) -> Result<Option<Signal>, SignalingError> {
        let limit = self.limits.max_objects;
        if self.objects >= limit {
            return Err(SignalingError::TooManyObjects { limit });
        }
        self.objects += 1;
        let limit = self.limits.max_bytes_per_object;
        if json.len() > limit {
            return Err(SignalingError::TooLarge { limit });
        }
        let signal = Signal::parse(json).map_err(|e| SignalingError::malformed(json, e))?;
        if signal == Some(Signal::Bye) {
            self.end();
        }
        Ok(signal)
    }

    /// Counts what shows only that the other side is there. A link may live for weeks, so it is the rate that counts.
    pub(super) fn keep_alive(&mut self) -> Result<(), SignalingError> {
        if self.keep_alives_since.elapsed() > self.limits.object_timeout {
            self.keep_alives = 0;
            self.keep_alives_since = Instant::now();
        }
        self.keep_alives += 1;
        let limit = self.limits.max_objects;
        if self.keep_alives > limit { Err(SignalingError::TooManyObjects { limit }) } else { Ok(()) }
    }

    /// Notes that nothing more will come.
    pub(super) fn end(&mut self) {
        self.state = State::Over;
    }

    /// Notes the outcome of one attempt to receive.
    pub(super) fn outcome<T>(&mut self, outcome: Result<T, SignalingError>) -> Result<T, SignalingError> {
        if outcome.is_err() {
            self.state = State::Failed;
        }
        outcome
    }
}
