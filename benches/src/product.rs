//! The shipped program as its users run it: a desktop that lends a folder, and file servers that a client talks to
//! over pipes, a line a message. [`crate::lent`] and [`crate::host_idle`] measure it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::json;

/// Ends what it has become when standard input ends, which the desktop does not do by itself: without anybody to
/// answer its prompts it still serves.
pub(crate) const ENDING_WITH_STANDARD_INPUT: &str =
    r#"exec 3<&0; { cat <&3; kill $$; } >/dev/null 2>&1 & exec "$@" </dev/null 3<&-"#;

/// As much as a pipe holds.
const BUFFER: usize = 64 << 10;

/// Returns a program: it is built into the same folder as this one.
pub(crate) fn program(name: &str) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name(name);
    ensure!(program.exists(), "there is no {}: benches/run builds it", program.display());
    Ok(program)
}

/// A folder with what the program keeps, and one to lend. Both are gone with this value.
pub(crate) struct Workplace {
    folder: PathBuf,
}

impl Workplace {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("gatelodge-bench-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("home"))?;
        std::fs::create_dir_all(folder.join("lent"))?;
        Ok(Self { folder })
    }

    /// Puts a text of so many bytes into the lent folder.
    pub(crate) fn put(&self, name: &str, bytes: usize) -> anyhow::Result<PathBuf> {
        let line = "All that is gold does not glitter, not all those who wander are lost.\n";
        let text: String = line.chars().cycle().take(bytes).collect();
        let file = self.lent().join(name);
        std::fs::write(&file, text)?;
        Ok(file)
    }

    fn lent(&self) -> PathBuf {
        self.folder.join("lent")
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("GATELODGE_HOME", self.folder.join("home"));
        command
    }

    /// Starts the file server as a client on this machine does.
    pub(crate) fn beside(&self) -> anyhow::Result<Client> {
        let mut command = self.command(&program("gatelodge")?);
        command.arg("files").arg(self.lent());
        Client::start(command)
    }

    /// Starts the agent's side of the file server that the desktop lends.
    pub(crate) fn lent_by(&self, desktop: &Desktop) -> anyhow::Result<Client> {
        let mut command = self.command(&program("gatelodge")?);
        command.args(["connect", &desktop.address]).stderr(Stdio::null());
        Client::start(command)
    }

    /// Starts a desktop that lends the folder to this workplace's agent.
    pub(crate) fn desktop(&self) -> anyhow::Result<Desktop> {
        #[derive(Deserialize)]
        struct Id {
            fingerprint: String,
        }
        let output = self.command(&program("gatelodge")?).args(["id", "--json"]).output()?;
        let Id { fingerprint } = serde_json::from_slice(&output.stdout).context("gatelodge id failed")?;
        let mut command = self.command(Path::new("sh"));
        command.args(["-c", ENDING_WITH_STANDARD_INPUT, "sh"]).arg(program("gatelodge")?);
        command.args(["host", "--json", "--ephemeral", "--link", "tcp://127.0.0.1:0"]);
        command.arg("--share-rw").arg(self.lent()).args(["--approve-fingerprint", &fingerprint]);
        Desktop::start(command)
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A running desktop.
pub(crate) struct Desktop {
    child: Child,
    /// Its end tells the shell around the desktop that this process is gone, even where it was killed.
    _stdin: Option<ChildStdin>,
    address: String,
}

/// What a process uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) resident_kb: f64,
    /// Of CPU time, a hundredth of a second each.
    pub(crate) ticks: f64,
}

#[derive(Deserialize)]
struct Event {
    event: String,
    address: Option<String>,
}

impl Desktop {
    fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut events = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut desktop = Self { _stdin: child.stdin.take(), child, address: String::new() };
        while desktop.address.is_empty() {
            let mut line = String::new();
            ensure!(events.read_line(&mut line)? > 0, "the desktop ended before it listened");
            if let Ok(Event { event, address: Some(address) }) = serde_json::from_str(&line)
                && event == "link_up"
            {
                desktop.address = address;
            }
        }
        // Somebody has to read what it says; as a terminal or a log would.
        std::thread::spawn(move || std::io::copy(&mut events, &mut std::io::sink()));
        Ok(desktop)
    }

    /// Returns what it uses now.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        usage_of(self.child.id())
    }
}

/// Returns what a process uses now, as the kernel counts it.
pub(crate) fn usage_of(process: u32) -> anyhow::Result<Usage> {
    let process = PathBuf::from(format!("/proc/{process}"));
    let status = std::fs::read_to_string(process.join("status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    let stat = std::fs::read_to_string(process.join("stat"))?;
    // proc_pid_stat(5): the fields 14 and 15 are the user's and the system's time; the second one is in parentheses.
    let (_, fields) = stat.rsplit_once(") ").context("no fields")?;
    let times = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
    let ticks = times.sum::<Result<f64, _>>()?;
    Ok(Usage { resident_kb: resident.parse()?, ticks })
}

impl Drop for Desktop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An MCP client without an SDK, the same one for every way to a server.
pub(crate) struct Client {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    last: u64,
    line: Vec<u8>,
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    result: ToolResult,
}

#[derive(Deserialize)]
struct ToolResult {
    #[serde(default, rename = "isError")]
    is_error: bool,
}

impl Client {
    fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().context("no standard input")?;
        let stdout = BufReader::with_capacity(BUFFER, child.stdout.take().context("no standard output")?);
        let mut client = Self { child, stdin, stdout, last: 0, line: Vec::new() };
        let about = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        });
        client.request("initialize", &about)?;
        client.answer()?;
        client.stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")?;
        Ok(client)
    }

    fn request(&mut self, method: &str, params: &serde_json::Value) -> anyhow::Result<()> {
        self.last += 1;
        let request = json!({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params});
        self.stdin.write_all(format!("{request}\n").as_bytes())?;
        Ok(())
    }

    /// Reads until the next answer; returns its length.
    fn answer(&mut self) -> anyhow::Result<usize> {
        loop {
            self.line.clear();
            ensure!(self.stdout.read_until(b'\n', &mut self.line)? > 0, "the server ended");
            // A large answer is only looked at as a whole by its length, so that the time is not the client's.
            if self.line.len() > BUFFER {
                return Ok(self.line.len());
            }
            if let Ok(Answer { id, result }) = serde_json::from_slice(&self.line) {
                ensure!(id <= self.last, "an answer to no request");
                ensure!(!result.is_error, "the tool failed: {}", String::from_utf8_lossy(&self.line));
                return Ok(self.line.len());
            }
        }
    }

    fn read_file(&mut self, file: &Path) -> anyhow::Result<()> {
        let call = json!({"name": "read_text_file", "arguments": {"path": file}});
        self.request("tools/call", &call)
    }

    /// Reads a file so many times, one after the other; returns the times in seconds. An answer has at least so many bytes.
    pub(crate) fn read_in_turn(
        &mut self,
        file: &Path,
        count: usize,
        least: usize,
    ) -> anyhow::Result<Vec<f64>> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let started = Instant::now();
            self.read_file(file)?;
            ensure!(
                self.answer()? >= least,
                "an answer is too short: {}",
                String::from_utf8_lossy(&self.line)
            );
            times.push(started.elapsed().as_secs_f64());
        }
        Ok(times)
    }

    /// Reads a file so many times with that many requests unanswered; returns how long it took.
    pub(crate) fn read_at_once(
        &mut self,
        file: &Path,
        count: usize,
        window: usize,
    ) -> anyhow::Result<Duration> {
        let started = Instant::now();
        for _ in 0..window.min(count) {
            self.read_file(file)?;
        }
        for answered in 0..count {
            self.answer()?;
            if answered + window < count {
                self.read_file(file)?;
            }
        }
        Ok(started.elapsed())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
