//! The proof that a lent server answers as it does to a client beside it: the same client is run both ways, recorders
//! write down every message, and the recordings are compared.
//!
//! ```text
//! direct:  client - recorder - server
//! lent:    client - recorder - gatelodge connect ... gatelodge host - recorder - server
//! ```
//!
//! Two comparisons follow. The recorders on both sides of a desktop must have the same lines, byte for byte and in the
//! same order ([`Run::passed_unchanged`]). And the client must have been told the same as directly
//! ([`Run::same_as`]), but for what a server makes up anew in each run; each such thing is a [`Normaliser`] with its
//! reason, and two direct runs show that these are all.

mod client;
mod compare;
mod line;
mod recording;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::desktop::{Agent, Desktop, HOME};
use crate::installation::Installation;
use crate::programs::Programs;
use crate::within_limit;

pub use client::Client;
use compare::normalised;
pub use compare::{Normaliser, difference_in_transit, difference_of_runs, needless};
pub use line::Line;
pub use recording::Recording;
use recording::{Tap, text};

/// How often to look whether a recording has ended; nothing tells across processes.
const RECORDING_INTERVAL: Duration = Duration::from_millis(5);

/// What is lent and compared.
#[derive(Debug, Clone)]
pub struct Server {
    id: String,
    command: Vec<String>,
    env: BTreeMap<String, String>,
    built_in: Option<PathBuf>,
}

impl Server {
    /// Any stdio server.
    pub fn new(id: &str, command: &[&str]) -> Self {
        let command = command.iter().map(|&part| part.to_owned()).collect();
        Self { id: id.to_owned(), command, env: BTreeMap::new(), built_in: None }
    }

    /// npm `server-everything`, which has something of everything that MCP has.
    pub fn everything() -> Self {
        Self::new("everything", &["node", &node_server("server-everything")])
    }

    /// npm `server-filesystem` for this folder.
    pub fn filesystem(folder: &Path) -> Self {
        Self::new("filesystem", &["node", &node_server("server-filesystem"), &text(folder)])
    }

    /// PyPI `mcp-server-git` for this repository.
    pub fn git(repository: &Path) -> Self {
        let program = Installation::get().peers.join("mcp-git/bin/mcp-server-git");
        // Bytecode is not written beside the packages, whose folder the tests only read.
        Self::new("git", &[&text(&program), "--repository", &text(repository)])
            .with("PYTHONDONTWRITEBYTECODE", "1")
    }

    /// The built-in file server, which reads this folder.
    pub fn built_in(folder: &Path) -> Self {
        let command = [&text(&Programs::get().gatelodge), "files", "--read-only", &text(folder)];
        Self { built_in: Some(folder.to_owned()), ..Self::new("files", &command) }
    }

    /// Sets a variable of the server's environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }
}

fn node_server(name: &str) -> String {
    let packages = Installation::get().peers.join("mcp/node_modules/@modelcontextprotocol");
    text(&packages.join(name).join("dist/index.js"))
}

/// How a client gets to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The server is the client's child.
    Direct,
    /// A desktop lends it.
    Lent,
}

/// One server, ready to be used directly and, on demand, through a desktop that lends nothing else.
pub struct Stage {
    server: Server,
    agent: OnceCell<Agent>,
    desktop: OnceCell<Desktop>,
    beside_server: Tap,
    folder: TempDir,
}

impl Stage {
    /// Prepares the recorders.
    ///
    /// # Panics
    ///
    /// When the temporary folder cannot be written to.
    pub fn new(server: Server) -> Self {
        let folder = tempfile::Builder::new().prefix("gatelodge-transparency-").tempdir();
        let folder = folder.expect("the temporary folder can be written to");
        let beside_server = Tap::new(folder.path().join("server"), &server.command, &server.env);
        Self { server, agent: OnceCell::new(), desktop: OnceCell::new(), beside_server, folder }
    }

    /// Returns the desktop, which is started when it is first asked for. It lets the stage's agent in without asking.
    pub async fn desktop(&self) -> &Desktop {
        let agent = self.agent().await;
        let start = || async {
            let mut options = vec!["--approve-fingerprint".to_owned(), agent.fingerprint().to_owned()];
            match &self.server.built_in {
                Some(folder) => options.extend(["--share".to_owned(), text(folder)]),
                None => options.extend(["--servers".to_owned(), text(&self.definitions())]),
            }
            Desktop::start(&options).await
        };
        self.desktop.get_or_init(start).await
    }

    async fn agent(&self) -> &Agent {
        self.agent.get_or_init(Agent::new).await
    }

    /// Writes the definition of the lent server, which is a recorder with the server behind it.
    fn definitions(&self) -> PathBuf {
        let command = self.beside_server.command(&Programs::get().recorder);
        let definition = json!({ "command": command[0], "args": command[1..], "env": self.server.env });
        let path = self.folder.path().join("servers.json");
        let definitions = json!({ "mcpServers": { &self.server.id: definition } });
        std::fs::write(&path, definitions.to_string()).expect("the temporary folder can be written to");
        path
    }

    /// Returns the tap beside the client of a run that goes this way.
    async fn beside_client(&self, way: Way) -> Tap {
        match way {
            Way::Direct => {
                Tap::new(self.folder.path().join("direct"), &self.server.command, &self.server.env)
            }
            Way::Lent => {
                let (agent, desktop) = (self.agent().await, self.desktop().await);
                let gatelodge = text(&Programs::get().gatelodge);
                let command = [&gatelodge, "connect", desktop.link(), &self.server.id].map(str::to_owned);
                let env = BTreeMap::from([(HOME.to_owned(), text(agent.home()))]);
                Tap::new(self.folder.path().join("agent"), &command, &env)
            }
        }
    }

    /// Runs a client to its end.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub async fn run(&self, way: Way, client: &Client) -> Run {
        let begun = self.begin(way).await;
        let (said, status) = client.run(&begun.command).await;
        self.end(begun, said, status).await
    }

    /// Runs a client that must succeed.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn succeed(&self, way: Way, client: &Client) -> Run {
        let run = self.run(way, client).await;
        assert!(
            run.status.success(),
            "{client:?} {way:?} ended with {}:\n{}",
            run.status,
            run.said.join("\n")
        );
        run
    }

    /// Opens a connection on which the test itself writes and reads the lines.
    pub async fn line(&self, way: Way) -> Line {
        Line::open(self.begin(way).await)
    }

    /// Ends such a connection as a client does that has read all answers.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub async fn hang_up(&self, line: Line) -> Run {
        let (begun, said, status) = line.hang_up().await;
        self.end(begun, said, status).await
    }

    async fn begin(&self, way: Way) -> Begun {
        let tap = self.beside_client(way).await;
        let command = tap.command(&Programs::get().recorder);
        let (client_before, server_before) = (tap.files(), self.beside_server.files());
        Begun { way, command, tap, client_before, server_before }
    }

    async fn end(&self, begun: Begun, said: Vec<String>, status: ExitStatus) -> Run {
        let client_side = ended(|| begun.tap.since(&begun.client_before).into_iter().next()).await;
        let server_side = if begun.way == Way::Lent && self.server.built_in.is_none() {
            // Other recordings can only be those of the desktop itself, which looks at what it lends.
            let name = client_side.client_name();
            let find = || self.beside_server.since(&begun.server_before);
            Some(ended(|| find().into_iter().find(|recording| recording.client_name() == name)).await)
        } else {
            None
        };
        Run { said, status, client_side, server_side }
    }
}

/// A run that has begun.
struct Begun {
    way: Way,
    command: Vec<String>,
    tap: Tap,
    client_before: Before,
    server_before: Before,
}

type Before = std::collections::BTreeSet<PathBuf>;

/// Waits until the client's side of a recording has ended.
async fn ended(mut find: impl FnMut() -> Option<Recording>) -> Recording {
    let wait = async {
        loop {
            if let Some(recording) = find().filter(|recording| recording.client_ended) {
                return recording;
            }
            tokio::time::sleep(RECORDING_INTERVAL).await;
        }
    };
    within_limit("the end of a recording", wait).await
}

/// What a client has done, and was told.
#[derive(Debug)]
pub struct Run {
    /// What it printed.
    pub said: Vec<String>,
    /// How it ended.
    pub status: ExitStatus,
    /// The messages at the client.
    pub client_side: Recording,
    /// The messages at the lent server; nothing for direct runs and for the built-in server.
    pub server_side: Option<Recording>,
}

impl Run {
    /// Fails the test unless the messages at the server are those at the client.
    ///
    /// # Panics
    ///
    /// When they are not, or were not recorded.
    pub fn passed_unchanged(&self) {
        let server_side = self.server_side.as_ref().expect("the lent server was recorded");
        if let Some(difference) = difference_in_transit(&self.client_side, server_side) {
            panic!("what was sent is not what arrived: {difference}");
        }
    }

    /// Fails the test unless the client said and was told the same in that other run.
    ///
    /// # Panics
    ///
    /// When it was not.
    pub fn told_as_in(&self, other: &Run, normalisers: &[Normaliser]) {
        if let Some(difference) = difference_of_runs(&self.client_side, &other.client_side, normalisers) {
            panic!("the runs differ: {difference}");
        }
    }

    /// As [`told_as_in`](Run::told_as_in), and the client must have printed the same and ended in the same way.
    ///
    /// # Panics
    ///
    /// When it did not.
    pub fn same_as(&self, other: &Run, normalisers: &[Normaliser]) {
        self.told_as_in(other, normalisers);
        let printed = |run: &Run| normalised(&run.said.join("\n"), normalisers);
        assert_eq!(printed(self), printed(other), "the client printed something else");
        assert_eq!(self.status, other.status, "the client ended in another way");
    }
}
