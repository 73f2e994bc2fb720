//! How many strangers a link deals with at a time, so that a flood of them neither fills the memory nor keeps others out.
//!
//! Two stages are counted. Who is setting up a session may be anybody, and may be silent for as long as the set-up takes:
//! there is always room for one more, in the place of who has been at it the longest. Who has proved a certificate that
//! nobody knows waits for a verdict: there, those who came first have their places, and the known need none.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How many set up a session at once. Each costs a peer connection, well under 1 MiB. Somebody who is quick takes less than
/// a second: to be pushed out, 32 others have to come within it.
const SETTING_UP: usize = 32;

/// How many unknown agents wait for a verdict at once. Only a few of them get a prompt (the broker says how many); the
/// others are told so within seconds.
const UNDECIDED: usize = 16;

/// The counts of one link.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    setting_up: Arc<Mutex<Places>>,
    undecided: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Places {
    taken: VecDeque<(u64, CancellationToken)>,
    last: u64,
}

/// A place among those who set up a session. It is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct SettingUp {
    door: Door,
    number: u64,
    pushed_out: CancellationToken,
}

impl Door {
    pub(crate) fn new() -> Self {
        Self { setting_up: Arc::default(), undecided: Arc::new(Semaphore::new(UNDECIDED)) }
    }

    /// Takes in one more who wants to set up a session, in the place of the oldest if there is no other.
    pub(crate) fn enter(&self) -> SettingUp {
        let pushed_out = CancellationToken::new();
        let mut places = self.places();
        if places.taken.len() >= SETTING_UP
            && let Some((_, oldest)) = places.taken.pop_front()
        {
            oldest.cancel();
        }
        places.last += 1;
        let number = places.last;
        places.taken.push_back((number, pushed_out.clone()));
        drop(places);
        SettingUp { door: self.clone(), number, pushed_out }
    }

    /// Takes a place among the unknown who wait for a verdict, if there is one.
    pub(crate) fn undecided(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.undecided).try_acquire_owned().ok()
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.setting_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SettingUp {
    /// Waits until somebody else has got the place.
    pub(crate) async fn pushed_out(&self) {
        self.pushed_out.cancelled().await;
    }

    /// Returns the door that it is a place at.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }
}

impl Drop for SettingUp {
    fn drop(&mut self) {
        self.door.places().taken.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_for_the_newest() {
        let door = Door::new();
        let mut places: Vec<_> = (0..SETTING_UP).map(|_| door.enter()).collect();
        // One who is through does not count any more.
        places.remove(3);
        let newest = door.enter();
        assert!(places.iter().all(|place| !place.pushed_out.is_cancelled()));
        let another = door.enter();
        assert!(places[0].pushed_out.is_cancelled());
        assert!(places[1..].iter().chain([&newest, &another]).all(|place| !place.pushed_out.is_cancelled()));
    }

    #[test]
    fn those_who_wait_for_a_verdict_keep_their_places() {
        let door = Door::new();
        let mut waiting: Vec<_> = (0..UNDECIDED).map(|_| door.undecided().unwrap()).collect();
        assert!(door.undecided().is_none());
        waiting.pop();
        assert!(door.undecided().is_some());
    }
}
