//! The gate of the whole desktop: while it is closed, nobody is let in.
//!
//! Not to be confused with the [`gate`](crate::gate) of a channel, which judges messages. The person closes this one to be
//! alone for an hour, or until it is opened again: all sessions end, the links stay where they are and turn everybody away
//! with a reason, invitations stay open. It opens by itself when its time is over.

use std::sync::Arc;
use std::time::Duration;

use gatelodge_wire::RefusalCode;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

use crate::desktop::Desktop;
use crate::event::HostEvent;
use crate::session::ending::Refusal;
use crate::settings::{GateAtStart, Settings};
use crate::store::{Store, StoreError};
use crate::time::Timestamp;

/// How often the clock is looked at while the gate is closed until a time: a machine that slept wakes up later than any
/// timer of a process says.
const CLOCK: Duration = Duration::from_secs(15);

/// How long closing the gate waits for sessions to end. They take well under a second; one that hangs is over for its agent
/// all the same.
const END_LIMIT: Duration = Duration::from_secs(3);

/// What whoever comes to the closed gate is told.
const CLOSED: &str = "the desktop's user has closed its gate; nobody is let in until it is open again";

/// How the gate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "gate", rename_all = "lowercase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum GateState {
    /// Agents may come in, as far as they are let in.
    Open,
    /// Nobody may.
    Closed {
        /// When it opens by itself; `None` if it does not.
        until: Option<Timestamp>,
    },
}

impl GateState {
    /// How it is at a point in time.
    fn at(self, now: Timestamp) -> Self {
        match self {
            Self::Closed { until: Some(until) } if until <= now => Self::Open,
            state => state,
        }
    }

    /// Whether nobody may come in.
    pub fn is_closed(self) -> bool {
        self != Self::Open
    }
}

/// What the person makes of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "gate", rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum GateChange {
    /// Open.
    Open,
    /// Closed.
    Closed {
        /// For how long; until it is opened again if not given.
        seconds: Option<u64>,
    },
    /// Closed until it is opened again or the desktop is started anew.
    ClosedUntilRestart,
}

impl GateChange {
    fn state(self, now: Timestamp) -> GateState {
        match self {
            Self::Open => GateState::Open,
            Self::Closed { seconds } => {
                GateState::Closed { until: seconds.map(|seconds| now.after(Duration::from_secs(seconds))) }
            }
            Self::ClosedUntilRestart => GateState::Closed { until: None },
        }
    }
}

/// The gate of a running desktop.
#[derive(Debug)]
pub(crate) struct FrontGate {
    state: watch::Sender<GateState>,
    /// Held while it is changed, so that what is kept is what was decided last.
    changing: Mutex<()>,
}

impl FrontGate {
    pub(crate) fn new(state: GateState) -> Self {
        Self { state: watch::Sender::new(state), changing: Mutex::default() }
    }

    /// How it is now. Its time counts, whether or not it has been noticed that it is over.
    pub(crate) fn state(&self) -> GateState {
        self.state.borrow().at(Timestamp::now())
    }

    /// Returns what a newcomer is told while the gate is closed.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.state().is_closed().then(|| Refusal::new(RefusalCode::GateClosed, CLOSED))
    }
}

/// How the gate is when the desktop starts.
pub(crate) fn at_start(store: &Store, settings: &Settings) -> Result<GateState, StoreError> {
    Ok(match settings.gate_at_start {
        GateAtStart::Open => GateState::Open,
        GateAtStart::Closed => GateState::Closed { until: None },
        GateAtStart::AsBefore => store.gate()?.at(Timestamp::now()),
    })
}

/// Opens or closes the gate. It is closed at once, whatever fails then; returns when the sessions have ended.
pub(crate) async fn set(desktop: &Arc<Desktop>, change: GateChange) -> Result<(), StoreError> {
    let _changing = desktop.front_gate.changing.lock().await;
    let state = change.state(Timestamp::now());
    desktop.front_gate.state.send_replace(state);
    if state.is_closed() {
        end_sessions(desktop);
    }
    desktop.events.tell(HostEvent::GateChanged { state });
    let kept = match change {
        GateChange::ClosedUntilRestart => Ok(()),
        _ => desktop.kept.store.run(move |store| store.put_gate(state)).await,
    };
    if state.is_closed() && tokio::time::timeout(END_LIMIT, desktop.sessions.ended()).await.is_err() {
        tracing::warn!("some sessions did not end in time");
    }
    kept
}

/// Keeps how the gate is to be, while no desktop runs.
pub(crate) fn set_offline(store: &Store, change: GateChange) -> Result<GateState, StoreError> {
    let state = change.state(Timestamp::now());
    store.put_gate(state)?;
    at_start(store, &store.settings()?)
}

fn end_sessions(desktop: &Desktop) {
    for live in desktop.sessions.all() {
        live.ending.end(Refusal::new(RefusalCode::Revoked, "the desktop's user has closed the gate"));
    }
}

/// Opens the gate when its time is over, until the desktop shuts down.
pub(crate) async fn keep(desktop: Arc<Desktop>) {
    let mut changes = desktop.front_gate.state.subscribe();
    let keeping = async {
        loop {
            let state = *changes.borrow_and_update();
            let GateState::Closed { until: Some(until) } = state else {
                // The sender is the desktop's, which is held here.
                let _ = changes.changed().await;
                continue;
            };
            let left = until.since(Timestamp::now());
            if !left.is_zero() {
                let _ = tokio::time::timeout(left.min(CLOCK), changes.changed()).await;
                continue;
            }
            let opened = desktop.front_gate.state.send_if_modified(|current| {
                let is_it = *current == state;
                if is_it {
                    *current = GateState::Open;
                }
                is_it
            });
            if opened {
                desktop.events.tell(HostEvent::GateChanged { state: GateState::Open });
            }
        }
    };
    desktop.cancel.run_until_cancelled(keeping).await;
}

#[cfg(test)]
mod tests;
