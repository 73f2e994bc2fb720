//! What runs in the processes that the host starts from its own executable: the watch over process groups, and the stage
//! before a server's program.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::super::group::Group;
use super::{READY, START, WATCH};

/// How long orphaned servers have between SIGTERM and SIGKILL: as long as when Gatelodge ends them itself.
const GRACE: Duration = Duration::from_secs(2);

/// How often the watch looks whether they have ended.
const LOOK: Duration = Duration::from_millis(20);

/// The shell's codes for a program that is there but can't be run, and for one that isn't there.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Wrong use, by the convention of sysexits(3).
const USAGE: u8 = 64;

/// Does the work of a process that was started with [`super::GUARD_ARGUMENT`] as its first argument; a `main` returns
/// what this returns, and does nothing before.
///
/// ```no_run
/// # use gatelodge_host::upstream::guard;
/// fn main() -> std::process::ExitCode {
///     if std::env::args_os().nth(1).is_some_and(|argument| argument == guard::GUARD_ARGUMENT) {
///         return guard::run();
///     }
///     // ...
///     std::process::ExitCode::SUCCESS
/// }
/// ```
pub fn run() -> ExitCode {
    let mut arguments = env::args_os().skip(2);
    match arguments.next() {
        Some(role) if role == WATCH => watch(io::stdin().lock()),
        Some(role) if role == START => start(arguments),
        _ => {
            eprintln!("this is a part of Gatelodge that it starts itself");
            ExitCode::from(USAGE)
        }
    }
}

/// Keeps a list of groups until the input ends, and then ends those that are left.
fn watch(input: impl BufRead) -> ExitCode {
    let mut groups = BTreeMap::new();
    for line in input.lines() {
        let Ok(line) = line else { break };
        let Some((sign, text)) = line.split_at_checked(1) else { continue };
        let Some(group) = Group::from_text(text) else { continue };
        match sign {
            "+" => drop(groups.insert(group.leader(), group)),
            _ => drop(groups.remove(&group.leader())),
        }
    }
    let mut left: Vec<Group> = groups.into_values().collect();
    for group in &left {
        group.signal(Signal::SIGTERM);
    }
    let deadline = Instant::now() + GRACE;
    loop {
        left.retain(|group| !group.is_empty());
        if left.is_empty() || Instant::now() >= deadline {
            break;
        }
        thread::sleep(LOOK);
    }
    for group in left {
        group.signal(Signal::SIGKILL);
    }
    ExitCode::SUCCESS
}

/// Becomes a server's program once the host has put this process under guard.
fn start(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(program) = arguments.next() else { return ExitCode::from(USAGE) };
    // A session of its own is a process group of its own, and has no terminal: a server that asks for a password on
    // the terminal gets an error instead of being stopped for ever.
    if let Err(error) = nix::unistd::setsid() {
        eprintln!("cannot make a session of its own: {error}");
        return ExitCode::from(CANNOT_RUN);
    }
    // Only now is there a group that the guard could end.
    if io::stdout().write_all(&[READY]).and_then(|()| io::stdout().flush()).is_err() || !may_begin() {
        return ExitCode::SUCCESS;
    }
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("cannot run {}: {error}", Path::new(&program).display());
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN })
}

/// Waits for the host's word. Reads one byte and no more: the next ones are the server's.
fn may_begin() -> bool {
    let Ok(input) = io::stdin().as_fd().try_clone_to_owned() else { return false };
    // `Stdin` itself would read ahead; `read_exact` only starts again after an interruption.
    File::from(input).read_exact(&mut [0]).is_ok()
}
