//! Who this agent is: one identity per profile, the same in every session.

use std::path::PathBuf;

use gatelodge_host::Home;
use mcp_webrtc::Identity;

use crate::failure::{Exit, Failure};

/// Which of this machine's agents is meant. Two profiles are two agents to a desktop.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Profile {
    /// The agent's profile: an identity of its own, with its own known desktops
    #[arg(long, value_name = "NAME", env = "GATELODGE_PROFILE", default_value = "default", value_parser = profile_name)]
    profile: String,
}

impl Profile {
    /// Returns the folder with what this profile keeps.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        Ok(home()?.agent(&self.profile))
    }

    /// Returns what this agent calls itself unless told otherwise.
    pub(crate) fn agent_name(&self) -> String {
        let host = machine_name().unwrap_or_else(|| "an agent".to_owned());
        if self.profile == "default" { host } else { format!("{} on {host}", self.profile) }
    }
}

/// Returns what this machine is called.
pub(crate) fn machine_name() -> Option<String> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("COMPUTERNAME").ok())?;
    Some(host.trim().to_owned()).filter(|host| !host.is_empty())
}

/// Where everything is kept.
pub(crate) fn home() -> Result<Home, Failure> {
    Home::from_env().ok_or_else(|| {
        Failure::new(
            Exit::Storage,
            "no home directory is known; set HOME, or GATELODGE_HOME to a folder to keep things in",
        )
    })
}

/// Loads the profile's identity, or makes it.
pub(crate) async fn load(profile: &Profile) -> Result<Identity, Failure> {
    let path = profile.folder()?.join("identity.pem");
    let loading = tokio::task::spawn_blocking(move || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                Failure::new(Exit::Storage, format!("{} cannot be made: {error}", folder.display()))
            })?;
        }
        Identity::load_or_create(&path).map_err(|error| Failure::of(Exit::Storage, &error))
    });
    loading.await.unwrap_or_else(|_| Err(Failure::new(Exit::Other, "reading the identity was interrupted")))
}

fn profile_name(text: &str) -> Result<String, String> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    match !text.is_empty() && text.len() <= 64 && text.chars().all(plain) && !text.starts_with('.') {
        true => Ok(text.to_owned()),
        false => Err("use up to 64 letters, digits, '-', '_' and '.', not beginning with a dot".to_owned()),
    }
}
