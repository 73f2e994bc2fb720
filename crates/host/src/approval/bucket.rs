//! A token bucket: so many at once, and so many over time.

use std::time::{Duration, Instant};

/// How many requests are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// How many at once.
    pub(crate) burst: u32,
    /// How long it takes until one more may come.
    pub(crate) every: Duration,
}

/// How many requests are still let through.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    left: u32,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        Self { left: rate.burst, filled: now }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        self.fill(rate, now);
        let there = self.left > 0;
        self.left = self.left.saturating_sub(1);
        there
    }

    /// Whether it is as if it had never been used.
    pub(crate) fn is_full(&mut self, rate: Rate, now: Instant) -> bool {
        self.fill(rate, now);
        self.left == rate.burst
    }

    fn fill(&mut self, rate: Rate, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_nanos() / rate.every.as_nanos().max(1);
        let new = u32::try_from(passed).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(new);
        if self.left >= rate.burst {
            (self.left, self.filled) = (rate.burst, now);
        } else {
            self.filled += rate.every * new;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fills_with_time_up_to_its_size() {
        let rate = Rate { burst: 2, every: Duration::from_secs(10) };
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut bucket = Bucket::full(rate, start);
        assert!(bucket.take(rate, start) && bucket.take(rate, start) && !bucket.take(rate, start));
        assert!(!bucket.take(rate, at(9)));
        assert!(bucket.take(rate, at(10)) && !bucket.take(rate, at(19)) && bucket.take(rate, at(20)));
        assert!(!bucket.is_full(rate, at(39)) && bucket.is_full(rate, at(40)));
        assert!(bucket.take(rate, at(9999)) && bucket.take(rate, at(9999)) && !bucket.take(rate, at(9999)));
    }
}
