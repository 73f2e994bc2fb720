//! Standard input and output as streams of MCP messages, one a line.

use bytes::Bytes;
use gatelodge_wire::one_line;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::stdio::{self, Writer};

/// The largest message from the MCP client, in bytes: what a desktop puts together (see the wire's fragment limits).
pub(super) const MAX_MESSAGE: usize = 64 << 20;

/// How many messages are read ahead. They wait here while the session is set up, and then for a slow path.
const READ_AHEAD: usize = 64;

/// What is read at once: what a pipe holds.
const BUFFER: usize = 64 << 10;

/// Messages from the MCP client.
pub(super) struct Input {
    pub(super) messages: mpsc::Receiver<Bytes>,
    /// Set when the client has closed the input, even before its last messages are taken out.
    pub(super) ended: CancellationToken,
}

/// Begins to read standard input. A line that is too long ends the input.
pub(super) fn read_input() -> Input {
    let (sender, messages) = mpsc::channel(READ_AHEAD);
    let ended = CancellationToken::new();
    let guard = ended.clone().drop_guard();
    tokio::spawn(async move {
        let _guard = guard;
        let mut input = BufReader::with_capacity(BUFFER, stdio::reader());
        loop {
            let mut line = Vec::new();
            let limit = MAX_MESSAGE as u64 + 2;
            match (&mut input).take(limit).read_until(b'\n', &mut line).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    crate::terminal::say!("standard input cannot be read: {error}");
                    return;
                }
            }
            if line.len() > MAX_MESSAGE + 1 {
                crate::terminal::say!("the client sent a line of over 64 MiB; the connection ends here");
                return;
            }
            let text = line.trim_ascii_end().len();
            line.truncate(text);
            if !line.is_empty() && sender.send(Bytes::from(line)).await.is_err() {
                return;
            }
        }
    });
    Input { messages, ended }
}

/// Messages to the MCP client.
pub(super) struct Output {
    stdout: Writer,
    /// Small messages that are written together.
    lines: Vec<u8>,
}

impl Output {
    pub(super) fn new() -> Self {
        Self { stdout: stdio::writer(), lines: Vec::new() }
    }

    /// Writes one message as one line, at once.
    pub(super) async fn write(&mut self, message: Bytes) -> std::io::Result<()> {
        self.put(message).await?;
        self.flush().await
    }

    /// Puts a message behind those that are written with the next [`Output::flush`].
    pub(super) async fn put(&mut self, message: Bytes) -> std::io::Result<()> {
        let message = one_line(message);
        if message.len() < BUFFER {
            self.lines.extend_from_slice(&message);
            self.lines.push(b'\n');
            return Ok(());
        }
        // No copy of what is large.
        self.flush().await?;
        self.stdout.write_all(&message).await?;
        self.stdout.write_all(b"\n").await
    }

    /// Returns whether there are so many messages that they had better be written.
    pub(super) fn is_full(&self) -> bool {
        self.lines.len() >= BUFFER
    }

    /// Writes what has been put in, in one call of the system where the pipe has room.
    pub(super) async fn flush(&mut self) -> std::io::Result<()> {
        self.stdout.write_all(&self.lines).await?;
        self.lines.clear();
        self.stdout.flush().await
    }
}
