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

/// The size of one read.
const READ: usize = 8 * 1024;

/// How much is read in a [`WINDOW`]. A server that says more is slowed down: nobody reads it, and it should not cost the
/// desktop a processor. Stack traces and start-up logs are far below.
const WINDOW_BYTES: usize = 1 << 20;

/// See [`WINDOW_BYTES`].
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
/// bounded rate.
pub(super) async fn drain(mut stderr: ChildStderr, process: u32, log: Arc<ServerLog>, last: LastWords) {
    let mut chunk = vec![0; READ];
    let mut line = Vec::new();
    let finish = |line: &mut Vec<u8>| {
        let text = harmless(line);
        last.add(&text);
        log.push(process, LogSource::Stderr, text);
        line.clear();
    };
    let (mut window, mut read) = (Instant::now(), 0);
    loop {
        if window.elapsed() >= WINDOW {
            (window, read) = (Instant::now(), 0);
        } else if read >= WINDOW_BYTES {
            tokio::time::sleep_until(window + WINDOW).await;
        }
        match stderr.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                read += count;
                for piece in chunk[..count].split_inclusive(|&byte| byte == b'\n') {
                    let (text, ends) = match piece.strip_suffix(b"\n") {
                        Some(text) => (text, true),
                        None => (piece, false),
                    };
                    // One byte over the limit is kept, so that the log can tell that the line was cut.
                    let room = (LINE_BYTES + 1).saturating_sub(line.len());
                    line.extend_from_slice(&text[..text.len().min(room)]);
                    if ends {
                        finish(&mut line);
                    }
                }
            }
        }
    }
    if !line.is_empty() {
        finish(&mut line);
    }
}
