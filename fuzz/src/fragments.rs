//! Fragments: arbitrary frames against a plain model, and messages that are split and interleaved.

use std::collections::HashMap;

use gatelodge_wire::{FragmentError, FragmentLimits, HEADER_LEN, Reassembler, split};

/// Small, so that the fuzzer reaches the limits.
const LIMITS: FragmentLimits = FragmentLimits { max_unfinished: 3, max_bytes: 300 };

/// Both halves take the same bytes, each in its own meaning.
pub fn fragments(data: &[u8]) {
    arbitrary_frames(data);
    interleaved_messages(data);
}

/// The bytes are frames, each with its length in one byte before it. The reassembler does with each exactly what the
/// specification says, written down here without any regard to speed.
fn arbitrary_frames(mut data: &[u8]) {
    let mut reassembler = Reassembler::new(LIMITS);
    let mut model: HashMap<[u8; 4], Vec<u8>> = HashMap::new();
    while let Some((&len, rest)) = data.split_first() {
        let (frame, rest) = rest.split_at(usize::from(len).min(rest.len()));
        data = rest;
        let buffered: usize = model.values().map(Vec::len).sum();
        let expected = match frame {
            [1, flags @ (0 | 1), a, b, c, d, payload @ ..] => {
                let number = [*a, *b, *c, *d];
                let last = *flags == 1;
                if payload.is_empty() && !last {
                    Err(FragmentError::Empty)
                } else if buffered + payload.len() > LIMITS.max_bytes {
                    Err(FragmentError::TooLarge { limit: LIMITS.max_bytes })
                } else if !last && !model.contains_key(&number) && model.len() == LIMITS.max_unfinished {
                    Err(FragmentError::TooMany { limit: LIMITS.max_unfinished })
                } else {
                    model.entry(number).or_default().extend_from_slice(payload);
                    Ok(if last { model.remove(&number) } else { None })
                }
            }
            [1, flags, _, _, _, _, ..] => Err(FragmentError::Flags { found: *flags }),
            [version, _, _, _, _, _, ..] => Err(FragmentError::Version { found: *version }),
            short => Err(FragmentError::Truncated { len: short.len() }),
        };
        assert_eq!(reassembler.push(frame).map(|whole| whole.map(Vec::from)), expected);
        assert_eq!(reassembler.buffered(), model.values().map(Vec::len).sum::<usize>());
        assert_eq!(reassembler.unfinished(), model.len());
    }
}

/// The bytes are a frame size, an order, and a text that is cut into messages. They arrive as they were sent.
fn interleaved_messages(data: &[u8]) {
    let Some((&[max_frame, cut, order], text)) = data.split_first_chunk() else { return };
    let max_frame = usize::from(max_frame);
    let messages: Vec<&[u8]> = text.chunks(usize::from(cut).max(1)).take(16).collect();
    let mut reassembler = Reassembler::new(FragmentLimits::default());
    let mut sending: Vec<_> = (0_u32..)
        .zip(&messages)
        .map(|(number, message)| (number, split(number, message, max_frame)))
        .collect();
    let mut arrived = 0;
    let mut turn = 0_usize;
    while !sending.is_empty() {
        turn = turn.wrapping_mul(31).wrapping_add(usize::from(order)).wrapping_add(1);
        let place = turn % sending.len();
        let (number, fragments) = &mut sending[place];
        let frame = fragments.next().expect("finished ones are taken out");
        assert!(frame.len() <= max_frame.max(HEADER_LEN + 1));
        if let Some(whole) = reassembler.push(&frame).expect("what is split is accepted") {
            assert_eq!(fragments.len(), 0);
            assert_eq!(whole, messages[usize::try_from(*number).expect("sixteen at most")]);
            arrived += 1;
            sending.swap_remove(place);
        }
    }
    assert_eq!((arrived, reassembler.buffered()), (messages.len(), 0));
}
