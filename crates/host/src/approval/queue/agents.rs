//! What the queue remembers of agents beyond their prompts: how often they may ask, and until when they may not.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use gatelodge_wire::Fingerprint;

use super::super::bucket::{Bucket, Rate};

/// Prompts of one agent that is let in: as many as a busy one makes while somebody sits there and answers.
const AGENT: Rate = Rate { burst: 12, every: Duration::from_secs(2) };
/// Prompts of one agent that is not.
const STRANGER: Rate = Rate { burst: 3, every: Duration::from_secs(20) };
/// Prompts of all agents that are not let in, together: fingerprints cost nothing.
const STRANGERS: Rate = Rate { burst: 6, every: Duration::from_secs(10) };

/// The most agents that are remembered. With [`STRANGERS`] it takes a day to come up with so many, by then the
/// first ones' longest wait is over.
const MAX_AGENTS: usize = 10_000;

/// The agents that have asked.
#[derive(Debug, Default)]
pub(super) struct Agents {
    known: HashMap<Fingerprint, Agent>,
    strangers: Option<Bucket>,
}

#[derive(Debug)]
struct Agent {
    bucket: Bucket,
    denials: u32,
    /// Until when nothing is asked.
    backoff: Option<Instant>,
    /// When a prompt of it was last visible.
    last: Option<Instant>,
}

impl Agents {
    /// Whether the agent was turned away so lately that it is not asked about again.
    pub(super) fn backs_off(&self, agent: &Fingerprint, now: Instant) -> bool {
        self.known.get(agent).and_then(|agent| agent.backoff).is_some_and(|until| now < until)
    }

    /// Counts one more prompt of the agent; returns whether it may be shown.
    pub(super) fn take(&mut self, agent: Fingerprint, stranger: bool, now: Instant) -> bool {
        if stranger
            && !self.strangers.get_or_insert_with(|| Bucket::full(STRANGERS, now)).take(STRANGERS, now)
        {
            return false;
        }
        let rate = if stranger { STRANGER } else { AGENT };
        self.make_room(now);
        let agent = self.known.entry(agent).or_insert_with(|| Agent {
            bucket: Bucket::full(rate, now),
            denials: 0,
            backoff: None,
            last: None,
        });
        agent.bucket.take(rate, now)
    }

    /// Returns when a prompt of the agent was last visible.
    pub(super) fn last_visible(&self, agent: &Fingerprint) -> Option<Instant> {
        self.known.get(agent).and_then(|agent| agent.last)
    }

    /// Notes that a prompt of the agent is visible.
    pub(super) fn visible(&mut self, agent: &Fingerprint, now: Instant) {
        if let Some(agent) = self.known.get_mut(agent) {
            agent.last = Some(now);
        }
    }

    /// Has an agent that is not let in wait after a no: `first`, doubled with each further one up to `longest`.
    pub(super) fn denied(&mut self, agent: &Fingerprint, now: Instant, first: Duration, longest: Duration) {
        if let Some(agent) = self.known.get_mut(agent) {
            let doubled = first.saturating_mul(1 << agent.denials.min(20));
            agent.backoff = Some(now + doubled.min(longest));
            agent.denials = agent.denials.saturating_add(1);
        }
    }

    /// Forgets what the agent was denied.
    pub(super) fn allowed(&mut self, agent: &Fingerprint) {
        if let Some(agent) = self.known.get_mut(agent) {
            (agent.denials, agent.backoff) = (0, None);
        }
    }

    /// Makes room where too many agents are remembered.
    fn make_room(&mut self, now: Instant) {
        if self.known.len() < MAX_AGENTS {
            return;
        }
        self.known.retain(|_, agent| {
            agent.backoff.is_some_and(|until| now < until) || !agent.bucket.is_full(AGENT, now)
        });
        if self.known.len() >= MAX_AGENTS
            && let Some(first) =
                self.known.iter().min_by_key(|(_, agent)| agent.backoff).map(|(name, _)| *name)
        {
            self.known.remove(&first);
        }
    }
}
