//! Who is answered at a rendezvous: those whom the person trusts, and those with an invitation that is open.
//!
//! Anybody can make up identities and knock with them, so that a knock costs one look into the database's index, and a
//! stranger nothing more: no keychain, no WebRTC, no prompt.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use gatelodge_wire::{Fingerprint, InvitationId};

use crate::approval::bucket::{Bucket, Rate};
use crate::desktop::Desktop;

/// How often the keychain is asked about an agent that the index has lost, and how often at once. An agent that is trusted
/// has a place in the index, unless the database was lost; then it may have to knock again.
const LOOKS: Rate = Rate { burst: 3, every: Duration::from_secs(10) };

/// How many agents are remembered whom the keychain did not know: 16 KiB.
const REMEMBERED: usize = 256;

/// What a knock is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The agent is let in as far as the door, where the keychain decides.
    Welcome,
    /// Nobody knows the agent.
    Stranger,
    /// The index does not know the agent; the keychain may.
    Perhaps,
}

/// Judges the knocks of one link.
#[derive(Debug)]
pub(super) struct KnockJudge {
    strangers: HashSet<Fingerprint>,
    /// The same, the oldest first.
    by_age: VecDeque<Fingerprint>,
    looks: Bucket,
}

impl KnockJudge {
    pub(super) fn new() -> Self {
        Self {
            strangers: HashSet::new(),
            by_age: VecDeque::new(),
            looks: Bucket::full(LOOKS, Instant::now()),
        }
    }

    /// Says what a knock is worth.
    pub(super) async fn judge(
        &mut self,
        desktop: &Desktop,
        agent: Fingerprint,
        invitation: Option<&InvitationId>,
    ) -> Standing {
        if invitation.is_some_and(|id| desktop.invitation_open(id))
            || desktop.transient.approved.contains(&agent)
        {
            return Standing::Welcome;
        }
        match desktop.kept.store.run(move |store| store.agent_marks(&agent)).await {
            Ok(Some(marks)) if marks.blocked || marks.forgotten => Standing::Stranger,
            Ok(Some(_)) => Standing::Welcome,
            Ok(None) if self.may_look(&agent, Instant::now()) => Standing::Perhaps,
            Ok(None) => Standing::Stranger,
            Err(error) => {
                tracing::error!(error = gatelodge_wire::with_causes(&error), "the database cannot be read");
                Standing::Stranger
            }
        }
    }

    /// Whether the keychain may be asked about an agent; if so, it is not asked about this one again for a while.
    fn may_look(&mut self, agent: &Fingerprint, now: Instant) -> bool {
        if self.strangers.contains(agent) || !self.looks.take(LOOKS, now) {
            return false;
        }
        if self.by_age.len() >= REMEMBERED
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.strangers.remove(&oldest);
        }
        self.strangers.insert(*agent);
        self.by_age.push_back(*agent);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keychain_is_asked_seldom_and_about_nobody_twice() {
        let mut judge = KnockJudge::new();
        let begin = Instant::now();
        let agent = |number: u16| {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            Fingerprint::from_bytes(bytes)
        };
        assert!(judge.may_look(&agent(0), begin));
        assert!(!judge.may_look(&agent(0), begin));
        let minute = |millis| begin + Duration::from_millis(millis);
        let asked = (1..10_000).filter(|n| judge.may_look(&agent(*n), minute(6 * u64::from(*n)))).count();
        assert!((6..=8).contains(&asked), "{asked}");
        for hour in 1..1_000 {
            judge.may_look(&agent(hour + 10_000), begin + Duration::from_secs(3_600 * u64::from(hour)));
        }
        assert!(judge.strangers.len() <= REMEMBERED && judge.by_age.len() <= REMEMBERED);
    }
}
