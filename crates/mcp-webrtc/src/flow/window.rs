//! How many bytes a session may have handed to the engine without an acknowledgement.
//!
//! The engine's SCTP doubles its congestion window until something is lost, and repairs a burst of losses at one
//! packet a round trip or after a time-out of at least one second. On a path with a bounded queue (every home
//! uplink) that costs most of the capacity. This window keeps the queue from overflowing in the first place: it
//! follows the measured delivery rate and round trip, so that only a small, chosen delay stands in the queue.
//!
//! Pure bookkeeping: the session's sender tells it what was handed over and what is still outstanding, with the
//! time of each observation, and asks before the next message. It never sleeps and never reads a clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The window a session starts with and never goes below, in bytes.
///
/// Together with one message of up to 60 KiB beyond it, it fits the queue of a slow uplink: routers at 10 Mbit/s
/// hold about 100 kB.
const FLOOR: usize = 48 * 1024;

/// How many small messages may be outstanding. The engine's receiving side queues 256 messages for its reader, and once
/// they are full it goes on only with the next packet: a stream of 1 KiB messages is four times faster with this bound.
const SMALL_IN_FLIGHT: usize = 192;

/// What small messages may have outstanding beyond all others, in bytes, so that they need not wait for them.
const SMALL_RESERVE: usize = 16 * 1024;

/// A round trip below this is one host or one wired network: there the processors are the bottleneck, and no
/// window is needed to fill the path.
const NEAR: Duration = Duration::from_millis(1);

/// What fragments may have outstanding on a near path, in bytes.
///
/// All channels share one queue in the engine, so a small message waits for whatever is in front of it. Below
/// this size the two processors start to wait for each other (16 MiB there and back take half as long again with
/// 96 KiB); above it only the small message waits longer.
const NEAR_FRAGMENTS: usize = 256 * 1024;

/// What fragments may have outstanding on a near path while small messages come and go, in bytes.
///
/// One piece: then a small message meets at most the one that is being encrypted.
const NEAR_FRAGMENTS_SHARED: usize = 8 * 1024;

/// How long after two small messages in a row a third is expected: people and programs that exchange calls while a
/// large result is under way, and not the lone request that has caused it.
const SHARED_FOR: Duration = Duration::from_millis(50);

/// The smallest and the largest piece of a fragmented message, in bytes. Smaller ones cost a wake-up each without
/// letting anything pass sooner; larger ones are slower with every peer that was measured.
const PIECE: (usize, usize) = (8 * 1024, 60 * 1024);

/// The least delay that may stand in queues: the jitter of a busy wireless network, which must not be taken for a
/// queue of our own.
const LEAST_TARGET: Duration = Duration::from_millis(10);

/// How long a smallest round trip is believed: routes change, and ten seconds is what BBR settled on.
const BASE_AGE: Duration = Duration::from_secs(10);

/// How much of the window is trusted to empty the queue when the smallest round trip is measured anew.
const DRAIN: f64 = 0.9;

/// The growth of the delivery rate from round to round by which the engine counts as still opening its own
/// window: beyond noise, and far below the doubling of a slow start.
const OPENING: f64 = 1.125;

/// By how much a window may grow in one round.
const GROWTH: f64 = 1.5;

/// The same while the delivery rate still grows, so that the engine's own doubling is not held back on a long path. Twice
/// what one round trip delivers is at most twice the path's capacity, of which the queue has to hold one.
const GROWTH_OPENING: f64 = 2.0;

/// By how much a window may shrink in one round: one late acknowledgement is not yet a slower path.
const SHRINKAGE: f64 = 0.5;

/// How many send times are remembered: sixteen a window, and room for a window that shrinks.
const MARKS: usize = 32;

/// What a message is, as far as the window is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bulk {
    /// A message of few packets, which finds room where larger ones have to wait.
    Small,
    /// A message of its own, which nothing can overtake.
    Whole,
    /// One piece of a large message, between whose pieces others want to pass.
    Fragment,
}

/// A limit on the bytes in flight of one session, over all its channels.
#[derive(Debug)]
pub(crate) struct SendWindow {
    window: usize,
    ceiling: usize,
    sent: u64,
    released: u64,
    looked: u64,
    marks: VecDeque<Mark>,
    /// Where the small messages that are not known to be acknowledged begin in the stream.
    smalls: VecDeque<u64>,
    base: Option<Base>,
    round: Round,
    /// Whether the delivery rate still grows from round to round.
    opening: bool,
    /// The delivery rate of the round before, in bytes a second.
    rate: f64,
    near: bool,
    /// Whether a sender waits: only then is an acknowledgement seen when it comes, and not at some later look.
    waiting: bool,
    small: Option<Instant>,
    shared_until: Option<Instant>,
}

/// One message whose way through the engine is watched.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Its first byte's place in the stream of all bytes handed over.
    offset: u64,
    /// How much had been acknowledged when it was handed over.
    released: u64,
    at: Instant,
}

/// The smallest round trip lately seen.
#[derive(Clone, Copy, Debug)]
struct Base {
    rtt: Duration,
    seen: Instant,
}

/// One trial of a window size: it lasts until part of the bytes sent under it are acknowledged.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    start: u64,
    /// Whether the window, and not the application, was what held bytes back.
    limited: bool,
    /// The best delivery rate seen in this round, in bytes a second.
    rate: f64,
    /// The window to return to, while the queue is let run empty.
    draining: Option<usize>,
}

impl SendWindow {
    /// Opens the window of a new session. It never exceeds `ceiling` bytes: what the peer's receive window or the
    /// kernel's buffers hold.
    pub(crate) fn new(ceiling: usize) -> Self {
        Self {
            window: FLOOR,
            ceiling,
            sent: 0,
            released: 0,
            looked: 0,
            marks: VecDeque::with_capacity(MARKS),
            smalls: VecDeque::new(),
            base: None,
            round: Round::default(),
            opening: true,
            rate: 0.0,
            near: true,
            waiting: false,
            small: None,
            shared_until: None,
        }
    }

    /// Says how large the next piece of a large message should be, in bytes.
    ///
    /// A quarter of the window, so that the window is a limit and not a stop-and-wait.
    pub(crate) fn piece(&self, now: Instant) -> usize {
        (self.limit(now, Bulk::Fragment) / 4).clamp(PIECE.0, PIECE.1)
    }

    /// Says whether [`admits`](Self::admits) needs a fresh look at the engine's outstanding bytes.
    ///
    /// They only fall between two sends, so while what is known already admits a message, the engine's lock can
    /// be spared; only the round trips must not be overlooked for long.
    pub(crate) fn wants_look(&self, now: Instant, bulk: Bulk) -> bool {
        self.sent - self.looked >= (self.window / MARKS) as u64 || self.is_full(now, bulk)
    }

    /// Decides whether one more message may be handed over now.
    ///
    /// It may reach beyond the window, so that large messages still follow each other without a pause.
    pub(crate) fn admits(&mut self, now: Instant, bulk: Bulk) -> bool {
        // Only a refusal by the window itself says that a larger one would be used.
        self.round.limited |= self.outstanding() >= self.window;
        self.waiting = self.is_full(now, bulk);
        !self.waiting
    }

    /// Records that a small message is sent; the second within [`SHARED_FOR`] makes the pieces leave room.
    pub(crate) fn on_small(&mut self, now: Instant) {
        let again = self.small.is_some_and(|last| now.saturating_duration_since(last) < SHARED_FOR);
        if again {
            self.shared_until = Some(now + SHARED_FOR);
        }
        self.small = Some(now);
        self.smalls.push_back(self.sent);
    }

    /// Records that `bytes` were handed to the engine, small messages included.
    pub(crate) fn on_sent(&mut self, now: Instant, bytes: usize) {
        let apart = (self.window / (MARKS / 2)) as u64;
        let due = self.marks.back().is_none_or(|last| self.sent - last.offset >= apart);
        if due && self.marks.len() < MARKS {
            self.marks.push_back(Mark { offset: self.sent, released: self.released, at: now });
        }
        self.sent += bytes as u64;
    }

    /// Records how many of the bytes handed over are still not acknowledged.
    pub(crate) fn on_outstanding(&mut self, now: Instant, outstanding: usize) {
        self.looked = self.sent;
        let released = self.sent.saturating_sub(outstanding as u64);
        if released <= self.released {
            return;
        }
        self.released = released;
        while self.smalls.front().is_some_and(|offset| *offset < released) {
            self.smalls.pop_front();
        }
        // A message's first byte tells the path: it waits for what was ahead, and for no other byte of its own.
        while let Some(mark) = self.marks.front().copied().filter(|mark| mark.offset < released) {
            self.marks.pop_front();
            if !self.waiting {
                continue;
            }
            let rtt = now.saturating_duration_since(mark.at).max(Duration::from_micros(1));
            if self.base.is_none_or(|base| rtt <= base.rtt) {
                self.base = Some(Base { rtt, seen: now });
                self.near = rtt < NEAR;
            }
            if mark.offset >= self.round.start {
                let delivered = (released - mark.released) as f64;
                self.round.rate = self.round.rate.max(delivered / rtt.as_secs_f64());
            }
        }
        if self.round.rate > 0.0 && released >= self.round.start + (self.window / 4) as u64 {
            self.end_round(now);
        }
    }

    fn is_full(&self, now: Instant, bulk: Bulk) -> bool {
        let crowded = bulk == Bulk::Small && self.smalls.len() >= SMALL_IN_FLIGHT;
        crowded || self.outstanding() >= self.limit(now, bulk)
    }

    /// What is not known to be acknowledged.
    fn outstanding(&self) -> usize {
        (self.sent - self.released) as usize
    }

    fn limit(&self, now: Instant, bulk: Bulk) -> usize {
        match bulk {
            Bulk::Small => self.window + SMALL_RESERVE,
            Bulk::Fragment if self.near => {
                let shared = self.shared_until.is_some_and(|until| now < until);
                self.window.min(if shared { NEAR_FRAGMENTS_SHARED } else { NEAR_FRAGMENTS })
            }
            Bulk::Whole | Bulk::Fragment => self.window,
        }
    }

    /// Adapts the window to what the round has shown, and starts the next one.
    fn end_round(&mut self, now: Instant) {
        let round = std::mem::replace(&mut self.round, Round { start: self.sent, ..Round::default() });
        if let Some(before) = round.draining {
            self.window = before;
            return;
        }
        let Some(base) = self.base.filter(|_| round.limited) else { return };
        // While the engine still opens its own window, messages wait for that and not for the path; the delivery
        // rate then grows from round to round, and a longer wait is no reason to send less.
        self.opening &= round.rate > self.rate * OPENING;
        self.rate = round.rate;
        let target = (base.rtt / 2).max(LEAST_TARGET);
        let window = self.window as f64;
        let least = if self.opening { window } else { window * SHRINKAGE };
        let steady = base.rtt + target;
        let (span, growth) = if self.opening {
            (steady.max(base.rtt.mul_f64(GROWTH_OPENING)), GROWTH_OPENING)
        } else {
            (steady, GROWTH)
        };
        let fitting = round.rate * span.as_secs_f64();
        self.window = (fitting.clamp(least, window * growth) as usize).clamp(FLOOR, self.ceiling);
        if now.saturating_duration_since(base.seen) >= BASE_AGE {
            // Without the target's share the queue runs empty, and the next round trips are the path's own.
            let bare = base.rtt.as_secs_f64() / (base.rtt + target).as_secs_f64();
            self.round.draining = Some(self.window);
            self.window = ((self.window as f64 * bare * DRAIN) as usize).max(FLOOR);
            self.base = None;
        }
    }
}

#[cfg(test)]
mod tests;
