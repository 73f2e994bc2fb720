//! The keychains of macOS and Windows.

use keyring::{Entry, Error};

use super::system::{Backend, Failure};
use super::{KeychainError, SecretBytes};

pub(super) fn connect(service: &str) -> Result<Box<dyn Backend>, KeychainError> {
    // These systems have their keychain from the beginning, so that looking for it once is enough.
    if let Err(error) = Entry::store_status() {
        return Err(KeychainError::NoService(error.to_string()));
    }
    Ok(Box::new(Native { service: service.to_owned() }))
}

/// Only a use would tell whether it is locked, and would ask for the password.
pub(super) fn look() -> Option<Result<(), KeychainError>> {
    match Entry::store_status() {
        Ok(_) => None,
        Err(error) => Some(Err(KeychainError::NoService(error.to_string()))),
    }
}

struct Native {
    service: String,
}

impl Native {
    fn entry(&self, name: &str) -> Result<Entry, Failure> {
        Entry::new(&self.service, name).map_err(failure)
    }
}

impl Backend for Native {
    fn get(&mut self, name: &str) -> Result<Option<SecretBytes>, Failure> {
        match self.entry(name)?.get_secret() {
            Ok(bytes) => Ok(Some(SecretBytes::new(bytes))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(failure(error)),
        }
    }

    fn set(&mut self, name: &str, value: &SecretBytes, _wanted: &dyn Fn() -> bool) -> Result<(), Failure> {
        self.entry(name)?.set_secret(value.expose()).map_err(failure)
    }

    fn delete(&mut self, name: &str, _wanted: &dyn Fn() -> bool) -> Result<bool, Failure> {
        match self.entry(name)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(failure(error)),
        }
    }
}

/// Only an error's `Display` is repeated: some hold the secret itself, which `Debug` would print.
fn failure(error: Error) -> Failure {
    Failure::Keychain(match error {
        Error::NoStorageAccess(reason) => KeychainError::Denied(reason.to_string()),
        error => KeychainError::Other(error.to_string()),
    })
}
