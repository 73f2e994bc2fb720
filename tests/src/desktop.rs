//! A desktop in a process of its own: `gatelodge host`, driven by its options and read by its events.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::process::{Process, command};
use crate::programs::Programs;
use crate::steps::Log;
use crate::within_limit;

/// More events than any test leaves unread; a desktop that runs wild fails the test instead of filling the memory.
const MAX_UNREAD: usize = 4096;

/// The variable that moves everything that Gatelodge keeps into one folder.
pub(crate) const HOME: &str = "GATELODGE_HOME";

/// An agent: an identity of its own, in a folder of its own.
#[derive(Debug)]
pub struct Agent {
    home: TempDir,
    fingerprint: String,
}

impl Agent {
    /// Makes an identity.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub async fn new() -> Self {
        let home = tempfile::Builder::new().prefix("gatelodge-agent-").tempdir();
        let home = home.expect("the temporary folder can be written to");
        let mut id = command(&Programs::get().gatelodge);
        id.args(["id", "--json"]).env(HOME, home.path());
        let output = within_limit("gatelodge id", id.output()).await.expect("gatelodge can be run");
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        let identity: Value = serde_json::from_str(&answer).unwrap_or_default();
        let fingerprint = identity["fingerprint"].as_str().map(str::to_owned);
        let fingerprint = fingerprint.unwrap_or_else(|| panic!("gatelodge id answered {answer:?}"));
        Self { home, fingerprint }
    }

    /// Returns the fingerprint that desktops know it by.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns the folder with its identity, for `GATELODGE_HOME`.
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

/// A running desktop with one TCP link. Dropping it ends it with all that belongs to it; what it said is printed if the
/// test fails.
pub struct Desktop {
    process: Process,
    events: mpsc::Receiver<Value>,
    log: Log,
    link: String,
    _home: TempDir,
}

impl Desktop {
    /// Starts `gatelodge host` with a keychain in memory, events as JSON, a link, and these options.
    ///
    /// # Panics
    ///
    /// When its link does not come up.
    pub async fn start(options: &[String]) -> Self {
        let home = tempfile::Builder::new().prefix("gatelodge-desktop-").tempdir();
        let home = home.expect("the temporary folder can be written to");
        let mut host = command(&Programs::get().gatelodge);
        host.args(["host", "--ephemeral", "--json", "--link", "tcp://127.0.0.1:0"]).args(options);
        host.env(HOME, home.path());
        let log = Log::default();
        let (sender, events) = mpsc::channel(MAX_UNREAD);
        let (said, errors) = (log.clone(), log.clone());
        let take = move |line: &str| {
            said.line(line);
            let event = serde_json::from_str(line).unwrap_or_default();
            if sender.try_send(event).is_err() {
                said.line("(nobody reads any more events)");
            }
        };
        let process = Process::start(host, take, move |line| errors.line(line));
        let mut desktop = Self { process, events, log, link: String::new(), _home: home };
        let up = desktop.event("link_up").await;
        desktop.link = up["address"].as_str().expect("a link that is up has an address").to_owned();
        desktop
    }

    /// Returns the link's address: `tcp://127.0.0.1:PORT`.
    pub fn link(&self) -> &str {
        &self.link
    }

    /// Waits for the next event of that name, passing over others.
    ///
    /// # Panics
    ///
    /// When the desktop ends before, or it takes too long.
    pub async fn event(&mut self, name: &str) -> Value {
        let next = async {
            while let Some(event) = self.events.recv().await {
                if event["event"] == name {
                    return event;
                }
            }
            panic!("the desktop ended without the event {name:?}");
        };
        within_limit(&format!("the desktop's event {name:?}"), next).await
    }

    /// Returns how much memory the desktop's process has in use, in bytes; nothing once it has ended.
    pub fn memory(&self) -> Option<usize> {
        let pages = std::fs::read_to_string(format!("/proc/{}/statm", self.process.id()?)).ok()?;
        let pages: usize = pages.split(' ').nth(1)?.parse().ok()?;
        // Every Linux that these tests run on has pages of 4 KiB.
        Some(pages * 4096)
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the desktop said:\n{}", self.log);
        }
    }
}
