//! A keychain whose state is known by what its calls came to.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::{Keychain, KeychainError, KeychainState, SecretBytes};

/// Passes calls on, and notes what they say about the keychain.
pub(crate) struct WatchedKeychain {
    keychain: Arc<dyn Keychain>,
    watched: Watched,
}

/// The last known state of a keychain. Clones are of the same.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    state: watch::Sender<KeychainState>,
    /// Told when a look is due, since something worked that had not.
    due: Arc<Notify>,
}

impl WatchedKeychain {
    pub(crate) fn new(keychain: Arc<dyn Keychain>) -> (Self, Watched) {
        let watched = Watched { state: watch::Sender::new(KeychainState::Open), due: Arc::default() };
        (Self { keychain, watched: watched.clone() }, watched)
    }

    fn note<T>(&self, result: Result<T, KeychainError>, writes: bool) -> Result<T, KeychainError> {
        match &result {
            Err(KeychainError::TooLarge(_)) => {}
            Err(error) => self.watched.set(KeychainState::of(error)),
            Ok(_) if writes => self.watched.set(KeychainState::Open),
            // One entry may be readable where the keyring for new ones is locked.
            Ok(_) if !self.watched.state.borrow().is_open() => self.watched.due.notify_one(),
            Ok(_) => {}
        }
        result
    }
}

impl Watched {
    /// The last known state.
    pub(crate) fn state(&self) -> KeychainState {
        self.state.borrow().clone()
    }

    /// Subscribes to changes.
    pub(crate) fn changes(&self) -> watch::Receiver<KeychainState> {
        self.state.subscribe()
    }

    /// Notes a state. Subscribers are told if it is another one, or if its reason is: that is what the person reads.
    pub(crate) fn set(&self, state: KeychainState) {
        self.state.send_if_modified(|known| {
            let changed = *known != state;
            *known = state;
            changed
        });
    }

    /// Waits until looking is worth it.
    pub(crate) async fn due(&self) {
        self.due.notified().await;
    }
}

impl Keychain for WatchedKeychain {
    fn get(&self, name: &str) -> Result<Option<SecretBytes>, KeychainError> {
        self.note(self.keychain.get(name), false)
    }

    fn set(&self, name: &str, value: &SecretBytes) -> Result<(), KeychainError> {
        self.note(self.keychain.set(name, value), true)
    }

    fn delete(&self, name: &str) -> Result<bool, KeychainError> {
        self.note(self.keychain.delete(name), false)
    }

    fn look(&self) -> Option<Result<(), KeychainError>> {
        self.keychain.look()
    }
}
