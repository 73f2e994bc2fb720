//! Who this agent is: one identity per profile, the same in every session.
//!
//! It is in the keychain where there is one, else in a file. Which of the two is decided once, when it is made: a mark in
//! the profile's folder says that it is in the keychain, so that a keychain that fails never leads to a new identity.

use std::fs::File;
use std::path::{Path, PathBuf};

use gatelodge_host::{
    Home, Keychain, KeychainError, KeychainScope, SecretBytes, SystemKeychain, machine_name,
};
use mcp_webrtc::Identity;

use crate::failure::{Exit, Failure};

/// Which of this machine's agents is meant. Two profiles are two agents to a desktop.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Profile {
    /// The agent's profile: an identity of its own, with its own known desktops
    #[arg(long, value_name = "NAME", env = "GATELODGE_PROFILE", default_value = Profile::DEFAULT, value_parser = profile_name)]
    profile: String,
}

impl Profile {
    /// The profile that is meant where none is named.
    pub(crate) const DEFAULT: &str = "default";

    /// Returns the profile's name.
    pub(crate) fn name(&self) -> &str {
        &self.profile
    }

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

/// Where everything is kept.
pub(crate) fn home() -> Result<Home, Failure> {
    Home::from_env().ok_or_else(|| {
        Failure::new(
            Exit::Storage,
            "no home directory is known; set HOME, or GATELODGE_HOME to a folder to keep things in",
        )
    })
}

/// The file with the identity, where no keychain has it.
pub(crate) const FILE: &str = "identity.pem";

/// The empty file that stands for an identity in the keychain.
pub(crate) const MARK: &str = "identity-in-keychain";

/// The name of a profile's entry in the keychain.
pub(crate) fn entry(profile: &str) -> String {
    format!("agent {profile}")
}

/// Loads the profile's identity, or makes it.
pub(crate) async fn load(profile: &Profile) -> Result<Identity, Failure> {
    let (home, profile) = (home()?, profile.profile.clone());
    let loading = tokio::task::spawn_blocking(move || {
        let folder = home.agent(&profile);
        std::fs::create_dir_all(&folder).map_err(|error| unusable(&folder, &error))?;
        // The usual way needs no lock.
        if folder.join(FILE).exists() {
            return from_file(&folder);
        }
        // The folder is there, so that the scope is the same however its path is written.
        let keychain = SystemKeychain::new(&KeychainScope::of(&home));
        load_or_create(&folder, &entry(&profile), &keychain)
    });
    loading.await.unwrap_or_else(|_| Err(Failure::new(Exit::Other, "reading the identity was interrupted")))
}

/// Finds the identity, or makes the only one that there will be.
fn load_or_create(folder: &Path, entry: &str, keychain: &dyn Keychain) -> Result<Identity, Failure> {
    // Two processes that start for the first time at once make one identity. The system lets go of the lock by itself.
    let lock = folder.join("identity.lock");
    let file = File::create(&lock).and_then(|file| file.lock().map(|()| file));
    let _lock = file.map_err(|error| unusable(&lock, &error))?;
    if folder.join(FILE).exists() {
        return from_file(folder);
    }
    let mark = folder.join(MARK);
    match keychain.get(entry) {
        Ok(Some(found)) => {
            let identity = from_keychain(&found)?;
            put_mark(&mark)?;
            Ok(identity)
        }
        Ok(None) if mark.exists() => Err(Failure::new(
            Exit::Storage,
            format!(
                "the keychain has lost this agent's identity; to get a new one, which desktops do not know, remove {}",
                mark.display()
            ),
        )),
        Ok(None) => {
            let made = Identity::generate().map_err(|error| Failure::of(Exit::Storage, &error))?;
            let secret = SecretBytes::from(made.to_pem().as_str());
            keychain.set(entry, &secret).map_err(|error| Failure::of(Exit::Storage, &error))?;
            // What counts is what the next start will find.
            if keychain.get(entry).map_err(|error| Failure::of(Exit::Storage, &error))? != Some(secret) {
                return Err(Failure::new(
                    Exit::Storage,
                    "the keychain did not keep this agent's new identity",
                ));
            }
            put_mark(&mark)?;
            Ok(made)
        }
        Err(KeychainError::NoService(_)) if !mark.exists() => from_file(folder),
        Err(error) => Err(Failure::of(Exit::Storage, &error)),
    }
}

fn from_file(folder: &Path) -> Result<Identity, Failure> {
    Identity::load_or_create(folder.join(FILE)).map_err(|error| Failure::of(Exit::Storage, &error))
}

fn from_keychain(secret: &SecretBytes) -> Result<Identity, Failure> {
    let damaged =
        || Failure::new(Exit::Storage, "the keychain's entry with this agent's identity is damaged");
    Identity::from_pem(&secret.to_text().ok_or_else(damaged)?)
        .map_err(|error| Failure::of(Exit::Storage, &error))
}

fn put_mark(mark: &Path) -> Result<(), Failure> {
    File::create(mark).map(drop).map_err(|error| unusable(mark, &error))
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Storage, format!("{} cannot be made: {error}", path.display()))
}

fn profile_name(text: &str) -> Result<String, String> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    match !text.is_empty() && text.len() <= 64 && text.chars().all(plain) && !text.starts_with('.') {
        true => Ok(text.to_owned()),
        false => Err("use up to 64 letters, digits, '-', '_' and '.', not beginning with a dot".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use gatelodge_host::{Injection, MemoryKeychain};

    use super::*;

    fn load(folder: &Path, keychain: &MemoryKeychain) -> Result<String, Exit> {
        let identity = load_or_create(folder, "agent default", keychain);
        identity.map(|identity| identity.fingerprint().to_string()).map_err(|failure| failure.exit())
    }

    #[test]
    fn an_identity_stays_where_it_was_made() {
        let (folder, keychain) = (tempfile::tempdir().unwrap(), MemoryKeychain::new());
        let made = load(folder.path(), &keychain).unwrap();
        keychain.inject(|_, _| Injection::Fail(KeychainError::NoService(String::new())));
        assert_eq!(load(folder.path(), &keychain), Err(Exit::Storage));
        let other = tempfile::tempdir().unwrap();
        let filed = load(other.path(), &keychain).unwrap();
        keychain.heal();
        assert_eq!(load(folder.path(), &keychain).unwrap(), made);
        assert_eq!(load(other.path(), &keychain).unwrap(), filed);
        assert_ne!(made, filed);
    }

    #[test]
    fn a_keychain_that_cannot_be_asked_is_not_one_that_has_none() {
        let (folder, keychain) = (tempfile::tempdir().unwrap(), MemoryKeychain::new());
        for error in [KeychainError::Locked, KeychainError::Other(String::new())] {
            keychain.inject(move |_, _| Injection::Fail(error.clone()));
            assert_eq!(load(folder.path(), &keychain), Err(Exit::Storage));
        }
        assert!(!folder.path().join(FILE).exists());
        keychain.heal();
        let made = load(folder.path(), &keychain).unwrap();
        // One whose entry was removed is not replaced unasked.
        keychain.delete("agent default").unwrap();
        assert_eq!(load(folder.path(), &keychain), Err(Exit::Storage));
        std::fs::remove_file(folder.path().join(MARK)).unwrap();
        assert_ne!(load(folder.path(), &keychain).unwrap(), made);
    }

    #[test]
    fn first_starts_at_once_make_one_identity() {
        let (folder, keychain) = (tempfile::tempdir().unwrap(), MemoryKeychain::new());
        let found: Vec<_> = std::thread::scope(|scope| {
            let start = || scope.spawn(|| load(folder.path(), &keychain).unwrap());
            let threads: Vec<_> = (0..4).map(|_| start()).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(found.iter().all(|identity| *identity == found[0]), "{found:?}");
    }
}
