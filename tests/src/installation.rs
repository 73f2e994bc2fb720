//! Where the foreign peers are installed. [`crate::foreign`] asks.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What `peers/setup` has installed.
pub(crate) struct Installation {
    /// The folder with the Python environments and the Node packages.
    pub(crate) peers: PathBuf,
    pub(crate) chromium: String,
}

/// Returns a file of an installed Node package, by its path in `node_modules`.
///
/// # Panics
///
/// When the peers are not installed; the message says what to do.
pub fn node_module(path: &str) -> PathBuf {
    Installation::get().peers.join("node/node_modules").join(path)
}

/// Returns the folder of the peers' programs.
pub(crate) fn sources() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))
}

impl Installation {
    /// Returns the installation, and fails the test with what to do where it is missing or old.
    pub(crate) fn get() -> &'static Self {
        static INSTALLATION: OnceLock<Result<Installation, String>> = OnceLock::new();
        match INSTALLATION.get_or_init(Self::find) {
            Ok(installation) => installation,
            Err(sentence) => panic!("{sentence}"),
        }
    }

    fn find() -> Result<Self, String> {
        let setup = sources().join("setup");
        let check = Command::new(&setup).arg("--check").output();
        let check = check.map_err(|error| format!("{} cannot be run: {error}", setup.display()))?;
        if !check.status.success() {
            return Err(String::from_utf8_lossy(&check.stderr).trim().to_owned());
        }
        let answer = String::from_utf8_lossy(&check.stdout).into_owned();
        let mut lines = answer.lines().map(str::to_owned);
        match (lines.next(), lines.next()) {
            (Some(peers), Some(chromium)) => Ok(Self { peers: peers.into(), chromium }),
            _ => Err(format!("setup --check answered {answer:?}")),
        }
    }
}
