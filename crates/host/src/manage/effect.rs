//! What a request to change something kept means for what is going on: sessions, channels and links.

use std::sync::Arc;

use gatelodge_wire::{Fingerprint, RefusalCode};

use super::Request;
use crate::desktop::Desktop;
use crate::event::HostEvent;
use crate::housekeeping;
use crate::links;
use crate::server::ServerId;
use crate::session::ending::Refusal;
use crate::trust::GrantsVerdict;

/// What a change means for sessions that are up.
pub(super) enum Effect {
    Agent(Fingerprint),
    Blocked(Fingerprint),
    Forgotten(Fingerprint),
    Server(ServerId),
    Links,
    Secret,
    None,
}

impl Effect {
    pub(super) fn of(request: &Request) -> Self {
        match request {
            Request::Block { agent } => Self::Blocked(*agent),
            Request::Forget { agent } => Self::Forgotten(*agent),
            Request::PutGrant { grant } => Self::Agent(grant.agent),
            Request::RemoveGrant { agent, .. } => Self::Agent(*agent),
            Request::PutServer { server } => Self::Server(server.id.clone()),
            Request::RemoveServer { server } => Self::Server(server.clone()),
            Request::PutLink { .. } | Request::RemoveLink { .. } => Self::Links,
            Request::PutSecret { .. } | Request::RemoveSecret { .. } => Self::Secret,
            _ => Self::None,
        }
    }

    /// Takes away what the change takes away, before it is written down.
    pub(super) fn before(&self, desktop: &Desktop) {
        if let Self::Blocked(agent) | Self::Forgotten(agent) = self {
            for live in desktop.sessions.of(agent) {
                live.ending
                    .end(Refusal::new(RefusalCode::Revoked, "the desktop's user has revoked this agent"));
            }
        }
    }

    /// Has sessions and links go by what is written down now.
    pub(super) async fn after(&self, desktop: &Arc<Desktop>) {
        match self {
            Self::Agent(agent) => {
                let wanted = *agent;
                let grants = match desktop.trust().run(move |trust| trust.grants_of(&wanted)).await {
                    GrantsVerdict::Valid(grants) => grants,
                    // What a session has that was let in once is not kept anywhere, and was not changed.
                    GrantsVerdict::NoRecord => return,
                    _ => Vec::new(),
                };
                for live in desktop.sessions.of(agent) {
                    live.regrant(grants.clone());
                }
            }
            // Once more, for a session that came in between.
            Self::Blocked(_) => self.before(desktop),
            Self::Forgotten(agent) => {
                desktop.events.seen().forget_agent(agent);
                self.before(desktop);
            }
            Self::Server(server) => {
                desktop.sessions.all().iter().for_each(|live| live.server_gone(server));
                desktop.events.seen().forget_server(server);
            }
            Self::Secret => {
                desktop.tasks.spawn(housekeeping::read_passwords(Arc::clone(desktop)));
            }
            Self::Links => links::reopen(desktop).await,
            Self::None => return,
        }
        desktop.events.tell(HostEvent::Changed);
    }
}

/// Takes back what sessions are lent until they end, if that is wanted; returns whether anything was.
pub(super) fn take_back(desktop: &Desktop, request: &Request) -> bool {
    let Request::RemoveGrant { agent, server } = request else { return false };
    desktop.sessions.of(agent).iter().filter(|live| live.take_back(server)).count() > 0
}
