//! Keeps a server that crashes again and again from being started again and again. No clock: time comes in.
//!
//! [`super::launcher`] asks before each start and tells of each end.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// A crash counts if the process was younger than this: a server that ran for longer did start.
const QUICK: Duration = Duration::from_secs(30);

/// So many quick crashes in a row are a loop. Two can be bad luck, such as a port that was still taken.
const LOOP: u32 = 3;

/// The first wait. Long enough to end a tight loop, short enough for somebody who is repairing the configuration.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// How many records are kept; above that, the ones that hold nobody back are forgotten first. Keys are agents and
/// servers, and strangers can make up identities.
const RECORDS: usize = 1024;

/// Who crashed how often lately.
#[derive(Debug)]
pub(crate) struct Crashes<K>(HashMap<K, Record>);

#[derive(Debug)]
struct Record {
    /// Quick crashes in a row.
    count: u32,
    last: Instant,
}

impl Record {
    /// Until when no start is allowed.
    fn until(&self) -> Option<Instant> {
        let beyond = self.count.checked_sub(LOOP)?;
        let factor = 1_u32.checked_shl(beyond).unwrap_or(u32::MAX);
        Some(self.last + FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT))
    }
}

impl<K: Eq + Hash> Crashes<K> {
    /// Nobody has crashed.
    pub(crate) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Returns how long a start has still to wait; `None` if it may go ahead.
    pub(crate) fn wait(&self, key: &K, now: Instant) -> Option<Duration> {
        let left = self.0.get(key)?.until()?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Notes that a process ended by itself.
    pub(crate) fn crashed(&mut self, key: K, started: Instant, now: Instant) {
        if now.saturating_duration_since(started) >= QUICK {
            self.0.remove(&key);
            return;
        }
        if self.0.len() >= RECORDS {
            self.0.retain(|_, record| record.until().is_some_and(|until| until > now));
            if self.0.len() >= RECORDS && !self.0.contains_key(&key) {
                return;
            }
        }
        let record = self.0.entry(key).or_insert(Record { count: 0, last: now });
        record.count = record.count.saturating_add(1);
        record.last = now;
    }

    /// Notes that a process was ended, having worked until then.
    pub(crate) fn worked(&mut self, key: &K) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_third_quick_crash_holds_back_and_further_ones_double_the_wait() {
        let mut crashes = Crashes::new();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..12 {
            crashes.crashed("a", now, now + SECOND);
            now += SECOND;
            waits.push(crashes.wait(&"a", now).map_or(0, |wait| wait.as_secs()));
            now += crashes.wait(&"a", now).unwrap_or_default();
            assert_eq!(crashes.wait(&"a", now), None, "the wait ends");
        }
        assert_eq!(waits, [0, 0, 5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
        assert_eq!(crashes.wait(&"b", now), None, "nobody else is held back");
    }

    #[test]
    fn a_long_or_good_run_wipes_the_record() {
        let now = Instant::now();
        let mut crashes = Crashes::new();
        for _ in 0..2 {
            crashes.crashed("a", now, now + SECOND);
        }
        crashes.crashed("a", now, now + QUICK);
        crashes.crashed("a", now, now);
        assert_eq!(crashes.wait(&"a", now), None);
        crashes.crashed("a", now, now);
        crashes.worked(&"a");
        crashes.crashed("a", now, now);
        assert_eq!(crashes.wait(&"a", now), None);
    }

    #[test]
    fn records_are_bounded_by_those_that_hold_back() {
        let now = Instant::now();
        let mut crashes = Crashes::new();
        for number in 0..5 * RECORDS {
            for _ in 0..LOOP {
                crashes.crashed(number, now, now);
            }
        }
        assert_eq!(crashes.0.len(), RECORDS);
        assert!(crashes.wait(&0, now).is_some());
    }
}
