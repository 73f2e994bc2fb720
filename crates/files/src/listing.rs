//! Directories as they are read: names and kinds, in the order of the names' bytes, with no system call per entry.

use std::ffi::OsStr;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::failure::Failure;
use tokio_util::sync::CancellationToken;

/// Each level holds a file descriptor and some of the stack while it is walked; a tree that people made is a tenth as
/// deep.
pub(crate) const DEPTH_LIMIT: usize = 200;

/// How directories are opened for reading.
const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What an entry is, without following symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Link,
    /// FIFO, socket or device.
    Special,
}

/// The entries of a directory. Their names share one buffer, so that a directory of 10,000 files is three allocations.
#[derive(Debug)]
pub(crate) struct Listing {
    names: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    start: usize,
    end: usize,
    /// The first bytes, as a number that sorts as they do: most names differ in them.
    first: u128,
    kind: Kind,
}

impl Listing {
    /// Reads a whole directory.
    pub(crate) fn read(dir: &Dir) -> io::Result<Self> {
        let (mut names, mut entries) = (Vec::new(), Vec::new());
        // cap-std's handles may be good for paths only, and a handle that is shared has one position for all readers.
        let readable = rustix::fs::openat(dir, c".", OPEN, Mode::empty())?;
        let mut stream = rustix::fs::Dir::new(readable)?;
        while let Some(entry) = stream.read() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let mut file_type = entry.file_type();
            if file_type == FileType::Unknown {
                // Some file systems don't say.
                let Ok(stat) = rustix::fs::statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) else {
                    continue;
                };
                file_type = FileType::from_raw_mode(stat.st_mode);
            }
            let kind = match file_type {
                FileType::RegularFile => Kind::File,
                FileType::Directory => Kind::Directory,
                FileType::Symlink => Kind::Link,
                _ => Kind::Special,
            };
            let start = names.len();
            names.extend_from_slice(name);
            let mut first = [0; 16];
            let length = name.len().min(first.len());
            first[..length].copy_from_slice(&name[..length]);
            entries.push(Entry { start, end: names.len(), first: u128::from_be_bytes(first), kind });
        }
        entries.sort_unstable_by(|a, b| {
            a.first.cmp(&b.first).then_with(|| names[a.start..a.end].cmp(&names[b.start..b.end]))
        });
        Ok(Self { names, entries })
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.names.capacity() + self.entries.capacity() * std::mem::size_of::<Entry>()
    }

    /// Returns names and kinds in order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], Kind)> + ExactSizeIterator {
        self.entries.iter().map(|entry| (&self.names[entry.start..entry.end], entry.kind))
    }
}

/// Opens a directory by its name in another one. A symbolic link that has taken its place is not followed.
pub(crate) fn open_child(dir: &Dir, name: &[u8]) -> io::Result<Dir> {
    let child =
        rustix::fs::openat(dir, OsStr::from_bytes(name), OPEN.union(OFlags::NOFOLLOW), Mode::empty())?;
    Ok(Dir::from_std_file(child.into()))
}

/// What to do after an entry was visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Visit what is in it, where it is a directory.
    Descend,
    /// Leave out what is in it.
    Skip,
    /// End the walk.
    Stop,
}

/// An entry on a walk.
pub(crate) struct Visited<'a> {
    /// From where the walk began.
    pub(crate) path: &'a Path,
    pub(crate) name: &'a [u8],
    pub(crate) kind: Kind,
}

/// Visits everything beneath a directory, each directory before what is in it, in the order of names. What can't be
/// opened is passed over.
///
/// With `after`, the walk goes on behind the entry of that path, whether or not it still exists.
pub(crate) fn walk(
    dir: &Dir,
    after: Option<&Path>,
    cancel: &CancellationToken,
    visit: &mut dyn FnMut(&Visited<'_>) -> Result<Next, Failure>,
) -> Result<(), Failure> {
    let after: Vec<&[u8]> = after.iter().flat_map(|path| path.iter()).map(OsStr::as_bytes).collect();
    let mut path = PathBuf::new();
    level(dir, &after, cancel, &mut path, 0, visit).map(|_| ())
}

fn level(
    dir: &Dir,
    after: &[&[u8]],
    cancel: &CancellationToken,
    path: &mut PathBuf,
    depth: usize,
    visit: &mut dyn FnMut(&Visited<'_>) -> Result<Next, Failure>,
) -> Result<ControlFlow<()>, Failure> {
    let Ok(listing) = Listing::read(dir) else { return Ok(ControlFlow::Continue(())) };
    for (index, (name, kind)) in listing.iter().enumerate() {
        // Looking takes a lock, which all requests of a connection share.
        if index % 64 == 0 && cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        let mut rest: &[&[u8]] = &[];
        let mut seen = false;
        if let Some((first, others)) = after.split_first() {
            if name < *first {
                continue;
            }
            if name == *first {
                (seen, rest) = (true, others);
            }
        }
        path.push(OsStr::from_bytes(name));
        let next = if seen { Next::Descend } else { visit(&Visited { path, name, kind })? };
        let mut flow = ControlFlow::Continue(());
        if next == Next::Stop {
            flow = ControlFlow::Break(());
        } else if next == Next::Descend && kind == Kind::Directory {
            if depth >= DEPTH_LIMIT {
                return Err(Failure::TooMany {
                    what: "the depth of the directories".to_owned(),
                    limit: DEPTH_LIMIT as u64,
                    unit: "levels",
                    instead: "name a directory further down, or leave some out with excludePatterns",
                });
            }
            if let Ok(child) = open_child(dir, name) {
                flow = level(&child, rest, cancel, path, depth + 1, visit)?;
            }
        }
        path.pop();
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}
