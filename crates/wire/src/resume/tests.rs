//! Whatever is lost and whenever: everything arrives, once and in order.

use super::*;
use proptest::prelude::*;

fn message(number: u64) -> Bytes {
    number.to_string().into()
}

fn sent(count: u64) -> Outgoing {
    let mut outgoing = Outgoing::default();
    for number in 0..count {
        outgoing.add(message(number));
        let (key, taken) = outgoing.take().unwrap();
        assert_eq!(taken, message(number));
        outgoing.sent(key);
    }
    outgoing
}

fn all(outgoing: &mut Outgoing) -> Vec<Bytes> {
    std::iter::from_fn(|| outgoing.take()).map(|(_, message)| message).collect()
}

#[test]
fn what_was_not_taken_is_sent_again_before_what_was_not_sent() {
    let mut outgoing = sent(5);
    outgoing.acknowledge(1).unwrap();
    outgoing.add(message(5));
    assert_eq!(outgoing.take().unwrap().1, message(5), "it is on its way when the connection is lost");
    outgoing.add(message(6));
    outgoing.rewind(3).unwrap();
    assert_eq!(all(&mut outgoing), [3, 4, 5, 6].map(message));
    assert_eq!(outgoing.take(), None);
}

#[test]
fn counts_that_cannot_be_true_are_refused_and_change_nothing() {
    let mut outgoing = sent(4);
    outgoing.acknowledge(2).unwrap();
    for received in [0, 1, 5, u64::MAX] {
        let impossible = ImpossibleCount { received, acknowledged: 2, sent: 4 };
        assert_eq!(outgoing.acknowledge(received), Err(impossible));
        assert_eq!(outgoing.rewind(received), Err(impossible));
    }
    outgoing.rewind(2).unwrap();
    assert_eq!(all(&mut outgoing), [2, 3].map(message));
}

#[test]
fn a_word_from_an_earlier_connection_counts_for_nothing() {
    let mut outgoing = sent(0);
    outgoing.add(message(0));
    let (old, _) = outgoing.take().unwrap();
    outgoing.sent(old);
    outgoing.rewind(0).unwrap();
    let (new, _) = outgoing.take().unwrap();
    outgoing.sent(old);
    assert_eq!(outgoing.acknowledge(1).unwrap_err().sent, 0);
    outgoing.sent(new);
    outgoing.acknowledge(1).unwrap();
    assert!(outgoing.is_empty());
}

#[test]
fn one_message_of_any_size_fits_and_no_more() {
    let mut outgoing = Outgoing::default();
    assert!(outgoing.has_room());
    outgoing.add(Bytes::from(vec![0; 4 * MAX_KEPT_BYTES]));
    assert!(!outgoing.has_room());
    let (key, _) = outgoing.take().unwrap();
    outgoing.sent(key);
    assert!(!outgoing.has_room());
    outgoing.acknowledge(1).unwrap();
    assert!(outgoing.has_room() && outgoing.is_empty());

    let small = (0..).take_while(|_| {
        let room = outgoing.has_room();
        outgoing.add(Bytes::from_static(b"{}"));
        room
    });
    assert!(small.count() <= MAX_KEPT_BYTES / OVERHEAD);
    for key in 0..100_000 {
        outgoing.withdraw(key);
    }
    assert_eq!((outgoing.bytes, outgoing.is_empty()), (0, true));
}

#[test]
fn the_other_side_is_told_soon_and_at_the_limits_at_once() {
    let mut incoming = Incoming::default();
    assert_eq!(incoming.tell(), None);
    assert_eq!(incoming.take(1), AckDue::Soon);
    for _ in 2..ACK_AFTER_MESSAGES {
        assert_eq!(incoming.take(1), AckDue::Waiting);
    }
    assert_eq!(incoming.take(1), AckDue::Now);
    assert_eq!(incoming.tell(), Some(ACK_AFTER_MESSAGES));
    assert_eq!(incoming.tell(), None);
    assert_eq!(incoming.take(ACK_AFTER_BYTES), AckDue::Now);
    assert_eq!(
        (incoming.tell(), incoming.received()),
        (Some(ACK_AFTER_MESSAGES + 1), ACK_AFTER_MESSAGES + 1)
    );
}

#[test]
fn tokens_are_hexadecimal_and_are_not_printed() {
    let token = ResumeToken::from_bytes([0xa5; 16]);
    let text = String::from(token.clone());
    assert_eq!(text, "a5".repeat(16));
    assert_eq!(text.parse::<ResumeToken>().unwrap(), token);
    assert!(ResumeToken::from_bytes([0xa4; 16]) != token);
    assert!(!format!("{token:?}").contains("a5"));
    for bad in ["", "a5", &"a5".repeat(17), &"g5".repeat(16), &"é".repeat(16)] {
        assert!(bad.parse::<ResumeToken>().is_err(), "{bad:?}");
    }
}

/// What may happen between two sides.
#[derive(Debug, Clone)]
enum Step {
    /// The sender is given a message.
    Add,
    /// The sender begins to send the next message.
    Take,
    /// The last piece of one of those that are being sent is handed over; which one is the path's choice.
    Finish(usize),
    /// The receiver takes the next message that has arrived.
    Receive,
    /// The receiver tells its count, and the word arrives.
    Tell,
    /// The connection is lost with everything on it, and another one takes its place.
    Lose,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Add),
        4 => Just(Step::Take),
        4 => (0..4_usize).prop_map(Step::Finish),
        4 => Just(Step::Receive),
        2 => Just(Step::Tell),
        1 => Just(Step::Lose),
    ];
    proptest::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn everything_arrives_once_whatever_is_lost(steps in steps()) {
        let (mut outgoing, mut incoming) = (Outgoing::default(), Incoming::default());
        let mut added = 0;
        let mut sending: Vec<(u64, Bytes)> = Vec::new();
        let mut path: VecDeque<Bytes> = VecDeque::new();
        let mut taken: Vec<Bytes> = Vec::new();
        let end = [Step::Lose].into_iter().chain((0..steps.len() + 1).flat_map(|_| {
            [Step::Take, Step::Finish(0), Step::Receive]
        }));
        for step in steps.iter().cloned().chain(end).chain([Step::Tell]) {
            match step {
                Step::Add => {
                    outgoing.add(message(added));
                    added += 1;
                }
                Step::Take => sending.extend(outgoing.take()),
                Step::Finish(which) if !sending.is_empty() => {
                    let (key, message) = sending.remove(which % sending.len());
                    outgoing.sent(key);
                    path.push_back(message);
                }
                Step::Finish(_) => {}
                Step::Receive => {
                    if let Some(message) = path.pop_front() {
                        incoming.take(message.len());
                        taken.push(message);
                    }
                }
                Step::Tell => {
                    if let Some(received) = incoming.tell() {
                        prop_assert_eq!(outgoing.acknowledge(received), Ok(()));
                    }
                }
                Step::Lose => {
                    sending.clear();
                    path.clear();
                    prop_assert_eq!(outgoing.rewind(incoming.received()), Ok(()));
                }
            }
        }
        prop_assert!(outgoing.is_empty());
        prop_assert_eq!(outgoing.bytes, 0);
        let mut numbers: Vec<u64> = taken.iter().map(|text| std::str::from_utf8(text).unwrap().parse().unwrap()).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (0..added).collect::<Vec<_>>());
    }
}
