//! Long strings in a JSON text, read in one pass: where they end, that they are well-formed, and what they say.
//! [`super::long_call`] takes them out of a message before anything else looks at it.

/// Bytes that are looked at together; compilers turn the looking into a few vector instructions.
const BLOCK: usize = 32;

/// What the letter after a backslash stands for; 0 where it is not as simple as that.
const PLAIN: [u8; 256] = {
    let mut plain = [0; 256];
    plain[b'"' as usize] = b'"';
    plain[b'\\' as usize] = b'\\';
    plain[b'/' as usize] = b'/';
    plain[b'b' as usize] = 0x08;
    plain[b'f' as usize] = 0x0c;
    plain[b'n' as usize] = b'\n';
    plain[b'r' as usize] = b'\r';
    plain[b't' as usize] = b'\t';
    plain
};

/// Reads a string from behind its opening quote, and returns it with the length of what it was written as, without the
/// closing quote. `None` where it is no string, or has no end.
pub(super) fn unescaped(bytes: &[u8]) -> Option<(String, usize)> {
    // Nothing gets longer without its escapes. What is not used of this is never touched.
    let mut text = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(block) = bytes[at..].first_chunk::<BLOCK>() {
        let mut special = special(block);
        // As far as the block is read.
        let mut read = 0;
        while special != 0 {
            let position = special.trailing_zeros() as usize;
            append(&mut text, &bytes[at + read..], position - read);
            match block[position] {
                b'"' => return Some((String::from_utf8(text).ok()?, at + position)),
                b'\\' => read = position + escape(&mut text, &bytes[at + position..])?,
                _control => return None,
            }
            special &= u32::MAX.checked_shl(u32::try_from(read).ok()?).unwrap_or(0);
        }
        if read < BLOCK {
            append(&mut text, &bytes[at + read..], BLOCK - read);
        }
        at += read.max(BLOCK);
    }
    // What is left is less than a block.
    loop {
        match *bytes.get(at)? {
            b'"' => return Some((String::from_utf8(text).ok()?, at)),
            b'\\' => at += escape(&mut text, &bytes[at..])?,
            0..0x20 => return None,
            byte => {
                text.push(byte);
                at += 1;
            }
        }
    }
}

/// Returns a bit for each byte that ends a string, begins an escape, or must not be in a string.
fn special(block: &[u8; BLOCK]) -> u32 {
    let special: [u8; BLOCK] = std::array::from_fn(|index| {
        let byte = block[index];
        u8::from((byte == b'\\') | (byte == b'"') | (byte < 0x20))
    });
    let (eights, _) = special.as_chunks::<8>();
    let mut bits = 0;
    for (index, eight) in eights.iter().enumerate() {
        // The product's highest byte is the lowest bits of all eight, side by side.
        let product = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080);
        bits |= u32::from(product.to_be_bytes()[0]) << (8 * index);
    }
    bits
}

/// Appends the first `length` bytes, at most a block. Copying a whole block and taking back what was too much is faster
/// than finding out how to copy just those.
fn append(text: &mut Vec<u8>, bytes: &[u8], length: usize) {
    match bytes.first_chunk::<BLOCK>() {
        Some(block) => {
            let end = text.len() + length;
            text.extend_from_slice(block);
            text.truncate(end);
        }
        None => text.extend_from_slice(&bytes[..length]),
    }
}

/// Appends what the escape at the beginning stands for, and returns the length of the escape.
fn escape(text: &mut Vec<u8>, bytes: &[u8]) -> Option<usize> {
    let letter = *bytes.get(1)?;
    let plain = PLAIN[usize::from(letter)];
    if plain != 0 {
        text.push(plain);
        return Some(2);
    }
    if letter != b'u' {
        return None;
    }
    // A pair of surrogates is one character.
    let length = if is_high_surrogate(bytes) { 12 } else { 6 };
    let escape = std::str::from_utf8(bytes.get(..length)?).ok()?;
    let character: String = serde_json::from_str(&format!("\"{escape}\"")).ok()?;
    text.extend_from_slice(character.as_bytes());
    Some(length)
}

/// Tells whether an escape `\uXXXX` is the first half of a character.
fn is_high_surrogate(escape: &[u8]) -> bool {
    let digits = escape.get(2..6).and_then(|digits| std::str::from_utf8(digits).ok());
    let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
    unit.is_some_and(|unit| (0xd800..0xdc00).contains(&unit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a string as it should be read: by serde_json.
    fn expected(bytes: &[u8]) -> Option<(String, usize)> {
        let mut quoted = b"\"".to_vec();
        quoted.extend_from_slice(bytes);
        let mut values = serde_json::Deserializer::from_slice(&quoted).into_iter::<String>();
        let text = values.next()?.ok()?;
        Some((text, values.byte_offset() - 2))
    }

    #[test]
    fn every_character_is_read_in_every_form_at_every_place_of_a_block() {
        let text: String = (1..=0x1_0400).filter_map(char::from_u32).collect();
        let written = serde_json::to_string(&text).unwrap();
        let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        for written in [&written[1..], &format!("{escaped}\"")] {
            for before in 0..BLOCK {
                let padded = format!("{}{written},", "x".repeat(before));
                let (read, length) = unescaped(padded.as_bytes()).unwrap();
                assert_eq!((&read[..before], &read[before..]), (&"x".repeat(before)[..], &text[..]));
                assert_eq!(length, padded.len() - 2);
            }
        }
    }

    #[test]
    fn what_serde_json_refuses_is_refused_at_every_place_of_a_block() {
        for bad in [
            &b"\\ud800\""[..],
            b"\\udc00\"",
            b"\\ud800\\u0041\"",
            b"\\ud83d\\n\"",
            b"\\x\"",
            b"\\u12\"",
            b"\\u+123\"",
            b"\n\"",
            b"\x1f\"",
            b"\0\"",
            b"\xff\"",
            b"\xc3\"",
            b"no end",
            b"no end\\\"",
            b"no end\\",
        ] {
            for before in 0..3 * BLOCK {
                for after in ["", "{\"and\":\"so on, for longer than a block, as messages go\"}"] {
                    let text = [&b"y".repeat(before)[..], bad, after.as_bytes()].concat();
                    assert_eq!(unescaped(&text), expected(&text), "{}", String::from_utf8_lossy(&text));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_as_serde_json_reads_them(
            bytes in proptest::collection::vec(
                prop_oneof![
                    4 => proptest::sample::select(&br#"\\\\""nu/abc"#[..]),
                    20 => 0x20_u8..0x7f,
                    1 => any::<u8>(),
                ],
                0..300,
            ),
        ) {
            prop_assert_eq!(unescaped(&bytes), expected(&bytes));
        }
    }
}
