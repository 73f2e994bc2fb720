//! One child process: its start, its two halves, and what they do with its pipes.
//!
//! The halves work on the pipes themselves, with no task and no queue between, so that a server that doesn't read holds
//! its sender back and a receiver that doesn't read holds the server back. [`supervisor`] owns the process.

mod stderr;
mod supervisor;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::buf::Chain;
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::Mutex;

use super::UpstreamError;
use super::end::{EndCause, EndState, Ending};
use super::group::Group;
use super::guard::{Guard, GuardCommand, READY};
use super::lines::{LineTooLong, Lines, may_be_message};
use super::log::{LogSource, ServerLog};
use super::one_line::one_line;

pub(crate) use supervisor::{Graces, Supervisor};

/// So many lines of noise in a row, without one message between, and what runs there is no MCP server over standard
/// output. Banners and start-up logs of real servers have a few dozen.
const NOISE: usize = 1000;

/// How much of a line of noise goes to the log. It may be a large answer whose beginning was lost.
const NOISE_SHOWN: usize = 200;

/// How long a receiver waits for what is still in the pipe when all known processes have gone. Only a process that left
/// the group can still hold it open; what the others wrote is there already.
const LAST_READ: Duration = Duration::from_millis(100);

/// How long the stage before the program may take to begin: a few milliseconds, unless the machine is at its limit.
const STAGE_WAIT: Duration = Duration::from_secs(10);

/// Up to this size a message and its line break are put into one piece first: one copy is cheaper than a second
/// system call, where writes can't be gathered.
const COPIED: usize = 4 * 1024;

/// What is started, with nothing left to look up.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<OsString, OsString>,
    pub(crate) directory: PathBuf,
}

/// A child that has begun: its two halves and its owner, which has to be run.
pub(crate) struct Started {
    pub(crate) sender: ChildSender,
    pub(crate) receiver: ChildReceiver,
    pub(crate) supervisor: Supervisor,
}

/// Starts a program under guard. `limit` is for one message in either direction, in bytes.
pub(crate) async fn start(
    program: &Program,
    (guard, command): (&Guard, &GuardCommand),
    log: Arc<ServerLog>,
    limit: usize,
    graces: Graces,
) -> io::Result<Started> {
    let mut child = command
        .start(&program.path, &program.arguments)
        .env_clear()
        .envs(&program.environment)
        .current_dir(&program.directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let taken = || io::Error::other("a pipe of the new process is missing");
    let process = child.id().ok_or_else(taken)?;
    let group = Group::of_leader(process).ok_or_else(taken)?;
    let mut stdin = child.stdin.take().ok_or_else(taken)?;
    let mut stdout = child.stdout.take().ok_or_else(taken)?;
    let stderr = child.stderr.take().ok_or_else(taken)?;
    let state = Arc::new(EndState::default());
    let shared = Arc::new(Mutex::new(Stdin { pipe: None, rest: Bytes::new().chain(Bytes::new()) }));
    let mut supervisor = Supervisor {
        child,
        group,
        stderr: Some(stderr),
        stdin: Arc::downgrade(&shared),
        state: Arc::clone(&state),
        guard: guard.clone(),
        log: Arc::clone(&log),
        graces,
        process,
        begun: false,
    };
    let ready = tokio::time::timeout(STAGE_WAIT, stdout.read_u8()).await;
    if !matches!(ready, Ok(Ok(READY))) {
        return Err(io::Error::other("the stage before the server's program did not begin"));
    }
    guard.add(group).await?;
    // The byte fits into the empty pipe. Should the process be gone already, the supervisor sees that.
    supervisor.begun = true;
    if let Err(error) = stdin.write_all(b"\n").await {
        tracing::debug!(process, %error, "a server's process ended before it began");
    }
    shared.lock().await.pipe = Some(stdin);
    log.note(process, &format!("started {}", program.path.display()));
    let sender = ChildSender { stdin: shared, state: Arc::clone(&state), limit };
    let receiver =
        ChildReceiver { stdout: Some(stdout), lines: Lines::new(limit), noise: 0, state, log, process };
    Ok(Started { sender, receiver, supervisor })
}

/// The child's standard input, and the rest of a message whose sender went away in the middle of it.
#[derive(Debug)]
pub(crate) struct Stdin {
    pipe: Option<ChildStdin>,
    rest: Chain<Bytes, Bytes>,
}

impl Stdin {
    /// Closes the pipe.
    fn close(&mut self) {
        self.pipe = None;
    }

    /// Writes what is left of the message before, and then this one.
    async fn write(&mut self, line: Chain<Bytes, Bytes>) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Err(io::ErrorKind::BrokenPipe.into()) };
        pipe.write_all_buf(&mut self.rest).await?;
        self.rest = line;
        pipe.write_all_buf(&mut self.rest).await
    }
}

/// The sending half of a child. All clones share one standard input, which closes with the last of them.
#[derive(Debug, Clone)]
pub(crate) struct ChildSender {
    stdin: Arc<Mutex<Stdin>>,
    pub(crate) state: Arc<EndState>,
    limit: usize,
}

impl ChildSender {
    /// Writes one message as one line; waits while the child doesn't read.
    pub(crate) async fn send(&self, message: Bytes) -> Result<(), UpstreamError> {
        if message.len() > self.limit {
            return Err(UpstreamError::TooLarge { len: message.len(), limit: self.limit });
        }
        let line = one_line(message).map_err(|_| UpstreamError::BrokenString)?;
        let line = if line.len() <= COPIED {
            let mut whole = BytesMut::with_capacity(line.len() + 1);
            whole.extend_from_slice(&line);
            whole.extend_from_slice(b"\n");
            whole.freeze().chain(Bytes::new())
        } else {
            line.chain(Bytes::from_static(b"\n"))
        };
        let mut stdin = self.stdin.lock().await;
        let written = tokio::select! {
            biased;
            () = self.state.asked() => Err(io::ErrorKind::BrokenPipe.into()),
            written = stdin.write(line) => written,
        };
        written.map_err(|_| {
            stdin.close();
            UpstreamError::Ended
        })
    }
}

/// The receiving half of a child.
#[derive(Debug)]
pub(crate) struct ChildReceiver {
    /// Gone when there is nothing more to read.
    stdout: Option<ChildStdout>,
    lines: Lines,
    /// Lines in a row that were no messages.
    noise: usize,
    pub(crate) state: Arc<EndState>,
    log: Arc<ServerLog>,
    process: u32,
}

impl ChildReceiver {
    /// Returns the next message. Cancel-safe, since everything that was read is kept.
    pub(crate) async fn recv(&mut self) -> Option<Bytes> {
        loop {
            match self.lines.next() {
                Ok(Some(line)) => match self.judge(line) {
                    Some(message) => return Some(message),
                    None => continue,
                },
                Ok(None) if self.stdout.is_none() => {
                    let line = self.lines.rest()?;
                    return self.judge(line);
                }
                Ok(None) => {}
                Err(LineTooLong) => {
                    let limit = self.lines.limit();
                    self.fail(EndCause::LineTooLong { limit });
                }
            }
            self.read().await;
        }
    }

    /// Reads and forgets, so that a child that is being ended doesn't wait for a reader.
    pub(crate) async fn discard(&mut self) {
        while self.stdout.is_some() {
            self.lines.clear();
            self.read().await;
        }
    }

    /// Reads once, and notices when there will be no more.
    async fn read(&mut self) {
        let Some(stdout) = &mut self.stdout else { return };
        let room = self.lines.room();
        let read = tokio::select! {
            biased;
            read = stdout.read_buf(room) => Some(read),
            () = self.state.gone() => None,
        };
        let read = match read {
            Some(read) => read,
            None => {
                tokio::time::timeout(LAST_READ, stdout.read_buf(self.lines.room())).await.unwrap_or(Ok(0))
            }
        };
        match read {
            Ok(0) => {
                self.stdout = None;
                self.state.ask(EndCause::StdoutClosed, Ending::Gentle);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(process = self.process, %error, "a server's standard output cannot be read");
                self.stdout = None;
                self.state.ask(EndCause::StdoutClosed, Ending::Gentle);
            }
        }
    }

    /// Lets messages through and counts noise.
    fn judge(&mut self, line: Bytes) -> Option<Bytes> {
        if may_be_message(&line) {
            self.noise = 0;
            return Some(line);
        }
        self.noise += 1;
        self.log.add(self.process, LogSource::Stdout, &line[..line.len().min(NOISE_SHOWN)]);
        if self.noise >= NOISE {
            self.fail(EndCause::Garbage { lines: self.noise });
        }
        None
    }

    /// Ends the child for something that it wrote.
    fn fail(&mut self, cause: EndCause) {
        self.state.ask(cause, Ending::Gentle);
        self.stdout = None;
        self.lines.clear();
    }
}
