//! Our own programs, as cargo builds them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// Where the programs are that the tests start.
#[derive(Debug)]
pub struct Programs {
    /// The `gatelodge` command.
    pub gatelodge: PathBuf,
    /// The rendezvous.
    pub rendezvous: PathBuf,
    /// The recorder of `tests/recorder.rs`.
    pub recorder: PathBuf,
}

impl Programs {
    /// Returns the programs, built from the sources as they are.
    ///
    /// # Panics
    ///
    /// When they cannot be built.
    pub fn get() -> &'static Self {
        static PROGRAMS: OnceLock<Programs> = OnceLock::new();
        PROGRAMS.get_or_init(|| {
            let messages =
                build(&["--bin", "gatelodge", "--bin", "recorder", "--bin", "gatelodge-rendezvous"]);
            Self {
                gatelodge: executable(&messages, "gatelodge"),
                rendezvous: executable(&messages, "gatelodge-rendezvous"),
                recorder: executable(&messages, "recorder"),
            }
        })
    }
}

/// Where the tray app's programs are.
#[derive(Debug)]
pub struct TrayApp {
    /// The app as it is shipped.
    pub shipped: PathBuf,
    /// The app whose windows a WebDriver may drive.
    pub automated: PathBuf,
}

impl TrayApp {
    /// Returns the programs, built from the sources as they are.
    ///
    /// # Panics
    ///
    /// When they cannot be built.
    pub fn get() -> &'static Self {
        static PROGRAMS: OnceLock<TrayApp> = OnceLock::new();
        PROGRAMS.get_or_init(|| {
            let messages = build(&["--bin", "gatelodge-desktop", "--example", "automated"]);
            Self {
                shipped: executable(&messages, "gatelodge-desktop"),
                automated: executable(&messages, "automated"),
            }
        })
    }
}

/// Builds these targets, and returns what cargo says about them.
///
/// Cargo tells a test only where the programs of its own package are, and may not have built those of others. The
/// whole workspace is named so that dependencies have the features with which the tests were built, and nothing
/// is built twice.
fn build(targets: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    // Cargo describes the tests' package to them. Build scripts of dependencies that look at such variables would
    // take them for a change, and a minute goes by until all is built anew.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    let output = cargo
        .args(["build", "--workspace"])
        .args(targets)
        .args(["--locked", "--message-format", "json-render-diagnostics", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .unwrap_or_else(|error| panic!("cargo cannot be run: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn executable(messages: &str, name: &str) -> PathBuf {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut executables = messages
        .filter(|message| message["target"]["name"] == name)
        .filter_map(|message| message["executable"].as_str().map(|path| Path::new(path).to_owned()));
    executables.next().unwrap_or_else(|| panic!("cargo did not say where it has built {name}"))
}
