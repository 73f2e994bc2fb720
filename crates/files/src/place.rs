//! From the path that a client names to a handle of the file. Every file and directory of a client's choosing is opened
//! here, beneath the handle of a shared folder, by the kernel's own rules: what the path's text says is only where the
//! search begins. [`crate::tools`] and [`crate::resources`] ask.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, Metadata, OpenOptions, OpenOptionsExt as _};
use rustix::fs::OFlags;
use unicode_normalization::UnicodeNormalization as _;

use crate::failure::{Failure, is_escape};
use crate::folder::{Access, Folders, Shared, lexical};
use crate::listing::Listing;
use crate::uri;

/// PATH_MAX of Linux; no system takes longer ones in one call.
const PATH_LIMIT: usize = 4096;

/// As many symbolic links as the kernel follows in one path.
const LINK_LIMIT: usize = 40;

/// A path in a shared folder, not yet looked at.
#[derive(Debug, Clone)]
pub(crate) struct Place<'a> {
    folders: &'a Folders,
    pub(crate) folder: &'a Shared,
    /// From the folder; empty for the folder itself. Has no `.` and no `..`.
    pub(crate) path: PathBuf,
    /// The client's words, for messages.
    pub(crate) asked: String,
}

/// Where a file is or will be: a handle of its directory, and a name in it that is no symbolic link.
pub(crate) struct Target<'a> {
    pub(crate) folder: &'a Shared,
    pub(crate) parent: Dir,
    pub(crate) name: OsString,
    /// From the folder, as far as it is known without links.
    pub(crate) path: PathBuf,
}

impl Folders {
    /// Finds the folder that a path lies in, by the path's text, and checks that the folder is still what was shared.
    pub(crate) fn locate(&self, asked: &str) -> Result<Place<'_>, Failure> {
        if asked.contains('\0') {
            return Err(Failure::Nul);
        }
        if asked.len() > PATH_LIMIT {
            return Err(Failure::PathTooLong { length: asked.len(), limit: PATH_LIMIT });
        }
        if asked.as_bytes().get(1) == Some(&b':')
            && asked.as_bytes()[0].is_ascii_alphabetic()
            && matches!(asked.as_bytes().get(2), None | Some(b'/' | b'\\'))
        {
            return Err(Failure::WindowsPath { asked: asked.to_owned() });
        }
        let outside = || Failure::Outside { asked: asked.to_owned(), shared: self.names(", ") };
        let path = if asked.starts_with("file://") {
            uri::to_path(asked).ok_or_else(outside)?
        } else if asked == "~" || asked.starts_with("~/") {
            let home = std::env::home_dir().unwrap_or_default();
            home.join(asked[1..].trim_start_matches('/'))
        } else {
            PathBuf::from(asked)
        };
        let found = if path.is_absolute() {
            self.containing(&lexical(&path))
        } else {
            self.iter().find_map(|folder| self.containing(&lexical(&folder.name.join(&path))))
        };
        let Some((folder, path)) = found else {
            return Err(outside());
        };
        folder.check_unchanged()?;
        Ok(Place { folders: self, folder, path, asked: asked.to_owned() })
    }

    /// Returns the place of a path that a listing of a folder gave.
    pub(crate) fn place<'a>(&'a self, folder: &'a Shared, path: PathBuf) -> Place<'a> {
        let asked = folder.name.join(&path).to_string_lossy().into_owned();
        Place { folders: self, folder, path, asked }
    }
}

impl<'a> Place<'a> {
    /// Another path for the same words of the client.
    pub(crate) fn at(&self, folder: &'a Shared, path: PathBuf) -> Self {
        Self { folder, path, ..self.clone() }
    }

    /// The absolute path, with the folder's own name.
    pub(crate) fn absolute(&self) -> PathBuf {
        join(&self.folder.name, &self.path)
    }

    /// Opens a regular file for reading. Anything else is refused, and nothing is waited for: a FIFO without a writer
    /// would block for ever, so its kind is looked at before it is opened and again on the handle.
    pub(crate) fn open_file(&self) -> Result<(File, Metadata), Failure> {
        self.refuse_special(&self.metadata()?)?;
        let mut options = OpenOptions::new();
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        options.read(true).custom_flags(flags.bits().cast_signed());
        let (file, _) = self.resolve(|dir, path| dir.open_with(path, &options))?;
        let metadata = file.metadata().map_err(|error| self.failure(error))?;
        self.refuse_special(&metadata)?;
        if metadata.is_dir() {
            return Err(Failure::IsADirectory { asked: self.asked.clone() });
        }
        Ok((file.into_std(), metadata))
    }

    /// Opens a directory. The place that is returned is where it was found, after links that are absolute.
    pub(crate) fn open_dir(&self) -> Result<(Dir, Place<'a>), Failure> {
        self.resolve(|dir, path| dir.open_dir(path))
    }

    /// Looks at what is there, after symbolic links.
    pub(crate) fn metadata(&self) -> Result<Metadata, Failure> {
        self.resolve(|dir, path| dir.metadata(path)).map(|(metadata, _)| metadata)
    }

    /// Returns the place by its name without symbolic links, where it can be told.
    pub(crate) fn canonical(&self) -> Place<'a> {
        match self.resolve(|dir, path| dir.canonicalize(path)) {
            Ok((path, place)) => Place { path: lexical(&path), ..place },
            Err(_) => self.clone(),
        }
    }

    /// Finds the directory and the name for something that is to be changed. The name is looked up as it is, or with
    /// `follow` through symbolic links, which may lead to other folders but to nowhere else.
    pub(crate) fn target(&self, follow: bool) -> Result<Target<'a>, Failure> {
        let mut place = self.clone();
        for _ in 0..LINK_LIMIT {
            let Some(name) = place.path.file_name().map(OsStr::to_owned) else {
                return Err(Failure::FolderItself { asked: self.asked.clone() });
            };
            let parent_path = place.path.parent().unwrap_or(Path::new("")).to_owned();
            let parent = Place { path: parent_path, ..place.clone() };
            let (dir, parent) = parent.open_dir().map_err(|failure| match failure {
                Failure::NotFound { asked } => Failure::NoParent { asked },
                other => other,
            })?;
            if parent.folder.access != Access::ReadWrite {
                let folder = parent.folder.name.display().to_string();
                return Err(Failure::ReadOnly { asked: self.asked.clone(), folder });
            }
            let name = same_name(&dir, &name).map_err(|error| self.failure(error))?;
            let Some(name) = name else {
                return Err(Failure::Ambiguous { asked: self.asked.clone() });
            };
            let path = join(&parent.path, Path::new(&name));
            let is_link = dir.symlink_metadata(&name).is_ok_and(|metadata| metadata.is_symlink());
            if !(follow && is_link) {
                return Ok(Target { folder: parent.folder, parent: dir, name, path });
            }
            let link = dir.read_link_contents(&name).map_err(|error| self.failure(error))?;
            place = self.by_link(parent.folder, &parent.path, &link, Path::new(""))?;
        }
        Err(Failure::LinkLeaves { asked: self.asked.clone() })
    }

    /// Does something beneath the folder's handle. A symbolic link with an absolute target can't be resolved beneath a
    /// handle, also where it leads to a shared folder; then the link is read and its target looked up in its place.
    pub(crate) fn resolve<T>(
        &self,
        operation: impl Fn(&Dir, &Path) -> io::Result<T>,
    ) -> Result<(T, Place<'a>), Failure> {
        let mut place = self.clone();
        let mut renamed = false;
        for _ in 0..LINK_LIMIT {
            let path = if place.path.as_os_str().is_empty() { Path::new(".") } else { &place.path };
            match operation(&place.folder.dir, path) {
                Ok(result) => return Ok((result, place)),
                Err(error) if is_escape(&error) => place = self.after_first_link(&place)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound && !renamed => {
                    renamed = true;
                    match place.in_other_form()? {
                        Some(other) => place = other,
                        None => return Err(self.failure(error)),
                    }
                }
                Err(error) => return Err(self.failure(error)),
            }
        }
        Err(Failure::LinkLeaves { asked: self.asked.clone() })
    }

    /// Replaces the first symbolic link in a path by its target.
    fn after_first_link(&self, place: &Place<'a>) -> Result<Place<'a>, Failure> {
        let mut before = PathBuf::new();
        let mut components = place.path.components();
        while let Some(component) = components.next() {
            let path = before.join(component);
            let is_link =
                place.folder.dir.symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
            if is_link && let Ok(link) = place.folder.dir.read_link_contents(&path) {
                return self.by_link(place.folder, &before, &link, components.as_path());
            }
            before = path;
        }
        Err(Failure::LinkLeaves { asked: self.asked.clone() })
    }

    /// Returns the place that a link leads to, if it is in a shared folder.
    fn by_link(
        &self,
        folder: &Shared,
        before: &Path,
        link: &Path,
        after: &Path,
    ) -> Result<Place<'a>, Failure> {
        let target = lexical(&join(&folder.name.join(before).join(link), after));
        let Some((folder, path)) = self.folders.containing(&target) else {
            return Err(Failure::LinkLeaves { asked: self.asked.clone() });
        };
        folder.check_unchanged()?;
        Ok(Place { folders: self.folders, folder, path, asked: self.asked.clone() })
    }

    /// Looks for a path whose names are the same text in another Unicode form: file systems and input methods disagree
    /// on whether an accent is a character of its own.
    fn in_other_form(&self) -> Result<Option<Place<'a>>, Failure> {
        if self.path.as_os_str().is_ascii() {
            return Ok(None);
        }
        let mut found = PathBuf::new();
        for component in self.path.components() {
            let directory = if found.as_os_str().is_empty() { Path::new(".") } else { &found };
            let Ok(dir) = self.folder.dir.open_dir(directory) else { return Ok(None) };
            match same_name(&dir, component.as_os_str()) {
                Ok(Some(name)) => found.push(name),
                Ok(None) => return Err(Failure::Ambiguous { asked: self.asked.clone() }),
                Err(_) => return Ok(None),
            }
        }
        Ok((found != self.path).then(|| Place { path: found, ..self.clone() }))
    }

    /// Refuses where what is there may not be changed.
    pub(crate) fn require_writable(&self) -> Result<(), Failure> {
        let ((), place) = self.resolve(|dir, path| dir.metadata(path).map(|_| ()))?;
        if place.folder.access == Access::ReadWrite {
            return Ok(());
        }
        let folder = place.folder.name.display().to_string();
        Err(Failure::ReadOnly { asked: self.asked.clone(), folder })
    }

    fn refuse_special(&self, metadata: &Metadata) -> Result<(), Failure> {
        match special(metadata) {
            Some(what) => Err(Failure::Special { asked: self.asked.clone(), what }),
            None => Ok(()),
        }
    }

    pub(crate) fn failure(&self, error: io::Error) -> Failure {
        Failure::from_io(&self.asked, error)
    }
}

/// Says what something is that is neither a file nor a directory.
pub(crate) fn special(metadata: &Metadata) -> Option<&'static str> {
    use cap_std::fs::FileTypeExt as _;
    let kind = metadata.file_type();
    match kind {
        _ if kind.is_fifo() => Some("a FIFO"),
        _ if kind.is_socket() => Some("a socket"),
        _ if kind.is_block_device() || kind.is_char_device() => Some("a device"),
        _ => None,
    }
}

/// Returns the name in a directory that is the given one, or the only one with the same text; the given one where there
/// is none, and `None` where there are several.
fn same_name(dir: &Dir, name: &OsStr) -> io::Result<Option<OsString>> {
    if name.is_ascii() || dir.symlink_metadata(name).is_ok() {
        return Ok(Some(name.to_owned()));
    }
    let Some(text) = name.to_str() else { return Ok(Some(name.to_owned())) };
    let wanted: String = text.nfc().collect();
    let listing = Listing::read(dir)?;
    let mut same = listing.iter().filter(|(other, _)| {
        !other.is_ascii() && std::str::from_utf8(other).is_ok_and(|other| other.nfc().eq(wanted.chars()))
    });
    Ok(match (same.next(), same.next()) {
        (Some((one, _)), None) => Some(OsString::from_vec(one.to_vec())),
        (None, _) => Some(name.to_owned()),
        (Some(_), Some(_)) => None,
    })
}

/// Joins without the slash that `Path::join` leaves after an empty second part.
fn join(directory: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { directory.to_owned() } else { directory.join(rest) }
}
