//! Counting wrong proofs: by invitation and by agent, so that guesses become slow and few whoever makes them.
//!
//! Only answers to wrong proofs wait. The right one is answered at once, so that nobody can keep the invited agent out by
//! guessing beside it.

use std::collections::HashMap;
use std::time::Duration;

use gatelodge_wire::{Fingerprint, InvitationId};

/// How many wrong proofs an agent may make before it is not listened to any more. A person who mistypes makes none, since
/// the text has checks of its own.
const MAX_WRONG: u32 = 10;

/// The wait after the first wrong proof; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// How often it doubles: up to a minute, which is as good as never.
const DOUBLINGS: u32 = 6;

/// How many agents are counted. Certificates cost nothing, so that more may come; what counts then is the invitation.
const MAX_AGENTS: usize = 256;

/// The counts.
#[derive(Debug, Default)]
pub(super) struct WrongProofs {
    by_invitation: HashMap<InvitationId, u32>,
    by_agent: HashMap<Fingerprint, u32>,
}

impl WrongProofs {
    /// Counts one. Returns how long its answer waits, and whether it was the agent's last try.
    pub(super) fn count(&mut self, invitation: &InvitationId, agent: &Fingerprint) -> (Duration, bool) {
        let of_invitation = self.by_invitation.entry(*invitation).or_default();
        *of_invitation = of_invitation.saturating_add(1);
        let mut most = *of_invitation;
        let mut last = false;
        if self.by_agent.len() < MAX_AGENTS || self.by_agent.contains_key(agent) {
            let of_agent = self.by_agent.entry(*agent).or_default();
            *of_agent = of_agent.saturating_add(1);
            most = most.max(*of_agent);
            last = *of_agent >= MAX_WRONG;
        }
        (FIRST_WAIT * 2_u32.pow((most - 1).min(DOUBLINGS)), last)
    }

    /// Whether an agent has had its last try.
    pub(super) fn too_many(&self, agent: &Fingerprint) -> bool {
        self.by_agent.get(agent).is_some_and(|count| *count >= MAX_WRONG)
    }

    /// Forgets an invitation, and all agents once there is none to guess.
    pub(super) fn forget(&mut self, invitation: &InvitationId, none_left: bool) {
        self.by_invitation.remove(invitation);
        if none_left {
            self.by_agent.clear();
        }
    }
}
