//! A session: one live WebRTC connection with one peer.
//!
//! [`Session::builder`] sets it up over a [`Signaling`] link. A task of its own ([`actor`]) then keeps it: it owns the
//! engine and the link, and when it ends nothing of the session is left. [`Session`] is a handle on it.

mod actor;
mod builder;
mod error;
mod establish;
mod measure;
mod no_path;
mod peer;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use gatelodge_wire::FragmentLimits;
use tokio::sync::{Mutex, Notify, Semaphore, broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::channel::Channel;
use crate::engine::{Engine, EngineError, RawChannel, RawEvent};
use crate::flow::Flow;
use crate::path::Path;

pub use builder::SessionBuilder;
pub use error::{SessionError, Stage};
pub use measure::{Measurement, Measurements};
pub use no_path::{NoPath, Offered};
pub use peer::{Admission, Peer};

/// How often a channel is opened until it is one that can be relied upon. Once is enough but for a rare coincidence.
const OPENINGS: usize = 4;

/// How long the first channel waits for the peer to be ready for channels. That takes two round trips after the handshake; a
/// packet that is lost twice costs nine seconds more (RFC 9260, section 5.1: after 3 s and then 6 s).
const READY_LIMIT: Duration = Duration::from_secs(30);

/// A handle on a live session. Cheap to clone.
///
/// The session ends when it is closed, when the peer ends it, when the path is lost, or when the last handle and the
/// last channel are dropped.
#[derive(Clone)]
pub struct Session {
    handle: Arc<Handle>,
}

/// What handles and channels share, and what keeps the session alive.
pub(crate) struct Handle {
    link: Arc<Link>,
    peer: Peer,
    channels: Mutex<ChannelQueue>,
    permits: Arc<Semaphore>,
    events: broadcast::Sender<SessionEvent>,
    /// Has recorded every event since the beginning, for the first subscriber.
    first_events: std::sync::Mutex<Option<broadcast::Receiver<SessionEvent>>>,
    closed: watch::Receiver<Option<CloseReason>>,
    _end: DropGuard,
}

/// What a session's channels and its task share. Does not keep the session alive.
pub(crate) struct Link {
    pub(crate) engine: Engine,
    pub(crate) flow: Flow,
    /// The largest single SCTP message that the peer takes, in bytes.
    pub(crate) max_message: usize,
    /// The largest fragmented message that the peer takes, if both sides speak the extension.
    pub(crate) fragments: Option<u64>,
    /// What this side puts together.
    pub(crate) reassembly: FragmentLimits,
    /// Asks the session's task to look whether the peer is still there.
    pub(crate) suspicion: Notify,
    cancel: CancellationToken,
    /// Channels may be dropped outside of the runtime, and then close themselves in it.
    runtime: tokio::runtime::Handle,
    tasks: TaskTracker,
}

impl Link {
    /// Awaits a future, but not beyond the session's end.
    pub(crate) async fn cancelled_or<F: Future>(&self, future: F) -> Option<F::Output> {
        self.cancel.run_until_cancelled(future).await
    }

    /// Runs a task that ends with the session at the latest, and then yields `None`.
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let cancel = self.cancel.clone();
        self.tasks.spawn_on(async move { cancel.run_until_cancelled_owned(future).await }, &self.runtime)
    }
}

/// Channels on their way to [`Session::next_channel`].
pub(crate) struct ChannelQueue {
    arriving: mpsc::Receiver<RawChannel>,
    /// The one that is being waited for; kept here so that a dropped `next_channel` loses nothing.
    opening: Option<RawChannel>,
}

/// What happens in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The peer was admitted and packets flow.
    Connected {
        /// The addresses in use, as far as the engine tells.
        path: Option<Path>,
    },
    /// Nothing has come from the peer for some seconds; the session waits for it.
    Interrupted,
    /// Packets flow again.
    Resumed,
    /// The session has ended; nothing follows.
    Closed(CloseReason),
    /// The subscriber was too slow and missed this many events.
    Missed(u64),
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// This side closed it, or dropped the last handle.
    #[error("closed on this side")]
    Local,
    /// The peer closed it.
    #[error("closed by the peer")]
    Peer,
    /// Nothing came from the peer for half a minute.
    #[error("the path to the peer was lost")]
    PathLost,
    /// The session's key has encrypted as much as it safely may (some 80 GB with AES-GCM); set up a new one.
    #[error("the session's key is used up; connect again")]
    KeyUsedUp,
    /// The peer wanted to go on under another certificate.
    #[error("the peer sent a new description with another fingerprint")]
    ChangedFingerprint,
    /// The peer sent a new description that cannot be used.
    #[error("the peer sent a new description that cannot be used")]
    BadRenegotiation,
}

impl Session {
    /// Starts to set up a session. `identity` is who this side is.
    pub fn builder(identity: &crate::Identity) -> SessionBuilder {
        SessionBuilder::new(identity.clone())
    }

    pub(crate) fn from_handle(handle: Arc<Handle>) -> Self {
        Self { handle }
    }

    /// Returns who is on the other side, as the handshake proved it.
    pub fn peer(&self) -> &Peer {
        &self.handle.peer
    }

    /// Waits for the next channel: first those that the builder named, in their order, then those that the peer opens,
    /// in the order in which they arrive (which need not be that of their opening). `None` once the session has ended.
    /// Cancel-safe.
    pub async fn next_channel(&self) -> Option<Channel> {
        let mut queue = self.handle.channels.lock().await;
        loop {
            if queue.opening.is_none() {
                queue.opening = Some(queue.arriving.recv().await?);
            }
            let first = match &queue.opening {
                Some(raw) => opened(raw).await,
                None => continue,
            };
            let (Some(raw), Some(first)) = (queue.opening.take(), first) else { continue };
            self.handle.link.engine.set_connecting(false);
            match Arc::clone(&self.handle.permits).try_acquire_owned() {
                Ok(permit) => return Some(Channel::new(raw, first, Arc::clone(&self.handle), permit)),
                Err(_) => raw.close().await,
            }
        }
    }

    /// Opens a channel and waits until the peer has it.
    ///
    /// # Errors
    ///
    /// [`OpenError::TooMany`] at the session's limit, [`OpenError::Ended`] if the session ends or the peer refuses,
    /// [`OpenError::NotReady`] if the peer never gets ready for channels.
    pub async fn open_channel(&self, label: &str) -> Result<Channel, OpenError> {
        let permit = Arc::clone(&self.handle.permits).try_acquire_owned().map_err(|_| OpenError::TooMany)?;
        let link = &self.handle.link;
        let engine = &link.engine;
        let ready = link.cancelled_or(tokio::time::timeout(READY_LIMIT, engine.associated())).await;
        ready.ok_or(OpenError::Ended)?.map_err(|_| OpenError::NotReady)?;
        for _ in 0..OPENINGS {
            let raw = engine.open_channel(label).await.map_err(OpenError::Engine)?;
            let first = opened(&raw).await.ok_or(OpenError::Ended)?;
            if engine.is_sound(&raw).await {
                return Ok(Channel::new(raw, first, Arc::clone(&self.handle), permit));
            }
            raw.close().await;
        }
        Err(OpenError::Ended)
    }

    /// Subscribes to the session's events. The first subscriber gets all events since the beginning, later ones those
    /// from now on. The stream is bounded: a subscriber who falls behind is told how many events were missed.
    pub fn events(&self) -> SessionEvents {
        let first = self.handle.first_events.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        SessionEvents { receiver: first.unwrap_or_else(|| self.handle.events.subscribe()) }
    }

    /// Returns the addresses between which packets travel at the moment.
    pub async fn path(&self) -> Option<Path> {
        self.handle.link.engine.path().await
    }

    /// Returns the largest message that the peer takes, in bytes.
    pub fn max_message_size(&self) -> usize {
        let link = &self.handle.link;
        link.fragments.map_or(link.max_message, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Returns whether both sides speak the fragment extension, so that messages may be larger than one SCTP message.
    pub fn speaks_fragments(&self) -> bool {
        self.handle.link.fragments.is_some()
    }

    /// Ends the session and waits until nothing of it is left. What was sent before is given a second to arrive.
    /// Idempotent.
    pub async fn close(&self) {
        self.handle.link.cancel.cancel();
        self.closed().await;
    }

    /// Waits until the session has ended and nothing of it is left; says why.
    pub async fn closed(&self) -> CloseReason {
        let mut closed = self.handle.closed.clone();
        let reason = closed.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or(CloseReason::Local)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Session").field("peer", &self.handle.peer).finish_non_exhaustive()
    }
}

impl Handle {
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }
}

/// Waits until a channel is open; `None` if it is closed instead.
///
/// Whatever came with the opening is handed back: a peer may send its first message before the engine has seen its
/// acknowledgement of the channel, and that message proves the opening as well.
async fn opened(raw: &RawChannel) -> Option<RawEvent> {
    match raw.next().await {
        RawEvent::Closed => None,
        event => Some(event),
    }
}

/// The events of a session, in order. See [`Session::events`].
#[derive(Debug)]
pub struct SessionEvents {
    receiver: broadcast::Receiver<SessionEvent>,
}

impl SessionEvents {
    /// Waits for the next event; `None` after [`SessionEvent::Closed`]. Cancel-safe.
    pub async fn recv(&mut self) -> Option<SessionEvent> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(SessionEvent::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Why a channel was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The session has as many channels as it may have.
    #[error("the session has as many channels as it may have; close one first")]
    TooMany,
    /// The engine refused.
    #[error(transparent)]
    Engine(EngineError),
    /// The peer has finished the handshake and then set up nothing to carry channels.
    #[error("the peer was not ready for channels in time")]
    NotReady,
    /// The session ended, or the peer refused the channel.
    #[error("the session ended before the channel was open")]
    Ended,
}
