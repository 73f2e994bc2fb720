//! One message, one line: what the standard input of a server asks for.
//!
//! JSON-RPC over a data channel may hold line breaks between its tokens; over standard input a line break ends the
//! message. They become spaces, and nothing else changes. [`super::child`] sends nothing that has not been here.

use bytes::Bytes;
use thiserror::Error;

/// The message has a line break inside a string, where JSON has none. Passed on it would be two messages, the second of
/// which nobody has judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the message has a raw line break inside a string, which is not JSON")]
pub(crate) struct BrokenString;

/// Replaces line breaks between the tokens of a JSON text by spaces. Without any, the very same bytes come back.
///
/// Carriage returns count too, since Python's text streams end lines at them.
pub(crate) fn one_line(message: Bytes) -> Result<Bytes, BrokenString> {
    if memchr::memchr2(b'\n', b'\r', &message).is_none() {
        return Ok(message);
    }
    let mut line = message.to_vec();
    let mut in_string = false;
    let mut escaped = false;
    for byte in &mut line {
        match *byte {
            b'\n' | b'\r' if in_string => return Err(BrokenString),
            b'\n' | b'\r' => *byte = b' ',
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
    }
    Ok(Bytes::from(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn changed(text: &'static str) -> Result<Bytes, BrokenString> {
        one_line(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_message_without_line_breaks_is_not_copied() {
        let message = Bytes::from_static(br#"{"a":"b\nc"}"#);
        assert_eq!(one_line(message.clone()).unwrap().as_ptr(), message.as_ptr());
    }

    #[test]
    fn line_breaks_between_tokens_become_spaces() {
        assert_eq!(changed("{\r\n \"a\\\"\" :\n1}\n").unwrap(), "{   \"a\\\"\" : 1} ");
    }

    #[test]
    fn a_line_break_inside_a_string_cannot_smuggle_a_second_message() {
        for text in ["{\"a\":\"\n{}\"}", "{\"a\":\"\\\n\"}", "{\"a\":\"\\\\\\\"\r\"}", "\"\n"] {
            assert_eq!(changed(text), Err(BrokenString), "{text:?}");
        }
        assert!(changed("{\"a\":\"\\\\\"\n}").is_ok(), "an escaped backslash does not escape the quote");
    }

    /// Any JSON value, with strings full of what the function must not stumble over.
    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Into::into),
            "[\"\\\\\n\ra-c{}é]{0,12}".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                prop::collection::btree_map("[\"\\\\\na]{0,4}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn means_the_same_on_one_line(value in value(), carriage in any::<bool>()) {
            let mut text = serde_json::to_string_pretty(&value).unwrap();
            if carriage {
                text = text.replace('\n', "\r\n");
            }
            let line = one_line(Bytes::from(text.clone())).unwrap();
            prop_assert!(!line.iter().any(|byte| matches!(byte, b'\n' | b'\r')));
            prop_assert_eq!(line.len(), text.len());
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&line).unwrap(), value);
        }

        #[test]
        fn never_lets_a_line_break_through(bytes in prop::collection::vec(
            prop::sample::select(b"\"\\\n\r{}a ".to_vec()), 0..24,
        )) {
            if let Ok(line) = one_line(Bytes::from(bytes)) {
                prop_assert!(!line.iter().any(|byte| matches!(byte, b'\n' | b'\r')));
            }
        }
    }
}
