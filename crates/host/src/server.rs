//! What is lent: the definition of one local MCP server.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest id of a server, in characters. It is part of data channel labels and of log lines.
const MAX_ID: usize = 64;

/// The short name of a server: lower-case letters, digits, `-`, `_` and `.`, beginning with a letter or a digit, up to
/// 64 characters. Agents name servers by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct ServerId(String);

impl ServerId {
    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for ServerId {
    type Err = ServerIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for ServerId {
    type Error = ServerIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut characters = text.chars();
        let first = characters.next().ok_or(ServerIdError::Empty)?;
        let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
        if !plain(first) {
            return Err(ServerIdError::Character(first));
        }
        if let Some(bad) = characters.find(|&character| !plain(character) && !"-_.".contains(character)) {
            return Err(ServerIdError::Character(bad));
        }
        if text.len() > MAX_ID {
            return Err(ServerIdError::TooLong(text.len()));
        }
        Ok(Self(text))
    }
}

impl From<ServerId> for String {
    fn from(id: ServerId) -> Self {
        id.0
    }
}

/// Why a text is no server id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServerIdError {
    /// There is nothing.
    #[error("a server's id must not be empty; use something short such as notes")]
    Empty,
    /// A character that ids don't have, or not in this place.
    #[error(
        "a server's id must not have {0:?} there; use lower-case letters, digits, '-', '_' and '.', and begin with a \
         letter or a digit"
    )]
    Character(char),
    /// Over the limit.
    #[error("a server's id has at most 64 characters; this one has {0}")]
    TooLong(usize),
}

/// One local MCP server that may be lent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ServerDefinition {
    /// What agents name it by.
    pub id: ServerId,
    /// What people call it.
    pub name: String,
    /// What runs it.
    pub kind: ServerKind,
    /// The person's own notes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
}

/// What runs a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum ServerKind {
    /// The built-in file server.
    Files {
        /// What it serves; never empty.
        folders: Vec<SharedFolder>,
    },
    /// A program that speaks MCP over its standard input and output.
    Stdio {
        /// The program: a path, or a name that is looked up in the login shell's `PATH`.
        command: String,
        /// Its arguments, never seen by a shell.
        #[serde(default)]
        args: Vec<String>,
        /// Variables on top of the login shell's environment. Values may contain `${secret:NAME}`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        env: BTreeMap<String, String>,
        /// Where it runs; the home directory if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        cwd: Option<PathBuf>,
    },
}

/// A folder and what may be done in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct SharedFolder {
    /// An absolute path.
    pub path: PathBuf,
    /// What may be done in it.
    #[serde(default)]
    pub access: FolderAccess,
}

/// What may be done in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum FolderAccess {
    /// Reading and listing. The default, since least is preset.
    #[default]
    ReadOnly,
    /// Reading, listing and changing.
    ReadWrite,
}
