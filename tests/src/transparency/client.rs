//! The clients: MCP software of others, which starts the command that it is given as its server.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};

use crate::foreign::Aiortc;
use crate::installation::{Installation, sources};
use crate::process::{Process, command};
use crate::steps::Log;
use crate::within_limit;

/// A client and what it shall do.
#[derive(Debug, Clone)]
pub enum Client {
    /// The MCP Inspector's command line, with these arguments.
    Inspector(Vec<String>),
    /// A scenario of `peers/python/scenarios.py`, on the stdio client of PyPI `mcp`, with these variables.
    Scenario(&'static str, Vec<(&'static str, String)>),
}

impl Client {
    /// The Inspector with a method and options, as one would type them; there is no quoting.
    pub fn inspector(arguments: &str) -> Self {
        let arguments = std::iter::once("--method").chain(arguments.split_whitespace());
        Self::Inspector(arguments.map(str::to_owned).collect())
    }

    /// A scenario without variables.
    pub fn scenario(name: &'static str) -> Self {
        Self::Scenario(name, Vec::new())
    }

    /// Runs it with the server that this command starts; gives what it printed.
    pub(super) async fn run(&self, server: &[String]) -> (Vec<String>, ExitStatus) {
        let peers = &Installation::get().peers;
        let client = match self {
            Self::Inspector(arguments) => {
                let mut client = command("node");
                client.arg(peers.join("mcp/node_modules/@modelcontextprotocol/inspector-cli/build/cli.js"));
                client.arg("--cli").args(server).args(arguments);
                client
            }
            Self::Scenario(name, variables) => {
                let mut client = command(peers.join(Aiortc::V1_16.folder()).join("bin/python"));
                client.env("PYTHONDONTWRITEBYTECODE", "1").envs(variables.iter().cloned());
                client.arg(sources().join("python/scenarios.py")).arg(name).args(server);
                client
            }
        };
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let (out, log) = (Arc::clone(&said), Log::default());
        let out = move |line: &str| out.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        let errors = log.clone();
        let mut process = Process::start(client, out, move |line| errors.line(line));
        let status = within_limit(&format!("{self:?}"), process.finished()).await;
        let status = status.expect("a child process can be waited for");
        if !status.success() {
            eprintln!("{self:?} said on standard error:\n{log}");
        }
        let said = std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner));
        (said, status)
    }
}
