//! The lock that keeps a second instance off the same directory.
//!
//! It is the operating system's, so it ends with its process however that ends; the number of the process is in a file
//! beside it, since a locked file can't be read on every system.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::StoreError;

/// Locked while the store is open; empty.
const LOCK: &str = "gatelodge.lock";

/// Holds the number of the process that has the lock.
const HOLDER: &str = "gatelodge.pid";

/// Proof that no other process has the directory's store open.
pub(super) struct InstanceLock {
    holder: PathBuf,
    /// Unlocked by the system when it is closed.
    _file: File,
}

impl InstanceLock {
    pub(super) fn take(directory: &Path) -> Result<Self, StoreError> {
        let at = |source| StoreError::Directory { path: directory.to_owned(), source };
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join(LOCK))
            .map_err(at)?;
        let holder = directory.join(HOLDER);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = std::fs::read_to_string(&holder).ok().and_then(|text| text.trim().parse().ok());
                return Err(StoreError::InUse { path: directory.to_owned(), holder: pid });
            }
            Err(TryLockError::Error(source)) => return Err(at(source)),
        }
        std::fs::write(&holder, std::process::id().to_string()).map_err(at)?;
        Ok(Self { holder, _file: file })
    }
}

impl Drop for InstanceLock {
    fn drop(&mut self) {
        // Still under the lock, so it is never the next holder's number that is removed. A leftover is harmless.
        let _ = std::fs::remove_file(&self.holder);
    }
}
