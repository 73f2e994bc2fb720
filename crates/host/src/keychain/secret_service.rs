//! The Secret Service of Linux and other Unix desktops (gnome-keyring, KWallet, KeePassXC), over D-Bus.

use std::collections::HashMap;
use std::sync::Arc;

use keyring::{Entry, Error};
use keyring_core::api::CredentialStoreApi;
use secret_service::EncryptionType;
use secret_service::blocking::SecretService;
use zbus_secret_service_keyring_store::Store;

use super::system::{Backend, Failure};
use super::{KeychainError, SecretBytes};

pub(super) fn connect(service: &str) -> Result<Box<dyn Backend>, KeychainError> {
    let entries = Store::new().map_err(store_failure).map_err(not_reached)?;
    let keyrings = keyrings()?;
    Ok(Box::new(Desktop { entries, keyrings, service: service.to_owned() }))
}

/// Finds out whether the default keyring is there and open. Reading that property makes nobody ask for a password.
pub(super) fn look() -> Option<Result<(), KeychainError>> {
    let looking = || {
        let keyrings = keyrings()?;
        let failed = |error: secret_service::Error| match service_failure(&error) {
            Failure::Keychain(error) | Failure::Lost(error) => error,
        };
        let keyring = match keyrings.get_default_collection() {
            Ok(keyring) => keyring,
            Err(secret_service::Error::NoResult) => {
                return Err(KeychainError::NoService(NO_DEFAULT.to_owned()));
            }
            Err(error) => return Err(failed(error)),
        };
        match keyring.is_locked().map_err(failed)? {
            true => Err(KeychainError::Locked),
            false => Ok(()),
        }
    };
    Some(looking())
}

/// No secret goes over this connection, so it needs no encryption.
fn keyrings() -> Result<SecretService<'static>, KeychainError> {
    let keyrings = SecretService::connect(EncryptionType::Plain);
    keyrings.map_err(|error| service_failure(&error)).map_err(not_reached)
}

fn not_reached(failure: Failure) -> KeychainError {
    match failure {
        Failure::Keychain(
            error @ (KeychainError::Locked | KeychainError::Denied(_) | KeychainError::NoService(_)),
        )
        | Failure::Lost(error @ KeychainError::NoService(_)) => error,
        // Nothing has answered yet, so whatever it is, there is no keychain to talk to.
        Failure::Keychain(error) | Failure::Lost(error) => KeychainError::NoService(match error {
            KeychainError::Other(reason) => reason,
            error => error.to_string(),
        }),
    }
}

/// What there is where new entries have no place to go to.
const NO_DEFAULT: &str = "there is no default keyring";

struct Desktop {
    entries: Arc<Store>,
    /// Asked about the default keyring: whether there is one, and whether it is locked.
    keyrings: SecretService<'static>,
    service: String,
}

/// The state of the keyring that new entries go to.
enum DefaultKeyring {
    Open,
    /// It was locked and the person unlocked it just now.
    Unlocked,
    Missing,
}

impl Desktop {
    fn entry(&self, name: &str) -> Result<Entry, Failure> {
        let label = format!("Gatelodge: {name}");
        let modifiers = HashMap::from([("label", label.as_str())]);
        // The entry is the keyring crate's, its store is ours: that crate would look for a service only once.
        let inner = self.entries.build(&self.service, name, Some(&modifiers)).map_err(store_failure)?;
        Ok(Entry { inner })
    }

    /// Has the default keyring unlocked, which may wait for the person.
    fn unlock(&self) -> Result<DefaultKeyring, Failure> {
        let failed = |error| service_failure(&error);
        let keyring = match self.keyrings.get_default_collection() {
            Ok(keyring) => keyring,
            Err(secret_service::Error::NoResult) => return Ok(DefaultKeyring::Missing),
            Err(error) => return Err(failed(error)),
        };
        if !keyring.is_locked().map_err(failed)? {
            return Ok(DefaultKeyring::Open);
        }
        keyring.unlock().map_err(failed)?;
        if keyring.is_locked().map_err(failed)? {
            return Err(KeychainError::Locked.into());
        }
        Ok(DefaultKeyring::Unlocked)
    }
}

impl Backend for Desktop {
    fn get(&mut self, name: &str) -> Result<Option<SecretBytes>, Failure> {
        let entry = self.entry(name)?;
        let read = || match entry.get_secret() {
            Ok(bytes) => Ok(Some(SecretBytes::new(bytes))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(store_failure(error)),
        };
        match read()? {
            Some(value) => Ok(Some(value)),
            // A locked keyring may hide its entries, so "none" is certain only of an open one.
            None => match self.unlock()? {
                DefaultKeyring::Open | DefaultKeyring::Missing => Ok(None),
                DefaultKeyring::Unlocked => read(),
            },
        }
    }

    fn set(&mut self, name: &str, value: &SecretBytes, wanted: &dyn Fn() -> bool) -> Result<(), Failure> {
        if let DefaultKeyring::Missing = self.unlock()? {
            return Err(KeychainError::NoService(NO_DEFAULT.to_owned()).into());
        }
        if !wanted() {
            return Err(KeychainError::Locked.into());
        }
        self.entry(name)?.set_secret(value.expose()).map_err(store_failure)
    }

    fn delete(&mut self, name: &str, wanted: &dyn Fn() -> bool) -> Result<bool, Failure> {
        if let DefaultKeyring::Missing = self.unlock()? {
            return Ok(false);
        }
        if !wanted() {
            return Err(KeychainError::Locked.into());
        }
        match self.entry(name)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(store_failure(error)),
        }
    }
}

/// Only an error's `Display` is repeated: some hold the secret itself, which `Debug` would print.
fn store_failure(error: Error) -> Failure {
    match error {
        Error::PlatformFailure(reason) | Error::NoStorageAccess(reason) => {
            match reason.downcast_ref::<secret_service::Error>() {
                Some(reason) => service_failure(reason),
                None => KeychainError::Other(reason.to_string()).into(),
            }
        }
        error => KeychainError::Other(error.to_string()).into(),
    }
}

fn service_failure(error: &secret_service::Error) -> Failure {
    use secret_service::Error;
    match error {
        Error::Locked | Error::Prompt | Error::NoResult => KeychainError::Locked.into(),
        Error::Unavailable => KeychainError::NoService("there is no session bus".to_owned()).into(),
        Error::PromptDisconnected => Failure::Lost(KeychainError::Other(error.to_string())),
        Error::Zbus(error) => bus_failure(error),
        Error::ZbusFdo(error) => standard_failure(error),
        error => KeychainError::Other(error.to_string()).into(),
    }
}

fn bus_failure(error: &zbus::Error) -> Failure {
    let other = || KeychainError::Other(error.to_string());
    match error {
        zbus::Error::FDO(error) => standard_failure(error),
        zbus::Error::InputOutput(_) => Failure::Lost(other()),
        zbus::Error::MethodError(name, _, _) => match name.as_str() {
            "org.freedesktop.Secret.Error.IsLocked" => KeychainError::Locked.into(),
            // A keychain that was started anew knows neither the session nor the paths of the one before.
            "org.freedesktop.Secret.Error.NoSession"
            | "org.freedesktop.Secret.Error.NoSuchObject"
            | "org.freedesktop.DBus.Error.UnknownObject"
            | "org.freedesktop.DBus.Error.UnknownMethod"
            | "org.freedesktop.DBus.Error.NoReply"
            | "org.freedesktop.DBus.Error.Disconnected"
            | "org.freedesktop.DBus.Error.NotFound" => Failure::Lost(other()),
            "org.freedesktop.DBus.Error.ServiceUnknown" | "org.freedesktop.DBus.Error.NameHasNoOwner" => {
                Failure::Lost(KeychainError::NoService("no program offers one".to_owned()))
            }
            "org.freedesktop.DBus.Error.AccessDenied" | "org.freedesktop.DBus.Error.AuthFailed" => {
                KeychainError::Denied(error.to_string()).into()
            }
            name if name.starts_with("org.freedesktop.DBus.Error.Spawn.") => {
                Failure::Lost(KeychainError::NoService(error.to_string()))
            }
            _ => other().into(),
        },
        _ => other().into(),
    }
}

fn standard_failure(error: &zbus::fdo::Error) -> Failure {
    use zbus::fdo::Error;
    let other = || KeychainError::Other(error.to_string());
    match error {
        Error::ZBus(error) => bus_failure(error),
        Error::ServiceUnknown(_) | Error::NameHasNoOwner(_) => {
            Failure::Lost(KeychainError::NoService("no program offers one".to_owned()))
        }
        Error::NoServer(_) | Error::SpawnFailed(_) | Error::SpawnServiceNotFound(_) => {
            Failure::Lost(KeychainError::NoService(error.to_string()))
        }
        Error::NoReply(_)
        | Error::Disconnected(_)
        | Error::UnknownObject(_)
        | Error::UnknownMethod(_)
        | Error::IOError(_) => Failure::Lost(other()),
        Error::AccessDenied(_) | Error::AuthFailed(_) => KeychainError::Denied(error.to_string()).into(),
        _ => other().into(),
    }
}
