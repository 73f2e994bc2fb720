//! Why agents do not get in, or do not get what they are lent: checks of everything that a desktop is made of, as findings in
//! sentences. The command `gatelodge host doctor` and the desktop's window show them.
//!
//! [`Host::diagnose`](crate::Host::diagnose) looks at a desktop that runs, [`offline`] at what is kept while none does. Neither
//! changes anything or starts a server; each takes less than 20 s.

mod kept;
mod links;
mod servers;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gatelodge_wire::IceServer;
pub use kept::keychain_trouble;
use mcp_webrtc::Identity;
pub use mcp_webrtc::diagnosis::{Check, CheckState};
use mcp_webrtc::diagnosis::{Network, network};
use mcp_webrtc::signaling::rendezvous::RendezvousOptions;

use crate::desktop::Desktop;
use crate::home::Home;
use crate::keychain::{Keychain, KeychainScope, SystemKeychain};
use crate::link::{LinkDefinition, LinkId};
use crate::manage::Kept;
use crate::server::ServerDefinition;
use crate::store::StoreError;
use crate::upstream::LoginShell;
use crate::upstream::guard::GuardCommand;

/// How long the keychain may take for a look-up without a prompt. A locked one that asks for its password is told as such.
const KEYCHAIN_LIMIT: Duration = Duration::from_secs(4);

/// What to look at while no desktop runs.
#[derive(Debug)]
pub struct Offline {
    /// Where everything is kept.
    pub home: Home,
    /// STUN servers that the desktop would be started with.
    pub stun: Vec<String>,
    /// Files with certification authorities (PEM) that it would be started with.
    pub ca_files: Vec<PathBuf>,
    /// The executable by which the login shell is asked.
    pub guard: GuardCommand,
}

/// Looks at what is kept. Nothing is made that is not there.
pub async fn offline(options: Offline) -> Vec<Check> {
    let Offline { home, stun, ca_files, guard } = options;
    let keychain: Arc<dyn Keychain> =
        Arc::new(SystemKeychain::new(&KeychainScope::of(&home)).with_time_limit(KEYCHAIN_LIMIT));
    let mut checks = vec![Check::warning(
        "desktop",
        "no desktop is running, so that no agent can come in",
        "start it with: gatelodge host",
    )];
    let kept = match home.desktop().exists() {
        true => Kept::open(Some(&home)).await,
        // Looking for what is wrong makes no database.
        false => {
            checks.push(Check::warning(
                "database",
                "there is none yet",
                "it is made when the desktop first starts: gatelodge host",
            ));
            return finish(checks, keychain_alone(keychain).await);
        }
    };
    let (folder, kept) = match kept {
        Ok(kept) => (home.desktop(), kept),
        Err(error) => {
            checks.push(kept::database_failed(&error));
            return finish(checks, keychain_alone(keychain).await);
        }
    };
    checks.push(kept::database(&folder));
    let stored = kept.store.run(|store| Ok::<_, StoreError>((store.servers()?, store.links()?))).await;
    let (servers, links) = match stored {
        Ok(stored) => stored,
        Err(error) => {
            checks.push(kept::database_failed(&error));
            return finish(checks, keychain_alone(keychain).await);
        }
    };
    let shell = LoginShell::of_user(guard);
    let examined = Examined {
        kept,
        keychain,
        identity: None,
        servers,
        links,
        open: None,
        stun,
        ice_servers: Vec::new(),
        ca_files,
    };
    let (environment, rest) = (shell.environment(), examined.examine(&|_| {}));
    // The shell is asked while everything else is looked at.
    let ((mut found, examined), environment) = tokio::join!(rest, environment);
    found.extend(servers::checks(&examined.servers, &examined.kept, &environment).await);
    finish(checks, found)
}

/// Looks at a desktop that runs. `progress` is told each finding as soon as there is one; they come in another order than they
/// are returned in.
pub(crate) async fn running(desktop: &Arc<Desktop>, progress: &Progress<'_>) -> Vec<Check> {
    let found = |check: Check| {
        tell(progress, std::slice::from_ref(&check));
        check
    };
    let running = format!("a desktop is running, with {} sessions", desktop.sessions.all().len());
    let mut checks = vec![found(Check::ok("desktop", running))];
    checks.push(found(match desktop.kept.store.directory() {
        Some(folder) => kept::database(folder),
        None => Check::skipped("database", "this desktop keeps nothing (--ephemeral)"),
    }));
    if desktop.front_gate.state().is_closed() {
        let (closed, advice) =
            ("the gate is closed, so that no agent can come in", "open it: gatelodge host gate open");
        checks.push(found(Check::warning("gate", closed, advice)));
    }
    let (servers, links) = match (desktop.servers().await, desktop.links().await) {
        (Ok(servers), Ok(links)) => (servers, links),
        (Err(error), _) | (_, Err(error)) => {
            checks.push(found(kept::database_failed(&error)));
            return finish(checks, Vec::new());
        }
    };
    let examined = Examined {
        kept: desktop.kept.clone(),
        keychain: desktop.kept.keychain(),
        identity: Some(desktop.identity.clone()),
        servers,
        links,
        open: Some(desktop.open_links().into_iter().collect()),
        stun: desktop.stun.clone(),
        ice_servers: desktop.in_force.ice_servers(),
        ca_files: desktop.ca_files.clone(),
    };
    let (rest, environment) = (examined.examine(progress), desktop.launcher.environment());
    let ((mut more, examined), environment) = tokio::join!(rest, environment);
    let servers = servers::checks(&examined.servers, &examined.kept, &environment).await;
    tell(progress, &servers);
    more.extend(servers);
    finish(checks, more)
}

async fn keychain_alone(keychain: Arc<dyn Keychain>) -> Vec<Check> {
    kept::keychain(keychain, None).await.0
}

/// Who is told of findings while others are still looked for.
pub(crate) type Progress<'a> = dyn Fn(&Check) + Send + Sync + 'a;

fn tell(progress: &Progress<'_>, checks: &[Check]) {
    checks.iter().cloned().map(with_short_home).for_each(|check| progress(&check));
}

/// Puts findings together.
fn finish(mut checks: Vec<Check>, more: Vec<Check>) -> Vec<Check> {
    checks.extend(more);
    checks.into_iter().map(with_short_home).collect()
}

/// Writes the home directory as people do.
fn with_short_home(mut check: Check) -> Check {
    let home = crate::upstream::home().display().to_string();
    // A home of "/" is nobody's.
    if home.len() > 1 {
        check.found = check.found.replace(&home, "~");
        check.advice = check.advice.replace(&home, "~");
    }
    check
}

/// What both ways of looking have in common.
struct Examined {
    kept: Kept,
    keychain: Arc<dyn Keychain>,
    /// Known where the desktop runs.
    identity: Option<Identity>,
    servers: Vec<ServerDefinition>,
    links: Vec<LinkDefinition>,
    /// Where links are reached, while the desktop runs.
    open: Option<HashMap<LinkId, String>>,
    stun: Vec<String>,
    /// The STUN and TURN servers of the settings.
    ice_servers: Vec<IceServer>,
    ca_files: Vec<PathBuf>,
}

impl Examined {
    /// Looks at all but the servers, which need the login shell's answer.
    async fn examine(self, progress: &Progress<'_>) -> (Vec<Check>, Self) {
        let (mut checks, identity) = kept::keychain(Arc::clone(&self.keychain), self.identity.clone()).await;
        tell(progress, &checks);
        let usable = checks.iter().all(|check| check.id != "keychain" || check.state == CheckState::Ok);
        let links = links::checks(&self.links, self.open.as_ref());
        tell(progress, &links);
        let trusted = async {
            let trusted = kept::agents(&self.kept.trust, usable).await;
            tell(progress, &trusted);
            trusted
        };
        let network = async {
            let network = self.network(identity).await;
            tell(progress, &network);
            network
        };
        let (trusted, network) = tokio::join!(trusted, network);
        checks.extend(trusted);
        checks.extend(links);
        checks.extend(network);
        (checks, self)
    }

    async fn network(&self, identity: Option<Identity>) -> Vec<Check> {
        // Without an identity one of the moment proves as well that the way to a rendezvous is open.
        let Some(identity) = identity.or_else(|| Identity::generate().ok()) else { return Vec::new() };
        let mut options = RendezvousOptions::default();
        for path in &self.ca_files {
            options = options.ca_file(path);
        }
        let places = links::rendezvous(&self.links, self.open.as_ref());
        let rendezvous = places.into_iter().map(|(prefix, url)| (prefix, url, None)).collect();
        let (stun, ice_servers) = (self.stun.clone(), self.ice_servers.clone());
        network(Network { identity: &identity, rendezvous, options, stun, ice_servers }).await
    }
}
