//! The way to a desktop that has been reached before, and the pauses between tries to go it again.

use std::time::Duration;

use gatelodge_wire::RefusalCode;
use mcp_webrtc::{Identity, Session};

use super::desktop::{self, Expected};
use crate::failure::{Exit, Failure};
use crate::place::Place;

/// The pause after the first failure, and the longest one. Doubling in between, a network that comes back is noticed within a
/// fraction of the time that it was away.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How long one try may take. A session over a slow network is set up in a few seconds; through a dead one a TCP connection
/// alone would take minutes to fail.
const TRY_LIMIT: Duration = Duration::from_secs(10);

/// What it takes to reach a desktop again.
pub(super) struct Way {
    pub(super) identity: Identity,
    /// Where the desktop may be, in the order in which they are tried.
    pub(super) places: Vec<Place>,
    pub(super) expected: Expected,
    pub(super) stun: Vec<String>,
    /// What this agent calls itself.
    pub(super) name: String,
}

impl Way {
    /// Sets up a session with the desktop that was there before.
    pub(super) async fn reach(&self) -> Result<Session, Failure> {
        let mut failed: Option<Failure> = None;
        for place in &self.places {
            let reaching = desktop::reach(&self.identity, place, self.expected, &self.stun);
            let reached = tokio::time::timeout(TRY_LIMIT, reaching).await.unwrap_or_else(|_| {
                let message = format!("{place} was not reached within {} s", TRY_LIMIT.as_secs());
                Err(Failure::new(Exit::Unreachable, message))
            });
            match reached {
                Ok(session) => return Ok(session),
                // Somebody else at one of the places does not mean that the desktop will not be at another one.
                Err(failure) if failure.exit() == Exit::WrongDesktop && failed.is_some() => {}
                Err(failure) => failed = Some(failure),
            }
        }
        Err(failed.unwrap_or_else(|| {
            Failure::new(Exit::Unreachable, "there is no place to look for the desktop at")
        }))
    }
}

/// Returns whether trying again is of no use.
pub(super) fn is_final(failure: &Failure) -> bool {
    match failure.refusal() {
        Some(RefusalCode::TooMany | RefusalCode::KeychainUnavailable) => false,
        Some(_) => true,
        None => matches!(failure.exit(), Exit::WrongDesktop | Exit::Storage),
    }
}

/// The pauses between tries: each one about twice as long as the one before.
pub(super) struct Pauses {
    next: Duration,
}

impl Pauses {
    pub(super) fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    /// Returns the next pause. Agents that lost the same desktop at the same moment should not all come back at the same
    /// moment, so that a quarter is left to chance.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        pause.mul_f64(0.75 + 0.25 * chance())
    }
}

/// Returns a number from 0 to 1. It protects nothing, so that the standard library's hash seeds will do.
fn chance() -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let number = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or_default();
    f64::from(number) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let mut pauses = Pauses::new();
        for longest in [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000] {
            let pause = pauses.next().as_millis();
            assert!(pause <= longest && pause >= longest * 3 / 4, "{pause} of {longest}");
        }
    }
}
