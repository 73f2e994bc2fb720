//! The folders that are shared, each held as one directory handle. [`crate::place`] resolves paths beneath them.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _};

use crate::failure::Failure;

/// A folder to share, by name. [`FileServer::open`](crate::FileServer::open) opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Where it is. Symbolic links on the way are followed once, when it is opened.
    pub path: PathBuf,
    /// What may be done in it.
    pub access: Access,
}

/// What may be done in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Files may be listed, searched and read.
    ReadOnly,
    /// Files may be written, edited, moved and made as well.
    ReadWrite,
}

impl fmt::Display for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        })
    }
}

/// Why folders can't be shared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenFolderError {
    /// There is nothing to serve.
    #[error("no folder is given; name at least one")]
    NoFolder,
    /// The folder is missing, is not a folder, or may not be opened.
    #[error("the folder {} can't be opened", path.display())]
    Open {
        /// The folder as it was named.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The inner folder could be written through the outer one, so it would be read-only in name alone.
    #[error(
        "{} is read-only but lies in {}, which is read-write; share both with the same access, or not the outer one",
        inner.display(),
        outer.display()
    )]
    ReadOnlyInsideReadWrite {
        /// The folder that can't be kept read-only.
        inner: PathBuf,
        /// The folder around it, or the same one named twice.
        outer: PathBuf,
    },
}

/// A folder that is open.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Its name without symbolic links: what answers call it.
    pub(crate) name: PathBuf,
    /// Its name as it was given, made absolute: what people call it.
    given: PathBuf,
    pub(crate) access: Access,
    pub(crate) dir: Dir,
    device: u64,
    inode: u64,
}

/// All folders of a server.
#[derive(Debug)]
pub(crate) struct Folders(Vec<Shared>);

impl Shared {
    fn open(folder: &Folder) -> io::Result<Self> {
        let given = lexical(&std::path::absolute(&folder.path)?);
        let name = std::fs::canonicalize(&given)?;
        let dir = Dir::open_ambient_dir(&name, ambient_authority())?;
        let metadata = dir.dir_metadata()?;
        let (device, inode) = (metadata.dev(), metadata.ino());
        Ok(Self { name, given, access: folder.access, dir, device, inode })
    }

    /// Checks that the folder's name still leads to what was opened. Serving the handle after somebody has put another
    /// folder in its place would show files that nobody can see any more; serving the new one would lend what nobody
    /// has granted. So neither is done.
    pub(crate) fn check_unchanged(&self) -> Result<(), Failure> {
        match std::fs::metadata(&self.name) {
            Ok(now) if now.dev() == self.device && now.ino() == self.inode => Ok(()),
            _ => Err(Failure::Replaced { folder: self.name.display().to_string() }),
        }
    }
}

impl Folders {
    pub(crate) fn open(folders: impl IntoIterator<Item = Folder>) -> Result<Self, OpenFolderError> {
        let mut opened: Vec<Shared> = Vec::new();
        for folder in folders {
            let shared = Shared::open(&folder)
                .map_err(|source| OpenFolderError::Open { path: folder.path.clone(), source })?;
            if !opened.iter().any(|other| other.name == shared.name && other.access == shared.access) {
                opened.push(shared);
            }
        }
        for inner in opened.iter().filter(|folder| folder.access == Access::ReadOnly) {
            let outer = opened
                .iter()
                .find(|outer| outer.access == Access::ReadWrite && inner.name.starts_with(&outer.name));
            if let Some(outer) = outer {
                let (inner, outer) = (inner.name.clone(), outer.name.clone());
                return Err(OpenFolderError::ReadOnlyInsideReadWrite { inner, outer });
            }
        }
        if opened.is_empty() { Err(OpenFolderError::NoFolder) } else { Ok(Self(opened)) }
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Shared> {
        self.0.iter()
    }

    pub(crate) fn writable(&self) -> bool {
        self.iter().any(|folder| folder.access == Access::ReadWrite)
    }

    /// Returns the innermost folder that an absolute path without `..` lies in, and the path from there.
    pub(crate) fn containing(&self, path: &Path) -> Option<(&Shared, PathBuf)> {
        let inside = self.iter().filter_map(|folder| {
            let name = [&folder.name, &folder.given].into_iter().find(|name| path.starts_with(name))?;
            let rest = path.strip_prefix(name).ok()?;
            Some((folder, rest.to_owned()))
        });
        inside.min_by_key(|(_, rest)| rest.components().count())
    }

    /// Returns the names, as the refusal of a path lists them.
    pub(crate) fn names(&self, separator: &str) -> String {
        let names: Vec<_> = self.iter().map(|folder| folder.name.display().to_string()).collect();
        names.join(separator)
    }
}

/// Resolves `.` and `..` in a path by its text alone.
pub(crate) fn lexical(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}
