//! Threads for work that may block: what a client asks of the file system. [`crate::server`] hands it over.
//!
//! A thread takes one piece of work after the other, and what is done comes back through a queue that wakes the event
//! loop once, however much is in it. With many small calls in flight, waking threads for each would be most of the cost.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// Threads that work at once for one client. More would not be faster on a disk, and each may hold a large file.
const THREADS: usize = 4;

/// How long work waits behind other work before it gets a thread of its own, if there is one left: far longer than the
/// reading of a small file takes, and far shorter than anybody notices.
const PATIENCE: Duration = Duration::from_millis(2);

type Job = Box<dyn FnOnce() -> (Done, Leftover) + Send>;

/// Hands a result to whoever waits for it.
type Done = Box<dyn FnOnce() + Send>;

/// Is dropped when the result is handed over.
type Leftover = Box<dyn Any + Send>;

/// The threads of one client.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    queue: Arc<Queue>,
    /// Where results come back to the event loop, from the first piece of work on.
    done: OnceLock<mpsc::UnboundedSender<Done>>,
}

#[derive(Debug, Default)]
struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    threads: usize,
}

/// The work panicked, or the runtime is shutting down.
#[derive(Debug, thiserror::Error)]
#[error("the work on the request was broken off")]
pub(crate) struct BrokenOff;

impl Workers {
    /// Does work that may block, on another thread. Dropping the future does not stop it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BrokenOff> {
        self.run_leaving(move || (work(), ())).await
    }

    /// Does work as [`Workers::run`] does, and drops what it leaves on that thread when the result is handed over: nobody
    /// waits for that.
    pub(crate) async fn run_leaving<T: Send + 'static, L: Send + 'static>(
        &self,
        work: impl FnOnce() -> (T, L) + Send + 'static,
    ) -> Result<T, BrokenOff> {
        let (reply, mut result) = oneshot::channel();
        self.queue.lock().waiting.push_back(Box::new(move || {
            let (value, leftover) = work();
            let done: Done = Box::new(move || {
                let _ = reply.send(value);
            });
            (done, Box::new(leftover))
        }));
        self.add_thread(1);
        loop {
            tokio::select! {
                biased;
                result = &mut result => return result.map_err(|_| BrokenOff),
                () = tokio::time::sleep(PATIENCE) => self.add_thread(THREADS),
            }
        }
    }

    /// Begins another thread if there is work for it, and fewer than that many.
    fn add_thread(&self, most: usize) {
        let mut state = self.queue.lock();
        if state.waiting.is_empty() || state.threads >= most {
            return;
        }
        state.threads += 1;
        drop(state);
        let (queue, done) = (Arc::clone(&self.queue), self.done().clone());
        tokio::task::spawn_blocking(move || queue.work_off(&done));
    }

    fn done(&self) -> &mpsc::UnboundedSender<Done> {
        self.done.get_or_init(|| {
            // It holds at most what is being worked on and awaited: the transport bounds the calls in flight.
            let (sender, mut receiver) = mpsc::unbounded_channel::<Done>();
            tokio::spawn(async move {
                while let Some(done) = receiver.recv().await {
                    done();
                }
            });
            sender
        })
    }
}

impl Queue {
    /// Works until there is nothing more to do.
    fn work_off(&self, done: &mpsc::UnboundedSender<Done>) {
        loop {
            let mut state = self.lock();
            let Some(job) = state.waiting.pop_front() else {
                state.threads -= 1;
                return;
            };
            drop(state);
            // Whoever waits for work that panics learns it from the reply that never comes.
            if let Ok((result, leftover)) = catch_unwind(AssertUnwindSafe(job)) {
                let _ = done.send(result);
                drop(leftover);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (waiting, threads) = (self.waiting.len(), self.threads);
        formatter.debug_struct("State").field("waiting", &waiting).field("threads", &threads).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn work_does_not_wait_behind_what_blocks() {
        let workers = Workers::default();
        let meeting = Arc::new(Barrier::new(THREADS));
        // None of them ends before all have begun.
        let together = (0..THREADS).map(|number| {
            let meeting = Arc::clone(&meeting);
            workers.run(move || {
                meeting.wait();
                number
            })
        });
        let mut results = Vec::new();
        for result in futures_util::future::join_all(together).await {
            results.push(result.unwrap());
        }
        assert_eq!(results, (0..THREADS).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn nobody_waits_for_what_is_left_to_be_dropped() {
        struct Leftover(std::sync::mpsc::Receiver<()>);
        impl Drop for Leftover {
            fn drop(&mut self) {
                // Whoever waits for this to end never sends, and fails at the end of that time.
                let _ = self.0.recv_timeout(Duration::from_secs(10));
            }
        }
        let workers = Workers::default();
        let (answered, leftover) = std::sync::mpsc::channel();
        assert_eq!(workers.run_leaving(move || (7, Leftover(leftover))).await.unwrap(), 7);
        answered.send(()).unwrap();
    }

    #[tokio::test]
    async fn no_more_threads_than_may_be() {
        let workers = Workers::default();
        let (working, most) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
        let work = (0..40).map(|_| {
            let (working, most) = (Arc::clone(&working), Arc::clone(&most));
            workers.run(move || {
                let now = {
                    let mut working = working.lock().unwrap();
                    *working += 1;
                    *working
                };
                let mut most = most.lock().unwrap();
                *most = now.max(*most);
                drop(most);
                std::thread::sleep(Duration::from_millis(1));
                *working.lock().unwrap() -= 1;
            })
        });
        for result in futures_util::future::join_all(work).await {
            result.unwrap();
        }
        assert!(*most.lock().unwrap() <= THREADS);
    }

    #[tokio::test]
    async fn a_panic_breaks_off_one_piece_of_work_only() {
        let workers = Workers::default();
        let broken = workers.run(|| panic!("on purpose"));
        let (broken, fine) = tokio::join!(broken, workers.run(|| 7));
        let broken: Result<(), _> = broken;
        assert!(broken.is_err());
        assert_eq!(fine.unwrap(), 7);
    }
}
