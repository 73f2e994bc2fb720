//! Changing things: every change is made by name in a directory that is held open, and a file's new content appears
//! at once or not at all.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _, PermissionsExt as _};
use rustix::fs::{Access, AtFlags, RenameFlags};
#[cfg(target_os = "linux")]
use rustix::fs::{Mode, OFlags};

use crate::failure::Failure;
use crate::place::{Place, Target, special};

/// A file that has lost its name to a new one. While this lives, the system keeps what the file has occupied; giving it
/// back can take longer than writing the new one (where the disk is told at once), and nobody needs to wait for it.
#[derive(Debug)]
pub(crate) struct Replaced {
    _handle: OwnedFd,
}

/// Makes a file, or replaces the content of one. A symbolic link is followed to what it leads to in a shared folder.
pub(crate) fn file(place: &Place<'_>, content: &[u8]) -> Result<Option<Replaced>, Failure> {
    let target = place.target(true)?;
    replace(place, &target, content)
}

/// Puts a file with the content into the place of what is there, with the same permissions.
///
/// The name gets a new inode, so another hard link to the old one keeps the old content: nothing outside of the shared
/// folders changes, whatever is linked there. What is returned is to be dropped when the answer is on its way.
pub(crate) fn replace(
    place: &Place<'_>,
    target: &Target<'_>,
    content: &[u8],
) -> Result<Option<Replaced>, Failure> {
    let dir = &target.parent;
    let mode = match dir.symlink_metadata(&target.name) {
        Ok(metadata) => {
            if let Some(what) = special(&metadata) {
                return Err(Failure::Special { asked: place.asked.clone(), what });
            }
            if metadata.is_dir() {
                return Err(Failure::IsADirectory { asked: place.asked.clone() });
            }
            if rustix::fs::accessat(dir, &target.name, Access::WRITE_OK, AtFlags::EACCESS).is_err() {
                return Err(Failure::NotWritable { asked: place.asked.clone() });
            }
            Some(metadata.permissions().mode() & 0o777)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(place.failure(error)),
    };
    let replaced = mode.and_then(|_| hold(dir, &target.name));
    let temporary = temporary_name();
    let written =
        write_new(dir, &temporary, content, mode).and_then(|()| dir.rename(&temporary, dir, &target.name));
    if written.is_err() {
        // Nothing is to be done where it can't be removed; the error of the writing says more.
        let _ = dir.remove_file(&temporary);
    }
    written.map(|()| replaced).map_err(|error| place.failure(error))
}

/// Holds a file without opening it, which nobody's permissions forbid. Where that fails, it is just not held.
#[cfg(target_os = "linux")]
fn hold(dir: &Dir, name: &OsStr) -> Option<Replaced> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(dir, name, flags, Mode::empty()).ok()?;
    Some(Replaced { _handle: handle })
}

/// Holds nothing: this system can't but by opening the file.
#[cfg(not(target_os = "linux"))]
fn hold(_dir: &Dir, _name: &OsStr) -> Option<Replaced> {
    None
}

fn write_new(dir: &Dir, name: &OsStr, content: &[u8], mode: Option<u32>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // While it is being written, a file that replaces one is nobody else's to read; the umask decides about new ones.
    options.write(true).create_new(true).mode(if mode.is_some() { 0o600 } else { 0o666 });
    let mut file = dir.open_with(name, &options)?;
    file.write_all(content)?;
    if let Some(mode) = mode {
        file.set_permissions(cap_std::fs::Permissions::from_mode(mode))?;
    }
    // The disk is not waited for: whatever becomes of this process, the name leads to the old content or to all of the
    // new. After a loss of power that is for the file system to keep (ext4, btrfs and bcachefs do where a file is replaced).
    Ok(())
}

/// A name that nobody has chosen for something else. It need not be unguessable, since the file is made only where there
/// is none.
fn temporary_name() -> OsString {
    let random = RandomState::new().build_hasher().finish();
    format!(".gatelodge-{random:016x}.tmp").into()
}

/// Makes a directory, with all that are missing above it. One that exists is fine.
pub(crate) fn directory(place: &Place<'_>) -> Result<(), Failure> {
    if place.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return place.require_writable();
    }
    // From the top: each one that is missing is made in the handle of the one above it.
    let mut path = std::path::PathBuf::new();
    for component in place.path.components() {
        path.push(component);
        let step = place.at(place.folder, path.clone());
        match step.metadata() {
            Ok(metadata) if metadata.is_dir() => continue,
            Ok(_) => return Err(Failure::Exists { asked: place.asked.clone() }),
            Err(Failure::NotFound { .. }) => {}
            Err(failure) => return Err(failure),
        }
        let target = step.target(true)?;
        match target.parent.create_dir(&target.name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(place.failure(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Moves a file, a directory or a symbolic link. What is at the destination is never replaced.
pub(crate) fn rename(source: &Place<'_>, destination: &Place<'_>) -> Result<(), Failure> {
    let from = source.target(false)?;
    let to = destination.target(false)?;
    if let Err(error) = from.parent.symlink_metadata(&from.name) {
        return Err(source.failure(error));
    }
    match rustix::fs::renameat_with(&from.parent, &from.name, &to.parent, &to.name, RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(()),
        // Not every file system can tell.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {}
        Err(error) => return Err(destination.failure(error.into())),
    }
    if to.parent.symlink_metadata(&to.name).is_ok() {
        return Err(Failure::Exists { asked: destination.asked.clone() });
    }
    from.parent.rename(&from.name, &to.parent, &to.name).map_err(|error| destination.failure(error))
}
