//! What happens on the desktop, as a stream for those who show it.

use std::sync::Arc;

use gatelodge_wire::Fingerprint;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::diagnosis::Check;
use crate::front_gate::GateState;
use crate::link::LinkId;
use crate::live::seen::Seen;
use crate::server::ServerId;
use crate::time::Timestamp;

/// How many events a subscriber may fall behind: some seconds of a busy agent's calls.
const BACKLOG: usize = 1024;

/// Names a session within one run of the desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "number"))]
pub struct SessionId(pub u64);

impl std::fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Something that happened. The list is closed: who shows events decides about each of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum HostEvent {
    /// A link is open.
    LinkUp {
        /// Which one.
        link: LinkId,
        /// Where agents reach it, such as `tcp://127.0.0.1:8000`.
        address: String,
    },
    /// A link could not be opened, or has closed.
    LinkDown {
        /// Which one.
        link: LinkId,
        /// Why.
        reason: String,
    },
    /// A peer was turned away before it was a session.
    Refused {
        /// The link on which it came.
        link: LinkId,
        /// Its certificate, as far as it was proved.
        agent: Option<Fingerprint>,
        /// Why.
        reason: String,
    },
    /// An agent is there. Whether it may do anything is decided next.
    Connected {
        /// The new session.
        session: SessionId,
        /// The agent's certificate.
        agent: Fingerprint,
        /// The link on which it came.
        link: LinkId,
        /// The addresses between which packets travel, such as `direct 192.0.2.7:5123`.
        path: String,
    },
    /// An invitation is open.
    InvitationOpened {
        /// Its public id.
        invitation: String,
        /// Until when it counts.
        expires: Timestamp,
    },
    /// An invitation does not count any more.
    InvitationEnded {
        /// Its public id.
        invitation: String,
        /// Why.
        reason: String,
    },
    /// An agent came with an invitation, or the wrong proof of one, and nobody was asked.
    PairingFailed {
        /// Its session.
        session: SessionId,
        /// Its certificate.
        agent: Fingerprint,
        /// The invitation that it named.
        invitation: String,
        /// Why.
        reason: String,
    },
    /// An agent was let in.
    Admitted {
        /// Its session.
        session: SessionId,
        /// What the person calls it, or what it calls itself.
        label: String,
        /// What is lent to it.
        servers: Vec<ServerId>,
    },
    /// Nothing has come from a session's agent for some seconds. What it asks stays open: it may be heard again.
    Unreachable {
        /// Which one.
        session: SessionId,
        /// Whose.
        agent: Fingerprint,
    },
    /// The agent of a session is heard again that was unreachable.
    Reachable {
        /// Which one.
        session: SessionId,
    },
    /// A session's connection is lost. Its servers go on, and the agent may come back.
    Interrupted {
        /// Which one.
        session: SessionId,
        /// What happened to the connection.
        reason: String,
        /// For how long the agent is waited for.
        seconds: u64,
    },
    /// A session goes on over another connection.
    Resumed {
        /// Which one.
        session: SessionId,
        /// The addresses between which packets travel now.
        path: String,
    },
    /// A session's packets travel another way.
    PathChanged {
        /// Which one.
        session: SessionId,
        /// The addresses between which packets travel now.
        path: String,
        /// `direct`, `reflexive` (through a NAT) or `relayed`.
        #[cfg_attr(feature = "typescript", ts(type = "'direct' | 'reflexive' | 'relayed'"))]
        kind: String,
    },
    /// A session has ended.
    Ended {
        /// Which one.
        session: SessionId,
        /// Why.
        reason: String,
    },
    /// An agent uses a server.
    ChannelOpened {
        /// The session.
        session: SessionId,
        /// The channel's number within the run.
        channel: u64,
        /// The server.
        server: ServerId,
    },
    /// An agent does not use a server any more, or was refused it.
    ChannelClosed {
        /// The session.
        session: SessionId,
        /// The channel's number within the run.
        channel: u64,
        /// The server.
        server: ServerId,
        /// Why.
        reason: String,
    },
    /// A call has ended, or was refused.
    Called {
        /// The session.
        session: SessionId,
        /// The server.
        server: ServerId,
        /// The method.
        method: String,
        /// The tool, for a tool call.
        tool: Option<String>,
        /// What became of it.
        outcome: String,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// A tool's definition is not the one that was lent. It is suspended for the agent.
    ToolChanged {
        /// The session.
        session: SessionId,
        /// The server.
        server: ServerId,
        /// The tool.
        tool: String,
    },
    /// An agent's grants were changed behind the app's back and count as none.
    GrantsAltered {
        /// Whose.
        agent: Fingerprint,
    },
    /// The keychain can't be used; nobody new is let in until it can.
    KeychainUnavailable {
        /// Why, and what to do.
        reason: String,
    },
    /// The keychain can be used again.
    KeychainAvailable,
    /// The gate was opened or closed, or its time was over.
    GateChanged {
        /// How it is now.
        state: GateState,
    },
    /// One check of a diagnosis that goes on is done.
    Checked {
        /// What was found.
        check: Check,
    },
    /// Servers, agents, grants, links or settings are not what they were; who shows them looks again.
    Changed,
    /// The subscriber was too slow and missed this many events.
    Missed {
        /// How many.
        events: u64,
    },
}

/// The events of a host, in order; bounded, so that a subscriber who doesn't read holds up nobody.
#[derive(Debug)]
pub struct HostEvents(broadcast::Receiver<HostEvent>);

impl HostEvents {
    /// Waits for the next event; `None` once the host has shut down. Cancel-safe.
    pub async fn recv(&mut self) -> Option<HostEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(events)) => Some(HostEvent::Missed { events }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Where events are put.
#[derive(Debug, Clone)]
pub(crate) struct EventSender {
    listeners: broadcast::Sender<HostEvent>,
    seen: Arc<Seen>,
}

impl EventSender {
    pub(crate) fn new() -> Self {
        Self { listeners: broadcast::Sender::new(BACKLOG), seen: Arc::default() }
    }

    /// Tells all who listen; nobody need be.
    pub(crate) fn tell(&self, event: HostEvent) {
        tracing::debug!(?event, "host event");
        self.seen.note(&event);
        let _ = self.listeners.send(event);
    }

    pub(crate) fn subscribe(&self) -> HostEvents {
        HostEvents(self.listeners.subscribe())
    }

    /// What has happened so far, as far as it is shown.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }
}
