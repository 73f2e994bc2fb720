//! Reads a child's standard error to its end, whatever comes, and keeps the last of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;
use tokio::time::Instant;

use super::super::log::{LINE_BYTES, LogSource, ServerLog, harmless};

/// How many lines go into the reason of an end: the end of a stack trace.
const LAST_LINES: usize = 20;

/// How much text they have in all.
const LAST_BYTES: usize = 4 * 1024;

/// How much of one line. The last lines should not all give way to one.
const LAST_LINE: usize = 1024;

/// The size of one read: what a pipe holds.
const READ: usize = 64 * 1024;

/// How much is read line by line within a second, in bytes: more than anybody reads, and little work. Of what comes beyond
/// it the end is kept, since it may be the last.
const A_SECOND: usize = 1 << 20;

/// How much of that end.
const END: usize = 2 * LINE_BYTES;

/// The pause after each read beyond that, so that a flood takes a part of a processor and not all of it.
const PAUSE: Duration = Duration::from_millis(1);

/// The last lines of one process.
#[derive(Debug, Clone, Default)]
pub(super) struct LastWords(Arc<Mutex<VecDeque<String>>>);

impl LastWords {
    /// Returns them, oldest first.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }

    fn add(&self, text: String) {
        if text.is_empty() {
            return;
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(text);
        while lines.len() > LAST_LINES || lines.iter().map(String::len).sum::<usize>() > LAST_BYTES {
            lines.pop_front();
        }
    }
}

/// Reads until the end. Never waits for anybody, so a child can't be stopped by what it has to say.
pub(super) async fn drain(mut stderr: ChildStderr, process: u32, log: Arc<ServerLog>, last: LastWords) {
    let mut chunk = vec![0; READ];
    let mut lines = Lines { process, log, last, line: Vec::new() };
    let mut skipped = Skipped::default();
    let (mut second, mut read) = (Instant::now(), 0);
    while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
        if second.elapsed() >= Duration::from_secs(1) {
            (second, read) = (Instant::now(), 0);
            skipped.give_back(&mut lines);
        }
        read += count;
        if read <= A_SECOND {
            lines.take(&chunk[..count]);
        } else {
            skipped.add(&chunk[..count]);
            tokio::time::sleep(PAUSE).await;
        }
    }
    skipped.give_back(&mut lines);
    lines.finish();
}

/// Puts what was read together to lines.
struct Lines {
    process: u32,
    log: Arc<ServerLog>,
    last: LastWords,
    line: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            // One byte over the limit is kept, so that the log can tell that the line was cut.
            let room = (LINE_BYTES + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                self.add();
            }
        }
    }

    fn add(&mut self) {
        self.log.add(self.process, LogSource::Stderr, &self.line);
        self.last.add(harmless(&self.line[..self.line.len().min(LAST_LINE)]));
        self.line.clear();
    }

    fn finish(&mut self) {
        if !self.line.is_empty() {
            self.add();
        }
    }
}

/// What came too fast to be kept, and its end.
#[derive(Default)]
struct Skipped {
    bytes: usize,
    end: Vec<u8>,
}

impl Skipped {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        let new = &bytes[bytes.len().saturating_sub(END)..];
        let over = (self.end.len() + new.len()).saturating_sub(END);
        self.end.drain(..over.min(self.end.len()));
        self.end.extend_from_slice(new);
    }

    fn give_back(&mut self, lines: &mut Lines) {
        if self.bytes == 0 {
            return;
        }
        lines.finish();
        // Without a line break there, the end is in the middle of a line, which is cut anyway.
        let whole = match self.end.iter().position(|&byte| byte == b'\n') {
            Some(at) if self.bytes > self.end.len() => at + 1,
            _ => 0,
        };
        let lost = self.bytes - (self.end.len() - whole);
        if lost > 0 {
            lines
                .log
                .note(lines.process, &format!("{lost} bytes of standard error came too fast to be kept"));
        }
        lines.take(&self.end[whole..]);
        *self = Self::default();
    }
}
