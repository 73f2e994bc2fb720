//! How many calls there were in each of the last spans of time. No clock: time comes in.

use std::time::{Duration, Instant};

/// What a window draws as one bar: long enough for a number, short enough to see a burst.
const SPAN: Duration = Duration::from_secs(2);

/// A minute of them.
const SPANS: usize = 30;

/// Counts calls by the span in which they ended.
#[derive(Debug)]
pub(crate) struct Recent {
    /// When counting began; spans are whole numbers of [`SPAN`] from here.
    begun: Instant,
    /// The span that the last count is of.
    last: u64,
    /// Counts by the span's number modulo their number.
    counts: [u32; SPANS],
}

impl Recent {
    pub(crate) fn new(now: Instant) -> Self {
        Self { begun: now, last: 0, counts: [0; SPANS] }
    }

    /// Counts one call.
    pub(crate) fn count(&mut self, now: Instant) {
        self.advance(now);
        let count = &mut self.counts[place(self.last)];
        *count = count.saturating_add(1);
    }

    /// Returns the counts, those of the oldest span first and of the one that goes on last.
    pub(crate) fn spans(&mut self, now: Instant) -> Vec<u32> {
        self.advance(now);
        let (newer, older) = self.counts.split_at(place(self.last) + 1);
        [older, newer].concat()
    }

    /// Forgets what is older than the last spans.
    fn advance(&mut self, now: Instant) {
        let span = now.saturating_duration_since(self.begun).as_secs() / SPAN.as_secs();
        for passed in (self.last + 1..=span).take(SPANS) {
            self.counts[place(passed)] = 0;
        }
        self.last = self.last.max(span);
    }
}

fn place(span: u64) -> usize {
    // Less than the number of spans.
    (span % SPANS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_move_to_the_left_and_out() {
        let begun = Instant::now();
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let mut recent = Recent::new(begun);
        recent.count(at(0));
        recent.count(at(1));
        recent.count(at(3));
        let spans = recent.spans(at(3));
        assert_eq!(spans.len(), SPANS);
        assert_eq!(spans[SPANS - 2..], [2, 1]);
        assert_eq!(recent.spans(at(7))[SPANS - 4..], [2, 1, 0, 0]);
        assert_eq!(recent.spans(at(58))[..2], [2, 1]);
        assert_eq!(recent.spans(at(60))[..2], [1, 0]);
        assert_eq!(recent.spans(at(62)), [0; SPANS]);
    }

    #[test]
    fn after_a_long_silence_nothing_old_is_counted() {
        let begun = Instant::now();
        let mut recent = Recent::new(begun);
        for second in 0..60 {
            recent.count(begun + Duration::from_secs(second));
        }
        recent.count(begun + Duration::from_secs(86_400 + 1));
        let spans = recent.spans(begun + Duration::from_secs(86_400 + 1));
        assert_eq!((spans.iter().sum::<u32>(), spans[SPANS - 1]), (1, 1));
    }
}
