//! What is lent in one session: by grants that are kept, by grants that end with it, and what the person has allowed until
//! it ends.

use std::collections::{HashMap, HashSet};

use crate::grant::{EntryRule, Grant, ToolRule};
use crate::server::ServerId;

/// What is lent in one session.
#[derive(Debug, Default)]
pub(super) struct Lent {
    /// By grants that are kept.
    kept: HashMap<ServerId, Grant>,
    /// By grants that end with the session, for servers without a kept one.
    here: HashMap<ServerId, Grant>,
    /// What is allowed beyond that until the session ends.
    leave: HashMap<ServerId, Leave>,
}

/// What the person has allowed with a server until the session ends.
#[derive(Debug, Default)]
pub(super) struct Leave {
    /// To use it at all without a question.
    pub(super) entry: bool,
    /// To call these tools without a question.
    pub(super) tools: HashSet<String>,
}

impl Lent {
    /// Returns what may be done with a server.
    pub(super) fn grant(&self, server: &ServerId) -> Option<Grant> {
        let mut grant = self.kept.get(server).or_else(|| self.here.get(server))?.clone();
        if let Some(leave) = self.leave.get(server) {
            if leave.entry {
                grant.entry = EntryRule::Open;
            }
            grant.tools.tools.extend(leave.tools.iter().map(|tool| (tool.clone(), ToolRule::Allow)));
        }
        Some(grant)
    }

    /// Returns the grant itself, to be changed together with what is kept.
    pub(super) fn get_mut(&mut self, server: &ServerId) -> Option<&mut Grant> {
        self.kept.get_mut(server).or_else(|| self.here.get_mut(server))
    }

    /// Returns all grants.
    pub(super) fn all(&self) -> impl Iterator<Item = &Grant> {
        self.kept.values().chain(self.here.values())
    }

    /// Puts the grants that are kept in place of those that were, and returns the servers for which something else holds
    /// then. For those, earlier answers of the person do not hold any more.
    pub(super) fn keep(&mut self, grants: Vec<Grant>) -> HashSet<ServerId> {
        let grants: HashMap<_, _> = grants.into_iter().map(|grant| (grant.server.clone(), grant)).collect();
        let servers = self.kept.keys().chain(grants.keys());
        let changed: HashSet<_> = servers
            .filter(|server| !same_but_for_pins(self.kept.get(*server), grants.get(*server)))
            .cloned()
            .collect();
        self.here.retain(|server, _| !grants.contains_key(server));
        self.leave.retain(|server, _| !changed.contains(server));
        self.kept = grants;
        changed
    }

    /// Lends something until the session ends.
    pub(super) fn lend(&mut self, grants: Vec<Grant>) {
        let grants = grants.into_iter().filter(|grant| !self.kept.contains_key(&grant.server));
        self.here = grants.map(|grant| (grant.server.clone(), grant)).collect();
    }

    /// Takes back what is lent of a server until the session ends; returns whether anything was.
    pub(super) fn take_back(&mut self, server: &ServerId) -> bool {
        let taken = self.here.remove(server).is_some();
        if taken {
            self.leave.remove(server);
        }
        taken
    }

    /// Returns what is allowed with a server until the session ends, to be added to.
    pub(super) fn leave(&mut self, server: &ServerId) -> &mut Leave {
        self.leave.entry(server.clone()).or_default()
    }
}

fn same_but_for_pins(old: Option<&Grant>, new: Option<&Grant>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => Grant { pins: new.pins.clone(), ..old.clone() } == *new,
        (None, None) => true,
        _ => false,
    }
}
