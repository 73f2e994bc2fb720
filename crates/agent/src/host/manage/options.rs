//! What can be typed to manage a desktop: the commands with their options.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use gatelodge_host::activity::CallOutcome;
use gatelodge_host::{Fingerprint, GateChange, LinkId, ServerId, ToolRule};

use super::super::{doctor, invite, settings};
use super::values::{Way, link_way, span, tool_rule, variable};

/// What can be managed. Every command takes --json.
#[derive(Debug, Subcommand)]
pub(crate) enum Manage {
    /// Show who this desktop is and whether it is running
    Status,
    /// Find out what keeps agents out, and what to do about it. Exit code 0 if all is well, 1 if anything is not
    Doctor(doctor::Doctor),
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
    Pair(invite::Invite),
    /// The invitations that are open (of the running desktop)
    #[command(subcommand)]
    Invitations(invite::Invitations),
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
        change: Option<settings::Change>,
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
    /// Returns what becomes of the gate.
    pub(super) fn change(self) -> GateChange {
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
    pub(super) agent: Option<String>,
    /// Only those of one server
    #[arg(long)]
    pub(super) server: Option<ServerId>,
    /// Only calls of one tool
    #[arg(long)]
    pub(super) tool: Option<String>,
    /// Only calls that ended like this
    #[arg(long, value_enum)]
    pub(super) outcome: Option<Outcome>,
    /// Only those of the last minutes, hours or days, such as 90m, 8h or 7d
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(super) last: Option<Duration>,
    /// Only those with this text somewhere
    #[arg(long)]
    pub(super) text: Option<String>,
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
