//! What has happened so far, as far as it is shown: when each agent was last seen, which server crashed, what is wrong with a
//! link. Fed by every event that the desktop tells.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatelodge_wire::Fingerprint;

use super::{AgentLive, Crash, ServerLive};
use crate::event::{HostEvent, SessionId};
use crate::link::{LinkDefinition, LinkId};
use crate::server::ServerId;
use crate::time::Timestamp;

/// How many agents are remembered: those that a person could look at. Strangers come and go without number; the one that
/// has been away the longest makes room.
const AGENTS: usize = 1000;

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    agents: HashMap<Fingerprint, Visits>,
    sessions: HashMap<SessionId, Fingerprint>,
    crashes: BTreeMap<ServerId, Crash>,
    /// All links, with whether they are enabled.
    links: Vec<(LinkId, bool)>,
    /// Why links are not open that should be.
    troubles: HashMap<LinkId, String>,
}

/// What is known of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Visits {
    pub(crate) last_seen: Timestamp,
    pub(crate) calls: u64,
}

impl Seen {
    /// Notes an event.
    pub(crate) fn note(&self, event: &HostEvent) {
        let mut state = self.lock();
        match event {
            HostEvent::Connected { session, agent, .. } => {
                state.sessions.insert(*session, *agent);
                state.visit(*agent, 0);
            }
            HostEvent::Called { session, .. } => {
                if let Some(agent) = state.sessions.get(session).copied() {
                    state.visit(agent, 1);
                }
            }
            HostEvent::Ended { session, .. } => {
                if let Some(agent) = state.sessions.remove(session) {
                    state.visit(agent, 0);
                }
            }
            HostEvent::LinkUp { link, .. } => {
                state.troubles.remove(link);
            }
            HostEvent::LinkDown { link, reason } => {
                state.troubles.insert(link.clone(), reason.clone());
            }
            _ => {}
        }
    }

    /// Notes which links there are. One that was changed or is new has no trouble yet.
    pub(crate) fn know_links(&self, links: &[LinkDefinition], begin_anew: impl Fn(&LinkId) -> bool) {
        let mut state = self.lock();
        state.links = links.iter().map(|link| (link.id.clone(), link.enabled)).collect();
        state.troubles.retain(|link, _| !begin_anew(link));
    }

    /// Notes that a server ended by itself.
    pub(crate) fn crashed(&self, server: ServerId, reason: String) {
        self.lock().crashes.insert(server, Crash { at: Timestamp::now(), reason });
    }

    /// Forgets a server's crashes: it is another one now, or gone.
    pub(crate) fn forget_server(&self, server: &ServerId) {
        self.lock().crashes.remove(server);
    }

    /// Forgets an agent.
    pub(crate) fn forget_agent(&self, agent: &Fingerprint) {
        self.lock().agents.remove(agent);
    }

    /// Adds what the activity log knew before this run.
    pub(crate) fn know_agents(&self, known: Vec<(Fingerprint, Visits)>) {
        let mut state = self.lock();
        for (agent, before) in known {
            let visits =
                state.agents.entry(agent).or_insert(Visits { last_seen: before.last_seen, calls: 0 });
            visits.calls += before.calls;
            visits.last_seen = visits.last_seen.max(before.last_seen);
        }
        state.bound();
    }

    /// Returns the servers of which there is something to tell; `in_use` has one for each open channel.
    pub(super) fn servers(&self, in_use: impl Iterator<Item = ServerId>) -> Vec<ServerLive> {
        let mut servers: BTreeMap<ServerId, (usize, Option<Crash>)> = self
            .lock()
            .crashes
            .iter()
            .map(|(server, crash)| (server.clone(), (0, Some(crash.clone()))))
            .collect();
        for server in in_use {
            servers.entry(server).or_default().0 += 1;
        }
        let live = |(server, (channels, crash))| ServerLive { server, channels, crash };
        servers.into_iter().map(live).collect()
    }

    /// Returns the agents that were ever here; `here` are those that are now.
    pub(super) fn agents(&self, here: &[Fingerprint], now: Timestamp) -> Vec<AgentLive> {
        let state = self.lock();
        let live = |(agent, visits): (&Fingerprint, &Visits)| AgentLive {
            agent: *agent,
            last_seen: Some(if here.contains(agent) { now } else { visits.last_seen }),
            calls: visits.calls,
        };
        let mut agents: Vec<_> = state.agents.iter().map(live).collect();
        agents.sort_by_key(|live| live.agent);
        agents
    }

    pub(super) fn links(&self) -> Vec<(LinkId, bool)> {
        self.lock().links.clone()
    }

    pub(super) fn trouble(&self, link: &LinkId) -> Option<String> {
        self.lock().troubles.get(link).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn visit(&mut self, agent: Fingerprint, calls: u64) {
        let now = Timestamp::now();
        let visits = self.agents.entry(agent).or_insert(Visits { last_seen: now, calls: 0 });
        visits.last_seen = now;
        visits.calls += calls;
        self.bound();
    }

    fn bound(&mut self) {
        while self.agents.len() > AGENTS {
            let Some(oldest) = self.agents.iter().min_by_key(|(_, visits)| visits.last_seen) else { return };
            let oldest = *oldest.0;
            self.agents.remove(&oldest);
        }
    }
}
