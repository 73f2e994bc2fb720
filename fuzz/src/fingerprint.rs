//! The text forms of a fingerprint.

use gatelodge_wire::{Fingerprint, FingerprintWords};

/// A text is refused, or is what the fingerprint (or its words) would be written as, up to case and white space.
pub fn fingerprint(data: &[u8]) {
    if let Some(bytes) = data.first_chunk() {
        let fingerprint = Fingerprint::from_bytes(*bytes);
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        let words: FingerprintWords = fingerprint.words().to_string().parse().expect("words are read again");
        assert!(words.matches(&fingerprint));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<Fingerprint>() {
        Ok(fingerprint) => {
            let upper = text.to_ascii_uppercase();
            assert_eq!(upper.strip_prefix("SHA-256 ").unwrap_or(&upper), fingerprint.to_string());
        }
        Err(error) => assert!(error.to_string().len() < 300, "{error}"),
    }
    match text.parse::<FingerprintWords>() {
        Ok(words) => {
            let plain: Vec<_> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
            assert_eq!(words.to_string(), plain.join(" "));
        }
        Err(error) => assert!(error.to_string().len() < 300, "{error}"),
    }
}
