//! The rules of asking, without IO and without a clock: who may ask how often, which prompt is visible, which answers
//! count.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Answer, AnswerError, Denial, Nonce, Prompt, PromptId, Request, Verdict, Waiting};
use crate::time::Timestamp;

mod agents;
mod config;
mod entry;

use agents::Agents;
pub use config::QueueConfig;
use entry::{Entry, Visible};

/// How many nonces of prompts that are gone are remembered, to tell a late answer from a wrong one.
const MAX_SPENT: usize = 16;

/// Names a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

/// A verdict about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Which request.
    pub request: RequestId,
    /// What became of it.
    pub verdict: Verdict,
}

/// The requests that wait for the person, and the rules by which they are shown. See [`Broker`](super::Broker) for the
/// handle that sessions use.
pub struct Queue {
    config: QueueConfig,
    nonces: Box<dyn FnMut() -> Nonce + Send>,
    visible: Option<Visible>,
    waiting: Vec<Entry>,
    /// The prompt that the person wants to see next.
    forward: Option<PromptId>,
    agents: Agents,
    notices: VecDeque<Notice>,
    spent: VecDeque<Nonce>,
    count: u64,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.waiting.len();
        formatter
            .debug_struct("Queue")
            .field("visible", &self.visible)
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// Makes an empty queue. `nonces` has to return values that nobody can guess.
    pub fn new(config: QueueConfig, nonces: impl FnMut() -> Nonce + Send + 'static) -> Self {
        Self {
            config,
            nonces: Box::new(nonces),
            visible: None,
            waiting: Vec::new(),
            forward: None,
            agents: Agents::default(),
            notices: VecDeque::new(),
            spent: VecDeque::new(),
            count: 0,
        }
    }

    /// Takes in a request.
    ///
    /// # Errors
    ///
    /// Says why nobody will be asked.
    pub fn ask(&mut self, now: Instant, request: Request) -> Result<RequestId, Denial> {
        self.tick(now);
        self.count += 1;
        let id = RequestId(self.count);
        let most = self.config.requests_per_prompt;
        let same = |entry: &&mut Entry| {
            entry.request.agent == request.agent && entry.request.subject.same_as(&request.subject)
        };
        let visible = self.visible.as_mut().map(|visible| &mut visible.entry);
        if let Some(entry) = visible.into_iter().chain(&mut self.waiting).find(same) {
            if entry.requests.len() >= most {
                return Err(Denial::Busy);
            }
            entry.requests.push((id, request.session));
            return Ok(id);
        }
        self.admit(now, &request)?;
        self.waiting.push(Entry {
            id: PromptId(self.count),
            requests: vec![(id, request.session)],
            request: Arc::new(request),
            wait_until: now + self.config.wait_limit.max(self.config.time_limit * 2),
            left: None,
        });
        self.promote(now);
        Ok(id)
    }

    /// Takes a request back: whoever made it is gone.
    pub fn withdraw(&mut self, now: Instant, request: RequestId) {
        if let Some(visible) = &mut self.visible {
            let other = visible.entry.withdraw(request);
            if visible.entry.requests.is_empty() {
                self.take_visible();
            } else if other {
                // What was read is not what would be answered now.
                self.show_anew();
            }
        }
        self.waiting.retain_mut(|entry| {
            entry.withdraw(request);
            !entry.requests.is_empty()
        });
        self.promote(now);
    }

    /// Returns the prompt that is visible now.
    pub fn prompt(&self) -> Option<Prompt> {
        let visible = self.visible.as_ref()?;
        Some(Prompt {
            id: visible.entry.id,
            nonce: visible.nonce,
            request: visible.entry.request.clone(),
            requests: visible.entry.requests.len(),
            behind: self.waiting.len(),
            armed_from: visible.armed_from(self.config.arming_delay),
            until: visible.until,
            limit: visible.limit,
        })
    }

    /// Returns all prompts: the visible one, then the others in the order in which they were asked for.
    pub fn waiting(&self) -> Vec<Waiting> {
        let waiting = |entry: &Entry, visible, until| Waiting {
            id: entry.id,
            request: entry.request.clone(),
            requests: entry.requests.len(),
            visible,
            until,
        };
        let visible = self.visible.iter().map(|visible| waiting(&visible.entry, true, visible.until));
        visible.chain(self.waiting.iter().map(|entry| waiting(entry, false, entry.wait_until))).collect()
    }

    /// Makes a prompt that waits the next one to be visible: at once, unless the visible one could be answered at this
    /// moment. That one goes back to those that wait then, with the time that it has left. Only the person may want this;
    /// no prompt has more time by it.
    pub fn bring_forward(&mut self, now: Instant, prompt: PromptId) {
        self.tick(now);
        if !self.waiting.iter().any(|entry| entry.id == prompt) {
            return;
        }
        self.forward = Some(prompt);
        let delay = self.config.arming_delay;
        if let Some(visible) = self.visible.take_if(|visible| !visible.is_armed(now, delay)) {
            remember(&mut self.spent, visible.nonce);
            let mut entry = visible.entry;
            entry.left = Some(visible.until.saturating_duration_since(now));
            entry.wait_until += now.saturating_duration_since(visible.since);
            let place = self.waiting.partition_point(|waiting| waiting.id < entry.id);
            self.waiting.insert(place, entry);
        }
        self.promote(now);
    }

    /// Begins another showing of the visible prompt, with a new nonce: whoever draws it has begun anew.
    pub fn show_anew(&mut self) {
        if let Some(visible) = &mut self.visible {
            remember(&mut self.spent, visible.nonce);
            visible.nonce = (self.nonces)();
            (visible.shown, visible.in_view) = (false, None);
        }
    }

    /// Notes that a showing of the prompt has been drawn. Nothing changes if it is not the visible one, or was drawn before.
    pub fn drawn(&mut self, now: Instant, prompt: PromptId, nonce: Nonce) {
        let is_it = |visible: &&mut Visible| visible.entry.id == prompt && same_nonce(visible.nonce, nonce);
        if let Some(visible) = self.visible.as_mut().filter(is_it)
            && !visible.shown
        {
            visible.shown = true;
            visible.in_view = visible.focused.then_some(now);
        }
    }

    /// Notes whether the prompt has the person's focus. Losing it disarms the prompt.
    pub fn focused(&mut self, now: Instant, prompt: PromptId, focused: bool) {
        let Some(visible) = self.visible.as_mut().filter(|visible| visible.entry.id == prompt) else {
            return;
        };
        // Said twice, it is not focused anew.
        if visible.focused != focused {
            visible.focused = focused;
            visible.in_view = (visible.shown && focused).then_some(now);
        }
    }

    /// Takes in an answer. A plain no counts as soon as there is a nonce to answer with: who is too quick with it, or holds
    /// a key down, says no to something unseen, and allows nothing. Any other answer counts only once the prompt is armed.
    ///
    /// # Errors
    ///
    /// Says why it does not count. The prompt stays then.
    pub fn answer(
        &mut self,
        now: Instant,
        wall: Timestamp,
        nonce: Nonce,
        answer: Answer,
    ) -> Result<(), AnswerError> {
        self.tick(now);
        let Some(visible) = self.visible.as_ref().filter(|visible| same_nonce(visible.nonce, nonce)) else {
            return Err(match self.spent.iter().any(|spent| same_nonce(*spent, nonce)) {
                true => AnswerError::Gone,
                false => AnswerError::WrongNonce,
            });
        };
        let kind = answer.kind();
        if !kind.counts_at_once() && !visible.is_armed(now, self.config.arming_delay) {
            return Err(AnswerError::TooEarly);
        }
        let request = &visible.entry.request;
        if !request.subject.allows(kind) {
            return Err(AnswerError::NotAllowed);
        }
        let verdict = match answer {
            Answer::Once => Verdict::Once,
            Answer::Session(terms) => Verdict::Session(terms.checked(request, false, wall)?),
            Answer::Always(terms) => Verdict::Always(terms.checked(request, true, wall)?),
            Answer::Deny => Verdict::Denied(Denial::Declined),
            Answer::DenyAndEnd => Verdict::Denied(Denial::Ended),
            Answer::Block => Verdict::Denied(Denial::Blocked),
        };
        if let Some(entry) = self.take_visible() {
            self.decide(now, entry, verdict);
        }
        self.promote(now);
        Ok(())
    }

    /// Lets time pass: what nobody decided is denied.
    pub fn tick(&mut self, now: Instant) {
        if self.visible.as_ref().is_some_and(|visible| now >= visible.until)
            && let Some(entry) = self.take_visible()
        {
            self.decide(now, entry, Verdict::Denied(Denial::TimedOut));
        }
        let late: Vec<_> = self.waiting.extract_if(.., |entry| now >= entry.wait_until).collect();
        for entry in late {
            // Nobody saw it, so that it is no denial to be remembered.
            self.notify(&entry, Verdict::Denied(Denial::TimedOut));
        }
        self.promote(now);
    }

    /// Sets how long a prompt is visible before nobody's deciding becomes a no.
    pub fn set_time_limit(&mut self, limit: Duration) {
        self.config.time_limit = limit;
    }

    /// Returns when [`Queue::tick`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let visible = self.visible.as_ref().map(|visible| visible.until);
        self.waiting.iter().map(|entry| entry.wait_until).chain(visible).min()
    }

    /// Returns the next verdict.
    pub fn next_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Whether there is room and leave for another prompt.
    fn admit(&mut self, now: Instant, request: &Request) -> Result<(), Denial> {
        let stranger = request.subject.is_of_stranger();
        if stranger && self.agents.backs_off(&request.agent, now) {
            return Err(Denial::TooSoon);
        }
        let prompts = || self.visible.iter().map(|visible| &visible.entry).chain(&self.waiting);
        let of_agent = prompts().filter(|entry| entry.request.agent == request.agent).count();
        let of_its = prompts().filter(|entry| entry.request.agent == request.agent);
        let bytes = of_its.map(|entry| entry.request.subject.weight()).sum::<usize>();
        let of_strangers = prompts().filter(|entry| entry.request.subject.is_of_stranger()).count();
        if prompts().count() >= self.config.prompts
            || of_agent >= self.config.prompts_per_agent
            || of_agent > 0 && bytes + request.subject.weight() > self.config.bytes_per_agent
            || stranger && of_strangers >= self.config.prompts_of_strangers
        {
            return Err(Denial::Busy);
        }
        if self.agents.take(request.agent, stranger, now) { Ok(()) } else { Err(Denial::Busy) }
    }

    /// Shows the next prompt if none is visible: the one that the person wants to see, or one of the agent whose last one
    /// is the longest ago.
    fn promote(&mut self, now: Instant) {
        if self.visible.is_some() {
            return;
        }
        let forward = self.forward.take();
        let wanted = self.waiting.iter().position(|entry| Some(entry.id) == forward);
        let last = |entry: &Entry| self.agents.last_visible(&entry.request.agent);
        let next = self.waiting.iter().enumerate().min_by_key(|(index, entry)| (last(entry), *index));
        let Some(index) = wanted.or(next.map(|(index, _)| index)) else { return };
        let entry = self.waiting.remove(index);
        self.agents.visible(&entry.request.agent, now);
        let (nonce, limit) = ((self.nonces)(), self.config.time_limit);
        let until = now + entry.left.unwrap_or(limit);
        let (shown, in_view, focused) = (false, None, false);
        self.visible = Some(Visible { entry, nonce, since: now, until, limit, shown, in_view, focused });
    }

    fn take_visible(&mut self) -> Option<Entry> {
        let visible = self.visible.take()?;
        remember(&mut self.spent, visible.nonce);
        Some(visible.entry)
    }

    fn decide(&mut self, now: Instant, entry: Entry, verdict: Verdict) {
        match verdict {
            Verdict::Denied(_) if entry.request.subject.is_of_stranger() => {
                let (first, longest) = (self.config.backoff, self.config.max_backoff);
                self.agents.denied(&entry.request.agent, now, first, longest);
            }
            Verdict::Denied(_) => {}
            Verdict::Once | Verdict::Session(_) | Verdict::Always(_) => {
                self.agents.allowed(&entry.request.agent);
            }
        }
        self.notify(&entry, verdict);
    }

    fn notify(&mut self, entry: &Entry, verdict: Verdict) {
        for (index, &(request, session)) in entry.requests.iter().enumerate() {
            let verdict = match verdict {
                // "Once" is one time, however many asked.
                Verdict::Once if index > 0 => Verdict::Denied(Denial::Merged),
                // "This session" is the one that was shown.
                Verdict::Session(_) if session != entry.request.session => Verdict::Denied(Denial::Merged),
                _ => verdict.clone(),
            };
            self.notices.push_back(Notice { request, verdict });
        }
    }
}

fn remember(spent: &mut VecDeque<Nonce>, nonce: Nonce) {
    if spent.len() == MAX_SPENT {
        spent.pop_front();
    }
    spent.push_back(nonce);
}

/// Compares without telling by the time it takes how much was right.
fn same_nonce(a: Nonce, b: Nonce) -> bool {
    a.0.iter().zip(b.0).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

#[cfg(test)]
mod tests;
