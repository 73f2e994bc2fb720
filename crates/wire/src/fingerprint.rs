//! The name of a peer: the SHA-256 of its certificate.
//!
//! The session computes it from the certificate of the DTLS handshake and compares it with what the SDP, the
//! trust record or the invitation names; people compare its text forms by eye or by voice.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};
use thiserror::Error;

mod words;

pub use words::{FingerprintWords, WordsError};

/// Bytes of a SHA-256 digest.
const LEN: usize = 32;

/// Characters of a faulty text that an error repeats: enough to recognise it, too few to flood a log.
const SHOWN: usize = 16;

/// The SHA-256 of a certificate's DER encoding, as WebRTC puts it into `a=fingerprint`.
///
/// `Display` gives the full form, 32 upper-case pairs joined by colons; [`FromStr`] reads it in either case,
/// with or without the algorithm (`sha-256 `) in front. [`words`](Self::words) gives the form for people.
///
/// # Example
///
/// ```
/// use gatelodge_wire::Fingerprint;
///
/// let fingerprint = Fingerprint::of_certificate(b"the DER bytes of a certificate");
/// let text = format!("sha-256 {fingerprint}");
/// assert_eq!(text.to_lowercase().parse(), Ok(fingerprint));
/// assert!(fingerprint.words().matches(&fingerprint));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct Fingerprint([u8; LEN]);

impl Fingerprint {
    /// Takes the 32 bytes of a digest as they are.
    pub const fn from_bytes(bytes: [u8; LEN]) -> Self {
        Self(bytes)
    }

    /// Hashes a certificate in DER form.
    pub fn of_certificate(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// The 32 bytes of the digest.
    pub const fn as_bytes(&self) -> &[u8; LEN] {
        &self.0
    }

    /// The six-word form, which people can read to each other.
    pub fn words(&self) -> FingerprintWords {
        FingerprintWords::of(self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let mut text = [b':'; LEN * 3 - 1];
        for (pair, byte) in text.chunks_mut(3).zip(self.0) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        f.pad(std::str::from_utf8(&text).expect("hex digits and colons are ASCII"))
    }
}

/// Prints the first four pairs only: logs stay readable, and 32 bits are enough to tell peers apart there.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Fingerprint({a:02X}:{b:02X}:{c:02X}:{d:02X}:..)")
    }
}

impl serde::Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Reads 32 hexadecimal pairs joined by colons, after an optional `sha-256` and one space. The algorithm's
    /// name is case-insensitive (RFC 8122 section 5), and so are the digits.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let pairs = match text.split_once(' ') {
            Some((algorithm, pairs)) if algorithm.eq_ignore_ascii_case("sha-256") => pairs,
            Some((algorithm, _)) => {
                return Err(FingerprintError::Algorithm { found: shown(algorithm) });
            }
            None => text,
        };
        let mut bytes = [0; LEN];
        let mut found = 0;
        for pair in pairs.split(':') {
            let Some(byte) = bytes.get_mut(found) else {
                return Err(FingerprintError::Count { found: pairs.split(':').count() });
            };
            found += 1;
            *byte = hex_pair(pair)
                .ok_or_else(|| FingerprintError::Pair { position: found, found: shown(pair) })?;
        }
        if found == LEN { Ok(Self(bytes)) } else { Err(FingerprintError::Count { found }) }
    }
}

/// One byte from exactly two hexadecimal digits.
fn hex_pair(pair: &str) -> Option<u8> {
    let &[high, low] = pair.as_bytes() else { return None };
    let digit = |c: u8| char::from(c).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// The beginning of a faulty text, for an error message.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_default).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

/// Why a text is not a fingerprint, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// The text names another hash algorithm.
    #[error("'{found}' is not the algorithm sha-256")]
    Algorithm {
        /// The name that stands there, shortened.
        found: String,
    },
    /// There are more or fewer pairs than a SHA-256 has.
    #[error("a fingerprint has 32 pairs of hexadecimal digits joined by colons, this has {found}")]
    Count {
        /// How many parts the text has.
        found: usize,
    },
    /// One part is not two hexadecimal digits.
    #[error("pair {position} of the fingerprint is '{found}', which is not two hexadecimal digits")]
    Pair {
        /// Which pair, counted from 1.
        position: usize,
        /// What stands there, shortened.
        found: String,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: &str =
        "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";

    #[test]
    fn hashes_like_fips_180() {
        assert_eq!(Fingerprint::of_certificate(b"abc").to_string(), FULL);
    }

    #[test]
    fn debug_is_short() {
        assert_eq!(format!("{:?}", Fingerprint::of_certificate(b"abc")), "Fingerprint(BA:78:16:BF:..)");
    }

    #[test]
    fn reads_both_cases_and_the_algorithm() {
        let expected = Ok(Fingerprint::of_certificate(b"abc"));
        for text in [
            FULL.to_owned(),
            FULL.to_lowercase(),
            format!("sha-256 {FULL}"),
            format!("SHA-256 {}", FULL.to_lowercase()),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn errors_say_where() {
        let error = |text: &str| text.parse::<Fingerprint>().unwrap_err();
        assert_eq!(error(""), FingerprintError::Pair { position: 1, found: String::new() });
        assert_eq!(error(&FULL[..FULL.len() - 3]), FingerprintError::Count { found: 31 });
        assert_eq!(error(&format!("{FULL}:00")), FingerprintError::Count { found: 33 });
        assert_eq!(
            error(&FULL[..FULL.len() - 1]),
            FingerprintError::Pair { position: 32, found: "A".into() }
        );
        assert_eq!(
            error(&FULL.replace("16", "1G")),
            FingerprintError::Pair { position: 3, found: "1G".into() }
        );
        assert_eq!(
            error(&FULL.replace("16", "+6")),
            FingerprintError::Pair { position: 3, found: "+6".into() }
        );
        assert_eq!(error(&format!("sha-1 {FULL}")), FingerprintError::Algorithm { found: "sha-1".into() });
        assert_eq!(
            error(&format!("sha-256  {FULL}")),
            FingerprintError::Pair { position: 1, found: " BA".into() }
        );
        assert_eq!(
            error(&"é".repeat(100)).to_string(),
            format!(
                "pair 1 of the fingerprint is '{}...', which is not two hexadecimal digits",
                "\\u{e9}".repeat(16)
            )
        );
    }

    proptest! {
        #[test]
        fn text_round_trip(bytes: [u8; 32]) {
            let fingerprint = Fingerprint::from_bytes(bytes);
            prop_assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
            prop_assert_eq!(format!("sha-256 {fingerprint}").to_lowercase().parse(), Ok(fingerprint));
        }

        #[test]
        fn any_text_is_judged(text: String) {
            if let Ok(fingerprint) = text.parse::<Fingerprint>() {
                prop_assert!(text.to_uppercase().ends_with(&fingerprint.to_string()));
            }
        }
    }
}
