//! The operating system's keychain, as far as Gatelodge uses it: secret values by name.
//!
//! [`SystemKeychain`] is the real one, [`MemoryKeychain`] the one of tests and of `--ephemeral`. There is no third: what
//! can't be kept in a keychain is not kept. The trust store, the desktop's identity and the secrets of servers are here.

use std::fmt;
use std::time::Duration;

use thiserror::Error;
use zeroize::Zeroizing;

mod memory;
#[cfg(any(windows, target_os = "macos"))]
mod native;
#[cfg(all(unix, not(target_os = "macos")))]
mod secret_service;
mod state;
mod system;
#[cfg(test)]
mod tests;
mod watched;

pub use memory::{Injection, KeychainCall, MemoryKeychain};
pub use state::KeychainState;
pub use system::{KeychainScope, SystemKeychain};
pub(crate) use watched::{Watched, WatchedKeychain};

/// The longest value, in bytes: what the Windows credential manager takes (`CRED_MAX_CREDENTIAL_BLOB_SIZE`). It holds on
/// every system, so that what works on one works on all.
pub const MAX_KEYCHAIN_VALUE: usize = 2560;

/// Secret values by name.
///
/// Calls may take as long as a person needs to answer the keychain's own prompt, up to a limit of the implementation;
/// they don't belong on an async worker.
pub trait Keychain: Send + Sync + 'static {
    /// Returns the value of a name. `None` means that the keychain was open and has no such entry.
    ///
    /// # Errors
    ///
    /// [`KeychainError`], whenever it is not certain that there is no entry.
    fn get(&self, name: &str) -> Result<Option<SecretBytes>, KeychainError>;

    /// Keeps a value, in place of the one that had its name.
    ///
    /// # Errors
    ///
    /// [`KeychainError`]; after [`KeychainError::TimedOut`] and [`KeychainError::Other`] either value may be there.
    fn set(&self, name: &str, value: &SecretBytes) -> Result<(), KeychainError>;

    /// Removes an entry and says whether there was one.
    ///
    /// # Errors
    ///
    /// [`KeychainError`]; after [`KeychainError::TimedOut`] and [`KeychainError::Other`] it may be there or not.
    fn delete(&self, name: &str) -> Result<bool, KeychainError>;

    /// Finds out whether the keychain can be used, without making it ask the person for anything. `None`, which is what is
    /// provided, where there is no way to but to use it.
    fn look(&self) -> Option<Result<(), KeychainError>> {
        None
    }
}

/// A secret value: wiped from memory when it is dropped, and not to be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Shows the bytes to code that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns the value as text, if it is UTF-8.
    pub fn to_text(&self) -> Option<Zeroizing<String>> {
        std::str::from_utf8(&self.0).ok().map(|text| Zeroizing::new(text.to_owned()))
    }
}

impl From<&str> for SecretBytes {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretBytes(..)")
    }
}

/// Why the keychain does not give, take or remove a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeychainError {
    /// It is locked, and the person did not unlock it.
    #[error("the keychain is locked; unlock it, then try again")]
    Locked,
    /// There is none.
    #[error(
        "no keychain was found ({0}); start one (on Linux: gnome-keyring or KWallet, with a default keyring), then try \
         again"
    )]
    NoService(String),
    /// It refuses this program.
    #[error("the keychain refuses access ({0}); allow gatelodge in its settings, then try again")]
    Denied(String),
    /// It did not answer in time. What was begun may still be carried out.
    #[error(
        "the keychain did not answer within {} s; it may be waiting for its password: answer its prompt, then try again",
        .0.as_secs()
    )]
    TimedOut(Duration),
    /// The value is over [`MAX_KEYCHAIN_VALUE`].
    #[error("a keychain entry holds at most {MAX_KEYCHAIN_VALUE} bytes; this value has {0}")]
    TooLarge(usize),
    /// Anything else.
    #[error("the keychain failed: {0}; try again")]
    Other(String),
}

/// Refuses what would not fit on every system.
fn check_size(value: &SecretBytes) -> Result<(), KeychainError> {
    match value.expose().len() {
        0..=MAX_KEYCHAIN_VALUE => Ok(()),
        length => Err(KeychainError::TooLarge(length)),
    }
}
