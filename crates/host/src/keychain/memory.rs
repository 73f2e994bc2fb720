//! A keychain that is gone with its process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Keychain, KeychainError, SecretBytes, check_size};

/// Keeps its entries in memory, for tests and `--ephemeral`. Tests make its calls fail with
/// [`inject`](Self::inject).
#[derive(Default)]
pub struct MemoryKeychain {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<String, SecretBytes>,
    hook: Option<Hook>,
}

type Hook = Box<dyn FnMut(KeychainCall, &str) -> Injection + Send>;

/// A call, as a test sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeychainCall {
    /// [`Keychain::get`].
    Get,
    /// [`Keychain::set`].
    Set,
    /// [`Keychain::delete`].
    Delete,
}

/// What a test makes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Injection {
    /// It is carried out.
    Pass,
    /// It fails and has no effect.
    Fail(KeychainError),
    /// It has its effect and fails nevertheless, like a call whose answer is lost.
    FailAfter(KeychainError),
}

impl MemoryKeychain {
    /// Makes an empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `hook` decide about every call from now on.
    pub fn inject(&self, hook: impl FnMut(KeychainCall, &str) -> Injection + Send + 'static) {
        self.lock().hook = Some(Box::new(hook));
    }

    /// Lets every call from now on pass.
    pub fn heal(&self) {
        self.lock().hook = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(
        &self,
        call: KeychainCall,
        name: &str,
        effect: impl FnOnce(&mut HashMap<String, SecretBytes>) -> T,
    ) -> Result<T, KeychainError> {
        let mut state = self.lock();
        match state.hook.as_mut().map_or(Injection::Pass, |hook| hook(call, name)) {
            Injection::Pass => Ok(effect(&mut state.entries)),
            Injection::Fail(error) => Err(error),
            Injection::FailAfter(error) => {
                effect(&mut state.entries);
                Err(error)
            }
        }
    }
}

impl Keychain for MemoryKeychain {
    fn get(&self, name: &str) -> Result<Option<SecretBytes>, KeychainError> {
        self.call(KeychainCall::Get, name, |entries| entries.get(name).cloned())
    }

    fn set(&self, name: &str, value: &SecretBytes) -> Result<(), KeychainError> {
        check_size(value)?;
        self.call(KeychainCall::Set, name, |entries| {
            entries.insert(name.to_owned(), value.clone());
        })
    }

    fn delete(&self, name: &str) -> Result<bool, KeychainError> {
        self.call(KeychainCall::Delete, name, |entries| entries.remove(name).is_some())
    }
}

impl std::fmt::Debug for MemoryKeychain {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MemoryKeychain").field("entries", &self.lock().entries.len()).finish()
    }
}
