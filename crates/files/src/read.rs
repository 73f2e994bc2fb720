//! Reading: whole files, their first and last lines, ranges, and binary content.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cap_std::fs::Metadata;
use memchr::{memchr_iter, memrchr_iter};

use crate::failure::Failure;
use crate::place::Place;

/// What one answer holds of a file. A text is twice in an answer (as content, and structured), so with the quotes'
/// escapes this stays under the 64 MiB that a message may have in all but absurd cases.
pub(crate) const READ_LIMIT: u64 = 16 << 20;

/// How much is read at once when lines are looked for.
const CHUNK: usize = 64 << 10;

const IN_RANGES: &str = "read it in ranges with read_file_range, or use head or tail";

/// Reads a whole file.
pub(crate) fn whole(place: &Place<'_>) -> Result<Vec<u8>, Failure> {
    let (file, metadata) = place.open_file()?;
    opened(place, file, &metadata)
}

/// Reads the whole of a file that is open.
pub(crate) fn opened(place: &Place<'_>, file: File, metadata: &Metadata) -> Result<Vec<u8>, Failure> {
    let too_large =
        |size| Failure::TooLarge { what: place.asked.clone(), size, limit: READ_LIMIT, instead: IN_RANGES };
    let size = metadata.len();
    if size > READ_LIMIT {
        return Err(too_large(size));
    }
    // One more than the size, so that the end is seen without growing.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    file.take(READ_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| place.failure(error))?;
    if bytes.len() as u64 > READ_LIMIT {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Returns text as it is, and with replacement characters where it is not UTF-8.
pub(crate) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Reads the first lines.
pub(crate) fn head(place: &Place<'_>, lines: u64) -> Result<String, Failure> {
    let (file, _) = place.open_file()?;
    let (bytes, _) = some_lines(place, &file, 0, lines)?;
    let without_last = bytes.strip_suffix(b"\n").map(<[u8]>::len);
    let mut bytes = bytes;
    bytes.truncate(without_last.unwrap_or(bytes.len()));
    Ok(text(bytes))
}

/// Reads the last lines. What follows the last line feed counts as a line, also where it is empty; line ends become
/// line feeds.
pub(crate) fn tail(place: &Place<'_>, lines: u64) -> Result<String, Failure> {
    let (file, metadata) = place.open_file()?;
    let mut start = metadata.len();
    let mut chunk = vec![0; CHUNK];
    let mut missing = lines;
    'search: while start > 0 {
        let length = start.min(CHUNK as u64);
        start -= length;
        let chunk = &mut chunk[..usize::try_from(length).unwrap_or(CHUNK)];
        file.read_exact_at(chunk, start).map_err(|error| place.failure(error))?;
        for position in memrchr_iter(b'\n', chunk) {
            missing -= 1;
            if missing == 0 {
                start += position as u64 + 1;
                break 'search;
            }
        }
        refuse_longer(place, metadata.len() - start)?;
    }
    let mut bytes = vec![0; usize::try_from(metadata.len() - start).unwrap_or(0)];
    file.read_exact_at(&mut bytes, start).map_err(|error| place.failure(error))?;
    let text = text(bytes);
    Ok(if text.contains('\r') { text.replace("\r\n", "\n") } else { text })
}

/// Reads lines from an offset on, with their line feeds, and says whether the file ends there.
fn some_lines(
    place: &Place<'_>,
    file: &File,
    mut offset: u64,
    lines: u64,
) -> Result<(Vec<u8>, bool), Failure> {
    let mut bytes = Vec::new();
    let mut missing = lines;
    let mut chunk = vec![0; CHUNK];
    while missing > 0 {
        let length = read_at(file, &mut chunk, offset).map_err(|error| place.failure(error))?;
        if length == 0 {
            return Ok((bytes, true));
        }
        let mut taken = length;
        for position in memchr_iter(b'\n', &chunk[..length]) {
            missing -= 1;
            if missing == 0 {
                taken = position + 1;
                break;
            }
        }
        bytes.extend_from_slice(&chunk[..taken]);
        offset += taken as u64;
        refuse_longer(place, bytes.len() as u64)?;
    }
    Ok((bytes, false))
}

fn refuse_longer(place: &Place<'_>, size: u64) -> Result<(), Failure> {
    if size <= READ_LIMIT {
        return Ok(());
    }
    let what = format!("that many lines of {}", place.asked);
    Err(Failure::TooLarge {
        what,
        size,
        limit: READ_LIMIT,
        instead: "ask for fewer lines, or for ranges with read_file_range",
    })
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// A part of a file.
pub(crate) struct Range {
    pub(crate) bytes: Vec<u8>,
    pub(crate) offset: u64,
    /// Of the whole file.
    pub(crate) size: u64,
    /// The number of the first line, where lines were asked for.
    pub(crate) first_line: Option<u64>,
}

/// Reads bytes from an offset on. With `whole_characters` a character that the range cuts in two is left to the next
/// range.
pub(crate) fn bytes(
    place: &Place<'_>,
    offset: u64,
    length: u64,
    whole_characters: bool,
) -> Result<Range, Failure> {
    let (file, metadata) = place.open_file()?;
    let wanted = usize::try_from(length.min(metadata.len().saturating_sub(offset))).unwrap_or(0);
    let mut bytes = vec![0; wanted];
    let mut filled = 0;
    while filled < wanted {
        match read_at(&file, &mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) => return Err(place.failure(error)),
        }
    }
    bytes.truncate(filled);
    if whole_characters && offset + (filled as u64) < metadata.len() {
        let cut = std::str::from_utf8(&bytes).err().filter(|error| error.error_len().is_none());
        if let Some(cut) = cut.map(|error| error.valid_up_to()).filter(|&cut| cut > 0) {
            bytes.truncate(cut);
        }
    }
    Ok(Range { bytes, offset, size: metadata.len(), first_line: None })
}

/// Reads lines; the first one of a file is line 1.
pub(crate) fn lines(place: &Place<'_>, first: u64, count: u64) -> Result<Range, Failure> {
    let (file, metadata) = place.open_file()?;
    let mut offset = 0;
    let mut missing = first.saturating_sub(1);
    let mut chunk = vec![0; CHUNK];
    while missing > 0 {
        let length = read_at(&file, &mut chunk, offset).map_err(|error| place.failure(error))?;
        if length == 0 {
            break;
        }
        let mut taken = length;
        for position in memchr_iter(b'\n', &chunk[..length]) {
            missing -= 1;
            if missing == 0 {
                taken = position + 1;
                break;
            }
        }
        offset += taken as u64;
    }
    let (bytes, _) = some_lines(place, &file, offset, count)?;
    Ok(Range { bytes, offset, size: metadata.len(), first_line: Some(first) })
}

/// Returns the media type of the kinds that have a content block of their own, and otherwise that of any bytes.
pub(crate) fn media_type(path: &Path) -> &'static str {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref().unwrap_or("") {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "svg" => "image/svg+xml",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        _ => "application/octet-stream",
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}
