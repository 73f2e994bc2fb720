//! The handle by which sessions and gates ask, and by which a user interface shows and answers.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{oneshot, watch};

use super::{
    Answer, AnswerError, Denial, Nonce, Prompt, PromptId, Queue, QueueConfig, Request, RequestId, Verdict,
    Waiting,
};
use crate::time::Timestamp;

/// Asks the person. Clones are handles to the same queue.
///
/// It needs no task of its own: whoever waits for a verdict also watches the clock.
#[derive(Debug, Clone)]
pub struct Broker {
    state: Arc<Mutex<State>>,
    prompts: watch::Sender<Option<Prompt>>,
    expected: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    asking: HashMap<RequestId, oneshot::Sender<Verdict>>,
}

impl Broker {
    /// Makes a broker with an empty queue.
    pub fn new(config: QueueConfig) -> Self {
        let queue = Queue::new(config, random_nonce);
        let state = State { queue, asking: HashMap::new() };
        Self {
            state: Arc::new(Mutex::new(state)),
            prompts: watch::Sender::new(None),
            expected: watch::Sender::new(0),
        }
    }

    /// Asks, and waits for the verdict. Dropping the future takes the request back.
    pub async fn ask(&self, request: Request) -> Verdict {
        let (sender, mut verdict) = oneshot::channel();
        let mut prompts = self.prompts.subscribe();
        let asked = self.with(|state, now| {
            let id = state.queue.ask(now, request)?;
            state.asking.insert(id, sender);
            Ok(id)
        });
        let id = match asked {
            Ok(id) => id,
            Err(denial) => return Verdict::Denied(denial),
        };
        let _withdrawal = Withdrawal { broker: self, id };
        loop {
            let deadline = self.lock().queue.deadline();
            let alarm = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                verdict = &mut verdict => return verdict.unwrap_or(Verdict::Denied(Denial::Withdrawn)),
                // Another prompt has another deadline. The sender is ours, so that this does not end.
                _ = prompts.changed() => {}
                () = alarm => self.with(|state, now| state.queue.tick(now)),
            }
        }
    }

    /// Sets how long a prompt is visible before nobody's deciding becomes a no; also for the one that is.
    pub fn set_time_limit(&self, limit: std::time::Duration) {
        self.with(|state, _| state.queue.set_time_limit(limit));
    }

    /// Returns the visible prompt, and its changes.
    pub fn prompts(&self) -> watch::Receiver<Option<Prompt>> {
        self.prompts.subscribe()
    }

    /// Counts the agents at the door that are asked about next, unless something keeps them out before. Whoever shows
    /// prompts can make ready meanwhile, and shows nothing yet.
    pub fn expected(&self) -> watch::Receiver<u64> {
        self.expected.subscribe()
    }

    /// Tells who shows prompts that there will hardly be none.
    pub(crate) fn expect(&self) {
        self.expected.send_modify(|count| *count += 1);
    }

    /// Returns all prompts: the visible one, then the others in the order in which they were asked for.
    pub fn waiting(&self) -> Vec<Waiting> {
        self.lock().queue.waiting()
    }

    /// Makes a prompt the next one to be visible, because the person wants to see it: at once, unless the visible one could
    /// be answered at this moment. Decides nothing, and gives no prompt more time.
    pub fn bring_forward(&self, prompt: PromptId) {
        self.with(|state, now| state.queue.bring_forward(now, prompt));
    }

    /// Begins another showing of the visible prompt, with a new nonce: for whoever has begun to draw prompts.
    pub fn show_anew(&self) {
        self.with(|state, _| state.queue.show_anew());
    }

    /// Notes that a showing of a prompt has been drawn. Nothing changes if it is not the visible one, or was drawn before.
    pub fn drawn(&self, prompt: PromptId, nonce: Nonce) {
        self.with(|state, now| state.queue.drawn(now, prompt, nonce));
    }

    /// Notes whether a prompt has the person's focus. Answers other than a plain no count from one second after it has been
    /// both shown and focused; losing the focus starts that anew. A prompt that becomes visible is not focused until this
    /// is said of it.
    pub fn focused(&self, prompt: PromptId, focused: bool) {
        self.with(|state, now| state.queue.focused(now, prompt, focused));
    }

    /// Answers the visible prompt.
    ///
    /// # Errors
    ///
    /// Says why the answer does not count. The prompt stays then.
    pub fn answer(&self, nonce: Nonce, answer: Answer) -> Result<(), AnswerError> {
        self.with(|state, now| state.queue.answer(now, Timestamp::now(), nonce, answer))
    }

    /// Changes the state, hands out the verdicts, and shows what is visible then.
    fn with<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state, tokio::time::Instant::now().into_std());
        while let Some(notice) = state.queue.next_notice() {
            if let Some(asking) = state.asking.remove(&notice.request) {
                // Whoever stopped asking in this moment does not need it.
                let _ = asking.send(notice.verdict);
            }
        }
        let prompt = state.queue.prompt();
        // Within the lock, so that an older prompt never replaces a newer one.
        self.prompts.send_if_modified(|visible| {
            let changed = *visible != prompt;
            *visible = prompt;
            changed
        });
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a request back when it is dropped; one that has its verdict is not affected.
struct Withdrawal<'a> {
    broker: &'a Broker,
    id: RequestId,
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        self.broker.with(|state, now| {
            if state.asking.remove(&self.id).is_some() {
                state.queue.withdraw(now, self.id);
            }
        });
    }
}

fn random_nonce() -> Nonce {
    let mut bytes = [0; 16];
    // A system without randomness can't have made the connection that asks.
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    Nonce::from_bytes(bytes)
}

#[cfg(test)]
mod tests;
