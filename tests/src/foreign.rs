//! A foreign peer: a program or a page that reports its steps.

use std::net::SocketAddr;

use crate::installation::{Installation, sources};
use crate::page::{Page, Site};
use crate::process::{Process, command};
use crate::steps::{Log, Step, Steps, steps};
use crate::within_limit;

/// The releases of aiortc under the Python peers. Before 1.16 it takes 65,536 bytes a message and does not check what
/// it sends; from then on 262,144 bytes, and it refuses to send more than its peer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aiortc {
    /// 1.14.0
    V1_14,
    /// 1.16.0
    V1_16,
}

impl Aiortc {
    /// Returns the largest message that a peer on it takes, in bytes.
    pub fn max_message_size(self) -> usize {
        match self {
            Self::V1_14 => 65_536,
            Self::V1_16 => 262_144,
        }
    }

    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::V1_14 => "aiortc-1.14",
            Self::V1_16 => "aiortc-1.16",
        }
    }
}

/// A running foreign peer. Dropping it ends it with all that belongs to it; what it said is printed if the test fails.
pub struct Foreign {
    name: String,
    steps: Steps,
    log: Log,
    body: Body,
}

enum Body {
    Process(Process),
    Page { _page: Page },
}

impl Foreign {
    /// Starts a program of `peers/python` on that release of aiortc.
    pub fn python(program: &str, aiortc: Aiortc, arguments: &[&str]) -> Self {
        let python = Installation::get().peers.join(aiortc.folder()).join("bin/python");
        let program_path = sources().join("python").join(program);
        let name = format!("{program} on {aiortc:?}");
        Self::program(name, python.as_os_str(), |command| {
            // Steps come one by one, whatever Python thinks of pipes; and no `__pycache__` in the source tree.
            command.env("PYTHONUNBUFFERED", "1").env("PYTHONDONTWRITEBYTECODE", "1");
            command.arg(program_path).args(arguments);
        })
    }

    /// Starts the simple-peer program.
    pub fn simple_peer(url: &str, arguments: &[&str]) -> Self {
        let program = sources().join("node/simple_peer.mjs");
        Self::program("simple_peer.mjs".to_owned(), "node".as_ref(), |command| {
            command.env("GATELODGE_PEERS", &Installation::get().peers).arg(program).arg(url).args(arguments);
        })
    }

    /// Starts one of our own programs, such as an example. It reports no steps; see [`Foreign::says`].
    pub fn own(path: &str, arguments: &[&str]) -> Self {
        Self::program(path.to_owned(), path.as_ref(), |command| {
            command.args(arguments);
        })
    }

    fn program(
        name: String,
        path: &std::ffi::OsStr,
        arguments: impl FnOnce(&mut tokio::process::Command),
    ) -> Self {
        let log = Log::default();
        let (reporter, steps) = steps(log.clone());
        let mut command = command(path);
        arguments(&mut command);
        let errors = log.clone();
        let process =
            Process::start(command, move |line| reporter.report(line), move |line| errors.line(line));
        Self { name, steps, log, body: Body::Process(process) }
    }

    /// Opens the page of that site in a browser of its own. `query` is described in `peers/browser/page.mjs`.
    pub fn page(site: Site, signaling: SocketAddr, query: &str) -> Self {
        let query = format!("signal=ws://{signaling}/&{query}");
        let log = site.log.clone();
        let (page, steps) = site.visit(&query);
        Self { name: format!("page.html?{query}"), steps, log, body: Body::Page { _page: page } }
    }

    /// Waits for the next step of that name, passing over others.
    ///
    /// # Panics
    ///
    /// When the peer fails or ends before, or takes longer than [`LIMIT`](crate::LIMIT).
    pub async fn step(&mut self, name: &str) -> Step {
        let what = format!("{}: the step {name:?}", self.name);
        match within_limit(&what, self.steps.next(name)).await {
            Ok(step) => step,
            Err(error) => panic!("{} {error}", self.name),
        }
    }

    /// Waits for the next line that is no step and begins with `beginning`; gives the rest of it.
    ///
    /// # Panics
    ///
    /// As [`step`](Foreign::step).
    pub async fn says(&mut self, beginning: &str) -> String {
        loop {
            let said = self.step("said").await;
            if let Some(rest) = said["text"].as_str().and_then(|text| text.strip_prefix(beginning)) {
                return rest.to_owned();
            }
        }
    }

    /// Waits until the peer has done all it was asked to do, and for a program to end with success.
    ///
    /// # Panics
    ///
    /// As [`step`](Foreign::step), and when a program ends with a failure.
    pub async fn done(mut self) {
        self.step("done").await;
        self.ends().await;
    }

    /// Waits for a program to end with success; pages never end by themselves.
    ///
    /// # Panics
    ///
    /// When it ends with a failure, or does not end.
    pub async fn ends(mut self) {
        if let Body::Process(process) = &mut self.body {
            let status = within_limit(&format!("{}: its end", self.name), process.ended()).await;
            let status = status.expect("a child process can be waited for");
            assert!(status.success(), "{} ended with {status}", self.name);
        }
    }

    /// Waits for `done`, having found the peer idle for the second before: see `--idle` of the programs.
    ///
    /// # Panics
    ///
    /// As [`done`](Foreign::done), and when the peer used up a fifth of its idle time or more.
    pub async fn done_and_idle(mut self) {
        let idle = self.step("idle").await;
        let (seconds, cpu) = (idle["seconds"].as_f64(), idle["cpu"].as_f64());
        let busy = cpu.zip(seconds).map(|(cpu, seconds)| cpu / seconds);
        assert!(busy.is_some_and(|busy| busy < 0.2), "{} goes on spinning: {idle}", self.name);
        self.done().await;
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} said:\n{}", self.name, self.log);
        }
    }
}
