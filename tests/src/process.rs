//! Child processes that end with the test, whatever way the test ends.

use std::ffi::OsStr;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinSet;

/// Processes that were killed are gone in milliseconds. After this long the test goes on without them, since a
/// container without an `init` keeps dead grandchildren for ever.
const KILL_LIMIT: Duration = Duration::from_secs(2);

/// How often to look whether they are gone; nothing tells when a whole group is.
const KILL_INTERVAL: Duration = Duration::from_millis(5);

/// A child process with all that it starts. Dropping it kills the whole group.
pub(crate) struct Process {
    child: Child,
    group: Pid,
    readers: JoinSet<()>,
}

/// A command whose process is killed by the kernel when the thread that starts it ends, so that nothing is left
/// even where the tests themselves are killed.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    if cfg!(target_os = "linux") {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

impl Process {
    /// Starts the command without any input, and hands each line that it prints to `out` or `err`.
    pub(crate) fn start(
        mut command: Command,
        out: impl Fn(&str) + Send + 'static,
        err: impl Fn(&str) + Send + 'static,
    ) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::spawn(command, out, err)
    }

    /// As [`start`](Process::start), with a pipe for its input.
    pub(crate) fn start_with_input(
        mut command: Command,
        out: impl Fn(&str) + Send + 'static,
        err: impl Fn(&str) + Send + 'static,
    ) -> (Self, ChildStdin) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Self::spawn(command, out, err);
        let input = process.child.stdin.take().expect("stdin is piped");
        (process, input)
    }

    /// Starts the command with whatever input and output it has; those that are pipes are read.
    pub(crate) fn spawn(
        mut command: Command,
        out: impl Fn(&str) + Send + 'static,
        err: impl Fn(&str) + Send + 'static,
    ) -> Self {
        command.process_group(0);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{command:?} cannot be started: {error}"),
        };
        let id = child.id().expect("a process that was just started has an id");
        let group = Pid::from_raw(i32::try_from(id).expect("a process id is positive and small"));
        let mut readers = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            readers.spawn(lines(stdout, out));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.spawn(lines(stderr, err));
        }
        Self { child, group, readers }
    }

    /// Waits for the process to end by itself.
    pub(crate) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Waits for the process to end by itself, and for all that it has said.
    pub(crate) async fn finished(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        while self.readers.join_next().await.is_some() {}
        Ok(status)
    }

    /// Kills the process with all that it started.
    pub(crate) fn kill(&self) {
        let _ = killpg(self.group, Signal::SIGKILL);
    }

    /// Returns the process id, for as long as it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }
}

impl Drop for Process {
    /// Kills the process with all that it started, and waits until they are gone.
    fn drop(&mut self) {
        let deadline = Instant::now() + KILL_LIMIT;
        while killpg(self.group, Signal::SIGKILL) != Err(Errno::ESRCH) && Instant::now() < deadline {
            let _ = self.child.try_wait();
            std::thread::sleep(KILL_INTERVAL);
        }
    }
}

async fn lines(pipe: impl AsyncRead + Unpin, take: impl Fn(&str) + Send) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        take(&line);
    }
}
