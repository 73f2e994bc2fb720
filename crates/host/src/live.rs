//! What changes from second to second, as it is shown: the gate, the keychain, who waits, and what goes on.
//!
//! All of it is in memory. [`Host::live`](crate::Host::live) is asked every other second by a window that is open, and
//! touches neither disk nor keychain.

pub(crate) mod recent;
pub(crate) mod seen;

use std::sync::PoisonError;
use std::time::Instant;

use gatelodge_wire::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::approval::view::WaitingSummary;
use crate::desktop::Desktop;
use crate::front_gate::GateState;
use crate::keychain::KeychainState;
use crate::link::LinkId;
use crate::manage::SessionSummary;
use crate::server::ServerId;
use crate::time::Timestamp;

/// What changes from second to second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Live {
    /// How the gate is.
    pub gate: GateState,
    /// Whether the keychain can be used, as far as is known.
    pub keychain: KeychainState,
    /// What waits for the person, the visible prompt first.
    pub waiting: Vec<WaitingSummary>,
    /// The sessions, in the order in which they came.
    pub sessions: Vec<SessionLive>,
    /// The servers of which there is something to tell.
    pub servers: Vec<ServerLive>,
    /// The agents that were ever here.
    pub agents: Vec<AgentLive>,
    /// All links.
    pub links: Vec<LinkLive>,
}

impl Live {
    /// What there is to show while no host runs, because of this keychain.
    pub fn without_host(keychain: KeychainState) -> Self {
        let (waiting, sessions, servers) = (Vec::new(), Vec::new(), Vec::new());
        let (agents, links) = (Vec::new(), Vec::new());
        Self { gate: GateState::Open, keychain, waiting, sessions, servers, agents, links }
    }
}

/// A session, with how busy it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct SessionLive {
    /// What is listed of it.
    #[serde(flatten)]
    pub session: SessionSummary,
    /// The words of the agent's certificate.
    pub words: String,
    /// Calls in each of the last 30 spans of 2 s, the oldest first.
    pub recent: Vec<u32>,
}

/// A server, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ServerLive {
    /// Which one.
    pub server: ServerId,
    /// How many channels to it are open.
    pub channels: usize,
    /// When it last ended by itself in this run of the desktop. Forgotten once it is defined anew.
    pub crash: Option<Crash>,
}

/// That a server ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Crash {
    /// When.
    pub at: Timestamp,
    /// What is known about it.
    pub reason: String,
}

/// An agent, as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct AgentLive {
    /// Which one.
    pub agent: Fingerprint,
    /// When it last did something; now, if it has a session.
    pub last_seen: Option<Timestamp>,
    /// Its calls, as far back as the activity log goes.
    pub calls: u64,
}

/// A link, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct LinkLive {
    /// Which one.
    pub link: LinkId,
    /// How it is.
    #[serde(flatten)]
    pub state: LinkState,
}

/// How a link is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum LinkState {
    /// Agents reach this desktop by it.
    Open {
        /// Where.
        address: String,
    },
    /// It is about to be.
    Connecting,
    /// It is not enabled.
    Closed,
    /// It should be open and is not.
    Down {
        /// Why.
        reason: String,
    },
}

/// Looks at a desktop that runs.
pub(crate) fn of(desktop: &Desktop) -> Live {
    let (now, instant) = (Timestamp::now(), Instant::now());
    let live = desktop.sessions.all();
    let sessions: Vec<_> = live
        .iter()
        .map(|session| SessionLive {
            session: SessionSummary::of(session),
            words: session.agent.words().to_string(),
            recent: session.recent(instant),
        })
        .collect();
    let here: Vec<_> =
        live.iter().filter(|session| !session.is_interrupted()).map(|session| session.agent).collect();
    let in_use = sessions.iter().flat_map(|session| session.session.channels.iter().cloned());
    let seen = desktop.events.seen();
    Live {
        gate: desktop.front_gate.state(),
        keychain: desktop.kept.watched.state(),
        waiting: desktop.broker.waiting().iter().map(WaitingSummary::from).collect(),
        servers: seen.servers(in_use),
        agents: seen.agents(&here, now),
        links: links(desktop),
        sessions,
    }
}

fn links(desktop: &Desktop) -> Vec<LinkLive> {
    let seen = desktop.events.seen();
    let open = desktop.open_links.lock().unwrap_or_else(PoisonError::into_inner);
    let state = |id: &LinkId, enabled: bool| match open.get(id).and_then(|link| link.address.clone()) {
        _ if !enabled => LinkState::Closed,
        Some(address) => LinkState::Open { address },
        None => seen.trouble(id).map_or(LinkState::Connecting, |reason| LinkState::Down { reason }),
    };
    seen.links().into_iter().map(|(link, enabled)| LinkLive { state: state(&link, enabled), link }).collect()
}
