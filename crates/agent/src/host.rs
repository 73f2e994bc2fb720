//! `gatelodge host`: the desktop in a terminal.

mod doctor;
mod invite;
mod manage;
mod pairing;
mod prompt;
mod run;
mod settings;
mod show;

use gatelodge_host::Home;
use gatelodge_host::StoreError;
use gatelodge_host::manage::{Kept, Reply, Request, ask_running, perform_offline};

use crate::failure::{Exit, Failure};
use crate::identity::home;

use manage::{listen_address, rendezvous};

/// Lend local MCP servers from this machine, with prompts in this terminal; or manage what is lent
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Host {
    /// What to manage; without it the desktop runs here
    #[command(subcommand)]
    manage: Option<manage::Manage>,

    /// Print JSON; for the running desktop, one event a line
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    options: run::Options,
}

/// Runs the command.
pub(crate) async fn run(host: Host) -> Result<(), Failure> {
    match host.manage {
        Some(manage::Manage::Doctor(options)) => doctor::run(options, host.json).await,
        Some(manage) => manage::run(manage, host.json).await,
        None => run::run(host.options, host.json).await,
    }
}

/// The desktop as a managing command finds it: an instance that runs, or what is kept.
struct Desk {
    home: Home,
    kept: Option<Kept>,
}

impl Desk {
    async fn find() -> Result<Self, Failure> {
        let home = home()?;
        let running = ask_running(&home.desktop(), &Request::Status).await;
        if let Ok(Some(_)) = running {
            return Ok(Self { home, kept: None });
        }
        let kept = Kept::open(Some(&home)).await.map_err(|error| storage(&error))?;
        Ok(Self { home, kept: Some(kept) })
    }

    async fn ask(&self, request: Request) -> Result<Reply, Failure> {
        if let Some(kept) = &self.kept {
            return Ok(perform_offline(kept, request).await);
        }
        let reply = ask_running(&self.home.desktop(), &request).await;
        let reply = reply.map_err(|error| Failure::of(Exit::Other, &error))?;
        reply.ok_or_else(|| Failure::new(Exit::Other, "the desktop has just ended; try again"))
    }
}

fn storage(error: &StoreError) -> Failure {
    Failure::of(Exit::Storage, error)
}
