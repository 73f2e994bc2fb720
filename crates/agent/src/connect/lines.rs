//! Standard input and output as streams of MCP messages, one a line.

use bytes::Bytes;
use gatelodge_wire::one_line;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The largest message from the MCP client, in bytes: what a desktop puts together (see the wire's fragment limits).
pub(super) const MAX_MESSAGE: usize = 64 << 20;

/// How many messages are read ahead. They wait here while the session is set up, and then for a slow path.
const READ_AHEAD: usize = 64;

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
        let mut input = BufReader::with_capacity(64 << 10, tokio::io::stdin());
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
    stdout: tokio::io::Stdout,
    line: Vec<u8>,
}

impl Output {
    pub(super) fn new() -> Self {
        Self { stdout: tokio::io::stdout(), line: Vec::new() }
    }

    /// Writes one message as one line, at once.
    pub(super) async fn write(&mut self, message: Bytes) -> std::io::Result<()> {
        let message = one_line(message);
        self.line.clear();
        self.line.extend_from_slice(&message);
        self.line.push(b'\n');
        self.stdout.write_all(&self.line).await?;
        self.stdout.flush().await?;
        // A large result should not stay in memory once it is written.
        self.line.shrink_to(64 << 10);
        Ok(())
    }
}
