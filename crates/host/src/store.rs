//! The local database: servers, links, grants, settings, the index of agents and the activity log.
//!
//! One process at a time has a directory's store open, which an operating system lock sees to; the command line opens
//! it when no instance runs. [`TrustStore`](crate::TrustStore), [`Secrets`](crate::Secrets) and
//! [`Activity`](crate::Activity) keep their rows here; what decides about trust is the keychain, not this file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

mod agents;
mod links;
mod lock;
mod schema;
mod secrets;
mod servers;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use agents::{AgentMarks, GrantSet};
use lock::InstanceLock;

/// The database's file in its directory.
const FILE: &str = "gatelodge.db";

/// How long a statement waits for another connection's lock. There is one connection, so only an outside program that
/// reads the file (a backup, the `sqlite3` shell) is ever waited for, and 5 seconds outlast its statements.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// SQLite's page cache in KiB (negative means KiB to SQLite). The tables are small; the default of 2 MiB is not needed.
const CACHE: i32 = -512;

/// The database of one installation. Clones are handles to the same one.
///
/// The methods are short and synchronous; on an async worker they are called through [`Store::run`].
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Mutex<Connection>,
    directory: Option<PathBuf>,
    /// Held for as long as any handle lives.
    _lock: Option<InstanceLock>,
}

impl Store {
    /// Opens the store in a directory, and makes both where there is nothing yet. The directory gets mode 0700.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`] while another process has it open; [`StoreError::Newer`], [`StoreError::Foreign`] and
    /// [`StoreError::Damaged`] for a file that this version must not touch, which stays as it is.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        make_private(directory)
            .map_err(|source| StoreError::Directory { path: directory.to_owned(), source })?;
        let lock = InstanceLock::take(directory)?;
        let path = directory.join(FILE);
        let connection = Connection::open_with_flags(
            &path,
            OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        );
        let mut connection = connection.map_err(|error| StoreError::at(&path, error))?;
        schema::prepare(&mut connection, &path)?;
        Ok(Self::over(connection, Some(directory.to_owned()), Some(lock)))
    }

    /// Makes a store that is gone when its last handle is dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if SQLite can't be had at all.
    pub fn in_memory() -> Result<Self, StoreError> {
        let mut connection = Connection::open_in_memory()?;
        schema::prepare(&mut connection, Path::new(":memory:"))?;
        Ok(Self::over(connection, None, None))
    }

    fn over(connection: Connection, directory: Option<PathBuf>, lock: Option<InstanceLock>) -> Self {
        Self { inner: Arc::new(Inner { connection: Mutex::new(connection), directory, _lock: lock }) }
    }

    /// Returns the directory that it is kept in; `None` for one in memory.
    pub fn directory(&self) -> Option<&Path> {
        self.inner.directory.as_deref()
    }

    /// Runs something with the store on a thread where waiting for the disk is all right.
    ///
    /// # Panics
    ///
    /// Panics if `work` does, and outside of a tokio runtime.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> T {
        let store = self.clone();
        off_worker(move || work(&store)).await
    }

    /// Takes the connection. A panic in the middle of its use leaves at worst a transaction that was rolled back.
    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.inner.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").field("directory", &self.inner.directory).finish_non_exhaustive()
    }
}

/// Runs blocking work off the async workers, and lets its panic be the caller's.
pub(crate) async fn off_worker<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Blocking tasks are cancelled only before they begin, when the runtime ends: so does the caller.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Makes a directory that only its owner can enter, or makes an existing one so.
fn make_private(directory: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        builder.mode(0o700).create(directory)?;
        let mode = std::fs::metadata(directory)?.permissions().mode();
        if mode & 0o077 != 0 {
            std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    }
    #[cfg(not(unix))]
    builder.create(directory)
}

/// Why the store can't be opened, read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory can't be made, entered or made private.
    #[error("the directory {} can't be used: {source}; check that it belongs to you", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error(
        "{} is in use by another gatelodge ({}); end that one first, or give this one a directory of its own with \
         GATELODGE_HOME",
        path.display(),
        holder.map_or_else(|| "process unknown".to_owned(), |pid| format!("process {pid}"))
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other process, where it said who it is.
        holder: Option<u32>,
    },
    /// A later version of Gatelodge wrote it.
    #[error(
        "{} was written by a newer gatelodge (format {found}, this one knows {known}); update gatelodge; the file is \
         unchanged",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The latest format that this version knows.
        known: i64,
    },
    /// A database of another program.
    #[error("{} is another program's database; move it away, then start again; the file is unchanged", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error(
        "{} is damaged ({reason}); put a copy of it back, or move it away to begin anew (agents stay in the keychain, \
         but without grants); the file is unchanged",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A row does not say what a row of its kind says.
    #[error("the stored {what} can't be read: {reason}; remove it and make it anew")]
    Row {
        /// What it is, by kind and name.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// SQLite refuses.
    #[error("the database can't be read or written: {0}; check that the disk is neither full nor read-only")]
    Database(#[from] rusqlite::Error),
}

impl StoreError {
    /// Tells a damaged file from every other trouble.
    fn at(path: &Path, error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                Self::Damaged { path: path.to_owned(), reason: error.to_string() }
            }
            _ => Self::Database(error),
        }
    }

    pub(crate) fn row(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Row { what: what.into(), reason: reason.to_string() }
    }
}
