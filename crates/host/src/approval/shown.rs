//! Texts of servers and agents, made fit to be shown.

use std::fmt::Write as _;

use serde::Serialize;

use super::name::misleads;

/// The most of a text that is shown, in bytes: what a window can still show and somebody who has to can still search. What
/// is longer cannot be allowed.
pub(super) const MAX_SHOWN: usize = 8 << 20;

/// A text as it is shown to the person: whole up to 8 MiB, and with its size, if that is more. Characters that could
/// mislead are written as the escapes `\uXXXX`, which in JSON mean the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ShownText {
    text: String,
    size: usize,
    is_whole: bool,
}

impl ShownText {
    /// Makes a text fit to be shown. Line breaks and tabs stay.
    pub fn new(text: &str) -> Self {
        let mut shown = String::new();
        let mut rest = text;
        while shown.len() < MAX_SHOWN && !rest.is_empty() {
            // Most texts are of these alone, and looking up each of millions of characters takes its time.
            let plain = |byte: &u8| matches!(byte, b'\n' | b'\t' | b' '..=b'~');
            let run = rest.bytes().take(MAX_SHOWN - shown.len()).take_while(|byte| plain(byte)).count();
            shown.push_str(&rest[..run]);
            rest = &rest[run..];
            let Some(character) = rest.chars().next().filter(|_| shown.len() < MAX_SHOWN) else { continue };
            rest = &rest[character.len_utf8()..];
            if !misleads(character) {
                shown.push(character);
                continue;
            }
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
        Self { text: shown, size: text.len(), is_whole: rest.is_empty() }
    }

    /// Returns what is shown.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the length of the whole text in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether the whole text is shown.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misleads_is_written_out() {
        let shown = ShownText::new("{\"a\":\"x\u{202e}y\u{e0041}z\u{7f}\"}\n");
        assert_eq!(shown.text(), "{\"a\":\"x\\u202ey\\udb40\\udc41z\\u007f\"}\n");
        assert!(shown.is_whole());
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let shown = ShownText::new(&"é".repeat(MAX_SHOWN));
        assert_eq!((shown.text().len(), shown.size(), shown.is_whole()), (MAX_SHOWN, 2 * MAX_SHOWN, false));
        // Written out it takes more room, which counts.
        assert!(!ShownText::new(&"\0".repeat(MAX_SHOWN / 4)).is_whole());
        assert!(ShownText::new(&"x".repeat(MAX_SHOWN)).is_whole());
    }
}
