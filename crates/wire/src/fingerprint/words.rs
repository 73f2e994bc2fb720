//! The six-word form of a fingerprint, for prompts and for reading aloud.

use std::{fmt, str::FromStr};

use bip39::Language;
use thiserror::Error;

use super::{Fingerprint, shown};

/// Six words of 11 bits: 66 bits, about 10^20 certificates to try for somebody who wants the same words, and
/// still short enough to be compared to the end.
const WORDS: usize = 6;

/// Bits that one word of a list of 2,048 carries.
const BITS: usize = 11;

/// The first 66 bits of a fingerprint as six words of the BIP 39 English list.
///
/// It is a *shorter* name than the fingerprint: fit for a human comparison of two screens, not as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FingerprintWords([u16; WORDS]);

impl FingerprintWords {
    pub(super) fn of(fingerprint: &Fingerprint) -> Self {
        let bytes = fingerprint.as_bytes();
        Self(std::array::from_fn(|word| {
            let start = word * BITS;
            // Any 11 bits lie within three bytes.
            let window =
                bytes[start / 8..start / 8 + 3].iter().fold(0_u32, |sum, &byte| sum << 8 | u32::from(byte));
            let index = window >> (24 - BITS - start % 8) & 0x7FF;
            u16::try_from(index).expect("11 bits fit into 16")
        }))
    }

    /// Whether these are the words of `fingerprint`.
    pub fn matches(&self, fingerprint: &Fingerprint) -> bool {
        *self == Self::of(fingerprint)
    }
}

impl fmt::Display for FingerprintWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = Language::English.word_list();
        f.pad(&self.0.map(|index| list[usize::from(index)]).join(" "))
    }
}

impl FromStr for FingerprintWords {
    type Err = WordsError;

    /// Reads six words in either case with any white space between and around them.
    fn from_str(text: &str) -> Result<Self, WordsError> {
        let mut indices = [0; WORDS];
        let mut found = 0;
        for word in text.split_whitespace() {
            let Some(index) = indices.get_mut(found) else {
                return Err(WordsError::Count { found: text.split_whitespace().count() });
            };
            found += 1;
            *index = Language::English
                .find_word(&word.to_ascii_lowercase())
                .ok_or_else(|| WordsError::Word { position: found, found: shown(word) })?;
        }
        if found == WORDS { Ok(Self(indices)) } else { Err(WordsError::Count { found }) }
    }
}

/// Why a text is not the six-word form of a fingerprint, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WordsError {
    /// There are more or fewer than six words.
    #[error("a fingerprint has six words, this has {found}")]
    Count {
        /// How many words the text has.
        found: usize,
    },
    /// A word that the list does not have: most often a typing error.
    #[error("word {position} '{found}' is not in the list")]
    Word {
        /// Which word, counted from 1.
        position: usize,
        /// What stands there, shortened.
        found: String,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_words() {
        assert_eq!(
            Fingerprint::from_bytes([0; 32]).words().to_string(),
            "abandon abandon abandon abandon abandon abandon"
        );
        assert_eq!(Fingerprint::from_bytes([255; 32]).words().to_string(), "zoo zoo zoo zoo zoo zoo");
        // The same bits, written out by hand: word 0 is 00000000001, word 1 00000000010, and so on.
        let mut bytes = [0; 32];
        bytes[..9].copy_from_slice(&[0x00, 0x20, 0x08, 0x01, 0x80, 0x40, 0x0A, 0x01, 0x80]);
        assert_eq!(Fingerprint::from_bytes(bytes).words(), FingerprintWords([1, 2, 3, 4, 5, 6]));
        // The bits after the first 66 do not matter.
        bytes[8] |= 0x3F;
        assert_eq!(Fingerprint::from_bytes(bytes).words(), FingerprintWords([1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn errors_say_where() {
        let error = |text: &str| text.parse::<FingerprintWords>().unwrap_err();
        assert_eq!(error(" "), WordsError::Count { found: 0 });
        assert_eq!(error("zoo zoo zoo zoo zoo"), WordsError::Count { found: 5 });
        assert_eq!(error("zoo zoo zoo zoo zoo zoo zoo"), WordsError::Count { found: 7 });
        assert_eq!(error("zoo zoo xxx zoo zoo zoo").to_string(), "word 3 'xxx' is not in the list");
    }

    proptest! {
        #[test]
        fn round_trip(bytes: [u8; 32]) {
            let fingerprint = Fingerprint::from_bytes(bytes);
            let text = format!(" {} ", fingerprint.words().to_string().to_uppercase().replace(' ', "\t"));
            let words: FingerprintWords = text.parse().unwrap();
            prop_assert!(words.matches(&fingerprint));
            let mut other = bytes;
            other[0] ^= 1;
            prop_assert!(!words.matches(&Fingerprint::from_bytes(other)));
        }
    }
}
