//! The desktop's identity in the keychain: made at the first start, the same ever after.

use std::sync::{Mutex, PoisonError};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::keychain::{Keychain, KeychainError, SecretBytes};
use crate::store::Store;

/// The name of its entry in the keychain.
pub(crate) const ENTRY: &str = "identity";

/// Makes the first starts of several stores in one process follow one another.
static STARTING: Mutex<()> = Mutex::new(());

/// Loads the desktop's identity (key and certificate as PEM) from the keychain, or has one made and keeps it there.
///
/// One is made only if the keychain is open and certain to have none. The open store stands for being the only instance
/// of this installation, so that two first starts can't make two.
///
/// # Errors
///
/// [`IdentityEntryError`]; then no identity was made, or the one that was made is used by nobody.
pub fn load_or_create_identity<E: std::error::Error + Send + Sync + 'static>(
    _only_instance: &Store,
    keychain: &dyn Keychain,
    generate: impl FnOnce() -> Result<Zeroizing<String>, E>,
) -> Result<Zeroizing<String>, IdentityEntryError> {
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(identity) = load(keychain)? {
        return Ok(identity);
    }
    let made = generate().map_err(|error| IdentityEntryError::Generate(Box::new(error)))?;
    keychain.set(ENTRY, &SecretBytes::new(made.as_bytes().to_vec()))?;
    // What counts is what the next start will find.
    match load(keychain)? {
        Some(kept) if *kept == *made => Ok(kept),
        _ => Err(IdentityEntryError::NotKept),
    }
}

fn load(keychain: &dyn Keychain) -> Result<Option<Zeroizing<String>>, IdentityEntryError> {
    let Some(entry) = keychain.get(ENTRY)? else { return Ok(None) };
    entry.to_text().filter(|text| !text.is_empty()).ok_or(IdentityEntryError::Damaged).map(Some)
}

/// Why there is no identity.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityEntryError {
    /// The keychain.
    #[error(transparent)]
    Keychain(#[from] KeychainError),
    /// The entry is there and no text.
    #[error(
        "the keychain's entry with this desktop's identity is damaged; remove it to get a new identity, which agents \
         have to be paired with again"
    )]
    Damaged,
    /// The keychain took the new identity and does not have it.
    #[error("the keychain did not keep the new identity; check its settings, then try again")]
    NotKept,
    /// None could be made.
    #[error("no identity could be made: {0}")]
    Generate(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::keychain::{Injection, KeychainCall, MemoryKeychain};

    fn made(text: &str) -> Result<Zeroizing<String>, Infallible> {
        Ok(Zeroizing::new(text.to_owned()))
    }

    fn never() -> Result<Zeroizing<String>, Infallible> {
        panic!("an identity was made although there may be one")
    }

    #[test]
    fn the_first_one_is_kept() {
        let (store, keychain) = (Store::in_memory().unwrap(), MemoryKeychain::new());
        assert_eq!(*load_or_create_identity(&store, &keychain, || made("first")).unwrap(), "first");
        assert_eq!(*load_or_create_identity(&store, &keychain, never).unwrap(), "first");
    }

    #[test]
    fn none_is_made_unless_it_is_certain_that_there_is_none() {
        let (store, keychain) = (Store::in_memory().unwrap(), MemoryKeychain::new());
        for error in [
            KeychainError::Locked,
            KeychainError::NoService(String::new()),
            KeychainError::TimedOut(std::time::Duration::from_secs(1)),
            KeychainError::Denied(String::new()),
            KeychainError::Other(String::new()),
        ] {
            let failing = error.clone();
            keychain.inject(move |_, _| Injection::Fail(failing.clone()));
            let result = load_or_create_identity(&store, &keychain, never);
            assert!(matches!(result, Err(IdentityEntryError::Keychain(found)) if found == error));
        }
        keychain.heal();
        keychain.set(ENTRY, &SecretBytes::new(vec![0xff])).unwrap();
        let result = load_or_create_identity(&store, &keychain, never);
        assert!(matches!(result, Err(IdentityEntryError::Damaged)));
    }

    #[test]
    fn one_that_was_not_kept_is_not_used() {
        let (store, keychain) = (Store::in_memory().unwrap(), MemoryKeychain::new());
        keychain.inject(|call, _| match call {
            KeychainCall::Set => Injection::FailAfter(KeychainError::Other(String::new())),
            _ => Injection::Pass,
        });
        assert!(load_or_create_identity(&store, &keychain, || made("first")).is_err());
        keychain.heal();
        assert_eq!(*load_or_create_identity(&store, &keychain, never).unwrap(), "first");
    }

    #[test]
    fn first_starts_at_once_end_with_one() {
        let keychain = Arc::new(MemoryKeychain::new());
        let generated = AtomicU32::new(0);
        let identities: Vec<String> = std::thread::scope(|scope| {
            let start = || {
                let store = Store::in_memory().unwrap();
                let number = || made(&format!("identity {}", generated.fetch_add(1, Ordering::Relaxed)));
                load_or_create_identity(&store, &*keychain, number).unwrap().to_string()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(identities, vec!["identity 0"; 8]);
    }
}
