//! From a signaling link to an admitted peer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatelodge_wire::{
    Fingerprint, FragmentLimits, MaxMessageSize, Sdp, SdpRules, Setup, normalise_candidate, with_fragments,
};
use tokio::sync::{Notify, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::actor::Actor;
use super::builder::SessionBuilder;
use super::error::{SessionError, Stage};
use super::no_path::{NoPath, Offered};
use super::peer::{Admission, Peer};
use super::{ChannelQueue, CloseReason, Handle, Link, Session, SessionEvent};
use crate::engine::{CHECKED_FOR, Engine, EngineConfig, EngineEvent, EngineState, MAX_MESSAGE, RawChannel};
use crate::flow::Flow;
use crate::signaling::{Candidate, Signal, Signaling};

/// The label that plain peers give to their channel.
const PLAIN_LABEL: &str = "mcp";

/// The largest single SCTP message, in bytes, where both sides speak the fragment extension: what every stack takes. A
/// quarter of the limit towards plain peers, since the engine sets aside a buffer of that size for each session.
const MAX_MESSAGE_BESIDE_FRAGMENTS: u32 = 65_536;

/// Session events that wait for a subscriber: more than happen in a minute of the worst network.
const EVENT_QUEUE: usize = 16;

/// How long STUN and TURN servers may take to answer. By then the engine has repeated its request three times; it would go on
/// for many more seconds, and the peer waits for the description that holds all candidates.
const GATHERING_LIMIT: Duration = Duration::from_secs(4);

/// Candidates that may come before the description they belong to.
const MAX_EARLY_CANDIDATES: usize = 32;

/// Who describes itself first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Offer,
    Answer,
}

/// Starts the session's task and waits until the peer is admitted.
pub(super) async fn start(
    builder: SessionBuilder,
    role: Role,
    signaling: Box<dyn Signaling>,
) -> Result<Session, SessionError> {
    let cancel = CancellationToken::new();
    // Dropped with this future, which takes everything back; after success it lives in the session's handle.
    let guard = cancel.clone().drop_guard();
    let (ready, established) = oneshot::channel();
    let task = Establishing { builder, role, signaling, cancel };
    tokio::spawn(async move {
        // In a box, so that an established session does not carry what setting it up took.
        let Some((actor, close_reason)) = Box::pin(task.run(ready)).await else { return };
        let reason = actor.run().await;
        close_reason.send_replace(Some(reason));
    });
    let established = established.await.map_err(|_| SessionError::Cancelled)??;
    let Established { link, peer, channels, permits, events, first_events, closed } = established;
    Ok(Session {
        handle: Arc::new(Handle {
            link,
            peer,
            channels: tokio::sync::Mutex::new(ChannelQueue { arriving: channels, opening: None }),
            permits,
            events,
            first_events: std::sync::Mutex::new(Some(first_events)),
            closed,
            _end: guard,
        }),
    })
}

/// What the session's task hands to the waiting caller.
struct Established {
    link: Arc<Link>,
    peer: Peer,
    channels: mpsc::Receiver<RawChannel>,
    permits: Arc<Semaphore>,
    events: broadcast::Sender<SessionEvent>,
    first_events: broadcast::Receiver<SessionEvent>,
    closed: watch::Receiver<Option<CloseReason>>,
}

struct Establishing {
    builder: SessionBuilder,
    role: Role,
    signaling: Box<dyn Signaling>,
    cancel: CancellationToken,
}

impl Establishing {
    /// Tells the caller what came of it. Returns who keeps the session, and whom to tell how it ended.
    async fn run(
        mut self,
        ready: oneshot::Sender<Result<Established, SessionError>>,
    ) -> Option<(Actor, watch::Sender<Option<CloseReason>>)> {
        let cancel = self.cancel.clone();
        let local = self.builder.local.unwrap_or_else(|| self.signaling.is_local());
        self.builder.ice_servers.extend(self.signaling.ice_servers());
        let config = EngineConfig {
            identity: &self.builder.identity,
            ice_servers: &self.builder.ice_servers,
            relay_only: self.builder.relay_only,
            local,
            bind: &self.builder.bind,
        };
        let (engine, events) = match Engine::new(config).await {
            Ok(engine) => engine,
            Err(error) => {
                self.signaling.close().await;
                let _ = ready.send(Err(error.into()));
                return None;
            }
        };
        let mut attempt = Attempt {
            builder: &mut self.builder,
            signaling: &mut *self.signaling,
            engine: &engine,
            events,
            rules: SdpRules::with_loopback(local),
            early: VecDeque::new(),
            channels: Vec::new(),
            own: Offered::default(),
            peer: Offered::default(),
        };
        let outcome = cancel.run_until_cancelled(attempt.run(self.role)).await;
        let Attempt { events, rules, channels, .. } = attempt;
        let admitted = match outcome.unwrap_or(Err(SessionError::Cancelled)) {
            Ok(admitted) => admitted,
            Err(error) => {
                // Nothing of the attempt is left when the caller hears of its failure.
                engine.close().await;
                self.signaling.close().await;
                let _ = ready.send(Err(error));
                return None;
            }
        };
        let fragments = self.builder.fragments.and(admitted.description.fragments());
        let link = Arc::new(Link {
            flow: Flow::new(engine.clone(), cancel.clone()),
            engine,
            max_message: max_message(&admitted.description, self.builder.fragments),
            fragments,
            reassembly: self.builder.fragments.unwrap_or_default(),
            suspicion: Notify::new(),
            cancel,
            runtime: tokio::runtime::Handle::current(),
            tasks: TaskTracker::new(),
        });
        let (queue, arriving) = mpsc::channel(self.builder.max_channels.max(1));
        for channel in channels {
            if let Err(error) = queue.try_send(channel) {
                error.into_inner().close().await;
            }
        }
        let (event_sender, first_events) = broadcast::channel(EVENT_QUEUE);
        let _ = event_sender.send(SessionEvent::Connected { path: admitted.peer.path });
        let (close_reason, closed) = watch::channel(None);
        let established = Established {
            link: Arc::clone(&link),
            peer: admitted.peer,
            channels: arriving,
            permits: Arc::new(Semaphore::new(self.builder.max_channels)),
            events: event_sender.clone(),
            first_events,
            closed,
        };
        // Where nobody waits any more, the guard is gone and the actor sees the cancellation at once.
        let _ = ready.send(Ok(established));
        let actor = Actor {
            link,
            signaling: self.signaling,
            events,
            channels: queue,
            subscribers: event_sender,
            announced: admitted.description.fingerprint(),
            rules,
            fragments: self.builder.fragments,
        };
        Some((actor, close_reason))
    }
}

/// Returns the largest single message that may be sent to this peer.
fn max_message(description: &Sdp, fragments: Option<FragmentLimits>) -> usize {
    let largest = largest_single(description, fragments);
    match description.max_message_size() {
        MaxMessageSize::Limited(bytes) => bytes.min(largest) as usize,
        MaxMessageSize::Unlimited => largest as usize,
    }
}

struct Admitted {
    description: Sdp,
    peer: Peer,
}

struct Attempt<'a> {
    builder: &'a mut SessionBuilder,
    signaling: &'a mut dyn Signaling,
    engine: &'a Engine,
    events: mpsc::Receiver<EngineEvent>,
    rules: SdpRules,
    early: VecDeque<Candidate>,
    channels: Vec<RawChannel>,
    own: Offered,
    peer: Offered,
}

impl Attempt<'_> {
    async fn run(&mut self, role: Role) -> Result<Admitted, SessionError> {
        let deadline = self.builder.signaling_deadline;
        let described = tokio::time::timeout(deadline, self.exchange(role)).await;
        let timed_out = |stage, after| SessionError::TimedOut { stage, after };
        let description = described.map_err(|_| timed_out(Stage::Signaling, deadline))??;

        let deadline = self.builder.handshake_deadline;
        match tokio::time::timeout(deadline, self.connect()).await {
            Ok(connected) => connected?,
            Err(_) => return Err(self.unconnected(timed_out(Stage::Handshake, deadline)).await),
        }

        let peer = self.identify(&description).await?;
        self.decide(peer.clone()).await?;
        Ok(Admitted { description, peer })
    }

    /// Exchanges descriptions and returns the peer's.
    async fn exchange(&mut self, role: Role) -> Result<Sdp, SessionError> {
        if role == Role::Offer && self.builder.channels.is_empty() {
            self.builder.channels.push(PLAIN_LABEL.to_owned());
        }
        for label in &self.builder.channels {
            self.channels.push(self.engine.open_channel(label).await?);
        }
        let description = match role {
            Role::Offer => {
                self.engine.set_connecting(true);
                self.engine.start_offer().await?;
                let mut sdp = self.gathered().await?;
                if self.signaling.prefers_active_offer() {
                    sdp = sdp.replace("a=setup:actpass", "a=setup:active");
                }
                // The answer may take its time.
                self.engine.set_connecting(false);
                self.signaling.send(Signal::Offer { sdp }).await?;
                let answer = self.peer_description(role).await?;
                self.engine.set_connecting(true);
                self.engine.accept_answer(&for_engine(&answer, self.builder.fragments)).await?;
                answer
            }
            Role::Answer => {
                let offer = self.peer_description(role).await?;
                self.engine.set_connecting(true);
                self.engine.start_answer(&for_engine(&offer, self.builder.fragments)).await?;
                let sdp = self.gathered().await?;
                self.signaling.send(Signal::Answer { sdp }).await?;
                offer
            }
        };
        self.peer = Offered::of(description.as_str());
        for candidate in std::mem::take(&mut self.early) {
            self.add_candidate(candidate).await;
        }
        Ok(description)
    }

    /// Waits for the own candidates and returns the description to send.
    async fn gathered(&mut self) -> Result<String, SessionError> {
        let deadline = tokio::time::Instant::now() + GATHERING_LIMIT;
        loop {
            match tokio::time::timeout_at(deadline, self.events.recv()).await {
                Ok(Some(EngineEvent::Gathered)) => break,
                Ok(Some(EngineEvent::Channel(channel))) => self.channels.push(channel),
                Ok(Some(EngineEvent::State(EngineState::Closed)) | None) => {
                    return Err(SessionError::Cancelled);
                }
                Ok(Some(EngineEvent::State(_))) => {}
                Err(_) => {
                    tracing::debug!("a STUN or TURN server does not answer; going on without it");
                    break;
                }
            }
        }
        let sdp = self.engine.local_description().await.ok_or(SessionError::Cancelled)?;
        self.own = Offered::of(&sdp);
        Ok(announce(&sdp, self.builder.fragments))
    }

    /// Waits for the peer's offer or answer.
    async fn peer_description(&mut self, role: Role) -> Result<Sdp, SessionError> {
        let sdp = loop {
            match (self.signaling.receive().await?, role) {
                (Some(Signal::Offer { sdp }), Role::Answer) => break sdp,
                (Some(Signal::Answer { sdp }), Role::Offer) => break sdp,
                (Some(Signal::Offer { .. }), Role::Offer) => {
                    return Err(SessionError::UnexpectedSignal { got: "offer", due: "answer" });
                }
                (Some(Signal::Answer { .. }), Role::Answer) => {
                    return Err(SessionError::UnexpectedSignal { got: "answer", due: "offer" });
                }
                (Some(Signal::Candidate(candidate)), _) => {
                    if self.early.len() < MAX_EARLY_CANDIDATES {
                        self.early.push_back(candidate);
                    }
                }
                (Some(_) | None, _) => return Err(SessionError::PeerLeft),
            }
        };
        let sdp = Sdp::parse(&sdp, &self.rules)?;
        if sdp.fingerprint() == self.builder.identity.fingerprint() {
            return Err(SessionError::OwnFingerprint);
        }
        if role == Role::Answer && sdp.setup() == Setup::Passive {
            return Err(SessionError::PassiveOffer);
        }
        match self.builder.expected {
            // The handshake decides; this only saves the wait.
            Some(expected) if expected != sdp.fingerprint() => {
                Err(SessionError::WrongPeer { expected, found: sdp.fingerprint() })
            }
            _ => Ok(sdp),
        }
    }

    /// Waits for the DTLS handshake, with candidates that still come in.
    async fn connect(&mut self) -> Result<(), SessionError> {
        let begun = Instant::now();
        let mut link_open = true;
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(EngineEvent::State(EngineState::Connected)) => return Ok(()),
                    Some(EngineEvent::State(EngineState::Failed | EngineState::Closed)) | None => {
                        return Err(self.unconnected(SessionError::Handshake).await);
                    }
                    Some(EngineEvent::Channel(channel)) => self.hold(channel).await,
                    Some(EngineEvent::Gathered | EngineEvent::State(EngineState::Interrupted)) => {}
                },
                signal = self.signaling.receive(), if link_open => match signal {
                    Ok(Some(Signal::Candidate(candidate))) => self.add_candidate(candidate).await,
                    // Both sides try for about as long, and one of them is the first to give up.
                    Ok(Some(Signal::Bye)) if begun.elapsed() > CHECKED_FOR => {
                        return Err(self.unconnected(SessionError::PeerLeft).await);
                    }
                    Ok(Some(Signal::Bye)) => return Err(SessionError::PeerLeft),
                    // The descriptions are there; what else the link brings or that it is gone makes no difference.
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => link_open = false,
                },
            }
        }
    }

    /// Says why there is no connection: for want of a path, or, where one was found, as given.
    async fn unconnected(&mut self, on_a_path: SessionError) -> SessionError {
        if self.engine.path().await.is_some() {
            return on_a_path;
        }
        let (own, peer) = (std::mem::take(&mut self.own), std::mem::take(&mut self.peer));
        SessionError::NoPath(NoPath::new(own, peer, &self.builder.ice_servers))
    }

    /// Gives a candidate that came by itself to the engine, and counts it.
    async fn add_candidate(&mut self, candidate: Candidate) {
        self.peer.add(&candidate.candidate);
        add_candidate(self.engine, &self.rules, candidate).await;
    }

    /// Keeps a channel that the peer opened, unread, until the verdict.
    async fn hold(&mut self, channel: RawChannel) {
        if self.channels.len() < self.builder.max_channels {
            self.channels.push(channel);
        } else {
            channel.close().await;
        }
    }

    /// Takes the peer's certificate from the handshake.
    async fn identify(&mut self, description: &Sdp) -> Result<Peer, SessionError> {
        let certificate = self.engine.peer_certificate().await.ok_or(SessionError::Handshake)?;
        let fingerprint = Fingerprint::of_certificate(&certificate);
        if fingerprint != description.fingerprint() {
            let announced = description.fingerprint();
            return Err(SessionError::FingerprintMismatch { announced, proved: fingerprint });
        }
        if fingerprint == self.builder.identity.fingerprint() {
            return Err(SessionError::OwnFingerprint);
        }
        if let Some(expected) = self.builder.expected
            && expected != fingerprint
        {
            return Err(SessionError::WrongPeer { expected, found: fingerprint });
        }
        let path = self.engine.path().await;
        Ok(Peer { fingerprint, certificate: certificate.into(), path, link: self.signaling.describe() })
    }

    /// Asks the hook, for as long as the peer stays.
    async fn decide(&mut self, peer: Peer) -> Result<(), SessionError> {
        let Some(hook) = self.builder.hook.take() else { return Ok(()) };
        let verdict = tokio::time::timeout(self.builder.admission_deadline, hook(peer));
        tokio::pin!(verdict);
        let mut link_open = true;
        loop {
            tokio::select! {
                verdict = &mut verdict => return match verdict {
                    Ok(Admission::Admit) => Ok(()),
                    Ok(Admission::Deny { reason }) => Err(SessionError::Denied { reason }),
                    Err(_) => Err(SessionError::Denied { reason: "nobody decided in time".to_owned() }),
                },
                event = self.events.recv() => match event {
                    Some(EngineEvent::State(EngineState::Failed | EngineState::Closed)) | None => {
                        return Err(SessionError::PeerLeft);
                    }
                    Some(EngineEvent::Channel(channel)) => self.hold(channel).await,
                    Some(EngineEvent::Gathered | EngineEvent::State(_)) => {}
                },
                signal = self.signaling.receive(), if link_open => match signal {
                    Ok(Some(Signal::Candidate(candidate))) => {
                        add_candidate(self.engine, &self.rules, candidate).await;
                    }
                    Ok(Some(Signal::Bye)) => return Err(SessionError::PeerLeft),
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => link_open = false,
                },
            }
        }
    }
}

/// Returns the peer's description as the engine gets it. The engine would take no larger messages from a peer than that
/// peer takes itself, which some peers do not expect; what is *sent* keeps to the peer's limit in any case.
pub(super) fn for_engine(description: &Sdp, fragments: Option<FragmentLimits>) -> String {
    description.with_max_message_size(largest_single(description, fragments))
}

/// Returns how large a single SCTP message gets in a session with this peer. The engine sets aside a buffer of this size.
fn largest_single(description: &Sdp, fragments: Option<FragmentLimits>) -> u32 {
    match fragments.and(description.fragments()) {
        Some(_) => MAX_MESSAGE_BESIDE_FRAGMENTS,
        None => MAX_MESSAGE,
    }
}

/// Adds the fragment extension to an own description.
pub(super) fn announce(sdp: &str, fragments: Option<FragmentLimits>) -> String {
    match fragments {
        Some(limits) => with_fragments(sdp, limits.max_bytes as u64),
        None => sdp.to_owned(),
    }
}

/// Gives a candidate to the engine. One that is refused is a path that is not tried, no more.
pub(super) async fn add_candidate(engine: &Engine, rules: &SdpRules, candidate: Candidate) {
    let Candidate { candidate, sdp_mid, sdp_mline_index, .. } = candidate;
    match normalise_candidate(&candidate, rules) {
        Ok(Some(candidate)) => {
            if let Err(error) = engine.add_candidate(candidate, sdp_mid, sdp_mline_index).await {
                tracing::debug!(%error, "a candidate was not added");
            }
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "a candidate was refused"),
    }
}
