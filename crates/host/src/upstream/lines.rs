//! Takes the lines of a server's standard output apart. No IO: bytes come in, lines go out.
//!
//! [`super::child`] reads into it.

use bytes::{Bytes, BytesMut};

/// How much room there is for a read at least. A pipe of Linux holds 64 KiB; reading small answers needs no more than
/// this.
const READ: usize = 8 * 1024;

/// From this size on a line is not kept in one allocation with what follows: the rest of a large buffer would stay in
/// memory for as long as a few bytes of the next line do.
const LARGE: usize = 64 * 1024;

/// A line is longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineTooLong;

/// Bytes that have been read, up to the end of a line.
#[derive(Debug)]
pub(crate) struct Lines {
    buffer: BytesMut,
    /// How much of the buffer is known to have no line break.
    searched: usize,
    limit: usize,
}

impl Lines {
    /// Makes an empty one for lines of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, limit }
    }

    /// Returns the longest line that is taken, in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Forgets everything, and the memory of it.
    pub(crate) fn clear(&mut self) {
        if self.buffer.capacity() > LARGE {
            self.buffer = BytesMut::new();
        }
        self.buffer.clear();
        self.searched = 0;
    }

    /// Returns the buffer, with room for a read.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < READ / 2 {
            self.buffer.reserve(READ);
        }
        &mut self.buffer
    }

    /// Takes the next whole line that isn't blank, without its line break (`\n` or `\r\n`).
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.buffer[self.searched..]) else {
                self.searched = self.buffer.len();
                return if self.searched > self.limit { Err(LineTooLong) } else { Ok(None) };
            };
            let line = self.take(self.searched + end + 1);
            if line.len() > self.limit {
                return Err(LineTooLong);
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// Takes what is left when there is nothing more to read: a last line without a line break.
    pub(crate) fn rest(&mut self) -> Option<Bytes> {
        let line = self.take(self.buffer.len());
        (!line.trim_ascii().is_empty()).then_some(line)
    }

    /// Takes the first `length` bytes as a line.
    fn take(&mut self, length: usize) -> Bytes {
        let mut line = self.buffer.split_to(length).freeze();
        self.searched = 0;
        if length > LARGE {
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let length = text.strip_suffix(b"\r").unwrap_or(text).len();
        line.truncate(length);
        line
    }
}

/// Whether a line may be a JSON-RPC message: UTF-8 that begins with an object. Everything else that servers print to
/// their standard output is noise, most often a log line.
pub(crate) fn may_be_message(line: &[u8]) -> bool {
    line.trim_ascii_start().first() == Some(&b'{') && std::str::from_utf8(line).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feed(lines: &mut Lines, bytes: &[u8]) {
        lines.room().extend_from_slice(bytes);
    }

    #[test]
    fn lines_end_with_either_line_break_and_blank_ones_are_skipped() {
        let mut lines = Lines::new(100);
        feed(&mut lines, b"{1}\r\n\r\n \n\n {2} \n{3");
        assert_eq!(lines.next(), Ok(Some(Bytes::from_static(b"{1}"))));
        assert_eq!(lines.next(), Ok(Some(Bytes::from_static(b" {2} "))));
        assert_eq!(lines.next(), Ok(None));
        assert_eq!(lines.rest(), Some(Bytes::from_static(b"{3")));
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn a_line_over_the_limit_is_refused_with_and_without_its_end() {
        let mut lines = Lines::new(4);
        feed(&mut lines, b"{12}\n{123}\n");
        assert_eq!(lines.next(), Ok(Some(Bytes::from_static(b"{12}"))));
        assert_eq!(lines.next(), Err(LineTooLong));
        let mut lines = Lines::new(4);
        feed(&mut lines, b"{1234");
        assert_eq!(lines.next(), Err(LineTooLong));
    }

    #[test]
    fn only_objects_in_utf_8_are_messages() {
        assert!(may_be_message(br#"{"jsonrpc":"2.0"}"#));
        for noise in [&b"[INFO] listening"[..], b"hello", b"{\"a\":\"\xff\"}", b""] {
            assert!(!may_be_message(noise), "{noise:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            texts in prop::collection::vec("\\{[a-z]{0,20}\\}", 0..20),
            cuts in prop::collection::vec(1_usize..9, 1..20),
        ) {
            let all = texts.iter().flat_map(|text| [text.as_bytes(), b"\n"]).collect::<Vec<_>>().concat();
            let mut lines = Lines::new(1000);
            let mut seen = Vec::new();
            let (mut at, mut cuts) = (0, cuts.iter().cycle());
            while at < all.len() {
                let end = (at + cuts.next().unwrap()).min(all.len());
                feed(&mut lines, &all[at..end]);
                at = end;
                while let Some(line) = lines.next().unwrap() {
                    seen.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            prop_assert_eq!(seen, texts);
        }
    }
}
