//! Local MCP servers: real ones, and ones that do what servers should not.

mod endings;
mod floods;
mod guarding;
mod in_process;
mod login_shell;
mod messages;
mod probing;
mod starting;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use gatelodge_host::upstream::guard::GuardCommand;
use gatelodge_host::upstream::{LaunchOptions, LoginShell, ServerLauncher, Upstream};
use gatelodge_host::{Fingerprint, SecretError, ServerDefinition, ServerKind};
use tempfile::TempDir;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// Every wait of a test has this limit: long enough for a loaded machine, and never reached by a test that passes.
const LIMIT: Duration = Duration::from_secs(60);

/// An executable that calls the guard's `run`.
const FIXTURE: &str = env!("CARGO_BIN_EXE_host-fixture");

const AGENT: Fingerprint = Fingerprint::from_bytes([7; 32]);

/// A launcher and a folder for the scripts that it starts.
struct Lab {
    folder: TempDir,
    launcher: ServerLauncher,
}

impl Lab {
    fn new() -> Self {
        Self::with(LaunchOptions::default())
    }

    fn with(options: LaunchOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Answers as a shell without any start-up files does.
        let shell = script(folder.path(), "shell", "#!/bin/sh\nexec /bin/sh -c \"$4\"\n");
        let shell = LoginShell::new(shell, guard_command());
        Self { launcher: ServerLauncher::new(guard_command(), shell, options), folder }
    }

    /// With so little patience that a test of it doesn't take long.
    fn impatient() -> Self {
        let grace = Duration::from_millis(100);
        Self::with(LaunchOptions { stdin_grace: grace, term_grace: grace, ..LaunchOptions::default() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server that is a shell script.
    fn sh(&self, text: &str) -> ServerDefinition {
        let file = script(self.folder.path(), "server.sh", &format!("#!/bin/sh\n{text}\n"));
        definition(file.to_str().unwrap(), &[])
    }

    /// A server that is a Python program.
    fn python(&self, text: &str) -> ServerDefinition {
        let file = script(self.folder.path(), "server.py", text);
        definition(python(), &["-u", file.to_str().unwrap()])
    }

    async fn start(&self, server: &ServerDefinition) -> Upstream {
        self.launcher.start(server, &AGENT, &no_secrets).await.unwrap()
    }

    /// Makes a FIFO. Whoever has it open for writing is alive; see [`closed`].
    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    fn log(&self, server: &ServerDefinition) -> String {
        let lines = self.launcher.log(&server.id).tail();
        lines.into_iter().map(|line| line.text + "\n").collect()
    }
}

fn guard_command() -> GuardCommand {
    GuardCommand::new(FIXTURE)
}

fn no_secrets(_: &str) -> Result<Zeroizing<String>, SecretError> {
    panic!("nothing refers to a secret")
}

fn definition(command: &str, args: &[&str]) -> ServerDefinition {
    let args = args.iter().map(|&argument| argument.to_owned()).collect();
    let kind = ServerKind::Stdio { command: command.to_owned(), args, env: BTreeMap::new(), cwd: None };
    let id = "server".parse().unwrap();
    ServerDefinition { id, name: "Server".to_owned(), kind, notes: String::new() }
}

/// Writes an executable file.
fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The interpreter itself, since version managers put scripts in its place.
fn python() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let output =
            Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

/// Waits, within the limit of a test.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("it takes too long")
}

/// Begins to read a FIFO. The first result comes with a first line, the second when every process that had the FIFO
/// open is gone.
fn opened(fifo: &Path) -> (oneshot::Receiver<()>, oneshot::Receiver<()>) {
    let fifo = fifo.to_owned();
    let ((ready, is_ready), (gone, is_gone)) = (oneshot::channel(), oneshot::channel());
    // A thread that no runtime waits for, should the test fail.
    std::thread::spawn(move || {
        let mut fifo = BufReader::new(fs::File::open(fifo).unwrap());
        fifo.read_line(&mut String::new()).unwrap();
        let _ = ready.send(());
        fifo.read_to_end(&mut Vec::new()).unwrap();
        let _ = gone.send(());
    });
    (is_ready, is_gone)
}

/// As [`opened`], for servers that tell otherwise when they are ready.
fn closed(fifo: &Path) -> oneshot::Receiver<()> {
    opened(fifo).1
}

/// Lets whoever reads a FIFO go on.
fn release(fifo: &Path) {
    let fifo = fifo.to_owned();
    std::thread::spawn(move || fs::write(fifo, "go\n").unwrap());
}

async fn recv(upstream: &mut Upstream) -> Option<String> {
    within(upstream.recv()).await.map(|message| String::from_utf8(message.to_vec()).unwrap())
}
