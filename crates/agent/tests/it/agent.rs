//! An agent's machine, and MCP clients on it that go through `gatelodge connect`. The tests of the tray app share this file.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::desk::gatelodge;
use crate::program::{Ended, Program};

/// A machine with agents on it. It has no keychain.
pub(crate) struct Machine {
    pub(crate) home: TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// `gatelodge` with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(gatelodge());
        command.args(arguments).env("GATELODGE_HOME", self.home.path());
        command.env("XDG_RUNTIME_DIR", self.home.path()).env_remove("DBUS_SESSION_BUS_ADDRESS");
        command
    }

    /// The fingerprint of one of the agents.
    pub(crate) fn fingerprint(&self, profile: &str) -> String {
        let ended = Program::run(self.command(&["id", "--json", "--profile", profile]));
        let identity: Value = serde_json::from_str(&ended.out).unwrap();
        identity["fingerprint"].as_str().unwrap().to_owned()
    }

    /// Starts `gatelodge connect` for one of the agents.
    pub(crate) fn connect(&self, profile: &str, link: &str, arguments: &[&str]) -> Client {
        self.connect_as(profile, profile, link, arguments)
    }

    /// Starts `gatelodge connect` for one of the agents, which calls itself something.
    pub(crate) fn connect_as(&self, profile: &str, name: &str, link: &str, arguments: &[&str]) -> Client {
        let mut command = self.command(&["connect", "--profile", profile, "--name", name, link]);
        command.args(arguments);
        Client { program: Program::start(command), next: 1 }
    }

    /// Lets one of the agents try to get in, until it is turned away.
    #[track_caller]
    pub(crate) fn turned_away(&self, profile: &str, link: &str) -> Ended {
        self.connect(profile, link, &[]).program.end()
    }
}

/// An MCP client that talks to `gatelodge connect`.
pub(crate) struct Client {
    pub(crate) program: Program,
    next: u64,
}

impl Client {
    /// Begins the MCP connection and says who answers.
    #[track_caller]
    pub(crate) fn initialize(&mut self) -> Value {
        let params = json!({
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
        });
        let answer = self.request("initialize", params);
        self.notify("notifications/initialized", json!({}));
        answer["result"]["serverInfo"].clone()
    }

    pub(crate) fn say(&mut self, message: &Value) {
        self.program.write(&format!("{message}\n"));
    }

    pub(crate) fn notify(&mut self, method: &str, params: Value) {
        self.say(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Sends a request without waiting for its answer.
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next;
        self.next += 1;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    /// Waits for the answer to a request.
    #[track_caller]
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        self.program.line(|line| {
            let message: Value = serde_json::from_str(line).unwrap();
            (message["id"] == id && message.get("method").is_none()).then_some(message)
        })
    }

    /// Waits for a notification.
    #[track_caller]
    pub(crate) fn heard(&mut self, method: &str) -> Value {
        self.program.line(|line| {
            let mut message: Value = serde_json::from_str(line).unwrap();
            (message["method"] == method).then(|| message["params"].take())
        })
    }

    #[track_caller]
    pub(crate) fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params);
        self.answer(id)
    }

    /// Begins to call a tool.
    pub(crate) fn begin(&mut self, tool: &str, arguments: Value) -> u64 {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// Calls a tool and returns the text of its result, or its error.
    #[track_caller]
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Result<String, String> {
        let id = self.begin(tool, arguments);
        result(&self.answer(id))
    }

    /// Begins a call that the counting server never answers, and waits until the server has begun with it.
    #[track_caller]
    pub(crate) fn begin_waiting(&mut self) -> u64 {
        let token = format!("token {}", self.next);
        let id = self.ask("tools/call", json!({"name": "wait", "_meta": {"progressToken": token}}));
        assert_eq!(self.heard("notifications/progress")["progressToken"], token);
        id
    }
}

/// The text of a tool's result: `Err` if it is an error of the tool or of the protocol.
pub(crate) fn result(answer: &Value) -> Result<String, String> {
    if let Some(error) = answer.get("error") {
        return Err(error["message"].as_str().unwrap().to_owned());
    }
    let text = answer["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    if answer["result"]["isError"] == true { Err(text) } else { Ok(text) }
}
