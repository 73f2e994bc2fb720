use proptest::prelude::*;

use super::*;

#[test]
fn the_grammar_is_that_of_serde_json() {
    let texts = [
        "0",
        "-0",
        "01",
        "-",
        "1.",
        ".1",
        "1.5",
        "1e",
        "1e5",
        "1E+5",
        "1e-05",
        "+1",
        "0x1",
        "NaN",
        "tru",
        "true",
        "truex",
        "null",
        "\"\"",
        "\"",
        "\"\\",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\x\"",
        "\"\u{1}\"",
        "\"\u{7f}\"",
        "\"ü\\n\\u00e4\"",
        "[]",
        "[",
        "]",
        "[1]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[[],[]]",
        "{}",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{1:1}",
        " [ 1 , { \"a\" : [ ] } ] ",
        "[1}",
        "{\"a\":1]",
        "",
        " ",
        "1 1",
        "{}{}",
        "//x\n1",
        "\u{a0}1",
        "\u{feff}1",
        "'a'",
        "\"a\nb\"",
        "[\"12345678\"]",
        "\"1234567\\\"8\"",
    ];
    for text in texts {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        assert_eq!(Json::parse(text).is_ok(), theirs, "{text:?}");
    }
}

#[test]
fn nesting_has_a_limit() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(Json::parse(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(Json::parse(&nested(MAX_DEPTH + 1)), Err(JsonError::Deep { limit: MAX_DEPTH }));
    let objects = "{\"a\":".repeat(MAX_DEPTH) + "1" + &"}".repeat(MAX_DEPTH);
    assert!(Json::parse(&objects).is_ok());
    // A deep one costs no stack and no time.
    assert!(Json::parse(&"[".repeat(1 << 20)).is_err());
}

#[test]
fn members_and_elements_are_found_in_place() {
    let text = r#" { "a" : [ 1 , "x" ] ,"\u0062":{} } "#;
    let value = Json::parse(text).unwrap();
    let members: Vec<_> = value.members().collect();
    assert_eq!(members.len(), 2);
    assert_eq!((&*members[0].name, members[0].value.text()), ("a", r#"[ 1 , "x" ]"#));
    assert_eq!((&*members[1].name, &text[members[1].range()]), ("b", r#""\u0062":{}"#));
    let elements: Vec<_> = members[0].value.elements().unwrap().map(Json::text).collect();
    assert_eq!(elements, ["1", "\"x\""]);
    assert!(members[1].value.elements().is_none());
    assert_eq!(members[0].value.members().count(), 0);
}

#[test]
fn lone_surrogates_are_no_strings() {
    for (text, read) in [
        (r#""\ud83d\ude00""#, Some("😀")),
        (r#""\ud83d""#, None),
        (r#""\ude00\ud83d""#, None),
        (r#""a\"b""#, Some("a\"b")),
        ("1", None),
    ] {
        assert_eq!(Json::parse(text).unwrap().string().as_deref(), read, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_judged_as_serde_json_does(text in r#"[\[\]{}":,0-9eE.+\-a-c\\ntrufls ü\x00-\x20]{0,40}"#) {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(Json::parse(&text).is_ok(), theirs);
    }

    #[test]
    fn the_end_of_a_string_is_found(text in any::<String>(), before in 0usize..9) {
        let quoted = " ".repeat(before) + &serde_json::to_string(&text).unwrap();
        let value = Json::parse(&quoted).unwrap();
        prop_assert_eq!(value.range(), before..quoted.len());
        prop_assert_eq!(value.string().unwrap(), text);
    }
}
