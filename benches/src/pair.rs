//! Two processes of one stack: starts them, reads what they print, ends them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::figures::Figures;
use crate::network;
use crate::plan::{Place, Stack};
use crate::scenario::Scenario;

/// How long a process may take until it listens: an interpreter with its packages on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long the next figure may take; the processes themselves give up a scenario after 90 s.
const FIGURE_LIMIT: Duration = Duration::from_secs(120);

/// Where the foreign peers are.
#[derive(Debug, Clone)]
pub(crate) struct Installed {
    /// The programs, in the source tree.
    pub(crate) programs: PathBuf,
    /// The packages they use, in the cache.
    pub(crate) packages: PathBuf,
}

/// What one scenario came to, or why it failed.
pub(crate) type Outcome = Result<Figures, String>;

/// What the dialing end prints.
#[derive(Deserialize)]
struct Line {
    scenario: String,
    /// The stack's name, where a process measures several.
    #[serde(default)]
    stack: String,
    #[serde(default)]
    figures: BTreeMap<String, f64>,
    error: Option<String>,
}

/// A process that ends with this value.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// `namespace` is the network namespace to run in, if not this one.
    fn start(mut words: Vec<String>, namespace: Option<&str>, installed: &Installed) -> anyhow::Result<Self> {
        if let Some(namespace) = namespace {
            words.splice(0..0, ["nsenter".to_owned(), format!("--net={namespace}"), "--".to_owned()]);
        }
        let (program, arguments) = words.split_first().context("no program")?;
        let mut child = Command::new(program)
            .args(arguments)
            .env("GATELODGE_BENCH_PEERS", &installed.packages)
            // Its end tells the process that this one is gone, even where this one was killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not start {program}"))?;
        let stdout = child.stdout.take().context("no standard output")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines() })
    }

    /// Reads the next line that is an object of this kind; `None` at the end. Other lines are the stack's own talk.
    async fn next<T: for<'de> Deserialize<'de>>(&mut self, limit: Duration) -> anyhow::Result<Option<T>> {
        let reading = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Ok(value) = serde_json::from_str(&line) {
                    return Ok(Some(value));
                }
                eprintln!("{line}");
            }
            Ok(None)
        };
        timeout(limit, reading).await.with_context(|| format!("nothing came for {} s", limit.as_secs()))?
    }

    async fn end(mut self) {
        // It may have ended by itself.
        let _ = self.child.kill().await;
    }
}

#[derive(Deserialize)]
struct Listening {
    listening: String,
}

#[derive(Deserialize)]
struct Namespaces {
    left: String,
    right: String,
}

/// Runs the scenarios over the stack.
pub(crate) async fn run(
    stack: Stack,
    place: Place,
    scenarios: &[Scenario],
    installed: &Installed,
) -> anyhow::Result<Vec<(Scenario, Outcome)>> {
    let mut network = None;
    let (mut hosts, mut namespaces) = ([IpAddr::from([127, 0, 0, 1]); 2], None);
    if let Place::Network(conditions) = place {
        let mut words = vec![own_program()?, "network".to_owned()];
        words.extend(conditions.arguments());
        let mut process = Process::start(words, None, installed)?;
        let made: Namespaces =
            process.next(START_LIMIT).await?.context("the emulated network did not come up")?;
        hosts = [network::LEFT.into(), network::RIGHT.into()];
        namespaces = Some(made);
        network = Some(process);
    }
    let (left, right) = match &namespaces {
        Some(both) => (Some(both.left.as_str()), Some(both.right.as_str())),
        None => (None, None),
    };
    let (listen, dial) = match place {
        Place::Apart => ("listen-apart", "dial-apart"),
        Place::Loopback | Place::Network(_) => ("listen", "dial"),
    };
    let mut listening = Process::start(words(stack, installed, listen, hosts[1])?, right, installed)?;
    let address: Listening =
        listening.next(START_LIMIT).await?.with_context(|| format!("{stack} ended before it listened"))?;

    let mut words = words(stack, installed, dial, hosts[0])?;
    words.push(address.listening);
    words.extend(scenarios.iter().map(Scenario::to_string));
    let mut dialing = Process::start(words, left, installed)?;
    let mut outcomes = Vec::new();
    for &scenario in scenarios {
        let line: anyhow::Result<Option<Line>> = dialing.next(FIGURE_LIMIT).await;
        let outcome = match line {
            Ok(Some(line)) if line.scenario != scenario.to_string() => {
                bail!("{} was not asked for", line.scenario)
            }
            Ok(Some(Line { error: Some(error), .. })) => Err(error),
            Ok(Some(line)) => Ok(line.figures),
            Ok(None) => Err("the process ended".to_owned()),
            Err(error) => Err(format!("{error:#}")),
        };
        outcomes.push((scenario, outcome));
    }
    dialing.end().await;
    listening.end().await;
    if let Some(network) = network {
        network.end().await;
    }
    Ok(outcomes)
}

/// What a process of this program measured: the row, the stack, the figures.
pub(crate) type Timed = (String, Stack, Figures);

/// Runs a process of this program that measures by itself.
pub(crate) async fn alone(words: &[&str], installed: &Installed) -> anyhow::Result<Vec<Timed>> {
    let mut command = vec![own_program()?];
    command.extend(words.iter().copied().map(str::to_owned));
    let mut process = Process::start(command, None, installed)?;
    let mut timed = Vec::new();
    while let Some(line) = process.next::<Line>(FIGURE_LIMIT).await? {
        let stacks = [Stack::Beside, Stack::Lent, Stack::Rendezvous, Stack::Desktop, Stack::Minimal];
        let stack = stacks.into_iter().find(|stack| stack.argument() == line.stack);
        timed.push((line.scenario, stack.unwrap_or(Stack::Gatelodge), line.figures));
    }
    let status = process.child.wait().await?;
    anyhow::ensure!(status.success(), "{} failed", words.join(" "));
    Ok(timed)
}

fn own_program() -> anyhow::Result<String> {
    let program = std::env::current_exe()?;
    Ok(program.to_str().context("the program's path is not UTF-8")?.to_owned())
}

fn words(stack: Stack, installed: &Installed, role: &str, host: IpAddr) -> anyhow::Result<Vec<String>> {
    let path = |path: PathBuf| path.to_str().map(str::to_owned).context("a path is not UTF-8");
    let mut words = match stack.written_in() {
        Language::Rust => vec![own_program()?],
        Language::JavaScript(file) => {
            vec!["node".to_owned(), path(installed.programs.join("node").join(file))?]
        }
        Language::Python(file) => vec![
            path(installed.packages.join("python/bin/python"))?,
            path(installed.programs.join("python").join(file))?,
        ],
    };
    words.extend([role.to_owned(), stack.argument().to_owned(), host.to_string()]);
    Ok(words)
}

/// What a stack's peer is written in, and its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// This program.
    Rust,
    /// A file in `peers/node`.
    JavaScript(&'static str),
    /// A file in `peers/python`.
    Python(&'static str),
}
