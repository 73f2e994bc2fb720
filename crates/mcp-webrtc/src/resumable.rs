//! An MCP connection that outlives the session which carries it.
//!
//! A [`ResumableChannel`] is put on a [`Channel`], and later on another one of another session. What the peer has not
//! taken by then is sent again; [`gatelodge_wire::Outgoing`] and [`gatelodge_wire::Incoming`] keep the books. Both ends
//! tell each other their counts beside the channel: in [`ResumableChannel::acknowledge`] now and then, and in
//! [`ResumableChannel::rewind`] when a channel takes the place of another.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use gatelodge_wire::{AckDue, Envelope, ImpossibleCount, Incoming, Outgoing, answered_id, peek};
use tokio::sync::{Notify, watch};

use crate::channel::{Channel, ChannelReceiver, ChannelSender, SendError};

/// How long the peer is not told of messages that were taken, so that one word is enough for many of them: a small part
/// of the time in which a person would notice that something is not freed.
const TELL_AFTER: Duration = Duration::from_millis(200);

/// Responses above this size go beside smaller messages, so that a ping does not wait behind a large result. Smaller ones
/// keep their order.
const ASIDE: usize = 64 * 1024;

/// How many large responses are under way at once. The bound on what is kept holds it near one.
const MAX_ASIDE: usize = 8;

/// Where a [`ResumableChannel`] gets its messages from.
pub trait Source: Send {
    /// Waits for the next message to send. Never returns once there will be none. Must be cancel-safe.
    fn next(&mut self) -> impl Future<Output = Bytes> + Send;

    /// Takes back a message that cannot be sent at all.
    fn refused(&mut self, message: Bytes, error: SendError) -> impl Future<Output = ()> + Send;
}

/// One end of an MCP connection that outlives the session which carries it. Cheap to clone.
#[derive(Clone)]
pub struct ResumableChannel {
    shared: Arc<Shared>,
}

/// The receiving half of a [`ResumableChannel`].
pub struct ResumableReceiver {
    shared: Arc<Shared>,
    changed: watch::Receiver<()>,
    /// What is read from at the moment, and which attachment it belongs to.
    current: Option<(u64, ChannelReceiver)>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when a channel comes, goes, or none will come any more.
    changed: watch::Sender<()>,
    /// Told when the peer has taken something.
    room: Notify,
    taken: Notify,
    acknowledgements: Acknowledgements,
}

#[derive(Default)]
struct State {
    outgoing: Outgoing,
    incoming: Incoming,
    /// Counts attachments and detachments, so that what belongs to an earlier one is told apart.
    generation: u64,
    sender: Option<ChannelSender>,
    /// Until the receiving half fetches it.
    receiver: Option<ChannelReceiver>,
    finished: bool,
}

/// What came of sending a message, with its key.
type Attempt = (u64, Bytes, Result<(), SendError>);

impl ResumableChannel {
    /// Makes a channel that is not attached. `acknowledgements` learns when the peer is to be told of what was taken.
    pub fn new(acknowledgements: &Acknowledgements) -> (Self, ResumableReceiver) {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: watch::Sender::new(()),
            room: Notify::new(),
            taken: Notify::new(),
            acknowledgements: acknowledgements.clone(),
        });
        let changed = shared.changed.subscribe();
        (Self { shared: Arc::clone(&shared) }, ResumableReceiver { shared, changed, current: None })
    }

    /// Goes on over this channel. One that it is attached to is left.
    pub fn attach(&self, channel: Channel) {
        let (sender, receiver) = channel.split();
        self.exchange(Some((sender, receiver)));
    }

    /// Leaves the channel that it is attached to: nothing more is taken from it or sent over it. Returns how many
    /// messages were taken.
    pub fn detach(&self) -> u64 {
        self.exchange(None);
        let mut state = self.lock();
        state.incoming.tell();
        state.incoming.received()
    }

    fn exchange(&self, channel: Option<(ChannelSender, ChannelReceiver)>) {
        let left = {
            let mut state = self.lock();
            state.generation += 1;
            let (sender, receiver) = channel.unzip();
            (std::mem::replace(&mut state.sender, sender), std::mem::replace(&mut state.receiver, receiver))
        };
        self.shared.changed.send_replace(());
        // Closes itself in the background if nobody else has it.
        drop(left);
    }

    /// Returns whether there is a channel that it is attached to.
    pub fn is_attached(&self) -> bool {
        self.lock().sender.is_some()
    }

    /// Returns whether nothing was ever sent or taken.
    pub fn is_untouched(&self) -> bool {
        self.is_unacknowledged() && self.lock().outgoing.is_empty()
    }

    /// Returns whether nothing was taken, and the peer is not known to have taken anything.
    pub fn is_unacknowledged(&self) -> bool {
        let state = self.lock();
        state.outgoing.acknowledged() == 0 && state.incoming.received() == 0
    }

    /// Notes how many messages the peer has taken.
    ///
    /// # Errors
    ///
    /// [`ImpossibleCount`] if that cannot be.
    pub fn acknowledge(&self, received: u64) -> Result<(), ImpossibleCount> {
        self.lock().outgoing.acknowledge(received)?;
        self.shared.room.notify_one();
        self.shared.taken.notify_waiters();
        Ok(())
    }

    /// Notes how many messages the peer had taken when the last channel was lost: what it did not is sent again over the
    /// next. To be called while it is detached.
    ///
    /// # Errors
    ///
    /// [`ImpossibleCount`] if that cannot be.
    pub fn rewind(&self, received: u64) -> Result<(), ImpossibleCount> {
        self.lock().outgoing.rewind(received)?;
        self.shared.room.notify_one();
        self.shared.taken.notify_waiters();
        self.shared.changed.send_replace(());
        Ok(())
    }

    /// Returns the count to tell the peer, if it is news.
    pub fn news(&self) -> Option<u64> {
        self.lock().incoming.tell()
    }

    /// Ends it for good: once the channel that it is attached to has ended, nothing more is received.
    pub fn finish(&self) {
        self.lock().finished = true;
        self.shared.changed.send_replace(());
    }

    /// Waits until the peer has taken everything.
    pub async fn delivered(&self) {
        loop {
            // Waits from here on, so that no word of the peer slips between the look and the wait.
            let taken = self.shared.taken.notified();
            if self.lock().outgoing.is_empty() {
                return;
            }
            taken.await;
        }
    }

    /// Sends what the source has, for as long as this future is polled. While there is no channel, and while the peer does
    /// not say that it has taken what was sent, as much is kept as [`gatelodge_wire::MAX_KEPT_BYTES`] says.
    pub async fn pump<S: Source>(&self, mut source: S) {
        let mut changed = self.shared.changed.subscribe();
        let mut aside: FuturesUnordered<BoxFuture<'_, Attempt>> = FuturesUnordered::new();
        let mut attached = 0;
        let mut sender: Option<ChannelSender> = None;
        loop {
            if changed.has_changed().unwrap_or_default() || sender.is_none() {
                changed.mark_unchanged();
                let state = self.lock();
                if state.generation != attached {
                    aside.clear();
                    attached = state.generation;
                    sender.clone_from(&state.sender);
                }
            }
            let next = match &sender {
                Some(_) if aside.len() < MAX_ASIDE => {
                    let mut state = self.lock();
                    // A message that is taken for a connection which has just been left would wait for ever.
                    if state.generation == attached { state.outgoing.take() } else { None }
                }
                _ => None,
            };
            let outcome = if let (Some((key, message)), Some(sender)) = (next, &sender) {
                let sending = self.send(sender.clone(), attached, key, message.clone());
                if message.len() > ASIDE && is_response(&message) {
                    aside.push(Box::pin(sending));
                    continue;
                }
                tokio::select! {
                    biased;
                    outcome = sending => Some(outcome),
                    _ = changed.changed() => { changed.mark_changed(); None }
                }
            } else {
                let has_room = self.lock().outgoing.has_room();
                tokio::select! {
                    biased;
                    _ = changed.changed() => { changed.mark_changed(); None }
                    Some(outcome) = aside.next(), if !aside.is_empty() => Some(outcome),
                    message = source.next(), if has_room => {
                        self.lock().outgoing.add(message);
                        None
                    }
                    () = self.shared.room.notified(), if !has_room => None,
                }
            };
            match outcome {
                None | Some((_, _, Ok(()))) => {}
                // The channel is gone; the message waits for the next one.
                Some((_, _, Err(SendError::Closed))) => sender = None,
                Some((key, message, Err(error))) => {
                    self.lock().outgoing.withdraw(key);
                    source.refused(message, error).await;
                }
            }
        }
    }

    async fn send(&self, sender: ChannelSender, attached: u64, key: u64, message: Bytes) -> Attempt {
        let shared = Arc::clone(&self.shared);
        let handed_over = move || {
            let mut state = shared.lock();
            if state.generation == attached {
                state.outgoing.sent(key);
            }
        };
        let outcome = sender.send_noting(message.clone(), handed_over).await;
        (key, message, outcome.map(|_| ()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

/// The beginning is enough where that tells.
fn is_response(message: &[u8]) -> bool {
    answered_id(message).is_some() || matches!(peek(message), Ok(Envelope::Response { .. }))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResumableReceiver {
    /// Receives the next message, over whatever channel it comes; it counts as taken then. `None` once the connection has
    /// ended for good. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Bytes> {
        loop {
            self.changed.mark_unchanged();
            {
                let mut state = self.shared.lock();
                if self.current.as_ref().is_none_or(|(attached, _)| *attached != state.generation) {
                    let generation = state.generation;
                    self.current = state.receiver.take().map(|receiver| (generation, receiver));
                }
                if self.current.is_none() && state.finished {
                    return None;
                }
            }
            let Some((attached, receiver)) = &mut self.current else {
                // Only the half that is asked holds the other end, so that there is always somebody to tell of a change.
                let _ = self.changed.changed().await;
                continue;
            };
            let message = tokio::select! {
                biased;
                _ = self.changed.changed() => continue,
                message = receiver.recv() => message,
            };
            let Some(message) = message else {
                let finished = self.shared.lock().finished;
                if finished {
                    return None;
                }
                let _ = self.changed.changed().await;
                continue;
            };
            let mut state = self.shared.lock();
            // What was still on its way when the count was told will come again.
            if state.generation == *attached {
                let due = state.incoming.take(message.len());
                drop(state);
                self.shared.acknowledgements.note(due);
                return Some(message);
            }
        }
    }
}

impl std::fmt::Debug for ResumableChannel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ResumableChannel").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ResumableReceiver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ResumableReceiver").finish_non_exhaustive()
    }
}

/// Says when the peer is to be told how many messages were taken, for all channels of a session together.
#[derive(Debug, Clone, Default)]
pub struct Acknowledgements {
    due: Arc<Due>,
}

#[derive(Debug, Default)]
struct Due {
    soon: Notify,
    now: Notify,
}

impl Acknowledgements {
    fn note(&self, due: AckDue) {
        match due {
            AckDue::Waiting => {}
            AckDue::Soon => self.due.soon.notify_one(),
            AckDue::Now => self.due.now.notify_one(),
        }
    }

    /// Waits until the peer is to be told: 200 ms after the first message that it was not told of, or at once if there are
    /// many. To be awaited to its end, or the wait begins anew with a later message.
    pub async fn due(&self) {
        tokio::select! {
            () = self.due.now.notified() => return,
            () = self.due.soon.notified() => {}
        }
        let _ = tokio::time::timeout(TELL_AFTER, self.due.now.notified()).await;
    }
}
