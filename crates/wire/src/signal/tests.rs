//! Exact bytes, both shapes, refusals and properties of signaling objects.

use proptest::prelude::*;

use super::*;

fn parsed(json: &str) -> Option<Signal> {
    Signal::parse(json.as_bytes()).unwrap_or_else(|e| panic!("{json}: {e}"))
}

fn refused(json: &str) -> SignalError {
    Signal::parse(json.as_bytes()).expect_err(json)
}

fn a_candidate(candidate: &str, sdp_mid: Option<&str>, sdp_mline_index: Option<u16>) -> Signal {
    let (candidate, sdp_mid) = (candidate.to_owned(), sdp_mid.map(str::to_owned));
    Signal::Candidate(Candidate { candidate, sdp_mid, sdp_mline_index })
}

/// What `object_to_string` of aiortc 1.16 returned for these objects.
#[test]
fn objects_have_exactly_the_bytes_that_aiortc_writes() {
    let sdp = "v=0\r\ns=\"-\" \\ / \t\u{8}\u{c}\u{1}\u{7f}\r\nü€😀\n".to_owned();
    let escaped = r#""v=0\r\ns=\"-\" \\ / \t\b\f\u0001\u007f\r\n\u00fc\u20ac\ud83d\ude00\n""#;
    assert_eq!(
        Signal::Offer { sdp: sdp.clone() }.to_json(),
        format!(r#"{{"sdp": {escaped}, "type": "offer"}}"#)
    );
    assert_eq!(Signal::Answer { sdp }.to_json(), format!(r#"{{"sdp": {escaped}, "type": "answer"}}"#));
    assert_eq!(Signal::Bye.to_json(), r#"{"type": "bye"}"#);
    let candidate = "candidate:0 1 udp 2130706431 192.0.2.7 40000 typ host";
    assert_eq!(
        a_candidate(candidate, Some("0"), Some(0)).to_json(),
        r#"{"candidate": "candidate:0 1 udp 2130706431 192.0.2.7 40000 typ host", "id": "0", "label": 0, "type": "candidate"}"#
    );
    assert_eq!(
        a_candidate(candidate, None, None).to_json(),
        r#"{"candidate": "candidate:0 1 udp 2130706431 192.0.2.7 40000 typ host", "id": null, "label": null, "type": "candidate"}"#
    );
}

#[test]
fn both_shapes_of_candidates_are_read() {
    let expected = Some(a_candidate("candidate:1 1 udp 1 192.0.2.7 9 typ host", Some("data"), Some(0)));
    for json in [
        // aiortc
        r#"{"candidate": "candidate:1 1 udp 1 192.0.2.7 9 typ host", "id": "data", "label": 0, "type": "candidate"}"#,
        // simple-peer
        r#"{"type":"candidate","candidate":{"candidate":"candidate:1 1 udp 1 192.0.2.7 9 typ host","sdpMLineIndex":0,"sdpMid":"data"}}"#,
        // a browser's own toJSON
        r#"{"type":"candidate","candidate":{"candidate":"candidate:1 1 udp 1 192.0.2.7 9 typ host","sdpMid":"data","sdpMLineIndex":0,"usernameFragment":"ab12"}}"#,
        r#"{"type":"candidate","candidate":"a=candidate:1 1 udp 1 192.0.2.7 9 typ host","id":"data","label":0,"more":[{}]}"#,
    ] {
        assert_eq!(parsed(json), expected, "{json}");
    }
}

#[test]
fn the_end_of_candidates_is_read_in_each_of_its_forms() {
    for json in [
        r#"{"type":"candidate","candidate":""}"#,
        r#"{"type":"candidate","candidate":null}"#,
        r#"{"type":"candidate","candidate":{"candidate":"","sdpMid":null,"sdpMLineIndex":null}}"#,
    ] {
        assert_eq!(parsed(json), Some(a_candidate("", None, None)), "{json}");
    }
}

#[test]
fn objects_that_mean_nothing_here_are_skipped() {
    for json in [
        r#"{"type":"renegotiate","renegotiate":true}"#,
        r#"{"type":"transceiverRequest","transceiverRequest":{"kind":"audio"}}"#,
        r#"{"type":"keep-alive"}"#,
        r#"{"type":"OFFER","sdp":"v=0"}"#,
    ] {
        assert_eq!(parsed(json), None, "{json}");
    }
}

#[test]
fn white_space_and_unknown_members_do_not_matter() {
    assert_eq!(parsed(" {\"type\" :\t\"bye\" , \"x\": 1e999}\r"), Some(Signal::Bye));
    let sdp = "v=0\r\n".to_owned();
    assert_eq!(
        parsed(r#"{"x":{"type":"bye"},"type":"offer","sdp":"v=0\u000d\n"}"#),
        Some(Signal::Offer { sdp })
    );
}

#[test]
fn errors_say_what_is_wrong() {
    use SignalError as E;
    for json in [
        "",
        "null",
        "[]",
        "\"bye\"",
        "{",
        "{}{}",
        "{\"type\":\"bye\"} x",
        "{'type':'bye'}",
        "\u{feff}{\"type\":\"bye\"}",
        // The same member twice, at either level, also when spelled with an escape.
        r#"{"type":"bye","type":"offer"}"#,
        r#"{"type":"offer","sdp":"a","s\u0064p":"b"}"#,
        r#"{"type":"bye","x":1,"x":1}"#,
        r#"{"type":"candidate","candidate":{"candidate":"","candidate":""}}"#,
        // Half a surrogate pair is no text.
        r#"{"type":"bye","\ud800":1}"#,
    ] {
        assert!(matches!(refused(json), E::Json(_)), "{json}: {:?}", refused(json));
    }
    assert!(matches!(refused("{}"), E::Missing { member: "type" }));
    assert!(matches!(refused(r#"{"type":null}"#), E::Missing { member: "type" }));
    assert!(matches!(refused(r#"{"type":7}"#), E::WrongType { member: "type", .. }));
    assert!(matches!(refused(r#"{"type":"offer"}"#), E::Missing { member: "sdp" }));
    assert!(matches!(refused(r#"{"type":"answer","sdp":{}}"#), E::WrongType { member: "sdp", .. }));
    assert!(matches!(refused(r#"{"type":"offer","sdp":"\ud800"}"#), E::WrongType { member: "sdp", .. }));
    assert!(matches!(refused(r#"{"type":"pranswer","sdp":""}"#), E::UnsupportedDescription { .. }));
    assert!(matches!(refused(r#"{"type":"rollback"}"#), E::UnsupportedDescription { .. }));
    assert!(matches!(refused(r#"{"type":"candidate"}"#), E::Missing { member: "candidate" }));
    assert!(matches!(refused(r#"{"type":"candidate","candidate":{}}"#), E::Missing { member: "candidate" }));
    assert!(matches!(refused(r#"{"type":"candidate","candidate":[]}"#), E::WrongType { .. }));
    for label in ["-1", "65536", "0.5", "\"0\"", "true"] {
        let json = format!(r#"{{"type":"candidate","candidate":"","label":{label}}}"#);
        assert!(matches!(refused(&json), E::WrongType { member: "label", .. }), "{json}");
    }
    for candidate in ["x", "Candidate:1", r"candidate:1\r\na=setup:active", r"candidate:\u0000"] {
        let json = format!(r#"{{"type":"candidate","candidate":"{candidate}"}}"#);
        assert!(matches!(refused(&json), E::NotACandidate), "{json}");
    }
    assert!(matches!(refused(r#"{"type":"candidate","candidate":"","id":"a\nb"}"#), E::NotACandidate));
    assert!(matches!(Signal::parse(b"{\"type\":\"bye\xff\"}"), Err(E::NotUtf8(_))));
}

#[test]
fn size_and_nesting_are_bounded() {
    let object = |bytes: usize| {
        let frame = r#"{"type":"bye","x":""}"#.len();
        format!(r#"{{"type":"bye","x":"{}"}}"#, "x".repeat(bytes - frame))
    };
    assert_eq!(parsed(&object(MAX_SIGNAL_BYTES)), Some(Signal::Bye));
    let too_large = refused(&object(MAX_SIGNAL_BYTES + 1));
    assert!(matches!(too_large, SignalError::TooLarge { bytes } if bytes == MAX_SIGNAL_BYTES + 1));
    // Deep nesting in a member that is skipped must neither overflow the stack nor take long.
    let deep = format!(r#"{{"type":"bye","x":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    let _ = Signal::parse(deep.as_bytes());
    let deep = format!(r#"{{"type":"candidate","candidate":{}"#, "{\"candidate\":".repeat(5_000));
    assert!(Signal::parse(deep.as_bytes()).is_err());
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ -~\r\n\t]{0,60}", "[\u{0}-\u{ff}\u{d7f0}-\u{e010}😀]{0,20}"]
}

fn signal() -> impl Strategy<Value = Signal> {
    let line = "[^\\p{Cc}]{0,40}";
    prop_oneof![
        text().prop_map(|sdp| Signal::Offer { sdp }),
        text().prop_map(|sdp| Signal::Answer { sdp }),
        (line, prop::option::of(line), any::<Option<u16>>()).prop_map(|(text, mid, index)| {
            a_candidate(&format!("candidate:{text}"), mid.as_deref(), index)
        }),
        Just(a_candidate("", None, None)),
        Just(Signal::Bye),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(signal in signal()) {
        let json = signal.to_json();
        prop_assert!(json.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", json);
        prop_assert_eq!(Signal::parse(json.as_bytes()).unwrap(), Some(signal));
    }

    #[test]
    fn serde_json_reads_the_same_text(sdp in text()) {
        let json = Signal::Offer { sdp: sdp.clone() }.to_json();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(value, serde_json::json!({ "type": "offer", "sdp": sdp }));
    }

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Signal::parse(&bytes);
    }

    #[test]
    fn no_damage_makes_it_panic(
        signal in signal(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
    ) {
        let mut json = signal.to_json().into_bytes();
        let at = at.index(json.len());
        if cut { json.truncate(at) } else { json[at] = byte }
        if let Ok(Some(read)) = Signal::parse(&json) {
            prop_assert_eq!(Signal::parse(read.to_json().as_bytes()).unwrap(), Some(read));
        }
    }
}
