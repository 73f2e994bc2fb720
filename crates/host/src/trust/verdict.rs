//! What an agent may do now, or why nothing.

use crate::grant::Grant;
use crate::keychain::KeychainError;

/// What an agent may do now. All but [`Valid`](Self::Valid) mean nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrantsVerdict {
    /// The agent is trusted, and these are exactly the grants that the person gave it. There may be none, and some may
    /// have expired.
    Valid(Vec<Grant>),
    /// The agent is trusted, but the database does not hold the grants that the keychain vouches for: it was edited,
    /// lost, or replaced by an older copy. The person is told.
    Altered,
    /// The last change of the agent's grants failed halfway. The person is told.
    Unfinished,
    /// The agent is not known.
    NoRecord,
    /// The person blocked the agent.
    Blocked,
    /// The keychain does not answer the question.
    KeychainUnavailable(KeychainError),
    /// The record or the database can't be read.
    Unreadable(String),
}

impl GrantsVerdict {
    /// Returns the grants that count.
    pub fn grants(&self) -> &[Grant] {
        match self {
            Self::Valid(grants) => grants,
            _ => &[],
        }
    }

    /// Returns a sentence for the person, where something is wrong that they can mend.
    pub fn trouble(&self) -> Option<String> {
        match self {
            Self::Valid(_) | Self::NoRecord | Self::Blocked => None,
            Self::Altered => Some(
                "the agent's grants were changed outside of gatelodge, so they count as none; grant anew what it \
                 shall have"
                    .to_owned(),
            ),
            Self::Unfinished => Some(
                "the last change of the agent's grants was not completed, so they count as none; make it again"
                    .to_owned(),
            ),
            Self::KeychainUnavailable(error) => Some(error.to_string()),
            Self::Unreadable(reason) => Some(reason.clone()),
        }
    }
}
