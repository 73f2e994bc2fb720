//! Whether the keychain can be used, as it is shown.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{KeychainError, KeychainScope, SystemKeychain};
use crate::home::Home;
use crate::keychain::Keychain;

/// How long looking may take. A session bus answers within milliseconds, or has to start the keychain first.
const LOOK_LIMIT: Duration = Duration::from_secs(4);

/// Whether the keychain can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "keychain", rename_all = "lowercase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum KeychainState {
    /// It is there and open.
    Open,
    /// It waits for the person's password.
    Locked {
        /// What is the matter and what to do, as a sentence.
        reason: String,
    },
    /// There is none.
    Missing {
        /// What is the matter and what to do, as a sentence.
        reason: String,
    },
    /// It is there and can't be used.
    Failed {
        /// What is the matter and what to do, as a sentence.
        reason: String,
    },
}

impl KeychainState {
    /// Looks at the keychain in which an installation keeps its entries. Never makes it ask the person for anything, and
    /// blocks no thread of the caller's; takes 4 s at most. On systems other than Linux a locked keychain is told from an open
    /// one only by using it.
    pub async fn look(home: &Home) -> Self {
        Self::look_at(Arc::new(SystemKeychain::new(&KeychainScope::of(home)))).await.unwrap_or(Self::Open)
    }

    /// Looks at a keychain. `None` if it has no way to be looked at.
    pub(crate) async fn look_at(keychain: Arc<dyn Keychain>) -> Option<Self> {
        let (sender, found) = oneshot::channel();
        // A thread of its own: a bus that does not answer must not hold up the end of the runtime.
        let looking = std::thread::Builder::new().name("keychain-look".to_owned()).spawn(move || {
            // Nobody may be waiting any more.
            let _ = sender.send(keychain.look());
        });
        if let Err(error) = looking {
            return Some(Self::of(&KeychainError::Other(error.to_string())));
        }
        match tokio::time::timeout(LOOK_LIMIT, found).await {
            Ok(Ok(found)) => found.map(|found| found.map_or_else(|error| Self::of(&error), |()| Self::Open)),
            Ok(Err(_)) => Some(Self::of(&KeychainError::Other("its thread has ended".to_owned()))),
            Err(_) => Some(Self::of(&KeychainError::TimedOut(LOOK_LIMIT))),
        }
    }

    /// What an error says about the keychain.
    pub fn of(error: &KeychainError) -> Self {
        let reason = error.to_string();
        match error {
            KeychainError::Locked => Self::Locked { reason },
            KeychainError::NoService(_) => Self::Missing { reason },
            KeychainError::TooLarge(_) => Self::Open,
            // It waits for its password, as far as anybody can tell.
            KeychainError::TimedOut(_) => Self::Locked { reason },
            KeychainError::Denied(_) | KeychainError::Other(_) => Self::Failed { reason },
        }
    }

    /// Returns whether it can be used.
    pub fn is_open(&self) -> bool {
        *self == Self::Open
    }

    /// Returns what is the matter; `None` while it can be used.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Open => None,
            Self::Locked { reason } | Self::Missing { reason } | Self::Failed { reason } => Some(reason),
        }
    }
}
