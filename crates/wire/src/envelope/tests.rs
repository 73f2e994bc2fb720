use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[track_caller]
fn request(message: &str) -> (String, String) {
    match peek(message.as_bytes()) {
        Ok(Envelope::Request { id, method }) => (id.as_str().to_owned(), method.into_owned()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ids_are_kept_as_text() {
    for id in ["0", "-7", "18446744073709551615", "123456789012345678901234567890", "\"\"", r#""\u0061 b""#] {
        let message = format!(r#" {{"jsonrpc":"2.0", "id" : {id} ,"method":"ping"}} "#);
        assert_eq!(request(&message), (id.to_owned(), "ping".to_owned()));
    }
}

#[test]
fn methods_are_borrowed_unless_escaped() {
    let method = |message: &'static str| match peek(message.as_bytes()) {
        Ok(Envelope::Notification { method }) => method,
        other => panic!("{other:?}"),
    };
    assert!(matches!(method(r#"{"method":"a/b","jsonrpc":"2.0"}"#), Cow::Borrowed("a/b")));
    let escaped = method(r#"{"method":"a\/b","jsonrpc":"2.0"}"#);
    assert!(matches!(&escaped, Cow::Owned(method) if method == "a/b"));
}

#[test]
fn responses() {
    let response = |message: &'static str| match peek(message.as_bytes()) {
        Ok(Envelope::Response { id, is_error }) => (id.as_str(), is_error),
        other => panic!("{other:?}"),
    };
    assert_eq!(response(r#"{"jsonrpc":"2.0","id":1,"result":{"method":"x"}}"#), ("1", false));
    assert_eq!(response(r#"{"jsonrpc":"2.0","id":1,"result":null}"#), ("1", false));
    assert_eq!(response(r#"{"jsonrpc":"2.0","id":"a","error":{}}"#), ("\"a\"", true));
    assert_eq!(response(r#"{"jsonrpc":"2.0","id":null,"error":{}}"#), ("null", true));
    assert_eq!(response(r#"{"jsonrpc":"2.0","error":{}}"#), ("null", true));
}

#[test]
fn refusals() {
    let error = |message: &[u8]| peek(message).map(|_| ()).unwrap_err();
    for message in [
        "",
        "{}",
        "null",
        "\"x\"",
        r#"{"jsonrpc":"2.0","id":1,"method":"a"} x"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a""#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":5}"#,
        r#"{"jsonrpc":2.0,"id":1,"method":"a"}"#,
        r#"{"id":1,"method":"a"}"#,
    ] {
        assert!(matches!(error(message.as_bytes()), EnvelopeError::Json(_)), "{message}");
    }
    assert!(matches!(
        error(b"{\"jsonrpc\":\"2.0\",\"method\":\"\xFF\"}"),
        EnvelopeError::NotUtf8 { offset: 27 }
    ));
    assert!(matches!(error(b" [{}]"), EnvelopeError::Batch));
    assert!(matches!(error(br#"{"jsonrpc":"1.0","id":1,"method":"a"}"#), EnvelopeError::Version));
    for id in ["null", "1.5", "1e3", "true", "[1]", "{}"] {
        let message = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"a"}}"#);
        assert!(matches!(error(message.as_bytes()), EnvelopeError::BadId), "{id}");
    }
    let message = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"a"}}"#, "x".repeat(1023));
    assert!(matches!(error(message.as_bytes()), EnvelopeError::LongId { len: 1025 }));
    for message in [
        r#"{"jsonrpc":"2.0"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","result":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":1,"error":2}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","result":2}"#,
    ] {
        assert!(matches!(error(message.as_bytes()), EnvelopeError::Shape), "{message}");
    }
}

#[test]
fn deep_nesting_is_no_stack() {
    let deep = 1_000_000;
    let message = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}{}}}"#, "[".repeat(deep), "]".repeat(deep));
    assert!(matches!(peek(message.as_bytes()), Ok(Envelope::Response { .. })));
}

#[test]
fn the_error_is_a_valid_answer() {
    let message = r#"{"jsonrpc":"2.0","id":"a\"b","result":{}}"#;
    let Ok(Envelope::Response { id, .. }) = peek(message.as_bytes()) else { panic!("this is a response") };
    let text = too_large_error(id, 300_000, 65_536);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["id"], "a\"b");
    assert_eq!(answer["error"]["code"], -32013);
    assert_eq!(answer["error"]["data"], json!({"size": 300_000, "limit": 65_536}));
    let sentence = answer["error"]["message"].as_str().unwrap();
    assert!(sentence.contains("300000 bytes") && sentence.contains("65536 bytes"), "{sentence}");
    assert!(matches!(peek(text.as_bytes()), Ok(Envelope::Response { is_error: true, .. })));
}

proptest! {
    #[test]
    fn agrees_with_a_full_reading(id in 0_u64.., method in ".*", params in ".*") {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"x": params}}).to_string();
        prop_assert_eq!(request(&message), (id.to_string(), method));
    }

    #[test]
    fn any_bytes_are_judged(bytes: Vec<u8>) {
        prop_assert!(peek(&bytes).is_err());
    }
}

#[test]
fn the_beginning_of_a_response_tells_its_id() {
    let id = |message: &'static str| answered_id(message.as_bytes()).map(RawId::as_str);
    for known in ["0", "-7", "18446744073709551615", r#""""#, r#""a b""#, "\"\u{e4}\""] {
        for member in ["result", "error"] {
            let message = format!(r#"{{"jsonrpc":"2.0","id":{known},"{member}":{{}}}}"#);
            assert_eq!(answered_id(message.as_bytes()).map(RawId::as_str), Some(known), "{message}");
        }
    }
    for unknown in [
        "",
        r#"{"jsonrpc":"2.0","id":"#,
        r#"{"jsonrpc":"2.0","id":7"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"result"}"#,
        r#"{"jsonrpc":"2.0","id":,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"a\",\"result\":","method":"x"}"#,
        r#"{"jsonrpc":"2.0","id":"a\\","result":{}}"#,
        r#"{"jsonrpc":"2.0","method":"x","id":7,"result":{}}"#,
    ] {
        assert_eq!(id(unknown), None, "{unknown}");
    }
    let long = format!(r#"{{"jsonrpc":"2.0","id":"{}","result":{{}}}}"#, "x".repeat(2 * MAX_ID));
    assert!(answered_id(long.as_bytes()).is_none());
}
