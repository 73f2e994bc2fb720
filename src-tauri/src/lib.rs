//! Gatelodge as a tray app: what the host does, shown to a person. See `ui/PLATFORM.md` for what the windows may ask.

mod app;
mod clipboard;
mod commands;
mod desk;
mod environment;
mod events;
mod failure;
mod notices;
mod prompts;
mod settings;
mod texts;
mod tray;
mod windows;

use std::process::ExitCode;

use clap::Parser;
use gatelodge_host::upstream::guard;

/// Lend local MCP servers to remote agents, peer to peer: the tray app.
#[derive(Debug, Parser)]
#[command(name = "gatelodge-desktop", version)]
struct Options {
    /// Start in the tray, without a window
    #[arg(long)]
    hidden: bool,

    /// A gatelodge:// link to open
    link: Option<String>,
}

/// Whether whoever starts the program may drive its windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteControl {
    /// No: the environment variables for it are taken out. What is shipped.
    Refused,
    /// Yes: for tests. Whoever starts such a build can answer its prompts.
    Allowed,
}

/// Runs the program. Its first argument may make it the guard over the servers' processes; see [`guard`].
pub fn main(remote_control: RemoteControl) -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == guard::GUARD_ARGUMENT) {
        return guard::run();
    }
    if remote_control == RemoteControl::Refused
        && let Some(code) = environment::restarted_without_remote_control()
    {
        return code;
    }
    let options = Options::parse();
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("GATELODGE_LOG") {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    app::run(options.hidden)
}
