//! From what a data channel brings to whole messages. Pure, so that every odd input can be tried.

use bytes::Bytes;
use gatelodge_wire::{FragmentLimits, Reassembler};

use super::ChannelEnd;
use crate::engine::RawEvent;

pub(super) struct Inbox {
    /// Present if both sides speak the fragment extension; binary messages are fragments then.
    reassembler: Option<Reassembler>,
}

impl Inbox {
    pub(super) fn new(fragments: Option<FragmentLimits>) -> Self {
        Self { reassembler: fragments.map(Reassembler::new) }
    }

    /// Takes what the channel brought and returns a message that is complete by it, or why the channel must end.
    pub(super) fn take(&mut self, event: RawEvent) -> Result<Option<Bytes>, ChannelEnd> {
        let message = match event {
            RawEvent::Open => return Ok(None),
            RawEvent::Closed => return Err(ChannelEnd::Closed),
            RawEvent::Text(text) => text,
            RawEvent::Binary(bytes) => match &mut self.reassembler {
                Some(reassembler) => match reassembler.push(&bytes).map_err(ChannelEnd::Fragment)? {
                    Some(message) => message,
                    None => return Ok(None),
                },
                // Plain peers may send a whole message as bytes: `mcp-webrtc` on PyPI accepts both, too.
                None => bytes,
            },
        };
        match std::str::from_utf8(&message) {
            Ok(_) => Ok(Some(message)),
            Err(_) => Err(ChannelEnd::NotUtf8),
        }
    }
}

#[cfg(test)]
mod tests {
    use gatelodge_wire::split;

    use super::*;

    fn speaking_fragments() -> Inbox {
        Inbox::new(Some(FragmentLimits { max_unfinished: 2, max_bytes: 4096 }))
    }

    fn binary(bytes: &[u8]) -> RawEvent {
        RawEvent::Binary(Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn text_is_a_whole_message() {
        let message = speaking_fragments().take(RawEvent::Text(Bytes::from_static(b"{}"))).unwrap();
        assert_eq!(message.unwrap(), "{}");
    }

    #[test]
    fn text_that_is_not_utf8_ends_the_channel() {
        let mut inbox = speaking_fragments();
        assert_eq!(inbox.take(RawEvent::Text(Bytes::from_static(b"{\xff}"))), Err(ChannelEnd::NotUtf8));
    }

    #[test]
    fn bytes_of_a_plain_peer_are_a_whole_message() {
        let mut inbox = Inbox::new(None);
        assert_eq!(inbox.take(binary(b"{}")).unwrap().unwrap(), "{}");
        assert_eq!(inbox.take(binary(b"\xc3\x28")), Err(ChannelEnd::NotUtf8));
    }

    #[test]
    fn fragments_become_one_message() {
        let mut inbox = speaking_fragments();
        let frames: Vec<_> = split(7, b"{\"a\":1}", 6 + 3).collect();
        let (last, others) = frames.split_last().unwrap();
        for frame in others {
            assert_eq!(inbox.take(binary(frame)), Ok(None));
        }
        assert_eq!(inbox.take(binary(last)).unwrap().unwrap(), "{\"a\":1}");
    }

    #[test]
    fn fragments_that_are_not_utf8_together_end_the_channel() {
        let mut inbox = speaking_fragments();
        assert_eq!(inbox.take(binary(&[1, 1, 0, 0, 0, 0, 0xff])), Err(ChannelEnd::NotUtf8));
    }

    #[test]
    fn broken_fragments_end_the_channel() {
        let truncated: &[u8] = &[1, 1, 0];
        let unknown_version: &[u8] = &[2, 1, 0, 0, 0, 0, b'x'];
        let unknown_flag: &[u8] = &[1, 0x80, 0, 0, 0, 0, b'x'];
        let empty: &[u8] = &[1, 0, 0, 0, 0, 0];
        for frame in [truncated, unknown_version, unknown_flag, empty, b""] {
            let end = speaking_fragments().take(binary(frame)).unwrap_err();
            assert!(matches!(end, ChannelEnd::Fragment(_)), "{frame:?}: {end}");
        }
    }

    #[test]
    fn fragments_that_never_end_are_bounded() {
        let mut inbox = speaking_fragments();
        let frame: Vec<u8> = [1, 0, 0, 0, 0, 0].into_iter().chain([b'x'; 1000]).collect();
        let taken = (0..100).take_while(|_| inbox.take(binary(&frame)).is_ok()).count();
        assert!(taken <= 4, "{taken} fragments of 1,000 bytes went into 4,096");

        let mut inbox = speaking_fragments();
        let taken = (0..100).take_while(|number| inbox.take(binary(&[1, 0, 0, 0, 0, *number, b'x'])).is_ok());
        assert_eq!(taken.count(), 2);
    }
}
