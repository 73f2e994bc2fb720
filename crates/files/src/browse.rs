//! Looking around: listings, trees, searches by name, and what is known of a file.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cap_std::fs::{Dir, PermissionsExt as _};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::listing::{DEPTH_LIMIT, Kind, Listing, Next, open_child, walk};
use crate::listings::Listings;
use crate::order;
use crate::pattern::Patterns;
use crate::place::Place;
use crate::read::READ_LIMIT;

/// Lists a directory: a line for each entry.
pub(crate) fn list(place: &Place<'_>, listings: &Arc<Listings>) -> Result<String, Failure> {
    let listing = listing(place, listings)?;
    // Long enough for most names, so that the text is not moved while it grows.
    let mut text = String::with_capacity(listing.len() * 32);
    for (name, kind) in listing.iter() {
        push_line(&mut text, name, kind);
    }
    text.pop();
    refuse_long(&text, place, "ask for pages with list_directory_page")?;
    Ok(text)
}

/// A part of a directory.
pub(crate) struct Page {
    pub(crate) text: String,
    /// The last name on the page, where there are more behind it.
    pub(crate) last: Option<Vec<u8>>,
}

/// Lists the entries of a directory behind a name.
pub(crate) fn page(
    place: &Place<'_>,
    listings: &Arc<Listings>,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Page, Failure> {
    let listing = listing(place, listings)?;
    let mut entries = listing.iter().filter(|(name, _)| after.is_none_or(|after| *name > after));
    let (mut text, mut last) = (String::new(), None);
    for (name, kind) in entries.by_ref().take(limit) {
        push_line(&mut text, name, kind);
        last = Some(name.to_vec());
    }
    text.pop();
    let last = last.filter(|_| entries.next().is_some());
    Ok(Page { text, last })
}

fn listing(place: &Place<'_>, listings: &Arc<Listings>) -> Result<Arc<Listing>, Failure> {
    let (dir, _) = place.open_dir()?;
    listings.read(&dir).map_err(|error| place.failure(error))
}

fn push_line(text: &mut String, name: &[u8], kind: Kind) {
    text.push_str(if kind == Kind::Directory { "[DIR] " } else { "[FILE] " });
    match std::str::from_utf8(name) {
        Ok(name) => text.push_str(name),
        Err(_) => text.push_str(&String::from_utf8_lossy(name)),
    }
    text.push('\n');
}

fn refuse_long(text: &str, place: &Place<'_>, instead: &'static str) -> Result<(), Failure> {
    let size = text.len() as u64;
    if size <= READ_LIMIT {
        return Ok(());
    }
    let what = format!("the answer for {}", place.asked);
    Err(Failure::TooLarge { what, size, limit: READ_LIMIT, instead })
}

/// How [`list_with_sizes`] sorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SortBy {
    #[default]
    Name,
    Size,
}

/// Lists a directory with the sizes of its files, and their sum.
pub(crate) fn list_with_sizes(
    place: &Place<'_>,
    folders: &crate::folder::Folders,
    sort_by: SortBy,
    cancel: &CancellationToken,
) -> Result<String, Failure> {
    let (dir, place) = place.open_dir()?;
    let listing = Listing::read(&dir).map_err(|error| place.failure(error))?;
    let mut entries = Vec::with_capacity(listing.len());
    for (index, (name, kind)) in listing.iter().enumerate() {
        if index % 64 == 0 && cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        let size = match kind {
            // A link counts as what it leads to, if that is in a shared folder.
            Kind::Link => {
                let path = place.path.join(OsStr::from_bytes(name));
                folders.place(place.folder, path).metadata().map_or(0, |metadata| metadata.len())
            }
            // A directory's own size is not shown and not counted, but sorted by.
            Kind::File | Kind::Directory | Kind::Special => {
                dir.symlink_metadata(OsStr::from_bytes(name)).map_or(0, |metadata| metadata.len())
            }
        };
        entries.push((String::from_utf8_lossy(name), kind == Kind::Directory, size));
    }
    match sort_by {
        SortBy::Name => entries.sort_by_cached_key(|(name, ..)| order::key(name)),
        SortBy::Size => entries.sort_by_key(|&(_, _, size)| std::cmp::Reverse(size)),
    }
    let mut text = String::new();
    for (name, is_directory, size) in &entries {
        let padding = 30_usize.saturating_sub(name.encode_utf16().count());
        let (kind, size) =
            if *is_directory { ("[DIR]", String::new()) } else { ("[FILE]", readable_size(*size)) };
        let size = if *is_directory { size } else { format!("{size:>10}") };
        writeln!(text, "{kind} {name}{:padding$} {size}", "").expect("writing to a string can't fail");
    }
    let directories = entries.iter().filter(|(_, is_directory, _)| *is_directory).count();
    let (files, sum) = (
        entries.len() - directories,
        entries.iter().filter(|(_, is_directory, _)| !is_directory).map(|(_, _, size)| size).sum(),
    );
    let sum = readable_size(sum);
    write!(text, "\nTotal: {files} files, {directories} directories\nCombined size: {sum}")
        .expect("writing to a string can't fail");
    refuse_long(&text, &place, "ask for pages with list_directory_page")?;
    Ok(text)
}

/// Writes a size with two digits behind the point, rounded half up.
fn readable_size(bytes: u64) -> String {
    let unit = match bytes {
        0..1024 => return format!("{bytes} B"),
        _ => (bytes.ilog2() / 10).min(4),
    };
    let hundredths = (u128::from(bytes) * 200 + (1 << (10 * unit))) >> (10 * unit + 1);
    let name = ["B", "KB", "MB", "GB", "TB"][unit as usize];
    format!("{}.{:02} {name}", hundredths / 100, hundredths % 100)
}

/// Returns a directory with all that is in it as JSON.
pub(crate) fn tree(
    place: &Place<'_>,
    exclude: &[String],
    cancel: &CancellationToken,
) -> Result<String, Failure> {
    let (dir, _) = place.open_dir()?;
    let listing = Listing::read(&dir).map_err(|error| place.failure(error))?;
    let exclude = Patterns::of_names(exclude);
    let mut tree = Tree { place, exclude, cancel, text: String::new(), path: PathBuf::new() };
    tree.level(&dir, &listing, 0)?;
    Ok(tree.text)
}

struct Tree<'a> {
    place: &'a Place<'a>,
    exclude: Patterns,
    cancel: &'a CancellationToken,
    text: String,
    /// From where the tree begins; kept only where patterns look at it.
    path: PathBuf,
}

impl Tree<'_> {
    fn level(&mut self, dir: &Dir, listing: &Listing, depth: usize) -> Result<(), Failure> {
        const SPACES: &str = "                                                                ";
        if self.cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        if depth > DEPTH_LIMIT {
            return Err(Failure::TooMany {
                what: "the depth of the directories".to_owned(),
                limit: DEPTH_LIMIT as u64,
                unit: "levels",
                instead: "name a directory further down, or leave some out with excludePatterns",
            });
        }
        refuse_long(
            &self.text,
            self.place,
            "name a directory further down, or leave some out with excludePatterns",
        )?;
        let indent = |text: &mut String, width: usize| {
            text.push('\n');
            let mut missing = width;
            while missing > 0 {
                let now = missing.min(SPACES.len());
                text.push_str(&SPACES[..now]);
                missing -= now;
            }
        };
        let width = 4 * depth;
        let mut first = true;
        self.text.push('[');
        for (name, kind) in listing.iter() {
            if !self.exclude.is_empty() {
                self.path.push(OsStr::from_bytes(name));
                if self.exclude.matches(&self.path) {
                    self.path.pop();
                    continue;
                }
            }
            if !std::mem::take(&mut first) {
                self.text.push(',');
            }
            indent(&mut self.text, width + 2);
            self.text.push('{');
            indent(&mut self.text, width + 4);
            self.text.push_str("\"name\": ");
            push_json(&mut self.text, name);
            self.text.push(',');
            indent(&mut self.text, width + 4);
            if kind == Kind::Directory {
                self.text.push_str("\"type\": \"directory\",");
                indent(&mut self.text, width + 4);
                self.text.push_str("\"children\": ");
                // One that may not be read has nothing to show, and does not hide the others.
                match open_child(dir, name).and_then(|dir| Listing::read(&dir).map(|listing| (dir, listing)))
                {
                    Ok((dir, listing)) => self.level(&dir, &listing, depth + 1)?,
                    Err(_) => self.text.push_str("[]"),
                }
            } else {
                self.text.push_str("\"type\": \"file\"");
            }
            indent(&mut self.text, width + 2);
            self.text.push('}');
            if !self.exclude.is_empty() {
                self.path.pop();
            }
        }
        if !first {
            indent(&mut self.text, width);
        }
        self.text.push(']');
        Ok(())
    }
}

/// Appends a name as a JSON string.
fn push_json(text: &mut String, name: &[u8]) {
    let name = String::from_utf8_lossy(name);
    if name.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        text.push('"');
        text.push_str(&name);
        text.push('"');
    } else {
        text.push_str(&serde_json::Value::from(name.as_ref()).to_string());
    }
}

/// Returns the paths of the entries whose path from the directory matches a pattern, a line each.
pub(crate) fn search(
    place: &Place<'_>,
    folders: &crate::folder::Folders,
    pattern: &str,
    exclude: &[String],
    cancel: &CancellationToken,
) -> Result<String, Failure> {
    let place = place.canonical();
    let (dir, place) = place.open_dir()?;
    // What can't be read at all is an error here, and passed over further down.
    Listing::read(&dir).map_err(|error| place.failure(error))?;
    let pattern = Patterns::new([pattern]);
    let exclude = Patterns::new(exclude.iter().map(String::as_str));
    let base = place.absolute();
    let base = base.to_string_lossy();
    let base = base.trim_end_matches('/');
    let mut text = String::new();
    walk(&dir, None, cancel, &mut |entry| {
        if exclude.matches(entry.path) {
            return Ok(Next::Skip);
        }
        let leaves = || {
            let path = place.path.join(entry.path);
            entry.kind == Kind::Link && folders.place(place.folder, path).metadata().is_err()
        };
        if pattern.matches(entry.path) && !leaves() {
            text.push_str(base);
            text.push('/');
            text.push_str(&entry.path.to_string_lossy());
            text.push('\n');
            refuse_long(&text, &place, "name a directory further down, or a narrower pattern")?;
        }
        Ok(Next::Descend)
    })?;
    text.pop();
    Ok(if text.is_empty() { "No matches found".to_owned() } else { text })
}

/// Returns what is known of a file, a line each.
pub(crate) fn info(place: &Place<'_>) -> Result<String, Failure> {
    let metadata = place.metadata()?;
    let time = |time: std::io::Result<cap_std::time::SystemTime>| {
        let time = time.or_else(|_| metadata.modified());
        time.map_or_else(|_| "unknown".to_owned(), |time| readable_time(time.into_std()))
    };
    Ok(format!(
        "size: {}\ncreated: {}\nmodified: {}\naccessed: {}\nisDirectory: {}\nisFile: {}\npermissions: {:03o}",
        metadata.len(),
        time(metadata.created()),
        time(metadata.modified()),
        time(metadata.accessed()),
        metadata.is_dir(),
        metadata.is_file(),
        metadata.permissions().mode() & 0o777,
    ))
}

/// Writes a time as JavaScript does, always in UTC: where the desktop is, is nobody's business.
fn readable_time(time: SystemTime) -> String {
    let Ok(timestamp) = Timestamp::try_from(time) else { return "unknown".to_owned() };
    let zoned = timestamp.to_zoned(TimeZone::UTC);
    zoned.strftime("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)").to_string()
}

/// Returns a path's text for an answer.
pub(crate) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_digits_rounded_half_up() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KB"),
            (1152, "1.13 KB"),
            (1536, "1.50 KB"),
            (1 << 20, "1.00 MB"),
            ((1 << 20) - 1, "1024.00 KB"),
            (5 << 40, "5.00 TB"),
            (3 << 50, "3072.00 TB"),
        ] {
            assert_eq!(readable_size(bytes), text);
        }
    }

    #[test]
    fn times_are_written_as_javascript_writes_them() {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_271_716);
        assert_eq!(readable_time(time), "Sat Nov 21 2026 14:35:16 GMT+0000 (Coordinated Universal Time)");
    }
}
