//! `gatelodge host doctor`: what keeps agents from this desktop, asked of the running one or found out without it.

use std::path::PathBuf;
use std::time::Duration;

use gatelodge_host::diagnosis::{self, Offline};
use gatelodge_host::manage::{Reply, Request, ask_running};
use gatelodge_host::upstream::guard::GuardCommand;

use crate::failure::{Exit, Failure};
use crate::identity::home;

/// How long the running desktop may take: a diagnosis is done in less than 20 s.
const LIMIT: Duration = Duration::from_secs(20);

/// What the desktop would be started with; a running one knows it by itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// A STUN server beside those that rendezvous recommend, for a desktop that is not running; may be repeated
    #[arg(long, value_name = "URL")]
    stun: Vec<String>,

    /// Trust the certification authorities in this file (PEM) for rendezvous, for a desktop that is not running
    #[arg(long, value_name = "FILE", env = gatelodge_host::CA_FILE_VARIABLE)]
    ca_file: Option<PathBuf>,
}

/// Runs the command.
pub(super) async fn run(options: Doctor, json: bool) -> Result<(), Failure> {
    let home = home()?;
    let folder = home.desktop();
    let asking = tokio::time::timeout(LIMIT, ask_running(&folder, &Request::Diagnose));
    let reply = asking.await.map_err(|_| {
        let message =
            "the running desktop did not answer within 20 s; end it and start it again, or look at its log";
        Failure::new(Exit::Other, message)
    })?;
    let checks = match reply.map_err(|error| Failure::of(Exit::Other, &error))? {
        Some(Reply::Diagnosis { checks }) => checks,
        Some(Reply::Failed { message, .. }) => return Err(Failure::new(Exit::Other, message)),
        Some(_) => {
            return Err(Failure::new(Exit::Other, "the running desktop is of another version; restart it"));
        }
        None => {
            let guard = GuardCommand::current_exe().map_err(|error| Failure::of(Exit::Other, &error))?;
            let ca_files = options.ca_file.into_iter().collect();
            diagnosis::offline(Offline { home, stun: options.stun, ca_files, guard }).await
        }
    };
    crate::doctor::show(checks, json)
}
