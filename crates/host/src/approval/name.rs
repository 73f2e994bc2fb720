//! What agents call themselves, made fit to be shown.

use std::fmt;

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_segmentation::UnicodeSegmentation;

/// The most that is shown of a name, in what a person sees as one character. Enough for a name, too little for a
/// sentence that talks somebody into something.
const MAX_GRAPHEMES: usize = 32;

/// The most code points of one such character: a letter can carry any number of marks, and climb over what stands
/// above it.
const MAX_MARKS: usize = 4;

/// A name as a peer claims it, with everything taken off that could mislead whoever reads it: control and formatting
/// characters (with those that turn the direction of writing), line breaks, unassigned and private characters, more
/// than 32 characters. Never empty. It is still no more than a claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimedName(String);

impl ClaimedName {
    /// Cleans a name.
    pub fn new(claimed: &str) -> Self {
        // However long the claim is, little of it is looked at.
        let mut name = String::new();
        for word in claimed.chars().take(4096).map(visible).collect::<String>().split_whitespace() {
            if !name.is_empty() {
                name.push(' ');
            }
            name.push_str(word);
        }
        let shown = name
            .graphemes(true)
            .take(MAX_GRAPHEMES)
            .flat_map(|grapheme| grapheme.chars().take(MAX_MARKS))
            .collect::<String>();
        let shown = shown.trim();
        Self(if shown.is_empty() { "(no name)".to_owned() } else { shown.to_owned() })
    }

    /// Returns the cleaned name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClaimedName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a character does something other than to be seen.
pub(super) fn misleads(character: char) -> bool {
    // Drawn as nothing, and yet no formatting characters by category.
    const BLANK: [char; 7] =
        ['\u{34f}', '\u{115f}', '\u{1160}', '\u{17b4}', '\u{17b5}', '\u{3164}', '\u{ffa0}'];
    matches!(
        get_general_category(character),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
    ) || BLANK.contains(&character)
        || ('\u{fe00}'..='\u{fe0f}').contains(&character)
        || ('\u{e0100}'..='\u{e01ef}').contains(&character)
}

fn visible(character: char) -> char {
    if misleads(character) { ' ' } else { character }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned() {
        let long = "é".repeat(40);
        for (claimed, name) in [
            ("Claude", "Claude"),
            ("  my \t agent \n ", "my agent"),
            ("", "(no name)"),
            ("\u{200b}\u{202e}\u{feff}", "(no name)"),
            ("\u{3164}", "(no name)"),
            ("evil\u{202e}txt.exe", "evil txt.exe"),
            ("a\u{2066}b\u{2069}c\0d\u{1b}[2Je", "a b c d [2Je"),
            ("line\u{2028}two\u{2029}three", "line two three"),
            ("\u{e000}\u{e0001}x", "x"),
            (&long, &"é".repeat(32)),
            ("日本語 エージェント", "日本語 エージェント"),
        ] {
            assert_eq!(ClaimedName::new(claimed).as_str(), name, "{claimed:?}");
        }
        let tower = format!("a{}", "\u{301}".repeat(1000));
        assert_eq!(ClaimedName::new(&tower).as_str().chars().count(), MAX_MARKS);
        assert!(ClaimedName::new(&"x ".repeat(1 << 20)).as_str().len() <= 32);
    }

    #[test]
    fn cleaning_twice_changes_nothing() {
        for claimed in ["a\u{301}\u{301}\u{301}\u{301}\u{301}b", "\u{202e}x y", "👩\u{200d}👩\u{200d}👧 x"]
        {
            let once = ClaimedName::new(claimed);
            assert_eq!(ClaimedName::new(once.as_str()), once);
        }
    }
}
