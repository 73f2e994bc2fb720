//! Token buckets: how often something may happen, with a burst for those who were quiet.

use std::time::Instant;

/// How many tokens there are, and when that was counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    tokens: f32,
    at: Instant,
}

/// How fast a bucket fills, and how far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    per_minute: f32,
    burst: f32,
}

impl Rate {
    /// Allows so many a minute, and a quarter minute's worth at once.
    pub(crate) fn per_minute(times: u32) -> Self {
        let per_minute = times.max(1) as f32;
        Self { per_minute, burst: (per_minute / 4.0).max(1.0) }
    }
}

impl Bucket {
    pub(crate) fn full(now: Instant, rate: Rate) -> Self {
        Self { tokens: rate.burst, at: now }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Instant, rate: Rate) -> bool {
        self.fill(now, rate);
        let there = self.tokens >= 1.0;
        if there {
            self.tokens -= 1.0;
        }
        there
    }

    /// Whether it is as if it had never been used.
    pub(crate) fn is_full(&mut self, now: Instant, rate: Rate) -> bool {
        self.fill(now, rate);
        self.tokens >= rate.burst
    }

    fn fill(&mut self, now: Instant, rate: Rate) {
        let minutes = now.saturating_duration_since(self.at).as_secs_f32() / 60.0;
        self.tokens = (self.tokens + minutes * rate.per_minute).min(rate.burst);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let (start, rate) = (Instant::now(), Rate::per_minute(60));
        let mut bucket = Bucket::full(start, rate);
        assert_eq!((0..100).filter(|_| bucket.take(start, rate)).count(), 15);
        let later = start + Duration::from_secs(3);
        assert_eq!((0..100).filter(|_| bucket.take(later, rate)).count(), 3);
        assert!(!bucket.is_full(later, rate));
        assert!(bucket.is_full(later + Duration::from_secs(60), rate));
    }
}
