//! What the tests start in place of the desktop.
//!
//! `host-fixture __guard ...` does what every executable of Gatelodge does then. `host-fixture host COMMAND...` runs a
//! command as a server, prints one line when it has begun, and waits to be killed. `host-fixture drain COMMAND...` reads
//! what the server sends, up to 1 MiB a message, prints why it ended, and how much memory that took, in bytes.

use std::collections::BTreeMap;
use std::process::ExitCode;

use zeroize::Zeroizing;

use gatelodge_host::upstream::guard::{self, GuardCommand};
use gatelodge_host::upstream::{LaunchOptions, LoginShell, ServerLauncher, Upstream};
use gatelodge_host::{Fingerprint, SecretError, ServerDefinition, ServerKind};

/// The largest message that `drain` takes.
const LIMIT: usize = 1024 * 1024;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(guard::GUARD_ARGUMENT) => guard::run(),
        Some("host") => host(arguments.collect()),
        Some("drain") => drain(arguments.collect()),
        _ => ExitCode::FAILURE,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn host(command: Vec<String>) -> ExitCode {
    let _kept = start(command).await;
    println!("begun");
    std::future::pending().await
}

#[tokio::main(flavor = "current_thread")]
async fn drain(command: Vec<String>) -> ExitCode {
    let mut upstream = start(command).await;
    let before = peak_memory();
    while upstream.recv().await.is_some() {}
    let cause = upstream.sender().ended().await.cause;
    println!("{cause}\n{}", peak_memory() - before);
    ExitCode::SUCCESS
}

async fn start(mut args: Vec<String>) -> Upstream {
    let starter = GuardCommand::current_exe().expect("the system tells where the executable is");
    let shell = LoginShell::new("/bin/sh".into(), starter.clone());
    let options = LaunchOptions { message_limit: LIMIT, ..LaunchOptions::default() };
    let launcher = ServerLauncher::new(starter, shell, options);
    let kind = ServerKind::Stdio { command: args.remove(0), args, env: BTreeMap::new(), cwd: None };
    let id = "fixture".parse().expect("it is a word");
    let definition = ServerDefinition { id, name: String::new(), kind, notes: String::new() };
    let agent = Fingerprint::from_bytes([7; 32]);
    launcher.start(&definition, &agent, &no_secrets).await.expect("it starts")
}

fn no_secrets(value: &str) -> Result<Zeroizing<String>, SecretError> {
    Ok(Zeroizing::new(value.to_owned()))
}

/// The most memory that this process has had, in bytes.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("it is there on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it has the line");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("it is a number") * 1024
}
