//! What the person calls an agent.

use std::fmt;
use std::str::FromStr;

use gatelodge_wire::Fingerprint;
use thiserror::Error;
use unicode_segmentation::UnicodeSegmentation;

/// The longest label in characters as people count them: fits a prompt's line.
const MAX_GRAPHEMES: usize = 32;

/// The longest label in bytes: eight for each character, which is more than any script needs. A character can have any
/// number of accents on it, so their count alone limits nothing.
const MAX_BYTES: usize = 256;

/// What the person calls an agent: 1 to 32 visible characters in one line, without anything that changes how the text
/// around it is shown.
///
/// Reading one from a text ([`FromStr`]) takes out what does not belong into it; a claimed name can be used as it came.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AgentLabel(String);

impl AgentLabel {
    /// Returns the label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes a label of the first words of a fingerprint, for an agent that nobody named.
    pub fn of_fingerprint(agent: &Fingerprint) -> Self {
        let text = agent.words().to_string();
        // Three words of at most eight letters each stay within the limit.
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).take(3).collect();
        Self(words.join(" "))
    }

    /// Whether a person could take one label for the other: they are the same but for case, or characters that look
    /// alike (Unicode TR 39, section 4).
    pub fn looks_like(&self, other: &Self) -> bool {
        self.skeleton() == other.skeleton()
    }

    fn skeleton(&self) -> String {
        let skeleton = |text: &str| unicode_security::skeleton(text).collect::<String>();
        // Case first: a capital I looks like a small l, but nobody reads "ALICE" as a name of its own. Spaces don't
        // tell labels apart either.
        skeleton(&self.0.to_lowercase()).split_whitespace().collect()
    }
}

impl fmt::Display for AgentLabel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Debug for AgentLabel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl FromStr for AgentLabel {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut label = String::new();
        // A text far over the limit is refused before it is looked at.
        if text.len() > MAX_BYTES * 4 {
            return Err(LabelError::TooLong);
        }
        for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
            let word: String = word.chars().filter(|&character| !is_invisible(character)).collect();
            if !word.is_empty() {
                if !label.is_empty() {
                    label.push(' ');
                }
                label.push_str(&word);
            }
        }
        if label.is_empty() {
            return Err(LabelError::Empty);
        }
        if label.len() > MAX_BYTES || label.graphemes(true).count() > MAX_GRAPHEMES {
            return Err(LabelError::TooLong);
        }
        Ok(Self(label))
    }
}

/// Whether a character is not seen itself, or changes how others are shown: Unicode's `Default_Ignorable_Code_Point`, the
/// category `Cf`, private use and non-characters.
fn is_invisible(character: char) -> bool {
    matches!(u32::from(character),
        0xad | 0x34f | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x115f..=0x1160
        | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x2800 | 0x3164
        | 0xe000..=0xf8ff | 0xfdd0..=0xfdef | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xffff
        | 0x110bd | 0x110cd | 0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0x10_ffff)
}

/// Why a text is no label.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LabelError {
    /// Nothing of it can be seen.
    #[error("an agent's label needs at least one visible character")]
    Empty,
    /// Over the limit.
    #[error("an agent's label has at most 32 characters; shorten it")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> AgentLabel {
        text.parse().unwrap()
    }

    #[test]
    fn what_can_not_be_seen_is_taken_out() {
        for (given, kept) in [
            ("laptop", "laptop"),
            ("  my \t laptop\r\n", "my laptop"),
            ("evil\u{202e}txt", "eviltxt"),
            ("a\u{200b}b\u{2066}c\u{feff}d\u{ad}e", "abcde"),
            ("tag\u{e0041}\u{e007f}", "tag"),
            ("line\u{2028}break", "line break"),
            ("bell\u{7}\u{1b}[31m", "bell [31m"),
            ("Zoë 🦊 日本", "Zoë 🦊 日本"),
        ] {
            assert_eq!(label(given).as_str(), kept, "{given:?}");
        }
    }

    #[test]
    fn a_label_is_short_and_not_empty() {
        assert_eq!("\u{200b} \u{3164}".parse::<AgentLabel>(), Err(LabelError::Empty));
        assert_eq!("".parse::<AgentLabel>(), Err(LabelError::Empty));
        assert!("é".repeat(32).parse::<AgentLabel>().is_ok());
        assert_eq!("x".repeat(33).parse::<AgentLabel>(), Err(LabelError::TooLong));
        assert_eq!(format!("a{}", "\u{301}".repeat(200)).parse::<AgentLabel>(), Err(LabelError::TooLong));
        assert_eq!("x".repeat(1 << 20).parse::<AgentLabel>(), Err(LabelError::TooLong));
    }

    #[test]
    fn labels_that_look_alike_are_found() {
        for (one, other) in
            [("laptop", "LAPTOP"), ("laptop", "lарtор"), ("my laptop", "mylaptop"), ("Zoë", "Zoe\u{308}")]
        {
            assert!(label(one).looks_like(&label(other)), "{one} {other}");
        }
        for (one, other) in [("laptop", "laptop 2"), ("alice", "bob"), ("build-1", "build-2")] {
            assert!(!label(one).looks_like(&label(other)), "{one} {other}");
        }
    }

    #[test]
    fn a_fingerprint_has_a_label() {
        let made = AgentLabel::of_fingerprint(&Fingerprint::from_bytes([0xab; 32]));
        assert_eq!(made.as_str().split(' ').count(), 3);
        assert_eq!(made.as_str().parse(), Ok(made));
    }
}
