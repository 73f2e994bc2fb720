//! `gatelodge host servers|agents|grants|links|pair|invitations|sessions|gate|activity|secrets|settings|status`: managing the desktop
//! from the command line, by the running instance or, while none runs, on its database.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use gatelodge_host::activity::{ActivityFilter, CallOutcome};
use gatelodge_host::manage::{AgentSummary, FailureCause, Reply, Request, SecretText};
use gatelodge_host::{
    EMBEDDED_PORT, EntryRule, Fingerprint, FolderAccess, GateChange, Grant, LinkDefinition, LinkId, LinkKind,
    LinkPolicy, RendezvousUrlError, ServerDefinition, ServerId, ServerKind, SessionId, SharedFolder,
    Timestamp, ToolRule, ToolRules,
};

use crate::failure::{Exit, Failure};

/// What can be managed. Every command takes --json.
#[derive(Debug, Subcommand)]
pub(crate) enum Manage {
    /// Show who this desktop is and whether it is running
    Status,
    /// Find out what keeps agents out, and what to do about it. Exit code 0 if all is well, 1 if anything is not
    Doctor(super::doctor::Doctor),
    /// The local MCP servers that can be lent
    #[command(subcommand)]
    Servers(Servers),
    /// The agents that are known
    #[command(subcommand)]
    Agents(Agents),
    /// What each agent may do
    #[command(subcommand)]
    Grants(Grants),
    /// The ways in
    #[command(subcommand)]
    Links(Links),
    /// Open an invitation for an agent, and show it as text, link and QR code (of the running desktop)
    Pair(super::invite::Invite),
    /// The invitations that are open (of the running desktop)
    #[command(subcommand)]
    Invitations(super::invite::Invitations),
    /// The sessions that are up
    #[command(subcommand)]
    Sessions(Sessions),
    /// Whether anybody may come in at all
    Gate {
        /// What becomes of it; without it, how it is is shown
        #[command(subcommand)]
        change: Option<Gate>,
    },
    /// The log of what agents did
    #[command(subcommand)]
    Activity(Activity),
    /// Secrets for servers' environments, kept in the keychain
    #[command(subcommand)]
    Secrets(Secrets),
    /// What is decided about the application itself; without a subcommand, all of it is shown
    Settings {
        /// What becomes of it
        #[command(subcommand)]
        change: Option<super::settings::Change>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Servers {
    /// List the servers
    List,
    /// Share a folder through the built-in file server
    AddFolder {
        /// What agents name it by
        id: ServerId,
        /// The folders; may be repeated
        #[arg(required = true)]
        folders: Vec<PathBuf>,
        /// Let agents change files as well
        #[arg(long)]
        read_write: bool,
        /// What people call it; the id if not given
        #[arg(long)]
        name: Option<String>,
    },
    /// Add a program that speaks MCP over its standard input and output
    Add {
        /// What agents name it by
        id: ServerId,
        /// The program with its arguments, after --
        #[arg(last = true, required = true)]
        command: Vec<String>,
        /// A variable for it, as NAME=VALUE; ${secret:NAME} in the value is taken from the keychain; may be repeated
        #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
        env: Vec<(String, String)>,
        /// Where it runs; the home directory if not given
        #[arg(long)]
        cwd: Option<PathBuf>,
        /// What people call it; the id if not given
        #[arg(long)]
        name: Option<String>,
    },
    /// Remove a server
    Remove {
        /// Its id
        id: ServerId,
    },
    /// Show what a server wrote to its standard error (of the running desktop)
    Log {
        /// Its id
        id: ServerId,
    },
    /// Start a server for a moment and list its tools
    Probe {
        /// Its id
        id: ServerId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Agents {
    /// List the agents
    List,
    /// Let an agent in from now on; grant it something next
    Trust {
        /// Its fingerprint, as `gatelodge id` prints it there
        fingerprint: Fingerprint,
        /// What to call it
        label: String,
    },
    /// Give an agent another name
    Rename {
        /// Its name or fingerprint
        agent: String,
        /// The new name
        label: String,
    },
    /// Turn an agent away from now on; ends its sessions
    Block {
        /// Its name or fingerprint
        agent: String,
    },
    /// Forget an agent and what it may do; ends its sessions
    Forget {
        /// Its name or fingerprint
        agent: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Grants {
    /// List what agents may do
    List {
        /// One agent's name or fingerprint
        agent: Option<String>,
    },
    /// Lend a server to an agent, in place of what it had of it
    Set {
        /// The agent's name or fingerprint
        agent: String,
        /// The server
        server: ServerId,
        /// What happens when it calls a tool that has no rule of its own
        #[arg(long, value_enum, default_value_t = Rule::Ask)]
        tools: Rule,
        /// A rule for one tool, as NAME=allow, NAME=ask or NAME=deny; may be repeated
        #[arg(long = "tool", value_name = "NAME=RULE", value_parser = tool_rule)]
        tool: Vec<(String, ToolRule)>,
        /// Only this folder of the built-in file server, read-only; may be repeated
        #[arg(long, value_name = "PATH")]
        folder: Vec<PathBuf>,
        /// Like --folder, but files may be changed as far as the server allows it
        #[arg(long, value_name = "PATH")]
        folder_rw: Vec<PathBuf>,
        /// Ask me each time the agent connects to it
        #[arg(long)]
        ask: bool,
        /// Let the server ask the agent's model for completions
        #[arg(long)]
        sampling: bool,
        /// Let the server ask the agent's user
        #[arg(long)]
        elicitation: bool,
        /// For how long, such as 90m, 8h or 7d; for good if not given
        #[arg(long = "for", value_name = "TIME", value_parser = span)]
        span: Option<Duration>,
    },
    /// Take a server back from an agent
    Remove {
        /// The agent's name or fingerprint
        agent: String,
        /// The server
        server: ServerId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Links {
    /// List the links
    List,
    /// Add a link: one that listens for TCP or WebSocket signaling, or a rendezvous at which known agents find this desktop
    Add {
        /// What to name it by
        id: LinkId,
        /// Where to listen: tcp://ADDRESS:PORT or ws://ADDRESS:PORT; or `rendezvous`, followed by a URL
        #[arg(value_name = "LISTEN|rendezvous", value_parser = link_way)]
        way: Way,
        /// The rendezvous: https://HOST, http://HOST:PORT, or embedded[=ADDRESS:PORT] for one in the desktop's own process
        #[arg(value_name = "URL")]
        url: Option<String>,
        /// The server that a plain peer gets, which cannot name one
        #[arg(long, value_name = "SERVER")]
        lend: Option<ServerId>,
        /// Ask me about agents that are not known; without it they are turned away
        #[arg(long)]
        ask_unknown: bool,
    },
    /// Remove a link
    Remove {
        /// Its id
        id: LinkId,
    },
    /// Open a link again
    Enable {
        /// Its id
        id: LinkId,
    },
    /// Close a link, and keep it
    Disable {
        /// Its id
        id: LinkId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sessions {
    /// List the sessions
    List,
    /// End a session
    End {
        /// Its number
        id: u64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Gate {
    /// Let agents in again, as far as they are let in
    Open,
    /// End all sessions, and let nobody in until the gate is opened again
    Close {
        /// For how long, such as 30m or 1h; then it opens by itself
        #[arg(long = "for", value_name = "TIME", value_parser = span)]
        span: Option<Duration>,
        /// Open it with the next start, whatever was set
        #[arg(long, conflicts_with = "span")]
        until_restart: bool,
    },
}

impl Gate {
    fn change(self) -> GateChange {
        match self {
            Self::Open => GateChange::Open,
            Self::Close { until_restart: true, .. } => GateChange::ClosedUntilRestart,
            Self::Close { span, .. } => GateChange::Closed { seconds: span.map(|span| span.as_secs()) },
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Activity {
    /// Show the newest entries
    List {
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Only before the entry of this number
        #[arg(long)]
        before: Option<u64>,
        #[command(flatten)]
        filter: Filter,
    },
    /// Check that no entry was changed or removed
    Verify,
    /// Remove old entries now, which otherwise happens by itself
    Prune {
        /// Days after which an entry is old; 90 unless set otherwise
        #[arg(long)]
        days: Option<u32>,
    },
    /// Write entries to a new file, as JSON lines
    Export {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        filter: Filter,
    },
}

/// Which entries of the log.
#[derive(Debug, clap::Args)]
pub(crate) struct Filter {
    /// Only one agent's, by name or fingerprint
    #[arg(long)]
    agent: Option<String>,
    /// Only those of one server
    #[arg(long)]
    server: Option<ServerId>,
    /// Only calls of one tool
    #[arg(long)]
    tool: Option<String>,
    /// Only calls that ended like this
    #[arg(long, value_enum)]
    outcome: Option<Outcome>,
    /// Only those of the last minutes, hours or days, such as 90m, 8h or 7d
    #[arg(long, value_name = "TIME", value_parser = span)]
    last: Option<Duration>,
    /// Only those with this text somewhere
    #[arg(long)]
    text: Option<String>,
}

impl Filter {
    async fn resolve(self, desk: &super::Desk) -> Result<ActivityFilter, Failure> {
        let agent = match self.agent {
            Some(agent) => Some(find(desk, &agent).await?),
            None => None,
        };
        Ok(ActivityFilter {
            agent,
            server: self.server,
            tool: self.tool,
            outcome: self.outcome.map(CallOutcome::from),
            from: self.last.map(|span| Timestamp::now().before(span)),
            text: self.text,
            ..ActivityFilter::default()
        })
    }
}

/// How a call ended, as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Outcome {
    Answered,
    Failed,
    Denied,
    Cancelled,
    Interrupted,
}

impl From<Outcome> for CallOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Answered => Self::Answered,
            Outcome::Failed => Self::Failed,
            Outcome::Denied => Self::Denied,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Interrupted => Self::Interrupted,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secrets {
    /// List the names
    List,
    /// Keep a secret; its value is read from standard input
    Set {
        /// Its name
        name: String,
    },
    /// Remove a secret
    Remove {
        /// Its name
        name: String,
    },
}

/// A rule as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rule {
    Allow,
    Ask,
    Deny,
}

impl From<Rule> for ToolRule {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Allow => Self::Allow,
            Rule::Ask => Self::Ask,
            Rule::Deny => Self::Deny,
        }
    }
}

/// Carries out one command.
pub(crate) async fn run(manage: Manage, json: bool) -> Result<(), Failure> {
    let desk = super::Desk::find().await?;
    let request = request(&desk, manage).await?;
    let reply = desk.ask(request).await?;
    if let Reply::Failed { message, cause } = reply {
        return Err(failed(message, cause));
    }
    let broken = matches!(&reply, Reply::Verified { broken: Some(_), .. });
    if json {
        let text = serde_json::to_string_pretty(&reply).map_err(|error| Failure::of(Exit::Other, &error))?;
        println!("{text}");
    } else if let Some(text) = super::invite::shown(&reply) {
        // What is in it was made here, and the code is drawn in colours.
        print!("{text}");
    } else {
        print!("{}", crate::terminal::harmless(&super::show::reply(&reply)));
    }
    match broken {
        true => Err(Failure::new(Exit::Other, "the activity log is not what was written")),
        false => Ok(()),
    }
}

async fn request(desk: &super::Desk, manage: Manage) -> Result<Request, Failure> {
    Ok(match manage {
        Manage::Status => Request::Status,
        Manage::Doctor(_) => Request::Diagnose,
        Manage::Servers(servers) => servers_request(servers)?,
        Manage::Agents(agents) => match agents {
            Agents::List => Request::Agents,
            Agents::Trust { fingerprint, label } => Request::Trust { agent: fingerprint, label },
            Agents::Rename { agent, label } => {
                Request::RenameAgent { agent: find(desk, &agent).await?, label }
            }
            Agents::Block { agent } => Request::Block { agent: find(desk, &agent).await? },
            Agents::Forget { agent } => Request::Forget { agent: find(desk, &agent).await? },
        },
        Manage::Grants(grants) => grants_request(desk, grants).await?,
        Manage::Links(links) => links_request(desk, links).await?,
        Manage::Pair(invite) => invite.request(),
        Manage::Invitations(invitations) => invitations.request(),
        Manage::Sessions(Sessions::List) => Request::Sessions,
        Manage::Sessions(Sessions::End { id }) => Request::EndSession { session: SessionId(id) },
        Manage::Activity(Activity::List { limit, before, filter }) => {
            Request::Activity { limit, before, filter: filter.resolve(desk).await? }
        }
        Manage::Gate { change: None } => Request::Gate,
        Manage::Gate { change: Some(gate) } => Request::SetGate { change: gate.change() },
        Manage::Settings { change: None } => Request::Settings,
        Manage::Settings { change: Some(change) } => match desk.ask(Request::Settings).await? {
            Reply::Settings { settings } => change.request(&settings)?,
            Reply::Failed { message, cause } => return Err(failed(message, cause)),
            _ => return Err(unexpected()),
        },
        Manage::Activity(Activity::Verify) => Request::VerifyActivity,
        Manage::Activity(Activity::Prune { days }) => Request::PruneActivity { days },
        Manage::Activity(Activity::Export { file, filter }) => {
            Request::ExportActivity { path: absolute(file)?, filter: filter.resolve(desk).await? }
        }
        Manage::Secrets(Secrets::List) => Request::Secrets,
        Manage::Secrets(Secrets::Set { name }) => {
            let value = std::io::read_to_string(std::io::stdin())
                .map_err(|error| Failure::of(Exit::Other, &error))?;
            Request::PutSecret { name, value: SecretText(value.trim_end_matches(['\n', '\r']).to_owned()) }
        }
        Manage::Secrets(Secrets::Remove { name }) => Request::RemoveSecret { name },
    })
}

fn servers_request(servers: Servers) -> Result<Request, Failure> {
    let define = |id: ServerId, name: Option<String>, kind| {
        let name = name.unwrap_or_else(|| id.to_string());
        Request::PutServer { server: ServerDefinition { id, name, kind, notes: String::new() } }
    };
    Ok(match servers {
        Servers::List => Request::Servers,
        Servers::AddFolder { id, folders, read_write, name } => {
            let access = if read_write { FolderAccess::ReadWrite } else { FolderAccess::ReadOnly };
            let folders = folders.into_iter().map(|path| shared(path, access)).collect::<Result<_, _>>()?;
            define(id, name, ServerKind::Files { folders })
        }
        Servers::Add { id, command, env, cwd, name } => {
            let mut words = command.into_iter();
            let command = words.next().unwrap_or_default();
            let cwd = cwd.map(absolute).transpose()?;
            let env = env.into_iter().collect::<BTreeMap<_, _>>();
            define(id, name, ServerKind::Stdio { command, args: words.collect(), env, cwd })
        }
        Servers::Remove { id } => Request::RemoveServer { server: id },
        Servers::Log { id } => Request::ServerLog { server: id },
        Servers::Probe { id } => Request::ProbeServer { server: id },
    })
}

async fn grants_request(desk: &super::Desk, grants: Grants) -> Result<Request, Failure> {
    Ok(match grants {
        Grants::List { agent: Some(agent) } => Request::Grants { agent: Some(find(desk, &agent).await?) },
        Grants::List { agent: None } => Request::Grants { agent: None },
        Grants::Set { agent, server, tools, tool, folder, folder_rw, ask, sampling, elicitation, span } => {
            let read_only = folder.into_iter().map(|path| shared(path, FolderAccess::ReadOnly));
            let read_write = folder_rw.into_iter().map(|path| shared(path, FolderAccess::ReadWrite));
            let folders = read_only.chain(read_write).collect::<Result<Vec<_>, _>>()?;
            Request::PutGrant {
                grant: Grant {
                    agent: find(desk, &agent).await?,
                    server,
                    entry: if ask { EntryRule::Ask } else { EntryRule::Open },
                    folders: (!folders.is_empty()).then_some(folders),
                    tools: ToolRules { default: tools.into(), tools: tool.into_iter().collect() },
                    sampling,
                    elicitation,
                    expires: span.map(|span| Timestamp::now().after(span)),
                    pins: BTreeMap::new(),
                },
            }
        }
        Grants::Remove { agent, server } => Request::RemoveGrant { agent: find(desk, &agent).await?, server },
    })
}

async fn links_request(desk: &super::Desk, links: Links) -> Result<Request, Failure> {
    let switched = async |id: LinkId, enabled| match desk.ask(Request::Links).await? {
        Reply::Links { links, .. } => {
            let link = links.into_iter().find(|link| link.id == id);
            let link = link.ok_or_else(|| Failure::new(Exit::Other, format!("there is no link {id}")))?;
            Ok(Request::PutLink { link: LinkDefinition { enabled, ..link } })
        }
        _ => Err(unexpected()),
    };
    Ok(match links {
        Links::List => Request::Links,
        Links::Add { id, way, url, lend, ask_unknown } => {
            let usage = |error: String| Failure::new(Exit::Usage, error);
            let kind = match (way, url) {
                (Way::Listen(kind), None) => kind,
                (Way::Listen(_), Some(_)) => {
                    return Err(usage("only a rendezvous is followed by a URL".to_owned()));
                }
                (Way::Rendezvous, Some(url)) => rendezvous(&url).map_err(usage)?,
                (Way::Rendezvous, None) => {
                    return Err(usage(
                        "say which rendezvous: https://HOST, http://HOST:PORT or embedded".to_owned(),
                    ));
                }
            };
            if ask_unknown && matches!(kind, LinkKind::Rendezvous { .. } | LinkKind::Embedded { .. }) {
                return Err(usage(
                    "at a rendezvous anybody can knock, so that unknown agents are turned away there without a question; \
                     leave --ask-unknown out"
                        .to_owned(),
                ));
            }
            let prompt = if ask_unknown { LinkPolicy::AskUnknown } else { LinkPolicy::PairedOnly };
            let name = id.to_string();
            Request::PutLink { link: LinkDefinition { id, name, kind, server: lend, enabled: true, prompt } }
        }
        Links::Remove { id } => Request::RemoveLink { link: id },
        Links::Enable { id } => switched(id, true).await?,
        Links::Disable { id } => switched(id, false).await?,
    })
}

fn failed(message: String, cause: FailureCause) -> Failure {
    let exit = if cause == FailureCause::Storage { Exit::Storage } else { Exit::Other };
    Failure::new(exit, message)
}

/// Finds an agent by its fingerprint or its name.
async fn find(desk: &super::Desk, text: &str) -> Result<Fingerprint, Failure> {
    if let Ok(fingerprint) = text.parse() {
        return Ok(fingerprint);
    }
    let agents = match desk.ask(Request::Agents).await? {
        Reply::Agents { agents } => agents,
        Reply::Failed { message, cause } => return Err(failed(message, cause)),
        _ => return Err(unexpected()),
    };
    let found = agents.iter().find(|agent| agent.label == text || agent.words == text);
    let found = found.and_then(|AgentSummary { fingerprint, .. }| fingerprint.parse().ok());
    found.ok_or_else(|| {
        let known: Vec<_> = agents.iter().map(|agent| agent.label.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Failure::new(Exit::Other, format!("no agent is known as {text:?}; known: {known}"))
    })
}

fn unexpected() -> Failure {
    Failure::new(Exit::Other, "the running desktop gave an unexpected reply; use the same version for both")
}

fn absolute(path: PathBuf) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::of(Exit::Other, &error))
}

fn shared(path: PathBuf, access: FolderAccess) -> Result<SharedFolder, Failure> {
    Ok(SharedFolder { path: absolute(path)?, access })
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("use NAME=VALUE".to_owned()),
    }
}

fn tool_rule(text: &str) -> Result<(String, ToolRule), String> {
    let wrong = || "use NAME=allow, NAME=ask or NAME=deny".to_owned();
    let (name, rule) = text.rsplit_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
    let rule = Rule::from_str(rule, true).map_err(|_| wrong())?;
    Ok((name.to_owned(), rule.into()))
}

pub(super) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "use a number with s, m, h or d, such as 90m or 7d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).filter(|total| *total > 0).map(Duration::from_secs).ok_or_else(wrong)
}

/// How a link that is added gets its peers.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    Listen(LinkKind),
    Rendezvous,
}

fn link_way(text: &str) -> Result<Way, String> {
    match text {
        "rendezvous" => Ok(Way::Rendezvous),
        _ => super::listen_address(text).map(Way::Listen),
    }
}

/// Reads a rendezvous: a URL, or `embedded` with or without an address.
pub(super) fn rendezvous(text: &str) -> Result<LinkKind, String> {
    let anywhere = SocketAddr::from(([0, 0, 0, 0], EMBEDDED_PORT));
    match text.strip_prefix("embedded") {
        Some("") => Ok(LinkKind::Embedded { bind: anywhere }),
        Some(rest) => match rest.strip_prefix('=').and_then(|address| address.parse().ok()) {
            Some(bind) => Ok(LinkKind::Embedded { bind }),
            None => Err("use embedded=ADDRESS:PORT, with a numeric address such as 0.0.0.0".to_owned()),
        },
        None => match text.parse() {
            Ok(url) => Ok(LinkKind::Rendezvous { url }),
            Err(error) => Err(RendezvousUrlError::to_string(&error)),
        },
    }
}

/// Reads where a link listens.
pub(super) fn listen_address(text: &str) -> Result<LinkKind, String> {
    let wrong =
        || "use tcp://ADDRESS:PORT or ws://ADDRESS:PORT, with a numeric address such as 127.0.0.1".to_owned();
    let (scheme, address) = text.split_once("://").ok_or_else(wrong)?;
    let bind: SocketAddr = address.trim_end_matches('/').parse().map_err(|_| wrong())?;
    match scheme {
        "tcp" => Ok(LinkKind::Tcp { bind }),
        "ws" => Ok(LinkKind::WebSocket { bind }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(span("90m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(span("7d"), Ok(Duration::from_secs(604_800)));
        for bad in ["", "h", "0h", "-1h", "1", "1w", "99999999999999999999d"] {
            assert!(span(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn rules_are_read() {
        assert_eq!(tool_rule("write=deny"), Ok(("write".to_owned(), ToolRule::Deny)));
        assert_eq!(tool_rule("a=b=Allow"), Ok(("a=b".to_owned(), ToolRule::Allow)));
        for bad in ["write", "=allow", "write=", "write=maybe"] {
            assert!(tool_rule(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn rendezvous_are_read() {
        let url = "https://meet.example.org".parse().unwrap();
        assert_eq!(rendezvous("https://meet.example.org/"), Ok(LinkKind::Rendezvous { url }));
        assert_eq!(rendezvous("embedded"), Ok(LinkKind::Embedded { bind: ([0, 0, 0, 0], 7424).into() }));
        assert_eq!(
            rendezvous("embedded=127.0.0.1:0"),
            Ok(LinkKind::Embedded { bind: ([127, 0, 0, 1], 0).into() })
        );
        for bad in ["meet.example.org", "embedded=", "embedded:1", "embeddedx", "tcp://a:1", ""] {
            assert!(rendezvous(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn listening_addresses_are_read() {
        assert_eq!(
            listen_address("tcp://127.0.0.1:0"),
            Ok(LinkKind::Tcp { bind: ([127, 0, 0, 1], 0).into() })
        );
        assert_eq!(
            listen_address("ws://[::1]:80/"),
            Ok(LinkKind::WebSocket { bind: "[::1]:80".parse().unwrap() })
        );
        for bad in ["127.0.0.1:80", "tcp://localhost:80", "tcp://127.0.0.1", "udp://127.0.0.1:1"] {
            assert!(listen_address(bad).is_err(), "{bad:?}");
        }
    }
}
