//! The desktop as a process in the foreground: starts it, shows what happens, asks, and ends it.

use std::collections::{BTreeMap, HashSet};
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::FutureExt as _;
use gatelodge_host::manage::{Reply, Request};
use gatelodge_host::upstream::guard::GuardCommand;
use gatelodge_host::{
    Fingerprint, FolderAccess, Host, HostConfig, HostEvent, HostEvents, LinkDefinition, LinkKind, LinkPolicy,
    ServerDefinition, ServerId, ServerKind, SharedFolder, Transient,
};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use super::prompt::Prompts;
use super::show;
use crate::failure::{Exit, Failure};
use crate::identity::home;
use crate::terminal::{harmless, say};

/// Where a first start listens: on this machine only, at a port that nothing else is known to use.
const FIRST_LINK: &str = "tcp://127.0.0.1:7420";

/// How many bytes of events are written in one go: what a pipe holds.
const SHOWN_AT_ONCE: usize = 64 << 10;
/// What opens an invitation when it is typed.
const PAIR: &str = "pair";

/// The standard input, line by line: answers to prompts.
pub(super) type Input = Lines<BufReader<Stdin>>;

/// Options of the running desktop. What they say counts for this run only.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Keep nothing: identity, trust and log are gone when it ends
    #[arg(long)]
    ephemeral: bool,

    /// Lend this folder, read-only, as the server "files"; may be repeated
    #[arg(long, value_name = "PATH")]
    share: Vec<PathBuf>,

    /// Lend this folder, to read and to change; may be repeated
    #[arg(long, value_name = "PATH")]
    share_rw: Vec<PathBuf>,

    /// Lend the servers that this file defines, in the mcpServers shape of other MCP programs
    #[arg(long, value_name = "FILE")]
    servers: Option<PathBuf>,

    /// Listen here, for agents that may ask to come in: tcp://ADDRESS:PORT or ws://ADDRESS:PORT, port 0 for a free one; may be repeated
    #[arg(long, value_name = "URL", value_parser = super::listen_address)]
    link: Vec<LinkKind>,

    /// Be found by known agents at a rendezvous: https://HOST, http://HOST:PORT, or embedded[=ADDRESS:PORT] for one in this
    /// process that agents on the same network reach (by default on all addresses, port 7424); may be repeated
    #[arg(long, value_name = "URL", value_parser = super::rendezvous)]
    rendezvous: Vec<LinkKind>,

    /// Trust the certification authorities in this file (PEM) for rendezvous, beside the public ones
    #[arg(long, value_name = "FILE", env = gatelodge_host::CA_FILE_VARIABLE)]
    ca_file: Option<PathBuf>,

    /// The server that plain peers on these links get, which cannot name one; the only one if there is one
    #[arg(long, value_name = "SERVER")]
    lend: Option<ServerId>,

    /// Let this agent in without asking, with every server and every tool; may be repeated
    #[arg(long, value_name = "FINGERPRINT")]
    approve_fingerprint: Vec<Fingerprint>,

    /// How many seconds a prompt waits for an answer; none is no. As the settings say if not given, 60 at first
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    approval_seconds: Option<u64>,

    /// How many seconds a session is kept whose connection is lost, so that its agent can go on with it
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    resume_seconds: u64,

    /// What this desktop calls itself towards agents
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// A STUN server such as stun:stun.example.org:3478, so that agents beyond NATs find this desktop; may be repeated
    #[arg(long, value_name = "URL")]
    stun: Vec<String>,
}

/// Runs the desktop until it is told to end.
pub(super) async fn run(options: Options, json: bool) -> Result<(), Failure> {
    let home = if options.ephemeral { None } else { Some(home()?) };
    let guard = GuardCommand::current_exe().map_err(|error| Failure::of(Exit::Other, &error))?;
    let mut config = HostConfig::new(home, guard);
    if let Some(name) = options.name.clone().or_else(gatelodge_host::machine_name) {
        config.name = name;
    }
    config.stun = options.stun.clone();
    config.ca_files.extend(options.ca_file.clone());
    config.approval_limit = options.approval_seconds.map(Duration::from_secs);
    config.resume_limit = Duration::from_secs(options.resume_seconds);
    config.transient = transient(&options)?;
    let (host, events) = Host::start(config).await.map_err(|error| Failure::of(Exit::Storage, &error))?;
    let input = BufReader::new(tokio::io::stdin()).lines();
    let ended = Desktop { host: host.clone(), events, input, json }.serve(&options).await;
    host.shutdown().await;
    ended
}

struct Desktop {
    host: Host,
    events: HostEvents,
    input: Input,
    json: bool,
}

impl Desktop {
    async fn serve(mut self, options: &Options) -> Result<(), Failure> {
        self.introduce().await?;
        if !self.json && std::io::stdin().is_terminal() {
            self.offer_a_folder(options.ephemeral).await?;
            println!("To pair with an agent, type {PAIR} and press Enter.");
        }
        let mut prompts = Prompts::new(self.host.approvals().clone(), self.json);
        let stop = crate::connect::told_to_stop();
        tokio::pin!(stop);
        let mut reads = true;
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                event = self.events.recv() => match event {
                    Some(event) => self.show(event),
                    None => return Ok(()),
                },
                () = prompts.changed() => prompts.show(),
                line = self.input.next_line(), if reads => match line {
                    Ok(Some(line)) if line.trim() == PAIR => self.invite().await,
                    Ok(Some(line)) => prompts.answer(&line),
                    // Nobody can answer any more; prompts run into their time limit, which is a no.
                    Ok(None) | Err(_) => reads = false,
                },
            }
        }
    }

    /// Says who this desktop is and what it lends.
    async fn introduce(&self) -> Result<(), Failure> {
        let fingerprint = self.host.fingerprint();
        let words = fingerprint.words();
        if self.json {
            println!(
                "{}",
                serde_json::json!({
                    "event": "identity", "fingerprint": fingerprint.to_string(), "words": words.to_string(),
                })
            );
            return Ok(());
        }
        println!("Gatelodge {}. This desktop is", env!("CARGO_PKG_VERSION"));
        println!("  {fingerprint}");
        println!("  {words}");
        let servers = self.host.servers().await.map_err(|error| super::storage(&error))?;
        if servers.is_empty() {
            println!("Nothing is lent yet.");
        } else {
            println!("It can lend");
            servers.iter().for_each(|server| println!("  {}", harmless(&show::server(server))));
            if matches!(self.host.perform(Request::Links).await, Reply::Links { links, .. } if links.is_empty())
            {
                println!(
                    "No agent can reach it, since there is no link; open one with --link {FIRST_LINK}, or keep one:"
                );
                println!("  gatelodge host links add --help");
            }
        }
        Ok(())
    }

    /// Offers to share a folder where nothing is set up yet.
    async fn offer_a_folder(&mut self, ephemeral: bool) -> Result<(), Failure> {
        let servers = self.host.servers().await.map_err(|error| super::storage(&error))?;
        if !servers.is_empty() {
            return Ok(());
        }
        loop {
            eprint!("Which folder do you want to lend, read-only? (Enter: none) ");
            let Ok(Some(line)) = self.input.next_line().await else { return Ok(()) };
            let line = line.trim();
            if line.is_empty() {
                return Ok(());
            }
            let path = match line.strip_prefix("~/") {
                Some(rest) => std::env::var_os("HOME")
                    .map_or_else(|| PathBuf::from(line), |home| PathBuf::from(home).join(rest)),
                None => PathBuf::from(line),
            };
            let path = match std::fs::canonicalize(&path) {
                Ok(path) if path.is_dir() => path,
                Ok(_) => {
                    say!("{} is not a folder", path.display());
                    continue;
                }
                Err(error) => {
                    say!("{} cannot be lent: {error}", path.display());
                    continue;
                }
            };
            let server = files(vec![SharedFolder { path, access: FolderAccess::ReadOnly }])?;
            let kind = super::listen_address(FIRST_LINK).map_err(|error| Failure::new(Exit::Other, error))?;
            let link = link("local", kind, Some(server.id.clone()))?;
            for request in [Request::PutServer { server }, Request::PutLink { link }] {
                if let Reply::Failed { message, .. } = self.host.perform(request).await {
                    return Err(Failure::new(Exit::Storage, message));
                }
            }
            let how_long = if ephemeral { "Lent until this desktop ends" } else { "Kept" };
            println!("{how_long}. An agent on this machine can now ask with: gatelodge connect {FIRST_LINK}");
            println!("For others, open a link that they can reach: gatelodge host links add --help");
            return Ok(());
        }
    }

    /// Opens an invitation and shows it.
    async fn invite(&self) {
        match self.host.perform(super::invite::Invite::default().request()).await {
            Reply::Failed { message, .. } => say!("{message}"),
            reply if self.json => match serde_json::to_string(&reply) {
                Ok(line) => println!("{line}"),
                Err(error) => say!("the invitation cannot be shown: {error}"),
            },
            reply => print!("{}", super::invite::shown(&reply).unwrap_or_default()),
        }
    }

    /// Shows an event, and those that have come with it: a busy agent makes thousands in a second.
    fn show(&mut self, event: HostEvent) {
        let mut lines = String::new();
        let mut next = Some(event);
        while let Some(event) = next {
            if self.json {
                match serde_json::to_string(&event) {
                    Ok(line) => lines.extend([line.as_str(), "\n"]),
                    Err(error) => say!("an event cannot be shown: {error}"),
                }
            } else if let Some(line) = show::event(&event) {
                lines.extend([&harmless(&line), "\n"]);
            }
            next =
                if lines.len() < SHOWN_AT_ONCE { self.events.recv().now_or_never().flatten() } else { None };
        }
        // Whoever has read the lines may have gone; the desktop stays.
        let _ = std::io::stdout().lock().write_all(lines.as_bytes());
    }
}

/// What the options set up for this run.
fn transient(options: &Options) -> Result<Transient, Failure> {
    let mut servers = match &options.servers {
        Some(file) => read_servers(file)?,
        None => Vec::new(),
    };
    let read_only = options.share.iter().map(|path| (path, FolderAccess::ReadOnly));
    let read_write = options.share_rw.iter().map(|path| (path, FolderAccess::ReadWrite));
    let mut folders = Vec::new();
    for (path, access) in read_only.chain(read_write) {
        let path = std::fs::canonicalize(path).map_err(|error| {
            Failure::new(Exit::Other, format!("{} cannot be lent: {error}", path.display()))
        })?;
        folders.push(SharedFolder { path, access });
    }
    if !folders.is_empty() {
        servers.push(files(folders)?);
    }
    let only = if let [only] = &servers[..] { Some(only.id.clone()) } else { None };
    let lend = options.lend.clone().or(only);
    let numbered = options.link.iter().zip(1..);
    let links = numbered.map(|(kind, number)| link(&format!("run-{number}"), kind.clone(), lend.clone()));
    let mut links = links.collect::<Result<Vec<_>, _>>()?;
    for (kind, number) in options.rendezvous.iter().zip(1..) {
        let asks_nobody = LinkPolicy::PairedOnly;
        let link = link(&format!("rendezvous-{number}"), kind.clone(), None)?;
        links.push(LinkDefinition { prompt: asks_nobody, ..link });
    }
    let approved: HashSet<_> = options.approve_fingerprint.iter().copied().collect();
    Ok(Transient { servers, links, approved })
}

fn files(folders: Vec<SharedFolder>) -> Result<ServerDefinition, Failure> {
    let id = "files".parse().map_err(|error| Failure::of(Exit::Other, &error))?;
    Ok(ServerDefinition {
        id,
        name: "Files".to_owned(),
        kind: ServerKind::Files { folders },
        notes: String::new(),
    })
}

fn link(id: &str, kind: LinkKind, server: Option<ServerId>) -> Result<LinkDefinition, Failure> {
    let parsed = id.parse().map_err(|error| Failure::of(Exit::Other, &error))?;
    Ok(LinkDefinition {
        id: parsed,
        name: id.to_owned(),
        kind,
        server,
        enabled: true,
        prompt: LinkPolicy::AskUnknown,
    })
}

/// The part of an `mcpServers` file that is understood.
#[derive(Deserialize)]
struct ServersFile {
    #[serde(rename = "mcpServers")]
    servers: BTreeMap<String, ServerEntry>,
}

#[derive(Deserialize)]
struct ServerEntry {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    cwd: Option<PathBuf>,
}

fn read_servers(file: &std::path::Path) -> Result<Vec<ServerDefinition>, Failure> {
    let wrong = |error: String| {
        let message = format!(
            "{} does not define servers: {error}; it needs {{\"mcpServers\": {{\"name\": {{\"command\": ...}}}}}}",
            file.display()
        );
        Failure::new(Exit::Other, message)
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let parsed: ServersFile = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let define = |(name, entry): (String, ServerEntry)| {
        let id = name
            .to_lowercase()
            .replace(' ', "-")
            .parse()
            .map_err(|error| wrong(format!("{name:?}: {error}")))?;
        let ServerEntry { command, args, env, cwd } = entry;
        Ok(ServerDefinition {
            id,
            name,
            kind: ServerKind::Stdio { command, args, env, cwd },
            notes: String::new(),
        })
    };
    parsed.servers.into_iter().map(define).collect()
}
