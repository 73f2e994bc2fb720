//! The settings that a running desktop goes by, and what follows from them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatelodge_wire::IceServer;

use super::{IceServerSetting, RendezvousChoice, Settings};
use crate::link::{EMBEDDED_PORT, LinkDefinition, LinkId, LinkKind, LinkPolicy};
use crate::secret::{SecretName, Secrets};

/// The id of the link that follows from [`Settings::rendezvous`].
const LINK: &str = "settings.rendezvous";

/// The settings that count now.
#[derive(Debug)]
pub(crate) struct InForce {
    settings: Mutex<Settings>,
    /// How long prompts wait in this run, whatever the settings say.
    approval_limit: Option<Duration>,
    /// The STUN and TURN servers, with passwords.
    ice_servers: Mutex<Vec<IceServer>>,
    /// Held while they are changed, so that what counts is what is kept.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl InForce {
    pub(crate) fn new(settings: Settings, approval_limit: Option<Duration>) -> Self {
        let ice_servers = Mutex::new(without_passwords(&settings));
        Self { settings: Mutex::new(settings), approval_limit, ice_servers, changing: Default::default() }
    }

    pub(crate) fn settings(&self) -> Settings {
        self.lock().clone()
    }

    /// Goes by other settings from now on. TURN servers follow with [`Self::read_passwords`].
    pub(crate) fn put(&self, settings: Settings) {
        *self.ice_servers.lock().unwrap_or_else(PoisonError::into_inner) = without_passwords(&settings);
        *self.lock() = settings;
    }

    /// How long a prompt waits for an answer.
    pub(crate) fn approval_limit(&self) -> Duration {
        self.approval_limit.unwrap_or_else(|| self.lock().approval_timeout)
    }

    /// The STUN and TURN servers for a new session, as far as their passwords could be had.
    pub(crate) fn ice_servers(&self) -> Vec<IceServer> {
        self.ice_servers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the passwords of the TURN servers from the keychain. Blocks. One that can't be had leaves its server out: a
    /// session may come about without it.
    pub(crate) fn read_passwords(&self, secrets: &Secrets) {
        let wanted = self.lock().ice_servers.clone();
        let ready = wanted.into_iter().filter_map(|server| {
            if !server.is_turn() {
                return Some(stun(&server));
            }
            let name: SecretName = server.secret.parse().ok()?;
            match secrets.text(&name) {
                Ok(password) => Some(IceServer {
                    urls: vec![server.url],
                    username: Some(server.username),
                    credential: Some(password.as_str().to_owned()),
                }),
                Err(error) => {
                    let error = gatelodge_wire::with_causes(&error);
                    tracing::warn!(error, url = server.url, "a TURN server is not used");
                    None
                }
            }
        });
        let ready = ready.collect();
        *self.ice_servers.lock().unwrap_or_else(PoisonError::into_inner) = ready;
    }

    /// The link that follows from the settings, beside `others`. There is none where one of those is the same rendezvous
    /// already: of two registrations of one desktop, the later replaces the earlier, and so on for ever.
    pub(crate) fn link(&self, others: &[LinkDefinition]) -> Option<LinkDefinition> {
        let kind = match &self.lock().rendezvous {
            RendezvousChoice::None => return None,
            RendezvousChoice::Embedded => LinkKind::Embedded { bind: ([0, 0, 0, 0], EMBEDDED_PORT).into() },
            RendezvousChoice::Url { url } => LinkKind::Rendezvous { url: url.parse().ok()? },
        };
        let there_already = others.iter().any(|other| other.enabled && other.kind == kind);
        (!there_already).then(|| LinkDefinition {
            id: link_id(),
            name: "Rendezvous of the settings".to_owned(),
            kind,
            server: None,
            enabled: true,
            prompt: LinkPolicy::PairedOnly,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The servers that ask for no password.
fn without_passwords(settings: &Settings) -> Vec<IceServer> {
    settings.ice_servers.iter().filter(|server| !server.is_turn()).map(stun).collect()
}

fn stun(server: &IceServerSetting) -> IceServer {
    IceServer { urls: vec![server.url.clone()], username: None, credential: None }
}

/// The id of the link that follows from the settings.
pub(crate) fn link_id() -> LinkId {
    LINK.parse().expect("it is lower-case letters and a dot")
}
