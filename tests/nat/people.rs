//! Who lives in the two homes: a person with a desktop and a keyring, and an agent.

use std::process::Command;

use gatelodge_tests::Programs;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::desktop_session::DesktopSession;
use crate::network::Network;
use crate::program::{Ended, Program};
use crate::servers::meet;
use crate::terminal::Terminal;

/// What the shared folder's one file says.
const NOTE: &str = "buy milk";

/// The desktop in home A. It lends one folder, and is found at the rendezvous.
pub(crate) struct Desk<'a> {
    network: &'a Network,
    session: DesktopSession,
    home: TempDir,
    pub(crate) terminal: Terminal,
}

impl<'a> Desk<'a> {
    /// Starts the desktop and waits until it is registered.
    pub(crate) fn start(network: &'a Network) -> Self {
        let (session, home) = (DesktopSession::new(), tempfile::tempdir().unwrap());
        let notes = home.path().join("notes");
        std::fs::create_dir_all(&notes).unwrap();
        std::fs::write(notes.join("note.txt"), NOTE).unwrap();
        manage(&session, &home, &["servers", "add-folder", "notes", notes.to_str().unwrap()]);
        manage(&session, &home, &["links", "add", "meet", "rendezvous", &meet()]);
        let host = command(&session, &home, &["host", "--name", "Studio"]);
        let mut terminal = Terminal::start(network.home_a.wrap(&host));
        terminal.shows("(link meet)");
        Self { network, session, home, terminal }
    }

    /// Has something managed, and returns the answer.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> Value {
        manage(&self.session, &self.home, arguments)
    }

    /// The path of the one session, as the desktop lists it.
    #[track_caller]
    pub(crate) fn path(&self) -> String {
        let sessions = self.done(&["sessions", "list"]);
        let path = sessions["sessions"][0]["path"].as_str();
        path.unwrap_or_else(|| panic!("there is no session: {sessions}")).to_owned()
    }

    /// Invites the agent in home B and says yes to it.
    #[track_caller]
    pub(crate) fn pair(&mut self) -> Agent<'a> {
        let agent = Agent { network: self.network, home: tempfile::tempdir().unwrap() };
        let invited = self.done(&["invitations", "new"]);
        let mut pairing =
            Program::start(agent.command(&["pair", "--link", invited["link"].as_str().unwrap()]));
        pairing.error_line("asking its user whether to pair");
        self.terminal.shows("[y pair / s pair for now / n deny / b block]");
        self.terminal.answers("y notes");
        let ended = pairing.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        agent
    }

    /// Trusts the agent in home B without a session, as its fingerprint was told by other means.
    #[track_caller]
    pub(crate) fn trust(&self) -> Agent<'a> {
        let agent = Agent { network: self.network, home: tempfile::tempdir().unwrap() };
        let identity: Value =
            serde_json::from_str(&Program::run(agent.command(&["id", "--json"])).out).unwrap();
        self.done(&["agents", "trust", identity["fingerprint"].as_str().unwrap(), "laptop"]);
        self.done(&["grants", "set", "laptop", "notes", "--tools", "allow"]);
        agent
    }

    /// The link under which agents find it.
    pub(crate) fn link(&self) -> String {
        let links = self.done(&["links", "list"]);
        let address = links["open"][0][1].as_str();
        address.unwrap_or_else(|| panic!("the link is not open: {links}")).to_owned()
    }

    fn note(&self) -> std::path::PathBuf {
        self.home.path().join("notes/note.txt")
    }
}

fn command(session: &DesktopSession, home: &TempDir, arguments: &[&str]) -> Command {
    let mut command = session.command(&Programs::get().gatelodge);
    command.env("GATELODGE_HOME", home.path()).env("SHELL", "/bin/sh").args(arguments);
    command
}

#[track_caller]
fn manage(session: &DesktopSession, home: &TempDir, arguments: &[&str]) -> Value {
    let mut command = command(session, home, &["host"]);
    let ended = Program::run({
        command.args(&arguments[..2]).arg("--json").args(&arguments[2..]);
        command
    });
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    serde_json::from_str(&ended.out).unwrap()
}

/// The agent in home B, which has no keychain.
pub(crate) struct Agent<'a> {
    network: &'a Network,
    home: TempDir,
}

impl Agent<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&Programs::get().gatelodge);
        command.args(arguments).env("GATELODGE_HOME", self.home.path());
        command.env("XDG_RUNTIME_DIR", self.home.path()).env_remove("DBUS_SESSION_BUS_ADDRESS");
        self.network.home_b.wrap(&command)
    }

    /// Connects and reads the note. What comes back is still connected.
    #[track_caller]
    pub(crate) fn reads(&self, desk: &Desk, desktop: &str) -> Program {
        let mut client = Program::start(self.command(&["connect", desktop, "notes"]));
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        ask(&mut client, 1, "initialize", &hello);
        client.write("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
        self.reads_more(desk, client)
    }

    /// Reads the note once more.
    #[track_caller]
    pub(crate) fn reads_more(&self, desk: &Desk, mut client: Program) -> Program {
        let read = json!({"name": "read_text_file", "arguments": {"path": desk.note()}});
        let id = 2 + client.said().len() as u64;
        let answer = ask(&mut client, id, "tools/call", &read);
        assert!(answer.to_string().contains(NOTE), "{answer}");
        client
    }

    /// Tries to connect until it gives up.
    #[track_caller]
    pub(crate) fn gives_up(&self, desktop: &str) -> Ended {
        Program::start(self.command(&["connect", desktop, "notes"])).end()
    }
}

#[track_caller]
fn ask(client: &mut Program, id: u64, method: &str, params: &Value) -> Value {
    client.write(&format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})));
    client.line(|line| {
        let message: Value = serde_json::from_str(line).unwrap();
        (message["id"] == id && message.get("method").is_none()).then_some(message)
    })
}
