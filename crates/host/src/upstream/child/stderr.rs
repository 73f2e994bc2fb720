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

/// How much is read line by line in a [`WINDOW`]. Stack traces and start-up logs are far below; of what a server says beyond
/// that only the end is looked at, since nobody reads it and it should not cost the desktop a processor.
const WINDOW_LINES: usize = 1 << 20;

/// How much is read in a [`WINDOW`] at all. A server that says more is slowed down to that.
const WINDOW_BYTES: usize = 64 << 20;

/// See [`WINDOW_LINES`].
const WINDOW: Duration = Duration::from_secs(1);

/// The last lines of one process.
#[derive(Debug, Clone, Default)]
pub(super) struct LastWords(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    texts: VecDeque<String>,
    bytes: usize,
}

impl LastWords {
    /// Returns them, oldest first.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).texts.into()
    }

    fn add(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        let text = &text[..text.floor_char_boundary(LAST_LINE)];
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.bytes += text.len();
        lines.texts.push_back(text.to_owned());
        while lines.texts.len() > LAST_LINES || lines.bytes > LAST_BYTES {
            let oldest = lines.texts.pop_front().map_or(0, |oldest| oldest.len());
            lines.bytes -= oldest;
        }
    }
}

/// Reads until the end. Never waits for anybody, so a child can't be stopped by what it has to say; a flood is read at a
/// bounded rate, and mostly left out.
pub(super) async fn drain(mut stderr: ChildStderr, process: u32, log: Arc<ServerLog>, last: LastWords) {
    let mut chunk = vec![0; READ];
    let mut reading = Reading { process, log, last, line: Vec::new(), left_out: 0, end: Vec::new() };
    let (mut window, mut read) = (Instant::now(), 0);
    loop {
        if window.elapsed() >= WINDOW {
            (window, read) = (Instant::now(), 0);
            reading.go_on();
        } else if read >= WINDOW_BYTES {
            tokio::time::sleep_until(window + WINDOW).await;
        }
        match stderr.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                read += count;
                match read > WINDOW_LINES {
                    true => reading.leave_out(&chunk[..count]),
                    false => reading.take(&chunk[..count]),
                }
            }
        }
    }
    reading.go_on();
    if !reading.line.is_empty() {
        reading.finish_line();
    }
}

/// What has been read of one process.
struct Reading {
    process: u32,
    log: Arc<ServerLog>,
    last: LastWords,
    /// The line that has not ended.
    line: Vec<u8>,
    /// How many bytes were not looked at, and the end of them.
    left_out: usize,
    end: Vec<u8>,
}

impl Reading {
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
                self.finish_line();
            }
        }
    }

    fn finish_line(&mut self) {
        let text = harmless(&self.line);
        self.last.add(&text);
        self.log.push(self.process, LogSource::Stderr, text);
        self.line.clear();
    }

    fn leave_out(&mut self, bytes: &[u8]) {
        self.left_out += bytes.len();
        self.end.extend_from_slice(bytes);
        let surplus = self.end.len().saturating_sub(LINE_BYTES);
        self.end.drain(..surplus);
    }

    /// Says how much was left out, and takes the end of it.
    fn go_on(&mut self) {
        if self.left_out == 0 {
            return;
        }
        self.line.clear();
        let end = std::mem::take(&mut self.end);
        // Where there are whole lines, the first one has lost its beginning.
        let whole = end.iter().position(|&byte| byte == b'\n').map_or(0, |position| position + 1);
        let bytes = self.left_out - (end.len() - whole);
        self.left_out = 0;
        self.log.note(self.process, &format!("too much on standard error: {bytes} bytes were left out"));
        self.take(&end[whole..]);
    }
}
