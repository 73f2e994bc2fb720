//! Where Gatelodge keeps its files.

use std::path::PathBuf;

use etcetera::base_strategy::{BaseStrategy, choose_base_strategy};

/// The variable that moves everything that Gatelodge keeps into one folder, with keychain entries of its own.
pub const HOME_VARIABLE: &str = "GATELODGE_HOME";

/// Where Gatelodge keeps its files: the XDG directories (or the platform's own), or one folder that `GATELODGE_HOME`
/// names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    data: PathBuf,
    state: PathBuf,
    name: Option<String>,
}

impl Home {
    /// Reads the environment. `None` where neither it nor the system tells a home directory.
    pub fn from_env() -> Option<Self> {
        match std::env::var_os(HOME_VARIABLE).filter(|value| !value.is_empty()) {
            Some(folder) => Some(Self::at(std::path::absolute(PathBuf::from(folder)).ok()?)),
            None => {
                let system = choose_base_strategy().ok()?;
                let data = system.data_dir().join("gatelodge");
                let state =
                    system.state_dir().map_or_else(|| data.join("state"), |state| state.join("gatelodge"));
                Some(Self { data, state, name: None })
            }
        }
    }

    /// Keeps everything in this folder.
    pub fn at(folder: PathBuf) -> Self {
        let name = Some(folder.display().to_string());
        Self { data: folder.clone(), state: folder, name }
    }

    /// Returns the desktop's folder: its database and the socket of the running instance.
    pub fn desktop(&self) -> PathBuf {
        self.data.join("desktop")
    }

    /// Returns the folder of an agent's profile: its identity and the desktops that it knows.
    pub fn agent(&self, profile: &str) -> PathBuf {
        self.state.join("agent").join(profile)
    }

    /// Returns what tells this home's keychain entries from those of other homes; `None` for the usual one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
