//! Checks of what the agent keeps: its identity, in a file or in the keychain. Nothing is made that is not there.

use std::path::Path;
use std::time::Duration;

use gatelodge_host::diagnosis::{Check, keychain_trouble};
use gatelodge_host::{Keychain, KeychainError, KeychainScope, SystemKeychain};
use mcp_webrtc::{Identity, IdentityError};

use crate::failure::{Exit, Failure};
use crate::identity::{FILE, MARK, Profile, entry, home};

/// How long the keychain may take for a look-up without a prompt.
const KEYCHAIN_LIMIT: Duration = Duration::from_secs(4);

/// Checks `identity` and `keychain`; returns the identity, if there is one.
pub(super) async fn checks(profile: &Profile) -> Result<(Vec<Check>, Option<Identity>), Failure> {
    let (home, folder, entry) = (home()?, profile.folder()?, entry(profile.name()));
    let looking = tokio::task::spawn_blocking(move || {
        let keychain = SystemKeychain::new(&KeychainScope::of(&home)).with_time_limit(KEYCHAIN_LIMIT);
        look(&folder, &entry, &keychain)
    });
    looking.await.map_err(|_| Failure::new(Exit::Other, "reading the identity was interrupted"))
}

fn look(folder: &Path, entry: &str, keychain: &dyn Keychain) -> (Vec<Check>, Option<Identity>) {
    let file = folder.join(FILE);
    if file.exists() {
        let unused = Check::skipped("keychain", "this agent's identity is in a file");
        // It is there, so that none is made.
        return match Identity::load_or_create(&file) {
            Ok(identity) => {
                let found = format!("{}, kept in {} (mode 600)", shown(&identity), file.display());
                (vec![Check::ok("identity", found), unused], Some(identity))
            }
            Err(error) => {
                let (found, advice) = file_trouble(&file, &error);
                (vec![Check::failed("identity", found, advice), unused], None)
            }
        };
    }
    let is_in_keychain = folder.join(MARK).exists();
    match keychain.get(entry) {
        Ok(Some(secret)) => {
            let open = Check::ok("keychain", "the keychain is there and open");
            match secret.to_text().and_then(|text| Identity::from_pem(&text).ok()) {
                Some(identity) => {
                    let found = format!("{}, kept in the keychain", shown(&identity));
                    (vec![Check::ok("identity", found), open], Some(identity))
                }
                None => {
                    let found = "the keychain's entry with this agent's identity is damaged";
                    let advice = "put it back from a copy of the keychain, or remove it and pair again";
                    (vec![Check::failed("identity", found, advice), open], None)
                }
            }
        }
        Ok(None) => {
            let open = Check::ok("keychain", "the keychain is there and open");
            let identity = match is_in_keychain {
                true => Check::failed(
                    "identity",
                    "the keychain has lost this agent's identity",
                    format!(
                        "put the keychain back from a copy; or remove {} and pair again",
                        folder.join(MARK).display()
                    ),
                ),
                false => none_yet(),
            };
            (vec![identity, open], None)
        }
        // Where there is no keychain, an agent keeps its identity in a file.
        Err(KeychainError::NoService(_)) if !is_in_keychain => {
            let unused = Check::skipped("keychain", "there is none, and an agent does not need one");
            (vec![none_yet(), unused], None)
        }
        Err(error) => {
            let (found, advice) = keychain_trouble(&error);
            let because = match is_in_keychain {
                true => "this agent's identity is in the keychain, which cannot be used",
                false => "whether this agent has an identity is known to the keychain only",
            };
            (vec![Check::skipped("identity", because), Check::failed("keychain", found, advice)], None)
        }
    }
}

fn none_yet() -> Check {
    Check::warning(
        "identity",
        "this agent has no identity yet",
        "it is made with the first connection; to pair with a desktop: gatelodge pair",
    )
}

fn shown(identity: &Identity) -> String {
    let fingerprint = identity.fingerprint();
    format!("this agent is {fingerprint} ({})", fingerprint.words())
}

fn file_trouble(file: &Path, error: &IdentityError) -> (String, String) {
    match error {
        IdentityError::Permissions { mode, .. } => (
            format!(
                "others on this machine can read this agent's key, in {} (mode {mode:03o})",
                file.display()
            ),
            format!(
                "take that back with chmod 600 '{0}'; if others may have read it, remove it and pair again",
                file.display()
            ),
        ),
        error => (
            format!("{} cannot be used: {}", file.display(), gatelodge_wire::with_causes(error)),
            "put it back from a copy; or remove it, and pair again".to_owned(),
        ),
    }
}
