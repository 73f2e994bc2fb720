//! Copy-paste blobs: an offer or an answer as one piece of text that people carry from one machine to another.
//!
//! ```text
//! gatelodge-offer-1:AAAAFXY9MA0Kcz0tDQphPW1pZDowDQrDvKOoLNo.
//! ```
//!
//! After the kind and the version of this form comes base64url without padding, in short lines, and a full stop.
//! Encoded are the number of the SDP's bytes (u32 big-endian), the SDP, and a CRC-32 (big-endian).
//!
//! The CRC covers the kind, the number and the SDP. It finds slips of hand, not forgeries; the session's handshake
//! is what tells who is there. The paste signaling of the transport library is the one that prints and reads these.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::signal::MAX_SIGNAL_BYTES;

/// The most bytes of text that are read as one blob: base64 is 4/3 of the largest SDP, the rest is for line ends
/// and quotation marks.
pub const MAX_PASTE_BYTES: usize = 2 * MAX_SIGNAL_BYTES;

/// Characters per line. Terminals hand on at most 4,095 bytes of one line, and mail breaks lines at 78.
const LINE_CHARS: usize = 76;

/// The last character: shows that nothing is cut off, and cannot occur before since base64url has no full stop.
const END: char = '.';

/// What every blob begins with.
const NAME: &str = "gatelodge-";

/// Which half of the exchange a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasteKind {
    /// The description that opens a session.
    Offer,
    /// The description that answers it.
    Answer,
}

impl PasteKind {
    const BOTH: [PasteKind; 2] = [PasteKind::Offer, PasteKind::Answer];

    fn prefix(self) -> String {
        format!("{NAME}{}-", self.word())
    }

    fn word(self) -> &'static str {
        match self {
            PasteKind::Offer => "offer",
            PasteKind::Answer => "answer",
        }
    }
}

impl fmt::Display for PasteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PasteKind::Offer => "an offer",
            PasteKind::Answer => "an answer",
        })
    }
}

/// Why a text is not the blob that is needed, in words for the person who pasted it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasteError {
    /// More bytes than [`MAX_PASTE_BYTES`], or an SDP of more than [`MAX_SIGNAL_BYTES`].
    #[error("the text is too long to be an offer or an answer")]
    TooLarge,
    /// The text has no beginning of a blob in it.
    #[error(
        "there is no offer or answer in this text; copy everything from `gatelodge-` to the full stop at its end"
    )]
    NoBlob,
    /// The other half of the exchange, perhaps the one that this side has written itself.
    #[error("this is {found}, and {expected} is needed here")]
    WrongKind {
        /// What is needed.
        expected: PasteKind,
        /// What is there.
        found: PasteKind,
    },
    /// A form that only another version of the program knows.
    #[error("this was written by a program of another version (form {version}, and this one reads form 1)")]
    UnknownVersion {
        /// The number of the form.
        version: u32,
    },
    /// The full stop at the end is not there.
    #[error("the end is cut off; copy everything up to and with the full stop at its end")]
    CutOff,
    /// A character that no blob has.
    #[error("the character `{character}` does not belong here; copy the text again, without changing it")]
    StrayCharacter {
        /// The character.
        character: char,
    },
    /// The end is there, and something before it is not.
    #[error("{bytes} bytes are missing in the middle; copy the text again, with all its lines")]
    Missing {
        /// How many.
        bytes: usize,
    },
    /// There is more between beginning and end than was written.
    #[error("something in it is there twice; copy the text again, once")]
    Surplus,
    /// The right length, and the checksum differs.
    #[error("a character in it is wrong; copy the text instead of typing it")]
    Checksum,
}

/// Writes the blob of an SDP, in lines that end with `\n`.
///
/// # Errors
///
/// [`PasteError::TooLarge`] for an SDP of more than [`MAX_SIGNAL_BYTES`].
pub fn encode_paste(kind: PasteKind, sdp: &str) -> Result<String, PasteError> {
    let length = u32::try_from(sdp.len()).map_err(|_| PasteError::TooLarge)?;
    if sdp.len() > MAX_SIGNAL_BYTES {
        return Err(PasteError::TooLarge);
    }
    let mut body = length.to_be_bytes().to_vec();
    body.extend_from_slice(sdp.as_bytes());
    body.extend_from_slice(&checksum(kind, length, sdp.as_bytes()).to_be_bytes());

    let mut blob = format!("{}1:", kind.prefix());
    URL_SAFE_NO_PAD.encode_string(&body, &mut blob);
    blob.push(END);

    let mut lines = String::with_capacity(blob.len() + blob.len() / LINE_CHARS + 1);
    for line in blob.as_bytes().chunks(LINE_CHARS) {
        lines.extend(line.iter().map(|&ascii| char::from(ascii)));
        lines.push('\n');
    }
    Ok(lines)
}

/// Reads the SDP out of a text that has a blob of the expected kind somewhere in it.
///
/// White space, line breaks and quotation marks of mail (`>`) may be anywhere; what is before the blob and after it
/// is skipped.
///
/// # Errors
///
/// Says what is wrong, with the text as a whole first: its size, then its kind, its end, its characters.
pub fn decode_paste(expected: PasteKind, text: &str) -> Result<String, PasteError> {
    if text.len() > MAX_PASTE_BYTES {
        return Err(PasteError::TooLarge);
    }
    let text = without_noise(text);
    let Some(rest) = after(&text, &expected.prefix()) else {
        let found = PasteKind::BOTH.into_iter().find(|kind| after(&text, &kind.prefix()).is_some());
        return Err(found.map_or(PasteError::NoBlob, |found| PasteError::WrongKind { expected, found }));
    };
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let Some(encoded) = rest[digits..].strip_prefix(':') else {
        // The text may end within the beginning, too.
        return Err(if digits == rest.len() { PasteError::CutOff } else { PasteError::NoBlob });
    };
    match rest[..digits].parse() {
        Ok(1) => {}
        Ok(version) => return Err(PasteError::UnknownVersion { version }),
        Err(_) => return Err(PasteError::NoBlob),
    }
    let (encoded, _) = encoded.split_once(END).ok_or(PasteError::CutOff)?;
    let in_alphabet = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if let Some(character) = encoded.chars().find(|&c| !in_alphabet(c)) {
        return Err(PasteError::StrayCharacter { character });
    }
    // Whole bytes even where the last characters of a torn piece are not: the length below says what is wrong.
    let whole = encoded.len() - usize::from(encoded.len() % 4 == 1);
    let body = URL_SAFE_NO_PAD.decode(&encoded[..whole]).map_err(|_| PasteError::Checksum)?;
    open(expected, &body)
}

/// Whether a text has the end of a blob in it, so that one who reads lines can stop reading.
pub fn paste_is_complete(text: &str) -> bool {
    // The cheap questions first: this one is asked after every line.
    if !text.contains(END) {
        return false;
    }
    let text = without_noise(text);
    PasteKind::BOTH.iter().any(|kind| after(&text, &kind.prefix()).is_some_and(|rest| rest.contains(END)))
}

/// Takes the decoded bytes apart.
fn open(kind: PasteKind, body: &[u8]) -> Result<String, PasteError> {
    // The two numbers around the SDP.
    const FRAME: usize = 8;
    let Some((length, rest)) = body.split_first_chunk::<4>() else {
        return Err(PasteError::Missing { bytes: FRAME - body.len() });
    };
    let length = u32::from_be_bytes(*length);
    let announced = usize::try_from(length).ok().filter(|&bytes| bytes <= MAX_SIGNAL_BYTES);
    // A number this large was never written, so a slip of hand is in the number itself.
    let announced = announced.ok_or(PasteError::Checksum)?;
    if body.len() < announced + FRAME {
        return Err(PasteError::Missing { bytes: announced + FRAME - body.len() });
    }
    let Some((sdp, sum)) = rest.split_last_chunk::<4>().filter(|(sdp, _)| sdp.len() == announced) else {
        return Err(PasteError::Surplus);
    };
    if checksum(kind, length, sdp) != u32::from_be_bytes(*sum) {
        return Err(PasteError::Checksum);
    }
    String::from_utf8(sdp.to_vec()).map_err(|_| PasteError::Checksum)
}

fn checksum(kind: PasteKind, length: u32, sdp: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(kind.word().as_bytes());
    crc.update(&length.to_be_bytes());
    crc.update(sdp);
    crc.finalize()
}

/// Leaves out what mail, chat and terminals put between the characters.
fn without_noise(text: &str) -> String {
    let noise = |c: char| c.is_whitespace() || matches!(c, '>' | '\u{200b}' | '\u{feff}');
    text.chars().filter(|&c| !noise(c)).collect()
}

fn after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.find(prefix).map(|at| &text[at + prefix.len()..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOB: &str = "gatelodge-offer-1:AAAAFXY9MA0Kcz0tDQphPW1pZDowDQrDvKOoLNo.\n";
    const SDP: &str = "v=0\r\ns=-\r\na=mid:0\r\nü";

    #[test]
    fn a_short_offer_has_exactly_this_blob() {
        assert_eq!(encode_paste(PasteKind::Offer, SDP).unwrap(), BLOB);
        assert_eq!(decode_paste(PasteKind::Offer, BLOB).unwrap(), SDP);
    }

    #[test]
    fn lines_are_short_enough_for_terminals_and_mail() {
        let blob = encode_paste(PasteKind::Answer, &"a=x\r\n".repeat(900)).unwrap();
        assert!(blob.lines().all(|line| line.len() <= 76));
        assert!(blob.lines().count() > 70);
    }

    #[test]
    fn what_mail_and_chat_do_to_a_text_is_undone() {
        let blob = encode_paste(PasteKind::Answer, &SDP.repeat(20)).unwrap();
        let quoted: String = blob.lines().map(|line| format!("> > {line}\r\n")).collect();
        let one_line = blob.replace('\n', " ");
        let fenced = format!("Here it is: \"```{blob}```\" -- greetings.");
        let doubled = blob.replace('\n', "\n\n");
        for text in [quoted, one_line, fenced, doubled, format!("\u{feff}{blob}")] {
            assert_eq!(
                decode_paste(PasteKind::Answer, &text).as_deref(),
                Ok(SDP.repeat(20).as_str()),
                "{text}"
            );
            assert!(paste_is_complete(&text));
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let offer = |text: &str| decode_paste(PasteKind::Offer, text).unwrap_err();
        let wrong = PasteError::WrongKind { expected: PasteKind::Answer, found: PasteKind::Offer };
        assert_eq!(decode_paste(PasteKind::Answer, BLOB), Err(wrong.clone()));
        assert_eq!(wrong.to_string(), "this is an offer, and an answer is needed here");
        assert_eq!(offer(""), PasteError::NoBlob);
        assert_eq!(offer("{\"type\":\"offer\"}"), PasteError::NoBlob);
        assert_eq!(offer("gatelodge-offer-x:AAAA."), PasteError::NoBlob);
        assert_eq!(offer("gatelodge-offer-:AAAA."), PasteError::NoBlob);
        assert_eq!(offer("gatelodge-offer-1"), PasteError::CutOff);
        assert_eq!(offer("gatelodge-offer-1:AAAA"), PasteError::CutOff);
        assert_eq!(offer("gatelodge-offer-2:AAAA."), PasteError::UnknownVersion { version: 2 });
        assert_eq!(offer("gatelodge-offer-1:."), PasteError::Missing { bytes: 8 });
        assert_eq!(offer("gatelodge-offer-1:AAAA."), PasteError::Missing { bytes: 5 });
        assert_eq!(offer(&BLOB.replace("FXY9", "FX+9")), PasteError::StrayCharacter { character: '+' });
        assert_eq!(offer(&BLOB.replace("Kcz0", "Kcx0")), PasteError::Checksum);
        assert_eq!(offer(&BLOB.replace("AAAAFX", "____FX")), PasteError::Checksum);
        assert_eq!(offer(&BLOB.replace("MA0Kcz0t", "")), PasteError::Missing { bytes: 6 });
        assert_eq!(offer(&BLOB.replace("DQph", "DQphDQph")), PasteError::Surplus);
        assert_eq!(offer(&"x".repeat(MAX_PASTE_BYTES + 1)), PasteError::TooLarge);
        let large = "x".repeat(MAX_SIGNAL_BYTES + 1);
        assert_eq!(encode_paste(PasteKind::Offer, &large), Err(PasteError::TooLarge));
    }

    #[test]
    fn the_right_kind_is_found_behind_the_wrong_one() {
        let both = format!("{BLOB}{}", encode_paste(PasteKind::Answer, "v=0").unwrap());
        assert_eq!(decode_paste(PasteKind::Answer, &both).as_deref(), Ok("v=0"));
    }

    #[test]
    fn the_largest_sdp_fits_into_what_is_read() {
        let sdp = "é".repeat(MAX_SIGNAL_BYTES / 2);
        let blob = encode_paste(PasteKind::Offer, &sdp).unwrap();
        assert_eq!(decode_paste(PasteKind::Offer, &blob).unwrap(), sdp);
    }

    proptest! {
        #[test]
        fn every_sdp_comes_back(sdp in any::<String>(), answer in any::<bool>()) {
            let kind = if answer { PasteKind::Answer } else { PasteKind::Offer };
            let blob = encode_paste(kind, &sdp).unwrap();
            prop_assert!(paste_is_complete(&blob));
            prop_assert_eq!(decode_paste(kind, &blob), Ok(sdp));
        }

        #[test]
        fn a_text_that_is_cut_off_is_never_complete(sdp in ".{0,300}", cut in any::<prop::sample::Index>()) {
            let blob = encode_paste(PasteKind::Offer, &sdp).unwrap();
            let part = &blob[..cut.index(blob.trim_end().len())];
            prop_assert!(!paste_is_complete(part));
            prop_assert!(decode_paste(PasteKind::Offer, part).is_err());
        }

        #[test]
        fn one_wrong_character_is_always_noticed(
            sdp in ".{0,80}", at in any::<prop::sample::Index>(), by in "[A-Za-z0-9_-]"
        ) {
            let blob = encode_paste(PasteKind::Offer, &sdp).unwrap();
            let prefix = "gatelodge-offer-1:".len();
            let at = prefix + at.index(blob.trim_end().len() - 1 - prefix);
            prop_assume!(blob.as_bytes()[at] != b'\n' && !blob[at..].starts_with(&by));
            let mut changed = blob.clone();
            changed.replace_range(at..=at, &by);
            prop_assert!(decode_paste(PasteKind::Offer, &changed).is_err());
        }

        #[test]
        fn nothing_makes_it_panic(text in any::<String>(), body in "[A-Za-z0-9_.:-]{0,40}") {
            for text in [&text, &body, &format!("gatelodge-offer-{body}"), &format!("gatelodge-offer-1:{body}.")] {
                let _ = paste_is_complete(text);
                let _ = decode_paste(PasteKind::Offer, text);
                let _ = decode_paste(PasteKind::Answer, text);
            }
        }
    }
}
