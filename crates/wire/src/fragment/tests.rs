use proptest::prelude::*;

use super::*;

fn frames(number: u32, message: &[u8], max_frame: usize) -> Vec<Bytes> {
    split(number, message, max_frame).collect()
}

fn reassembler(max_unfinished: usize, max_bytes: usize) -> Reassembler {
    Reassembler::new(FragmentLimits { max_unfinished, max_bytes })
}

#[test]
fn exact_bytes() {
    assert_eq!(
        frames(0x0102_0304, b"abcde", 8),
        [
            &b"\x01\x00\x01\x02\x03\x04ab"[..],
            &b"\x01\x00\x01\x02\x03\x04cd"[..],
            &b"\x01\x01\x01\x02\x03\x04e"[..]
        ]
    );
    // No empty fragment after a message that fits exactly.
    assert_eq!(frames(7, b"abcd", 8), [&b"\x01\x00\0\0\0\x07ab"[..], &b"\x01\x01\0\0\0\x07cd"[..]]);
    assert_eq!(frames(7, b"", 8), [&b"\x01\x01\0\0\0\x07"[..]]);
    // A frame size without room for payload is raised to the least that has.
    assert_eq!(frames(7, b"ab", 0), frames(7, b"ab", HEADER_LEN + 1));
}

#[test]
fn the_iterator_knows_its_length() {
    let mut fragments = split(1, b"abcde", 8);
    assert_eq!(fragments.len(), 3);
    fragments.next();
    assert_eq!(fragments.len(), 2);
    assert_eq!(fragments.by_ref().count(), 2);
    assert_eq!((fragments.len(), fragments.next()), (0, None));
    assert_eq!(split(1, b"", 8).len(), 1);
}

#[test]
fn broken_frames_are_refused() {
    let refused = |frame: &[u8]| reassembler(16, 1024).push(frame).unwrap_err();
    for len in 0..HEADER_LEN {
        assert_eq!(refused(&b"\x01\x01\0\0\0\0"[..len]), FragmentError::Truncated { len });
    }
    assert_eq!(refused(b"\x00\x01\0\0\0\0x"), FragmentError::Version { found: 0 });
    assert_eq!(refused(b"\x02\x01\0\0\0\0x"), FragmentError::Version { found: 2 });
    assert_eq!(refused(b"{\"json"), FragmentError::Version { found: b'{' });
    assert_eq!(refused(b"\x01\x02\0\0\0\0x"), FragmentError::Flags { found: 2 });
    assert_eq!(refused(b"\x01\x81\0\0\0\0x"), FragmentError::Flags { found: 0x81 });
    assert_eq!(refused(b"\x01\x00\0\0\0\0"), FragmentError::Empty);
}

#[test]
fn a_refused_frame_leaves_nothing_behind() {
    let mut reassembler = reassembler(1, 4);
    reassembler.push(b"\x01\x00\0\0\0\x01ab").unwrap();
    for frame in [&b"\x01\x00\0\0\0\x01cde"[..], b"\x01\x00\0\0\0\x02c", b"\x01\x00\0\0\0\x01", b"\x01"] {
        reassembler.push(frame).unwrap_err();
        assert_eq!((reassembler.buffered(), reassembler.unfinished()), (2, 1));
    }
    assert_eq!(reassembler.push(b"\x01\x01\0\0\0\x01cd").unwrap().as_deref(), Some(&b"abcd"[..]));
    assert_eq!((reassembler.buffered(), reassembler.unfinished()), (0, 0));
}

#[test]
fn a_number_can_be_used_again_when_its_message_is_complete() {
    let mut reassembler = reassembler(1, 4);
    for message in [&b"abc"[..], b"", b"x"] {
        let whole = frames(9, message, 8).iter().find_map(|frame| reassembler.push(frame).unwrap());
        assert_eq!(whole.as_deref(), Some(message));
    }
}

#[test]
fn unfinished_messages_are_counted() {
    let mut reassembler = reassembler(2, 1024);
    for number in [1, 2] {
        reassembler.push(&frames(number, b"abc", 8)[0]).unwrap();
    }
    assert_eq!(reassembler.push(&frames(3, b"abc", 8)[0]), Err(FragmentError::TooMany { limit: 2 }));
    // One that is complete with its first fragment is never unfinished.
    assert_eq!(reassembler.push(&frames(3, b"a", 8)[0]).unwrap().as_deref(), Some(&b"a"[..]));
    // Neither is the next fragment of one that is begun already a new one.
    reassembler.push(&frames(2, b"abcdef", 8)[1]).unwrap();
    assert_eq!(reassembler.buffered(), 6);
}

#[test]
fn bytes_are_counted_over_all_messages() {
    let mut reassembler = reassembler(16, 10);
    for number in 0..3 {
        reassembler.push(&frames(number, b"abcdef", 9)[0]).unwrap();
    }
    let too_large = Err(FragmentError::TooLarge { limit: 10 });
    assert_eq!(reassembler.push(&frames(3, b"abcdef", 9)[0]), too_large);
    assert_eq!(reassembler.push(&frames(4, b"ab", 9)[0]), too_large);
    assert_eq!(reassembler.push(&frames(2, b"abcd", 9)[1]).unwrap().as_deref(), Some(&b"abcd"[..]));
    reassembler.push(&frames(3, b"abcdef", 9)[0]).unwrap();
    assert_eq!(reassembler.buffered(), 9);
}

#[test]
fn one_message_may_fill_the_limit() {
    let message = vec![7; 1000];
    let mut fits = reassembler(16, 1000);
    let whole = split(1, &message, 100).find_map(|frame| fits.push(&frame).unwrap());
    assert_eq!(whole.as_deref(), Some(&message[..]));
    let mut one_less = reassembler(16, 999);
    let errors = split(1, &message, 100).filter(|frame| one_less.push(frame).is_err()).count();
    assert_eq!(errors, 1);
}

#[test]
fn tiny_fragments_cost_no_more_than_their_payload() {
    let limit = 64 << 10;
    let mut reassembler = reassembler(16, limit);
    let mut frame = *b"\x01\x00\0\0\0\0x";
    for sent in 0..limit {
        frame[5] = u8::try_from(sent % 16).unwrap();
        reassembler.push(&frame).unwrap();
        let allocated: usize = reassembler.unfinished.values().map(Vec::capacity).sum();
        assert!(allocated <= 2 * limit, "{allocated} bytes after {sent} fragments");
    }
    assert_eq!(reassembler.push(&frame), Err(FragmentError::TooLarge { limit }));
}

#[test]
fn a_single_message_never_allocates_more_than_the_limit() {
    let limit = 100_000;
    let mut reassembler = reassembler(16, limit);
    let message = vec![1; limit];
    for frame in split(1, &message, 1000) {
        reassembler.push(&frame).unwrap();
        assert!(reassembler.unfinished.values().all(|message| message.capacity() <= limit));
    }
}

#[test]
fn growing_is_not_quadratic() {
    let message = vec![1; 16 << 20];
    let mut reassembler = Reassembler::new(FragmentLimits::default());
    let (mut capacity, mut grown) = (0, 0);
    for frame in split(1, &message, 16 << 10) {
        reassembler.push(&frame).unwrap();
        let now = reassembler.unfinished.get(&1).map_or(capacity, Vec::capacity);
        grown += usize::from(now != capacity);
        capacity = now;
    }
    assert!(grown <= 12, "the buffer was moved {grown} times");
}

/// Some messages, and the order in which their fragments travel: a list of picks among those that still have any.
fn interleaved() -> impl Strategy<Value = (Vec<Vec<u8>>, usize, Vec<prop::sample::Index>)> {
    (
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..12),
        HEADER_LEN + 1..80_usize,
        prop::collection::vec(any::<prop::sample::Index>(), 1..64),
    )
}

proptest! {
    #[test]
    fn what_is_split_comes_together((messages, max_frame, order) in interleaved()) {
        let total = messages.iter().map(Vec::len).sum();
        let mut reassembler = reassembler(messages.len(), total);
        let mut sending: Vec<_> =
            (0_u32..).zip(&messages).map(|(number, message)| (number, split(number, message, max_frame))).collect();
        let mut picks = order.iter().cycle();
        let mut arrived = vec![None; messages.len()];
        while !sending.is_empty() {
            let pick = picks.next().unwrap().index(sending.len());
            let (number, fragments) = &mut sending[pick];
            let frame = fragments.next().unwrap();
            prop_assert!(frame.len() <= max_frame);
            let last = fragments.len() == 0;
            let whole = reassembler.push(&frame).unwrap();
            prop_assert_eq!(whole.is_some(), last);
            if let Some(whole) = whole {
                arrived[usize::try_from(*number).unwrap()] = Some(whole.to_vec());
                sending.swap_remove(pick);
            }
        }
        prop_assert_eq!(arrived, messages.into_iter().map(Some).collect::<Vec<_>>());
        prop_assert_eq!((reassembler.buffered(), reassembler.unfinished()), (0, 0));
    }

    #[test]
    fn any_frames_stay_within_the_limits(
        frames in prop::collection::vec((0..2_u8, 0..4_u32, prop::collection::vec(any::<u8>(), 0..40)), 0..100),
    ) {
        let mut reassembler = reassembler(3, 100);
        for (flags, number, payload) in frames {
            let frame = [&[1, flags][..], &number.to_be_bytes(), &payload].concat();
            let before = reassembler.buffered();
            match reassembler.push(&frame) {
                Ok(Some(whole)) => prop_assert_eq!(before + payload.len(), reassembler.buffered() + whole.len()),
                Ok(None) => prop_assert_eq!(before + payload.len(), reassembler.buffered()),
                Err(_) => prop_assert_eq!(before, reassembler.buffered()),
            }
            prop_assert!(reassembler.buffered() <= 100 && reassembler.unfinished() <= 3);
        }
    }
}
