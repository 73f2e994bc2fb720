//! The `gatelodge` command: an agent's side of a lent MCP server, the desktop in a terminal, and the built-in file
//! server on its own.

mod config;
mod connect;
mod desktops;
mod doctor;
mod failure;
mod files;
mod host;
mod identity;
mod known;
#[cfg(feature = "manual")]
mod manual;
mod pair;
mod place;
mod stdio;
mod target;
mod terminal;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use gatelodge_host::upstream::guard;
use gatelodge_wire::Fingerprint;

use crate::failure::Failure;
use crate::identity::Profile;
use crate::terminal::say;

/// How many threads wait for files, the database and standard input at the same time.
const BLOCKING_THREADS: usize = 16;

/// How long such a thread stays without work.
const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(10);

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or the client closed its side
  1  anything without a code of its own; of doctor: something is not as it should be
  2  wrong usage
  3  the link or the path to the desktop failed
  4  the desktop refused this agent, or lends it nothing of that name
  5  another desktop answered than the expected or remembered one
  6  nobody decided in time
  7  the session was lost, or ended by the desktop
  8  the identity, the keychain, the database or the known desktops cannot be used
  9  the invitation is mistyped, or the desktop does not accept it (any more)

GATELODGE_HOME keeps everything in one folder. GATELODGE_LOG (such as debug, or mcp_webrtc=trace) logs to standard error.";

/// Lend local MCP servers to remote agents, peer to peer, or use one that was lent.
#[derive(Debug, Parser)]
#[command(name = "gatelodge", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

/// `gatelodge files`, read without the other commands.
#[derive(Debug, Parser)]
#[command(name = "gatelodge", version, after_help = EXIT_CODES, max_term_width = 100)]
enum FilesAlone {
    Files(files::Files),
}

#[derive(Debug, Subcommand)]
enum Action {
    Pair(pair::Pair),
    Connect(connect::Connect),
    Config(config::Config),
    Host(Box<host::Host>),
    Files(files::Files),
    /// Show this agent's identity: its fingerprint, and the words for it
    Id {
        #[command(flatten)]
        profile: Profile,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    Desktops(desktops::Desktops),
    Doctor(doctor::Doctor),
    /// Forget a paired desktop, or which desktop was met at a link, so that another one is accepted there
    Forget {
        /// The desktop's name or the beginning of its fingerprint, or the link, as `gatelodge desktops` lists them
        desktop: String,
        #[command(flatten)]
        profile: Profile,
    },
    #[cfg(feature = "manual")]
    #[command(hide = true)]
    Manual(manual::Manual),
}

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == guard::GUARD_ARGUMENT) {
        return guard::run();
    }
    gatelodge_files::keep_memory_small();
    let action = match std::env::args_os().nth(1) {
        // Clients start a file server for each of their sessions: it need not get to know all other commands first.
        Some(first) if first == "files" => {
            let FilesAlone::Files(options) = FilesAlone::parse();
            Action::Files(options)
        }
        _ => Command::parse().action,
    };
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("GATELODGE_LOG") {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    // One thread: nothing crosses another one between the socket and the pipe.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // Threads are for files and the database; a few are enough, and they go when there is nothing to do.
    runtime.enable_all().max_blocking_threads(BLOCKING_THREADS).thread_keep_alive(THREAD_KEEP_ALIVE);
    let runtime = match runtime.build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say!("the system gives no event loop: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(action));
    // A read of standard input or of the terminal cannot be taken back and must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say!("{failure}");
            failure.exit_code()
        }
    }
}

async fn run(action: Action) -> Result<(), Failure> {
    match action {
        Action::Connect(options) => connect::run(options).await,
        Action::Host(host) => host::run(*host).await,
        Action::Files(options) => files::run(options).await,
        Action::Id { profile, json } => {
            let fingerprint = identity::load(&profile).await?.fingerprint();
            show_identity(&fingerprint, json);
            Ok(())
        }
        Action::Pair(options) => pair::run(options).await,
        Action::Config(options) => config::run(&options),
        Action::Desktops(options) => desktops::run(options),
        Action::Doctor(options) => doctor::run(options).await,
        Action::Forget { desktop, profile } => desktops::forget(&desktop, &profile),
        #[cfg(feature = "manual")]
        Action::Manual(options) => manual::write(&options),
    }
}

fn show_identity(fingerprint: &Fingerprint, json: bool) {
    let words = fingerprint.words();
    if json {
        println!(
            "{}",
            serde_json::json!({"fingerprint": fingerprint.to_string(), "words": words.to_string()})
        );
    } else {
        println!("{fingerprint}\n{words}");
    }
}
