//! All sessions that are up, by their number and by their agent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatelodge_wire::{Fingerprint, ResumeToken};
use tokio::sync::watch;

use super::Live;
use crate::event::SessionId;

/// All sessions that are up.
#[derive(Debug, Default)]
pub(crate) struct LiveSessions {
    sessions: Mutex<HashMap<SessionId, Arc<Live>>>,
    /// Told when one has ended.
    ended: watch::Sender<()>,
}

impl LiveSessions {
    pub(crate) fn add(&self, live: Arc<Live>) {
        self.lock().insert(live.id, live);
    }

    pub(crate) fn remove(&self, id: SessionId) {
        self.lock().remove(&id);
        self.ended.send_replace(());
    }

    /// Waits until the sessions have ended that are up now.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        let mut waited_for: Vec<_> = self.lock().keys().copied().collect();
        loop {
            waited_for.retain(|id| self.lock().contains_key(id));
            if waited_for.is_empty() {
                return;
            }
            // The sender is held here.
            let _ = ended.changed().await;
        }
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<Arc<Live>> {
        self.lock().get(&id).cloned()
    }

    /// Returns the sessions in the order in which they came.
    pub(crate) fn all(&self) -> Vec<Arc<Live>> {
        let mut all: Vec<_> = self.lock().values().cloned().collect();
        all.sort_by_key(|live| live.id);
        all
    }

    /// Returns the session that this agent resumes by this token.
    pub(in crate::session) fn resumable(
        &self,
        agent: &Fingerprint,
        token: &ResumeToken,
    ) -> Option<Arc<Live>> {
        let is_it =
            |live: &Arc<Live>| live.lock().resumption.as_ref().is_some_and(|(known, _)| known == token);
        self.of(agent).into_iter().find(is_it)
    }

    /// Returns whether the agent may have a session to resume.
    pub(in crate::session) fn may_resume(&self, agent: &Fingerprint) -> bool {
        let resumable = |live: &Arc<Live>| !live.ending.has_ended() && live.lock().resumption.is_some();
        self.of(agent).iter().any(resumable)
    }

    /// Returns an agent's sessions.
    pub(crate) fn of(&self, agent: &Fingerprint) -> Vec<Arc<Live>> {
        self.all().into_iter().filter(|live| live.agent == *agent).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Live>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
