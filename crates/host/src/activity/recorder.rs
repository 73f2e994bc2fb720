//! Takes entries from everywhere and writes them in batches, so that a call does not wait for the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatelodge_wire::with_causes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::{ActivityEntry, ActivityEvent};
use crate::housekeeping;
use crate::store::{Store, StoreError};

/// Entries that wait to be written; about 200 ms at 5,000 calls a second. Above that calls wait for the disk.
const WAITING: usize = 1024;

/// Entries in one transaction.
const BATCH: usize = 512;

/// How long a batch is open for more: at most this much is lost with the power, and the disk is asked at most 50 times
/// a second.
const LINGER: Duration = Duration::from_millis(20);

/// After so many entries the log is cut to its bounds, some 16 MB. Housekeeping alone, which is about age, comes too rarely
/// for an agent that does nothing but make calls.
const CUT_AFTER: u64 = 50_000;

/// Records what happens. Clones are handles to the same recorder.
#[derive(Clone, Debug)]
pub struct Activity {
    messages: mpsc::Sender<Message>,
    arguments: Arc<AtomicBool>,
}

/// Owns the task that writes what an [`Activity`] records.
#[derive(Debug)]
pub struct ActivityRecorder {
    messages: mpsc::Sender<Message>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Message {
    Entry(ActivityEntry),
    Flush(oneshot::Sender<Result<(), StoreError>>),
    End,
}

impl Activity {
    /// Starts recording into a store. Belongs into a tokio runtime. Arguments are dropped unless `record_arguments`.
    pub fn start(store: Store, record_arguments: bool) -> (Self, ActivityRecorder) {
        let (messages, inbox) = mpsc::channel(WAITING);
        let task = tokio::spawn(write(store, inbox));
        let recorder = ActivityRecorder { messages: messages.clone(), task };
        (Self { messages, arguments: Arc::new(AtomicBool::new(record_arguments)) }, recorder)
    }

    /// Turns the recording of arguments on or off.
    pub fn record_arguments(&self, on: bool) {
        self.arguments.store(on, Ordering::Relaxed);
    }

    /// Records an entry. Returns at once, or as soon as there is room for it; never waits for the entry itself to be on
    /// disk. After the recorder's end entries are dropped.
    pub async fn record(&self, mut entry: ActivityEntry) {
        if let ActivityEvent::Call { arguments, .. } = &mut entry.event
            && !self.arguments.load(Ordering::Relaxed)
        {
            *arguments = None;
        }
        if self.messages.send(Message::Entry(entry)).await.is_err() {
            tracing::debug!("activity after the recorder's end is dropped");
        }
    }

    /// Returns when everything that was recorded before is on disk.
    ///
    /// # Errors
    ///
    /// What kept entries since the last flush from being written. They are lost, and the log will say how many.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let (done, flushed) = oneshot::channel();
        if self.messages.send(Message::Flush(done)).await.is_err() {
            return Ok(());
        }
        // The task drops the sender only at its end, after having written everything.
        flushed.await.unwrap_or(Ok(()))
    }
}

impl ActivityRecorder {
    /// Writes what was recorded so far, and ends.
    pub async fn shutdown(self) {
        // An error means that the task has ended already.
        let _ = self.messages.send(Message::End).await;
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the activity recorder failed");
        }
    }
}

async fn write(store: Store, mut inbox: mpsc::Receiver<Message>) {
    let mut lost = 0;
    let mut trouble = None;
    let mut running = true;
    let mut uncut = 0;
    while running {
        let Some(first) = inbox.recv().await else { break };
        let mut entries = Vec::new();
        if lost > 0 {
            entries.push(ActivityEntry::now(ActivityEvent::Lost { entries: lost }));
        }
        let mut flushes = Vec::new();
        let until = Instant::now() + LINGER;
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Entry(entry) => entries.push(entry),
                Message::Flush(done) => {
                    flushes.push(done);
                    break;
                }
                Message::End => {
                    running = false;
                    // What others send from now on is refused; what they had sent before is still written.
                    inbox.close();
                    while let Some(message) = inbox.recv().await {
                        match message {
                            Message::Entry(entry) => entries.push(entry),
                            Message::Flush(done) => flushes.push(done),
                            Message::End => {}
                        }
                    }
                    break;
                }
            }
            if entries.len() >= BATCH {
                break;
            }
            next = timeout_at(until, inbox.recv()).await.ok().flatten();
        }
        if !entries.is_empty() {
            let fresh = entries.len() as u64 - u64::from(lost > 0);
            match store.run(move |store| store.append_activity(&entries)).await {
                Ok(()) => (lost, uncut) = (0, uncut + fresh),
                Err(error) => {
                    lost += fresh;
                    tracing::error!(%error, lost, "activity could not be written");
                    trouble = Some(error);
                }
            }
        }
        if uncut >= CUT_AFTER {
            uncut = 0;
            let cut = store.run(|store| housekeeping::prune(store, &store.settings()?)).await;
            if let Err(error) = cut {
                tracing::warn!(error = with_causes(&error), "old activity was not removed");
            }
        }
        for done in flushes {
            // Nobody may be waiting any more.
            let _ = done.send(trouble.take().map_or(Ok(()), Err));
        }
    }
}
