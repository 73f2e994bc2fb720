//! The window against a simulated path: a bottleneck with a drop-tail queue, and a sender that opens its
//! congestion window as the engine does.

use super::*;

/// As much as the engine's peers receive.
const CEILING: usize = 1024 * 1024;

/// The payload of a full packet of the engine, and what the layers below add to it.
const PACKET: u64 = 1160;
const HEADERS: u64 = 69;

/// A path, and what went over it.
struct Path {
    round_trip: Duration,
    bytes_per_second: f64,
    queue: f64,
    dropped: u64,
    delivered: u64,
    longest_queue: f64,
}

impl Path {
    fn new(round_trip_ms: u64, megabits: f64, queue: f64) -> Self {
        Self {
            round_trip: Duration::from_millis(round_trip_ms),
            bytes_per_second: megabits * 1e6 / 8.0,
            queue,
            dropped: 0,
            delivered: 0,
            longest_queue: 0.0,
        }
    }

    /// Sends messages without pause for 30 s, and returns the bytes a second delivered after the first `warm`.
    ///
    /// A packet that finds the queue full is counted and delivered all the same: the tests want none.
    fn run(&mut self, window: &mut SendWindow, message: usize, warm: Duration) -> f64 {
        let time = Duration::from_secs(30);
        let begin = Instant::now();
        let (mut now, mut busy) = (begin, begin);
        let (mut pending, mut flying, mut congestion) = (0u64, 0u64, 4380u64);
        let mut acks: VecDeque<(Instant, u64)> = VecDeque::new();
        let mut odd = None;
        let mut before = None;
        while now < begin + time {
            if before.is_none() && now >= begin + warm {
                before = Some(self.delivered);
            }
            while window.admits(now, Bulk::Whole) {
                window.on_sent(now, message);
                pending += message as u64;
            }
            while pending > 0 && (flying == 0 || flying + PACKET.min(pending) <= congestion) {
                let packet = PACKET.min(pending);
                pending -= packet;
                flying += packet;
                busy = busy.max(now);
                let queued = (busy - now).as_secs_f64() * self.bytes_per_second;
                self.longest_queue = self.longest_queue.max(queued);
                self.dropped += u64::from(queued + packet as f64 > self.queue);
                busy += Duration::from_secs_f64((packet + HEADERS) as f64 / self.bytes_per_second);
                // The peer acknowledges every second packet.
                match odd.take() {
                    None => odd = Some(packet),
                    Some(first) => acks.push_back((busy + self.round_trip, first + packet)),
                }
            }
            let (at, bytes) = acks.pop_front().unwrap_or_else(|| {
                // The acknowledgement of a lone packet is delayed.
                (busy + self.round_trip + Duration::from_millis(200), odd.take().unwrap_or(0))
            });
            now = at;
            flying -= bytes;
            self.delivered += bytes;
            if pending > 0 {
                congestion += bytes;
            }
            window.on_outstanding(now, (pending + flying) as usize);
        }
        (self.delivered - before.unwrap_or(0)) as f64 / (time - warm).as_secs_f64()
    }
}

/// Sends over the path and expects nine tenths of what fits, no loss, and a queue within `queue_ms`.
fn fills(path: (u64, f64, f64), message: usize, queue_ms: f64) {
    let (round_trip_ms, megabits, queue) = path;
    let mut path = Path::new(round_trip_ms, megabits, queue);
    let mut window = SendWindow::new(CEILING);
    let rate = path.run(&mut window, message, Duration::from_secs(1));
    let delay = path.longest_queue / path.bytes_per_second * 1e3;
    let case = format!(
        "{round_trip_ms} ms, {megabits} Mbit/s, queue {queue} B, messages of {message} B: {rate:.0} B/s, \
         window {}, longest queue {delay:.1} ms",
        window.window
    );
    assert_eq!(path.dropped, 0, "{case}");
    assert!(rate > path.bytes_per_second * 0.9, "{case}");
    assert!(delay < queue_ms, "{case}");
}

#[test]
fn a_home_uplink_is_filled_and_its_queue_never_overflows() {
    for message in [1024, 8 * 1024, 16 * 1024, 60 * 1024] {
        fills((5, 50.0, 250_000.0), message, 25.0);
        fills((10, 100.0, 250_000.0), message, 20.0);
        fills((20, 50.0, 250_000.0), message, 25.0);
        fills((40, 50.0, 250_000.0), message, 42.0);
    }
}

#[test]
fn a_slow_uplink_is_filled_by_pieces() {
    let mut window = SendWindow::new(CEILING);
    window.near = false;
    let piece = window.piece(Instant::now());
    fills((20, 10.0, 100_000.0), piece, 80.0);
    fills((60, 20.0, 250_000.0), piece, 80.0);
}

#[test]
fn a_long_path_gets_the_largest_window() {
    let mut path = Path::new(100, 1000.0, 1e9);
    let mut window = SendWindow::new(CEILING);
    let rate = path.run(&mut window, 16 * 1024, Duration::from_secs(2));
    assert_eq!(window.window, CEILING);
    assert!(rate > 9e6, "{rate} B/s");
}

#[test]
fn windows_that_are_acknowledged_in_one_piece_still_grow() {
    let round_trip = Duration::from_millis(100);
    let mut window = SendWindow::new(CEILING);
    let mut now = Instant::now();
    for _ in 0..20 {
        while window.admits(now, Bulk::Whole) {
            window.on_sent(now, 16 * 1024);
        }
        now += round_trip;
        window.on_outstanding(now, 0);
    }
    assert_eq!(window.window, CEILING);
}

#[test]
fn an_application_that_sends_little_changes_nothing() {
    let mut window = SendWindow::new(CEILING);
    let mut now = Instant::now();
    for _ in 0..1000 {
        assert!(window.admits(now, Bulk::Whole));
        window.on_sent(now, 200);
        now += Duration::from_millis(220);
        window.on_outstanding(now, 0);
    }
    assert_eq!(window.window, FLOOR);
}

#[test]
fn a_stalled_path_shrinks_the_window_to_the_floor_and_no_further() {
    let mut path = Path::new(20, 100.0, 1e9);
    let mut window = SendWindow::new(CEILING);
    path.run(&mut window, 16 * 1024, Duration::from_secs(1));
    assert!(window.window > 4 * FLOOR);
    let mut slow = Path::new(2000, 100.0, 1e9);
    window.marks.clear();
    (window.sent, window.released, window.looked, window.round) = (0, 0, 0, Round::default());
    slow.run(&mut window, 16 * 1024, Duration::ZERO);
    assert_eq!(window.window, FLOOR);
}

#[test]
fn a_pause_is_not_taken_for_a_long_path() {
    let mut window = SendWindow::new(CEILING);
    let mut now = Instant::now();
    window.on_sent(now, 200);
    now += Duration::from_secs(3);
    window.on_outstanding(now, 0);
    assert!(window.base.is_none() && window.near, "nobody looked when the acknowledgement came");
    window.on_sent(now, FLOOR);
    assert!(!window.admits(now, Bulk::Whole));
    now += Duration::from_micros(200);
    window.on_outstanding(now, 0);
    assert_eq!(window.base.map(|base| base.rtt), Some(Duration::from_micros(200)));
}

#[test]
fn fragments_leave_room_on_a_near_path_only() {
    let now = Instant::now();
    let mut window = SendWindow { window: CEILING, ..SendWindow::new(CEILING) };
    assert_eq!(window.limit(now, Bulk::Whole), CEILING);
    assert_eq!(window.limit(now, Bulk::Fragment), NEAR_FRAGMENTS);
    window.near = false;
    assert_eq!(window.limit(now, Bulk::Fragment), CEILING);
}

#[test]
fn two_small_messages_in_a_row_make_pieces_small_for_a_while() {
    let now = Instant::now();
    let mut window = SendWindow { window: CEILING, ..SendWindow::new(CEILING) };
    window.on_small(now);
    assert_eq!(window.limit(now, Bulk::Fragment), NEAR_FRAGMENTS, "a lone request is no exchange");
    window.on_small(now + SHARED_FOR / 2);
    let after = now + SHARED_FOR;
    assert_eq!(window.limit(after, Bulk::Fragment), NEAR_FRAGMENTS_SHARED);
    assert_eq!(window.piece(after), PIECE.0);
    assert_eq!(window.limit(after + SHARED_FOR, Bulk::Fragment), NEAR_FRAGMENTS);
}

#[test]
fn the_engine_is_asked_before_the_window_is_full_and_now_and_then() {
    let now = Instant::now();
    let mut window = SendWindow::new(CEILING);
    assert!(!window.wants_look(now, Bulk::Whole));
    window.on_sent(now, FLOOR / MARKS);
    assert!(window.wants_look(now, Bulk::Whole));
    window.on_outstanding(now, FLOOR / MARKS);
    assert!(!window.wants_look(now, Bulk::Whole));
    window.on_sent(now, FLOOR);
    window.on_outstanding(now, FLOOR);
    assert!(window.wants_look(now, Bulk::Whole));
    assert!(!window.admits(now, Bulk::Whole));
}

#[test]
fn small_messages_are_bounded_by_their_number() {
    let mut window = SendWindow::new(CEILING);
    let now = Instant::now();
    for _ in 0..SMALL_IN_FLIGHT {
        assert!(window.admits(now, Bulk::Small));
        window.on_small(now);
        window.on_sent(now, 10);
    }
    assert!(!window.admits(now, Bulk::Small) && window.admits(now, Bulk::Whole));
    // One that is acknowledged makes room for one.
    window.on_outstanding(now, (SMALL_IN_FLIGHT - 1) * 10);
    assert!(window.admits(now, Bulk::Small));
    window.on_small(now);
    window.on_sent(now, 10);
    assert!(!window.admits(now, Bulk::Small));
}
