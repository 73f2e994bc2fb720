//! A connection without a client: the test writes the lines and reads the answers.

use std::process::ExitStatus;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Begun, Way};
use crate::process::{Process, command};
use crate::steps::Log;
use crate::within_limit;

/// More lines than any test leaves unread; a server that runs wild fails the test instead of filling the memory.
const MAX_UNREAD: usize = 4096;

/// How long a direct server may take to end when the client's side is closed. One that has timers running does not end
/// at all; clients kill it then.
const DIRECT_GRACE: Duration = Duration::from_secs(2);

/// How long our own end of a lent server may take. It waits up to 10 s for answers.
const LENT_GRACE: Duration = Duration::from_secs(15);

/// An open connection. Dropping it ends what is behind it.
pub struct Line {
    begun: Begun,
    process: Process,
    input: ChildStdin,
    lines: mpsc::Receiver<String>,
    said: Vec<String>,
    log: Log,
}

impl Line {
    pub(super) fn open(begun: Begun) -> Self {
        let mut program = command(&begun.command[0]);
        program.args(&begun.command[1..]);
        let log = Log::default();
        let (sender, lines) = mpsc::channel(MAX_UNREAD);
        let (errors, wild) = (log.clone(), log.clone());
        let take = move |line: &str| {
            if sender.try_send(line.to_owned()).is_err() {
                wild.line("(nobody reads any more lines)");
            }
        };
        let (process, input) = Process::start_with_input(program, take, move |line| errors.line(line));
        Self { begun, process, input, lines, said: Vec::new(), log }
    }

    /// Writes bytes as they are; whoever wants a line ends it.
    ///
    /// # Panics
    ///
    /// When the other end is gone.
    pub async fn write(&mut self, bytes: &[u8]) {
        let written = within_limit("writing", self.input.write_all(bytes)).await;
        written.expect("the other end reads");
    }

    /// Writes a message as a line.
    ///
    /// # Panics
    ///
    /// As [`write`](Line::write).
    pub async fn send(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes()).await;
    }

    /// Waits for the next line; nothing once the other end has closed.
    pub async fn next(&mut self) -> Option<String> {
        let line = within_limit("the next line", self.lines.recv()).await?;
        self.said.push(line.clone());
        Some(line)
    }

    /// Waits for the answer to this id, passing over all else.
    ///
    /// # Panics
    ///
    /// When the other end closes before.
    pub async fn answer(&mut self, id: impl Into<Value>) -> Value {
        let id = id.into();
        loop {
            let line = self.next().await;
            let line =
                line.unwrap_or_else(|| panic!("the end came before the answer to {id}:\n{}", self.log));
            let message: Value = serde_json::from_str(&line).unwrap_or_default();
            if message.get("method").is_none() && message["id"] == id {
                return message;
            }
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Panics
    ///
    /// As [`write`](Line::write) and [`answer`](Line::answer).
    pub async fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        self.answer(id).await
    }

    /// Initializes in the newest revision that has `initialize`.
    ///
    /// # Panics
    ///
    /// When that is refused.
    pub async fn initialize(&mut self) -> Value {
        let client = json!({ "name": "line", "version": "1.0.0" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        let answer = self.ask(0, "initialize", params).await;
        assert!(answer["result"].is_object(), "{answer}");
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        answer["result"].clone()
    }

    /// Waits until the other end has closed; gives how it ended.
    ///
    /// # Panics
    ///
    /// When it does not close.
    pub async fn closed(&mut self) -> ExitStatus {
        while self.next().await.is_some() {}
        within_limit("the end", self.process.finished()).await.expect("a child process can be waited for")
    }

    /// Returns what the other end said on standard error so far.
    pub fn errors(&self) -> String {
        self.log.to_string()
    }

    pub(super) async fn hang_up(self) -> (Begun, Vec<String>, ExitStatus) {
        let Self { begun, mut process, input, mut lines, mut said, log: _ } = self;
        drop(input);
        let grace = if begun.way == Way::Direct { DIRECT_GRACE } else { LENT_GRACE };
        if timeout(grace, process.finished()).await.is_err() {
            assert_eq!(begun.way, Way::Direct, "a lent server's connection ends with the client's side");
            process.kill();
        }
        let status = within_limit("the end", process.finished()).await;
        while let Some(line) = lines.recv().await {
            said.push(line);
        }
        (begun, said, status.expect("a child process can be waited for"))
    }
}
