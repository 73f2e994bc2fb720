//! A desktop of its own for a test: a keyring, a home, and `gatelodge host` on them.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::desktop_session::DesktopSession;
use crate::program::{Ended, LIMIT, Program};
use crate::terminal::Terminal;

pub(crate) const GATELODGE: &str = env!("CARGO_BIN_EXE_gatelodge");

/// The `gatelodge` command.
pub(crate) fn gatelodge() -> &'static Path {
    Path::new(GATELODGE)
}

/// A person's machine, whether or not the desktop runs on it.
pub(crate) struct Desk {
    pub(crate) session: DesktopSession,
    pub(crate) home: TempDir,
}

impl Desk {
    /// A machine with an unlocked keyring.
    pub(crate) fn new() -> Self {
        Self { session: DesktopSession::new(), home: tempfile::tempdir().unwrap() }
    }

    /// `gatelodge` with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.session.command(GATELODGE);
        command.env("GATELODGE_HOME", self.home.path()).env("SHELL", "/bin/sh").args(arguments);
        command
    }

    /// Runs `gatelodge host ... --json` to its end.
    pub(crate) fn manage(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command(&["host"]);
        command.args(&arguments[..2]).arg("--json").args(&arguments[2..]);
        Program::run(command)
    }

    /// Has something managed, and returns the answer.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> Value {
        let ended = self.manage(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        serde_json::from_str(&ended.out).unwrap()
    }

    /// Starts the desktop with a link at a port of its own, for known agents.
    pub(crate) fn start(&self) -> Host {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, arguments: &[&str]) -> Host {
        if self.done(&["links", "list"])["links"] == serde_json::json!([]) {
            self.done(&["links", "add", "home", "tcp://127.0.0.1:0"]);
        }
        let mut command = self.command(&["host", "--json"]);
        command.args(arguments);
        Host::over(Program::start(command))
    }

    /// Starts the desktop on a terminal, with a link that asks about unknown agents.
    pub(crate) fn on_terminal(&self, arguments: &[&str]) -> (Terminal, String) {
        let mut command = self.command(&["host", "--link", "tcp://127.0.0.1:0"]);
        command.args(arguments);
        let mut terminal = Terminal::start(command);
        terminal.shows("gatelodge connect ");
        let link = terminal.shows("\n").trim().to_owned();
        (terminal, link)
    }

    /// Adds the counting server, behind a FIFO that tells when the last of its processes has ended.
    pub(crate) fn add_counting(&self, id: &str) -> Lifeline {
        let lifeline = Lifeline::new(self.home.path(), id);
        let mut arguments = vec!["servers", "add", id, "--"];
        let server = lifeline.hold(&[counting_server().to_str().unwrap()]);
        arguments.extend(server.iter().map(String::as_str));
        self.done(&arguments);
        lifeline
    }

    /// Trusts an agent, and lends it a server with all its tools.
    pub(crate) fn lend(&self, agent: &str, label: &str, servers: &[&str]) {
        self.done(&["agents", "trust", agent, label]);
        for server in servers {
            self.done(&["grants", "set", label, server, "--tools", "allow"]);
        }
    }

    /// Asks the running desktop without a process in between, so that it can be timed. Returns when it was asked.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Value) -> Instant {
        let mut socket = UnixStream::connect(self.home.path().join("desktop/control.sock")).unwrap();
        let asked = Instant::now();
        writeln!(socket, "{request}").unwrap();
        let mut reply = String::new();
        BufReader::new(socket).read_line(&mut reply).unwrap();
        let reply: Value = serde_json::from_str(&reply).unwrap();
        assert_eq!(reply["reply"], "done", "{request}: {reply}");
        asked
    }

    /// The file that holds everything but the keychain's entries.
    pub(crate) fn database(&self) -> PathBuf {
        self.home.path().join("desktop/gatelodge.db")
    }

    /// Changes the database as any program can.
    #[track_caller]
    pub(crate) fn tamper(&self, statement: &str) {
        let database = rusqlite::Connection::open(self.database()).unwrap();
        database.busy_timeout(LIMIT).unwrap();
        assert!(database.execute(statement, []).unwrap() > 0, "{statement} changed nothing");
    }
}

/// A running desktop that tells its events as JSON.
pub(crate) struct Host {
    pub(crate) program: Program,
    pub(crate) link: String,
    pub(crate) fingerprint: String,
}

impl Host {
    /// A desktop that keeps nothing and lets these agents in, with every server of this file.
    pub(crate) fn ephemeral(arguments: &[&str], approved: &[&str]) -> Self {
        Self::ephemeral_at("tcp://127.0.0.1:0", arguments, approved)
    }

    /// The same, at a link of the test's choice.
    pub(crate) fn ephemeral_at(link: &str, arguments: &[&str], approved: &[&str]) -> Self {
        let mut command = Command::new(GATELODGE);
        command.args(["host", "--json", "--ephemeral", "--link", link]).args(arguments);
        command.env("SHELL", "/bin/sh");
        for agent in approved {
            command.args(["--approve-fingerprint", agent]);
        }
        Self::over(Program::start(command))
    }

    fn over(mut program: Program) -> Self {
        let text = |event: &Value, member: &str| event[member].as_str().unwrap().to_owned();
        let fingerprint =
            program.line(|line| event(line, "identity").map(|event| text(&event, "fingerprint")));
        let link = program.line(|line| event(line, "link_up").map(|event| text(&event, "address")));
        Self { program, link, fingerprint }
    }

    /// Waits for an event of this kind, after what was waited for before.
    #[track_caller]
    pub(crate) fn event(&mut self, kind: &str) -> Value {
        self.program.line(|line| event(line, kind))
    }

    /// Tells the desktop to end, and waits for that.
    #[track_caller]
    pub(crate) fn stop(self) -> Ended {
        self.program.signal(Signal::SIGTERM);
        self.program.end()
    }
}

fn event(line: &str, kind: &str) -> Option<Value> {
    let event: Value = serde_json::from_str(line).unwrap();
    (event["event"] == kind).then_some(event)
}

/// A FIFO that a server and all its descendants hold open: its end is theirs.
pub(crate) struct Lifeline(PathBuf);

/// Somebody holds the lifeline; the end can be waited for.
pub(crate) struct Held(std::sync::mpsc::Receiver<Instant>);

impl Lifeline {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let path = folder.join(format!("{name}.fifo"));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        Self(path)
    }

    /// The command that runs another one with the lifeline in its hand.
    pub(crate) fn hold(&self, command: &[&str]) -> Vec<String> {
        let hold = ["sh", "-c", r#"exec 9<>"$0"; exec "$@""#, self.0.to_str().unwrap()];
        hold.iter().chain(command).map(|&word| word.to_owned()).collect()
    }

    /// Whether a process holds it at the moment.
    pub(crate) fn is_held(&self) -> bool {
        use nix::fcntl::{OFlag, open};
        // Without a reader, which a process that holds it is as well, opening it for writing alone fails.
        open(&self.0, OFlag::O_WRONLY | OFlag::O_NONBLOCK, nix::sys::stat::Mode::empty()).is_ok()
    }

    /// Waits until a process holds it. From then on its end is watched.
    pub(crate) fn held(&self) -> Held {
        let (sender, ended) = std::sync::mpsc::channel();
        let mut fifo = std::fs::File::open(&self.0).unwrap();
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut fifo, &mut std::io::sink());
            let _ = sender.send(Instant::now());
        });
        Held(ended)
    }
}

impl Held {
    /// Waits until no process holds it any more, and returns when that was.
    #[track_caller]
    pub(crate) fn gone(&self) -> Instant {
        self.0.recv_timeout(LIMIT).expect("the server's processes have to end")
    }
}

/// The example program, which cargo builds together with the tests unless it is told to build single ones.
pub(crate) fn counting_server() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let server = test.parent().and_then(Path::parent).unwrap().join("examples/counting_server");
    assert!(
        server.exists(),
        "single tests need it built: cargo build --package gatelodge --example counting_server"
    );
    server
}
