//! Secrets of servers: values in the keychain that definitions name as `${secret:NAME}`.
//!
//! They are put in when a server is started, and nowhere else: definitions, lists and logs have only their names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::keychain::{Keychain, KeychainError, SecretBytes};
use crate::store::{Store, StoreError};

/// What a reference begins with. Anything else with a dollar sign is left as it is.
const OPENING: &str = "${secret:";

/// The longest name: it is part of the keychain entry's name, which people see.
const MAX_NAME: usize = 64;

/// The name of a secret: letters, digits, `-`, `_` and `.` of ASCII, up to 64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

impl SecretName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn entry(&self) -> String {
        format!("secret/{}", self.0)
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl FromStr for SecretName {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(plain) {
            return Err(SecretError::Name(text.chars().take(MAX_NAME).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Returns the names of the secrets that a value refers to, in order.
///
/// # Errors
///
/// [`SecretError::Unclosed`] and [`SecretError::Name`] for a reference that is none.
pub fn secret_references(value: &str) -> Result<Vec<SecretName>, SecretError> {
    let mut names = Vec::new();
    walk(value, |part| {
        if let Part::Secret(name) = part {
            names.push(name);
        }
        Ok(())
    })?;
    Ok(names)
}

enum Part<'a> {
    Text(&'a str),
    Secret(SecretName),
}

fn walk<'a>(
    mut rest: &'a str,
    mut take: impl FnMut(Part<'a>) -> Result<(), SecretError>,
) -> Result<(), SecretError> {
    while let Some((text, reference)) = rest.split_once(OPENING) {
        take(Part::Text(text))?;
        let (name, behind) = reference.split_once('}').ok_or(SecretError::Unclosed)?;
        take(Part::Secret(name.parse()?))?;
        rest = behind;
    }
    take(Part::Text(rest))
}

/// The secrets of an installation. Clones are handles to the same ones.
///
/// The methods wait for disk and keychain; they don't belong on an async worker.
#[derive(Clone)]
pub struct Secrets {
    store: Store,
    keychain: Arc<dyn Keychain>,
}

impl Secrets {
    /// Makes the secrets of an installation.
    pub fn new(store: Store, keychain: Arc<dyn Keychain>) -> Self {
        Self { store, keychain }
    }

    /// Puts the values of secrets in place of their references. A value that itself looks like a reference is left as it
    /// is.
    ///
    /// # Errors
    ///
    /// [`SecretError::Missing`] names a secret that there is not; then nothing is returned.
    pub fn resolve(&self, value: &str) -> Result<Zeroizing<String>, SecretError> {
        let mut resolved = Zeroizing::new(String::new());
        walk(value, |part| {
            match part {
                Part::Text(text) => append(&mut resolved, text),
                Part::Secret(name) => append(&mut resolved, &self.text(&name)?),
            }
            Ok(())
        })?;
        Ok(resolved)
    }

    pub(crate) fn text(&self, name: &SecretName) -> Result<Zeroizing<String>, SecretError> {
        let value = self.keychain.get(&name.entry())?.ok_or_else(|| SecretError::Missing(name.clone()))?;
        value.to_text().ok_or_else(|| SecretError::NotText(name.clone()))
    }

    /// Keeps a secret, in place of the one that had its name.
    ///
    /// # Errors
    ///
    /// [`SecretError`]; then the secret is what it was, unless the keychain timed out.
    pub fn set(&self, name: &SecretName, value: &str) -> Result<(), SecretError> {
        // Listed first: a name without a value is seen and can be removed, a value without a name could not.
        self.store.add_secret_name(name.as_str())?;
        Ok(self.keychain.set(&name.entry(), &SecretBytes::from(value))?)
    }

    /// Removes a secret and says whether there was one.
    ///
    /// # Errors
    ///
    /// [`SecretError`]; then it may still be there, and is still listed.
    pub fn delete(&self, name: &SecretName) -> Result<bool, SecretError> {
        let was_there = self.keychain.delete(&name.entry())?;
        Ok(self.store.remove_secret_name(name.as_str())? || was_there)
    }

    /// Returns the names of all secrets, in order.
    ///
    /// # Errors
    ///
    /// [`SecretError::Store`].
    pub fn names(&self) -> Result<Vec<SecretName>, SecretError> {
        self.store.secret_names()?.iter().map(|name| name.parse()).collect()
    }
}

/// Appends without leaving a copy of the text so far in freed memory, as a growing string would.
fn append(text: &mut Zeroizing<String>, more: &str) {
    if text.capacity() - text.len() < more.len() {
        let mut longer = Zeroizing::new(String::with_capacity((text.len() + more.len()) * 2));
        longer.push_str(text);
        *text = longer;
    }
    text.push_str(more);
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// Why a secret can't be had, kept or removed. No message has a value in it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// A text that is no name.
    #[error("{0:?} is no name of a secret; use up to 64 letters, digits, '-', '_' and '.'")]
    Name(String),
    /// A reference without its end.
    #[error("a ${{secret:...}} reference is not closed; add the '}}'")]
    Unclosed,
    /// There is no such secret.
    #[error("there is no secret named {0}; set it, then start the server again")]
    Missing(SecretName),
    /// The value is not UTF-8.
    #[error("the secret {0} is not text; set it anew")]
    NotText(SecretName),
    /// The keychain.
    #[error(transparent)]
    Keychain(#[from] KeychainError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keychain::{Injection, MemoryKeychain};

    fn secrets() -> (Secrets, Arc<MemoryKeychain>) {
        let keychain = Arc::new(MemoryKeychain::new());
        (Secrets::new(Store::in_memory().unwrap(), keychain.clone()), keychain)
    }

    #[test]
    fn references_are_replaced_and_everything_else_is_kept() {
        let (secrets, _) = secrets();
        secrets.set(&"TOKEN".parse().unwrap(), "abc").unwrap();
        secrets.set(&"nested".parse().unwrap(), "${secret:TOKEN}").unwrap();
        for (value, resolved) in [
            ("", ""),
            ("plain", "plain"),
            ("${secret:TOKEN}", "abc"),
            ("Bearer ${secret:TOKEN}", "Bearer abc"),
            ("${secret:TOKEN}${secret:TOKEN}!", "abcabc!"),
            ("${HOME} $TOKEN $$ ${secret", "${HOME} $TOKEN $$ ${secret"),
            ("${secret:nested}", "${secret:TOKEN}"),
            ("é${secret:TOKEN}é", "éabcé"),
        ] {
            assert_eq!(*secrets.resolve(value).unwrap(), resolved, "{value}");
        }
    }

    #[test]
    fn a_reference_that_can_not_be_resolved_is_an_error_that_names_it() {
        let (secrets, keychain) = secrets();
        let error = secrets.resolve("a ${secret:GITHUB_TOKEN}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no secret named GITHUB_TOKEN; set it, then start the server again"
        );
        assert!(matches!(secrets.resolve("${secret:x"), Err(SecretError::Unclosed)));
        for wrong in ["${secret:}", "${secret:a b}", "${secret:a/b}", "${secret:${secret:x}}"] {
            assert!(matches!(secrets.resolve(wrong), Err(SecretError::Name(_))), "{wrong}");
        }
        keychain.inject(|_, _| Injection::Fail(KeychainError::Locked));
        assert!(matches!(secrets.resolve("${secret:x}"), Err(SecretError::Keychain(KeychainError::Locked))));
    }

    #[test]
    fn names_are_listed_without_values() {
        let (secrets, _) = secrets();
        let [one, two]: [SecretName; 2] = ["b".parse().unwrap(), "a".parse().unwrap()];
        secrets.set(&one, "hush").unwrap();
        secrets.set(&two, "hush").unwrap();
        secrets.set(&two, "hush, hush").unwrap();
        assert_eq!(secrets.names().unwrap(), [two.clone(), one.clone()]);
        assert!(secrets.delete(&two).unwrap());
        assert!(!secrets.delete(&two).unwrap());
        assert_eq!(secrets.names().unwrap(), [one]);
        assert!(matches!(secrets.resolve("${secret:a}"), Err(SecretError::Missing(_))));
        let references = secret_references("${secret:a}-${secret:b}").unwrap();
        assert_eq!(references.iter().map(SecretName::as_str).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_secret_is_in_no_debug_text_and_not_in_the_database() {
        let directory = tempfile::tempdir().unwrap();
        let keychain: Arc<MemoryKeychain> = Arc::default();
        {
            let secrets = Secrets::new(Store::open(directory.path()).unwrap(), keychain.clone());
            secrets.set(&"k".parse().unwrap(), "correct-horse").unwrap();
            assert!(
                !format!("{secrets:?} {keychain:?} {:?}", SecretBytes::from("correct-horse"))
                    .contains("horse")
            );
        }
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(7).any(|window| window == b"correct"));
        }
    }
}
