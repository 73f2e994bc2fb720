//! `file://` URIs: every byte of a path can be written in one, so files whose names are not UTF-8 can be named too.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Returns the URI of an absolute path, with the characters escaped that the WHATWG's URL standard escapes in paths
/// (and `%` and `\`), as other servers write them.
pub(crate) fn from_path(path: &Path) -> String {
    use std::fmt::Write as _;
    let mut uri = "file://".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            0..=0x20
            | 0x7f..=0xff
            | b'"'
            | b'#'
            | b'<'
            | b'>'
            | b'?'
            | b'`'
            | b'{'
            | b'}'
            | b'%'
            | b'\\'
            | b'^' => {
                write!(uri, "%{byte:02X}").expect("writing to a string can't fail");
            }
            _ => uri.push(char::from(byte)),
        }
    }
    uri
}

/// Returns the path of a `file://` URI of this machine, or `None` for anything else.
pub(crate) fn to_path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    if !rest.starts_with('/') {
        return None;
    }
    let mut bytes = Vec::with_capacity(rest.len());
    let mut escaped = rest.bytes();
    while let Some(byte) = escaped.next() {
        let byte = match byte {
            b'%' => {
                let digits = [escaped.next()?, escaped.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        };
        if byte == 0 {
            return None;
        }
        bytes.push(byte);
    }
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives() {
        let bytes: Vec<u8> = (1..=255).collect();
        let path = Path::new("/").join(OsString::from_vec(bytes));
        let uri = from_path(&path);
        assert!(uri.is_ascii());
        assert_eq!(to_path(&uri), Some(path));
    }

    #[test]
    fn what_is_no_file_of_this_machine_is_no_path() {
        for uri in
            ["/etc", "http://a/b", "file://elsewhere/etc", "file:///a%00b", "file:///a%2", "file:///a%zz"]
        {
            assert_eq!(to_path(uri), None, "{uri}");
        }
        assert_eq!(to_path("file://localhost/a%20b"), Some(PathBuf::from("/a b")));
    }
}
