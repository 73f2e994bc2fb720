//! What a server said beside its messages: its standard error, noise on its standard output, and what became of it.
//!
//! One [`ServerLog`] per server, bounded, in memory. Children's tasks write it, the person reads it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::server::ServerId;
use crate::time::Timestamp;

/// How much text the log of one server holds. A few hundred lines of stack traces; 64 servers stay under 16 MiB.
const LOG_BYTES: usize = 256 * 1024;

/// The longest line that is kept; of longer ones the beginning.
pub(crate) const LINE_BYTES: usize = 8 * 1024;

/// What a line costs beside its text, so that blank lines are bounded too.
const LINE_COST: usize = std::mem::size_of::<LogLine>();

/// Where a line of a server's log came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogSource {
    /// The server's standard error.
    Stderr,
    /// Something on the server's standard output that is no message.
    Stdout,
    /// Gatelodge itself: starts, ends, limits.
    Note,
}

/// One line of a server's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was read.
    pub time: Timestamp,
    /// The process that it is about. Several may run at the same time.
    pub process: u32,
    /// Where it came from.
    pub source: LogSource,
    /// The text, without control characters.
    pub text: String,
}

/// The bounded log of one server, over all of its processes: the last 256 KiB. Lines have up to 8 KiB.
#[derive(Debug, Default)]
pub struct ServerLog {
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

impl ServerLog {
    /// Returns what the log holds, oldest first.
    pub fn tail(&self) -> Vec<LogLine> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.lines.iter().cloned().collect()
    }

    /// Adds a line; makes it harmless first.
    pub(crate) fn add(&self, process: u32, source: LogSource, text: &[u8]) {
        self.push(process, source, harmless(text));
    }

    /// Adds a line that is harmless already.
    pub(crate) fn push(&self, process: u32, source: LogSource, text: String) {
        let line = LogLine { time: Timestamp::now(), process, source, text };
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.bytes += line.text.len() + LINE_COST;
        ring.lines.push_back(line);
        while ring.bytes > LOG_BYTES {
            let Some(oldest) = ring.lines.pop_front() else { break };
            ring.bytes -= oldest.text.len() + LINE_COST;
        }
    }

    /// Adds a remark of Gatelodge itself.
    pub(crate) fn note(&self, process: u32, text: &str) {
        self.add(process, LogSource::Note, text.as_bytes());
    }
}

/// The logs of all servers that have run.
#[derive(Debug, Default)]
pub(crate) struct Logs(Mutex<HashMap<ServerId, Arc<ServerLog>>>);

impl Logs {
    /// Returns the log of a server.
    pub(crate) fn of(&self, server: &ServerId) -> Arc<ServerLog> {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(logs.entry(server.clone()).or_default())
    }

    /// Forgets the log of a server that is gone.
    pub(crate) fn forget(&self, server: &ServerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(server);
    }
}

/// Makes bytes of a stranger fit to be shown in a terminal or a window: colours and other escape sequences are dropped,
/// other control characters and those that change the direction of writing are replaced by `U+FFFD`.
pub(crate) fn harmless(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(LINE_BYTES)];
    let plain = |byte: &u8| (b' '..=b'~').contains(byte);
    let lossy = String::from_utf8_lossy(cut);
    if cut.len() == bytes.len() && cut.iter().all(plain) {
        return lossy.trim_end().to_owned();
    }
    let mut text = String::with_capacity(lossy.len());
    let mut characters = lossy.trim_end().chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' if characters.next_if_eq(&'[').is_some() => {
                // A control sequence ends with the first character from '@' on (ECMA-48, section 5.4).
                while characters.next_if(|&inner| (' '..='?').contains(&inner)).is_some() {}
                characters.next_if(|&last| ('@'..='~').contains(&last));
            }
            '\t' => text.push(' '),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                text.push(char::REPLACEMENT_CHARACTER);
            }
            '\u{2028}' | '\u{2029}' => text.push(char::REPLACEMENT_CHARACTER),
            control if control.is_control() => text.push(char::REPLACEMENT_CHARACTER),
            other => text.push(other),
        }
    }
    if cut.len() < bytes.len() {
        text.push_str(" [cut]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_cannot_reach_a_terminal() {
        assert_eq!(harmless(b"\x1b[31;1mred\x1b[0m\tand \x07bell\r\n"), "red and \u{fffd}bell");
        assert_eq!(harmless(b"\x1b]0;title\x07"), "\u{fffd}]0;title\u{fffd}");
        assert_eq!(harmless("a\u{202e}b\u{9b}c".as_bytes()), "a\u{fffd}b\u{fffd}c");
        assert_eq!(harmless(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        assert_eq!(harmless(b"\x1b[999"), "", "an unfinished sequence is dropped");
    }

    #[test]
    fn long_lines_are_cut_and_say_so() {
        let text = harmless(&[b'a'; LINE_BYTES + 1]);
        assert_eq!(text.len(), LINE_BYTES + " [cut]".len());
        assert!(text.ends_with("a [cut]"));
    }

    #[test]
    fn the_oldest_lines_make_room() {
        let log = ServerLog::default();
        for number in 0..100_000 {
            log.add(1, LogSource::Stderr, number.to_string().as_bytes());
        }
        let tail = log.tail();
        assert_eq!(tail.last().unwrap().text, "99999");
        let bytes: usize = tail.iter().map(|line| line.text.len() + LINE_COST).sum();
        assert!(bytes <= LOG_BYTES && bytes > LOG_BYTES - 1000, "{bytes}");
    }

    #[test]
    fn blank_lines_are_bounded_too() {
        let log = ServerLog::default();
        for _ in 0..100_000 {
            log.add(1, LogSource::Stderr, b"");
        }
        assert!(log.tail().len() <= LOG_BYTES / LINE_COST);
    }
}
