//! Checks of what is kept: the keychain, the identity in it, the database, and whom the person trusts.

use std::path::Path;
use std::sync::Arc;

use mcp_webrtc::Identity;
use tokio::time::timeout;

use super::{Check, KEYCHAIN_LIMIT};
use crate::desktop_identity::ENTRY;
use crate::keychain::{Keychain, KeychainError};
use crate::store::{StoreError, off_worker};
use crate::time::Timestamp;
use crate::trust::{AgentState, GrantsVerdict, TrustStore};

/// Checks `keychain` and `identity`; returns the identity, if there is one. A desktop that runs has one already.
pub(super) async fn keychain(
    keychain: Arc<dyn Keychain>,
    running: Option<Identity>,
) -> (Vec<Check>, Option<Identity>) {
    let asking = off_worker(move || keychain.get(ENTRY));
    let asked = timeout(KEYCHAIN_LIMIT, asking).await;
    let found = match asked.unwrap_or(Err(KeychainError::TimedOut(KEYCHAIN_LIMIT))) {
        Ok(found) => found,
        Err(error) => {
            let (found, advice) = keychain_trouble(&error);
            let identity = match &running {
                Some(identity) => Check::ok("identity", shown(identity)),
                None => Check::skipped("identity", "it is kept in the keychain, which cannot be used"),
            };
            return (vec![Check::failed("keychain", found, advice), identity], running);
        }
    };
    let keychain = Check::ok("keychain", "the keychain is there and open");
    if let Some(identity) = running {
        return (vec![keychain, Check::ok("identity", shown(&identity))], Some(identity));
    }
    let Some(entry) = found else {
        let identity = Check::warning(
            "identity",
            "this desktop has none yet",
            "it is made when the desktop first starts: gatelodge host",
        );
        return (vec![keychain, identity], None);
    };
    let read = entry.to_text().and_then(|text| Identity::from_pem(&text).ok());
    let identity = match &read {
        Some(identity) => Check::ok("identity", format!("{}, kept in the keychain", shown(identity))),
        None => Check::failed(
            "identity",
            "the keychain's entry with this desktop's identity is damaged",
            "put it back from a copy of the keychain; or remove it to get a new identity, with which all agents have to be \
             paired again",
        ),
    };
    (vec![keychain, identity], read)
}

fn shown(identity: &Identity) -> String {
    let fingerprint = identity.fingerprint();
    format!("this desktop is {fingerprint} ({})", fingerprint.words())
}

/// Says what is wrong with a keychain, and what to do about it.
pub fn keychain_trouble(error: &KeychainError) -> (String, &'static str) {
    match error {
        KeychainError::Locked => (
            "the keychain is locked".to_owned(),
            "unlock it (on Linux: in \"Passwords and Keys\" or KWalletManager, or by logging in to the desktop with its \
             password), then try again",
        ),
        KeychainError::NoService(reason) => (
            format!("no keychain was found ({reason})"),
            "start one (on Linux: gnome-keyring or KWallet, with a default keyring) in the session in which gatelodge runs",
        ),
        KeychainError::Denied(reason) => {
            (format!("the keychain refuses access ({reason})"), "allow gatelodge in the keychain's settings")
        }
        KeychainError::TimedOut(limit) => (
            format!("the keychain did not answer within {} s", limit.as_secs()),
            "it may be waiting for its password: look for its prompt and answer it, then try again",
        ),
        other => (other.to_string(), "restart the keychain (or log in anew), then try again"),
    }
}

/// Checks the database that could be opened.
pub(super) fn database(folder: &Path) -> Check {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder).map(|data| data.permissions().mode() & 0o777);
        if let Ok(mode) = mode
            && mode & 0o077 != 0
        {
            return Check::warning(
                "database",
                format!("others on this machine may enter {} (mode {mode:03o})", folder.display()),
                format!("take that back with: chmod 700 '{}'", folder.display()),
            );
        }
    }
    Check::ok("database", format!("it can be used, in {}", folder.display()))
}

/// Says why the database can't be used. Its errors end with what to do.
pub(super) fn database_failed(error: &StoreError) -> Check {
    let text = gatelodge_wire::with_causes(error);
    let (found, advice) = text.split_once("; ").unwrap_or((&text, "put a copy of it back"));
    Check::failed("database", found, advice)
}

/// Checks `agents` and `grants`: whom the person trusts, and whose grants count as none.
pub(super) async fn agents(trust: &TrustStore, usable: bool) -> Vec<Check> {
    if !usable {
        return vec![Check::skipped("agents", "the keychain, which vouches for agents, cannot be used")];
    }
    let looking = trust.run(|trust| -> Result<_, crate::trust::TrustError> {
        let records = trust.list()?;
        Ok(records
            .into_iter()
            .map(|record| {
                let verdict = trust.grants_of(&record.fingerprint);
                (record, verdict)
            })
            .collect::<Vec<_>>())
    });
    let agents = match timeout(KEYCHAIN_LIMIT, looking).await {
        Ok(Ok(agents)) => agents,
        Ok(Err(error)) => {
            let found = gatelodge_wire::with_causes(&error);
            return vec![Check::failed("agents", found, "see the keychain and the database above")];
        }
        Err(_) => {
            let found =
                format!("the keychain did not tell whom you trust within {} s", KEYCHAIN_LIMIT.as_secs());
            return vec![Check::failed("agents", found, "look for its prompt and answer it, then try again")];
        }
    };
    let trusted = agents.iter().filter(|(record, _)| record.state == AgentState::Trusted).count();
    let mut checks = vec![match trusted {
        0 => Check::warning(
            "agents",
            "no agent is trusted",
            "pair with one (gatelodge host pair), or let one in by its fingerprint (gatelodge host agents trust)",
        ),
        _ => Check::ok("agents", format!("{trusted} trusted, {} blocked", agents.len() - trusted)),
    }];
    let now = Timestamp::now();
    for (record, verdict) in &agents {
        let id = format!("grants.{}", record.fingerprint);
        let advice =
            format!("lend anew what it shall have: gatelodge host grants set '{}' SERVER", record.label);
        if let Some(trouble) = verdict.trouble() {
            let found = trouble.split_once("; ").map_or(trouble.as_str(), |(found, _)| found).to_owned();
            checks.push(Check::failed(id, format!("{}: {found}", record.label), advice));
            continue;
        }
        let GrantsVerdict::Valid(grants) = verdict else { continue };
        let over = grants.iter().filter(|grant| grant.expires.is_some_and(|expires| expires <= now)).count();
        match (grants.len(), over) {
            (0, _) => {
                checks.push(Check::warning(id, format!("{}: nothing is lent to it", record.label), advice))
            }
            (all, over) if all == over => {
                checks.push(Check::warning(
                    id,
                    format!("{}: all that was lent to it has expired", record.label),
                    advice,
                ));
            }
            _ => {}
        }
    }
    checks
}
