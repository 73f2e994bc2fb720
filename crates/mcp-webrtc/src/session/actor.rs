//! The task that keeps an established session and clears up after it.

use std::time::Duration;

use std::sync::Arc;

use gatelodge_wire::{Fingerprint, FragmentLimits, Sdp, SdpRules};
use tokio::sync::{broadcast, mpsc};
use tokio::time::MissedTickBehavior;

use super::establish::{add_candidate, announce, for_engine};
use super::{CloseReason, Link, SessionEvent};
use crate::engine::{EngineEvent, EngineState, RawChannel};
use crate::signaling::{Signal, Signaling};

/// How often the session's task looks how much the key has been used (at full speed some million datagrams in that
/// time, a few per cent of what is allowed), and whether the peer has said goodbye, which the engine does not report. The
/// sight of a goodbye and the end of a channel ask for that look at once.
const LOOK: Duration = Duration::from_secs(10);

/// How long a local close waits for what was sent to be acknowledged.
const LINGER: Duration = Duration::from_secs(1);

pub(super) struct Actor {
    pub(super) link: Arc<Link>,
    pub(super) signaling: Box<dyn Signaling>,
    pub(super) events: mpsc::Receiver<EngineEvent>,
    pub(super) channels: mpsc::Sender<RawChannel>,
    pub(super) subscribers: broadcast::Sender<SessionEvent>,
    pub(super) announced: Fingerprint,
    pub(super) rules: SdpRules,
    pub(super) fragments: Option<FragmentLimits>,
}

impl Actor {
    pub(super) async fn run(mut self) -> CloseReason {
        let reason = self.keep().await;
        if reason == CloseReason::Local {
            let _ = tokio::time::timeout(LINGER, self.link.flow.drained()).await;
        }
        self.link.cancel.cancel();
        self.link.tasks.close();
        self.link.tasks.wait().await;
        self.link.engine.close().await;
        // After the data channels, since plain peers take a lost link for a lost session.
        self.signaling.close().await;
        let _ = self.subscribers.send(SessionEvent::Closed(reason.clone()));
        reason
    }

    async fn keep(&mut self) -> CloseReason {
        let cancel = self.link.cancel.clone();
        let key_limit = self.link.engine.key_limit().await;
        let mut link_open = true;
        let mut interrupted = false;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return CloseReason::Local,
                event = self.events.recv() => match event {
                    Some(EngineEvent::Channel(channel)) => {
                        if let Err(error) = self.channels.try_send(channel) {
                            error.into_inner().close().await;
                        }
                    }
                    Some(EngineEvent::State(EngineState::Interrupted)) => {
                        interrupted = true;
                        let _ = self.subscribers.send(SessionEvent::Interrupted);
                    }
                    Some(EngineEvent::State(EngineState::Connected)) => {
                        if std::mem::take(&mut interrupted) {
                            let _ = self.subscribers.send(SessionEvent::Resumed);
                        }
                    }
                    Some(EngineEvent::State(EngineState::Failed)) => return CloseReason::PathLost,
                    Some(EngineEvent::State(EngineState::Closed)) | None => return CloseReason::Peer,
                    Some(EngineEvent::Gathered) => {}
                },
                () = async { tokio::select! {
                    () = self.link.suspicion.notified() => {}
                    () = self.link.engine.goodbye().notified() => {}
                    _ = look.tick() => {}
                } } => {
                    if self.link.engine.peer_closed().await {
                        return CloseReason::Peer;
                    }
                    if key_limit.is_some_and(|limit| self.link.engine.datagrams_sent() >= limit) {
                        return CloseReason::KeyUsedUp;
                    }
                }
                signal = self.signaling.receive(), if link_open => match signal {
                    Ok(Some(Signal::Candidate(candidate))) => {
                        add_candidate(&self.link.engine, &self.rules, candidate).await;
                    }
                    Ok(Some(Signal::Bye)) => return CloseReason::Peer,
                    Ok(Some(Signal::Offer { sdp })) => {
                        // In a box, since most sessions never need its room.
                        if let Err(reason) = Box::pin(self.renegotiate(&sdp)).await {
                            return reason;
                        }
                    }
                    // An answer that nobody asked for says nothing.
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => link_open = false,
                },
            }
        }
    }

    /// Answers a new offer of the same peer, as browsers make them when their network changes.
    async fn renegotiate(&mut self, offer: &str) -> Result<(), CloseReason> {
        let offer = Sdp::parse(offer, &self.rules).map_err(|_| CloseReason::BadRenegotiation)?;
        if offer.fingerprint() != self.announced {
            return Err(CloseReason::ChangedFingerprint);
        }
        let engine = &self.link.engine;
        engine.start_answer(&for_engine(&offer, self.fragments)).await.map_err(|error| {
            tracing::debug!(%error, "a new offer was not taken");
            CloseReason::BadRenegotiation
        })?;
        let sdp = engine.local_description().await.ok_or(CloseReason::BadRenegotiation)?;
        let answer = Signal::Answer { sdp: announce(&sdp, self.fragments) };
        self.signaling.send(answer).await.map_err(|_| CloseReason::BadRenegotiation)
    }
}
