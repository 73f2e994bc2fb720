//! Texts of servers and agents, made fit to be shown.

use std::fmt::Write as _;

use super::name::misleads;

/// The most of a text that is shown, in bytes. More than anybody reads, and little enough for any window.
const MAX_SHOWN: usize = 64 << 10;

/// A text as it is shown to the person: whole up to 64 KiB, and with its size, if that is more. Characters that could
/// mislead are written as the escapes `\uXXXX`, which in JSON mean the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownText {
    text: String,
    size: usize,
    is_whole: bool,
}

impl ShownText {
    /// Makes a text fit to be shown. Line breaks and tabs stay.
    pub fn new(text: &str) -> Self {
        let mut shown = String::new();
        let mut rest = text.chars();
        for character in rest.by_ref() {
            if matches!(character, '\n' | '\t') || !misleads(character) {
                shown.push(character);
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a string does not fail.
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            }
            if shown.len() >= MAX_SHOWN {
                break;
            }
        }
        Self { text: shown, size: text.len(), is_whole: rest.as_str().is_empty() }
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
        let shown = ShownText::new(&"é".repeat(100_000));
        assert_eq!((shown.text().len(), shown.size(), shown.is_whole()), (MAX_SHOWN, 200_000, false));
        assert!(ShownText::new(&"x".repeat(MAX_SHOWN)).is_whole());
    }
}
