//! Reads a child's standard error to its end, whatever comes, and keeps the last of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;

use super::super::log::{LINE_BYTES, LogSource, ServerLog, harmless};

/// How many lines go into the reason of an end: the end of a stack trace.
const LAST_LINES: usize = 20;

/// How much text they have in all.
const LAST_BYTES: usize = 4 * 1024;

/// How much of one line. The last lines should not all give way to one.
const LAST_LINE: usize = 1024;

/// The size of one read.
const READ: usize = 8 * 1024;

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

/// Reads until the end. Never waits for anybody, so a child can't be stopped by what it has to say.
pub(super) async fn drain(mut stderr: ChildStderr, process: u32, log: Arc<ServerLog>, last: LastWords) {
    let mut chunk = vec![0; READ];
    let mut line = Vec::new();
    let finish = |line: &mut Vec<u8>| {
        let text = harmless(line);
        last.add(&text);
        log.push(process, LogSource::Stderr, text);
        line.clear();
    };
    loop {
        match stderr.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => {
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
