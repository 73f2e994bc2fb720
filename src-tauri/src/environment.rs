//! What the environment may not do to a process that asks for approvals.

use std::ffi::OsStr;
use std::process::{Command, ExitCode};

/// Variables by which whoever starts the program could look into its windows and click in them.
const REMOTE_CONTROL: [&str; 4] = [
    "TAURI_WEBVIEW_AUTOMATION",
    "TAURI_AUTOMATION",
    "WEBKIT_INSPECTOR_SERVER",
    "WEBKIT_INSPECTOR_HTTP_SERVER",
];

/// Starts the program anew if the environment has one of [`REMOTE_CONTROL`], without it. `None` if it has none.
///
/// A process cannot change its own environment without unsafe code, and the libraries below read it.
pub(crate) fn restarted_without_remote_control() -> Option<ExitCode> {
    if !is_remote_controlled(|name| std::env::var_os(name).is_some()) {
        return None;
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Some(refuse(&error)),
    };
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1));
    REMOTE_CONTROL.iter().for_each(|name| {
        command.env_remove(OsStr::new(name));
    });
    Some(replace(command))
}

fn is_remote_controlled(is_set: impl Fn(&str) -> bool) -> bool {
    REMOTE_CONTROL.iter().any(|name| is_set(name))
}

#[cfg(unix)]
fn replace(mut command: Command) -> ExitCode {
    use std::os::unix::process::CommandExt;
    refuse(&command.exec())
}

#[cfg(not(unix))]
fn replace(mut command: Command) -> ExitCode {
    match command.status() {
        Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)),
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &std::io::Error) -> ExitCode {
    eprintln!(
        "gatelodge-desktop: not started, since its environment lets others click in its windows, and starting anew without that failed: {error}"
    );
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_of_the_variables_is_remote_control() {
        assert!(!is_remote_controlled(|_| false));
        for name in REMOTE_CONTROL {
            assert!(is_remote_controlled(|set| set == name));
        }
    }
}
