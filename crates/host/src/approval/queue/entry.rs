//! A prompt in the queue, waiting or visible.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::{Nonce, PromptId, Request};
use super::RequestId;
use crate::event::SessionId;

/// A prompt that waits, or did before it became visible.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: PromptId,
    /// The first of those that asked this.
    pub(super) request: Arc<Request>,
    /// All that asked this, each with its session.
    pub(super) requests: Vec<(RequestId, Option<SessionId>)>,
    /// Until when it may wait. The time in which it is visible does not count.
    pub(super) wait_until: Instant,
    /// How long it may still be visible, if it was visible already.
    pub(super) left: Option<Duration>,
}

/// The prompt that is visible.
#[derive(Debug)]
pub(super) struct Visible {
    pub(super) entry: Entry,
    pub(super) nonce: Nonce,
    pub(super) since: Instant,
    pub(super) until: Instant,
    pub(super) limit: Duration,
    pub(super) shown: bool,
    /// Since when it has been shown and focused.
    pub(super) in_view: Option<Instant>,
    pub(super) focused: bool,
}

impl Entry {
    /// Takes a request out; returns whether the prompt is about another session then.
    pub(super) fn withdraw(&mut self, request: RequestId) -> bool {
        self.requests.retain(|(id, _)| *id != request);
        let Some((_, first)) = self.requests.first() else { return false };
        let others = self.requests.iter().all(|(_, session)| *session != self.request.session);
        if others {
            Arc::make_mut(&mut self.request).session = *first;
        }
        others
    }
}

impl Visible {
    /// Returns from when on every answer counts, or `None` while it is not in view.
    pub(super) fn armed_from(&self, delay: Duration) -> Option<Instant> {
        self.in_view.map(|since| since + delay)
    }

    pub(super) fn is_armed(&self, now: Instant, delay: Duration) -> bool {
        self.armed_from(delay).is_some_and(|from| from <= now)
    }
}
