//! What an installation keeps, open: its database, its trust and its secrets, whether or not a desktop runs on them.

use std::sync::Arc;

use mcp_webrtc::Identity;
use zeroize::Zeroizing;

use crate::desktop_identity::load_or_create_identity;
use crate::home::Home;
use crate::host::StartError;
use crate::keychain::{Keychain, KeychainScope, MemoryKeychain, SystemKeychain, Watched, WatchedKeychain};
use crate::secret::Secrets;
use crate::store::{Store, StoreError};
use crate::trust::TrustStore;

/// What an installation keeps. Clones are handles to the same.
#[derive(Clone)]
pub struct Kept {
    pub(crate) store: Store,
    pub(crate) trust: TrustStore,
    pub(crate) secrets: Secrets,
    /// What is known of the keychain's state.
    pub(crate) watched: Watched,
    keychain: Arc<dyn Keychain>,
}

impl Kept {
    /// Opens what is kept in a home; without one, nothing is kept beyond the process.
    ///
    /// # Errors
    ///
    /// [`StoreError`], above all if another process has it open.
    pub async fn open(home: Option<&Home>) -> Result<Self, StoreError> {
        let (store, keychain): (_, Arc<dyn Keychain>) = match home {
            Some(home) => {
                let folder = home.desktop();
                let store = tokio::task::spawn_blocking(move || Store::open(&folder)).await;
                let store = store.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
                (store, Arc::new(SystemKeychain::new(&KeychainScope::of(home))))
            }
            None => (Store::in_memory()?, Arc::new(MemoryKeychain::new())),
        };
        let (keychain, watched) = WatchedKeychain::new(keychain);
        let keychain: Arc<dyn Keychain> = Arc::new(keychain);
        let trust = TrustStore::new(store.clone(), Arc::clone(&keychain));
        let secrets = Secrets::new(store.clone(), Arc::clone(&keychain));
        Ok(Self { store, trust, secrets, watched, keychain })
    }

    /// Returns the keychain.
    pub(crate) fn keychain(&self) -> Arc<dyn Keychain> {
        Arc::clone(&self.keychain)
    }

    /// Loads the desktop's identity, or makes it at the very first time.
    ///
    /// # Errors
    ///
    /// [`StartError::Identity`] or [`StartError::Certificate`]; a keychain that fails never leads to a new identity.
    pub(crate) async fn identity(&self) -> Result<Identity, StartError> {
        let keychain = Arc::clone(&self.keychain);
        let generate =
            || -> Result<Zeroizing<String>, mcp_webrtc::IdentityError> { Ok(Identity::generate()?.to_pem()) };
        let loading = self.store.run(move |store| load_or_create_identity(store, &*keychain, generate));
        Ok(Identity::from_pem(&loading.await?)?)
    }
}
