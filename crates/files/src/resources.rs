//! Files as resources: `file://` URIs, listed in pages and read as text or as blobs.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as CURSOR;
use rmcp::model::{Resource, ResourceContents, ResourceTemplate};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::folder::{Folders, Shared, lexical};
use crate::listing::{Kind, Next, walk};
use crate::place::Place;
use crate::{read, uri};

/// Resources of one page: about 100 KiB.
const PAGE: usize = 500;

/// Lists the files behind a cursor, folder by folder, with the cursor of the next page.
pub(crate) fn list(
    folders: &Folders,
    cursor: Option<&str>,
    cancel: &CancellationToken,
) -> Result<(Vec<Resource>, Option<String>), Failure> {
    let (first, mut after) = match cursor {
        None => (0, None),
        Some(cursor) => position(cursor)
            .map(|(index, path)| (index, Some(path)))
            .ok_or_else(|| Failure::Request("the cursor is none that this server gave".to_owned()))?,
    };
    let mut resources = Vec::new();
    let mut last = None;
    for (index, folder) in folders.iter().enumerate().skip(first) {
        folder.check_unchanged()?;
        let mut full = false;
        walk(&folder.dir, after.take().as_deref(), cancel, &mut |entry| {
            if entry.kind != Kind::File {
                return Ok(Next::Descend);
            }
            if resources.len() >= PAGE {
                full = true;
                return Ok(Next::Stop);
            }
            resources.push(resource(folder, entry.path));
            last = Some((index, entry.path.to_owned()));
            Ok(Next::Descend)
        })?;
        if full {
            return Ok((resources, last.map(|(index, path)| encode(index, &path))));
        }
    }
    Ok((resources, None))
}

fn encode(index: usize, path: &Path) -> String {
    CURSOR.encode([index.to_string().as_bytes(), b":", path.as_os_str().as_bytes()].concat())
}

fn position(cursor: &str) -> Option<(usize, PathBuf)> {
    let bytes = CURSOR.decode(cursor).ok()?;
    let colon = memchr::memchr(b':', &bytes)?;
    let index = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
    let path = PathBuf::from(OsString::from_vec(bytes[colon + 1..].to_vec()));
    (path.is_relative() && lexical(&path) == path).then_some((index, path))
}

fn resource(folder: &Shared, path: &Path) -> Resource {
    let resource = Resource::new(uri::from_path(&folder.name.join(path)), path.to_string_lossy());
    resource.with_mime_type(media_type(path, None))
}

/// Returns a template for the files of each folder.
pub(crate) fn templates(folders: &Folders) -> Vec<ResourceTemplate> {
    let template = |folder: &Shared| {
        let name = folder.name.file_name().unwrap_or(folder.name.as_os_str()).to_string_lossy();
        let uri = uri::from_path(&folder.name);
        ResourceTemplate::new(format!("{}/{{+path}}", uri.trim_end_matches('/')), name)
            .with_description(format!("A file in {} ({})", folder.name.display(), folder.access))
    };
    folders.iter().map(template).collect()
}

/// Reads a file: text where it is text, and otherwise a blob.
pub(crate) fn contents(folders: &Folders, asked: &str) -> Result<ResourceContents, Failure> {
    let place = locate(folders, asked)?;
    let bytes = read::whole(&place)?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => ResourceContents::text(text, asked).with_mime_type(media_type(&place.path, Some(true))),
        Err(error) => {
            let blob = read::base64(error.as_bytes());
            ResourceContents::blob(blob, asked).with_mime_type(media_type(&place.path, Some(false)))
        }
    })
}

/// Finds the place of a resource.
pub(crate) fn locate<'a>(folders: &'a Folders, asked: &str) -> Result<Place<'a>, Failure> {
    if uri::to_path(asked).is_none() {
        return Err(Failure::Request(format!("{asked} is no URI of a file; they begin with file:///")));
    }
    folders.locate(asked)
}

/// Returns what a file is by its name, and for names that don't tell by whether it is text.
fn media_type(path: &Path, is_text: Option<bool>) -> &'static str {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match (extension.as_deref().unwrap_or(""), is_text) {
        ("md" | "markdown", Some(true) | None) => "text/markdown",
        ("html" | "htm", Some(true) | None) => "text/html",
        ("css", Some(true) | None) => "text/css",
        ("csv", Some(true) | None) => "text/csv",
        ("xml", Some(true) | None) => "text/xml",
        ("json", Some(true) | None) => "application/json",
        ("txt" | "text" | "log", None) => "text/plain",
        ("pdf", Some(false) | None) => "application/pdf",
        ("zip", Some(false) | None) => "application/zip",
        (_, Some(true)) => match read::media_type(path) {
            "image/svg+xml" => "image/svg+xml",
            _ => "text/plain",
        },
        _ => read::media_type(path),
    }
}
