use super::*;
use crate::envelope::peek;

const STRICT: Strictness = Strictness { max_bytes: 1 << 20, max_depth: 32, unique_everywhere: true };

#[track_caller]
fn refused(message: &str) -> (MessageFault, Option<String>) {
    let error = read_message(message.as_bytes(), STRICT).expect_err(message);
    (error.fault, error.id.map(|id| id.as_str().to_owned()))
}

#[test]
fn what_is_read_is_what_peek_reads() {
    for message in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{}}}"#,
        r#"{"jsonrpc":"2.0","id":"x","method":"ping"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized","extra":[1,{"a":2}]}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}"#,
        r#" { "result" : [ ] , "id" : -5 , "jsonrpc" : "\u0032.0" } "#,
    ] {
        let read = read_message(message.as_bytes(), STRICT).expect(message);
        assert_eq!(read.envelope, peek(message.as_bytes()).expect(message), "{message}");
    }
}

#[test]
fn members_are_those_of_the_body() {
    let message = br#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"a":1}],"tools":[1],"nextCursor":"2"}}"#;
    let read = read_message(message, STRICT).unwrap();
    assert_eq!(read.member("tools").map(Json::text), Some("[1]"));
    assert_eq!(read.body.unwrap().member("tools"), read.member("tools"));
    assert_eq!(read.member("content"), None);
    assert_eq!(read.members.len(), 2);
}

#[test]
fn a_member_twice_is_refused_however_it_is_spelled() {
    let id = Some("1".to_owned());
    let twice = |json: &str| refused(json);
    assert_eq!(twice(r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#), (MessageFault::Twice, None));
    assert_eq!(twice(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#), (MessageFault::Twice, None));
    assert_eq!(twice(r#"{"jsonrpc":"2.0","id":1,"x":1,"x":1,"method":"a"}"#), (MessageFault::Twice, None));
    for params in [
        r#"{"name":"a","name":"b"}"#,
        r#"{"name":"a","nam\u0065":"b"}"#,
        r#"{"uri":"a","uri":"b"}"#,
        r#"{"_meta":{},"_meta":{}}"#,
    ] {
        let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{params}}}"#);
        assert_eq!(refused(&message), (MessageFault::Twice, id.clone()), "{message}");
    }
    for params in [r#"{"a":{"b":1,"b":1}}"#, r#"{"a":[{"\u0062":1,"b":1}]}"#] {
        let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{params}}}"#);
        assert!(matches!(refused(&message).0, MessageFault::Json(JsonError::Twice { .. })), "{message}");
        let lax = Strictness { unique_everywhere: false, ..STRICT };
        assert!(read_message(message.as_bytes(), lax).is_ok(), "{message}");
    }
    let many: String = (0..40).map(|n| format!("\"k{n}\":1,")).collect();
    let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"a":{{{many}"k3":2}}}}}}"#);
    assert!(matches!(refused(&message).0, MessageFault::Json(JsonError::Twice { .. })));
}

#[test]
fn another_case_is_refused() {
    for (message, known) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}"#, "method"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","ID":"b"}"#, "id"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","param\u017f":{}}"#, "params"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"Name":"x"}}"#, "name"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"taskid":"x"}}"#, "taskId"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"argumentſ":{}}}"#, "arguments"),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"Tools":[]}}"#, "tools"),
    ] {
        assert_eq!(refused(message).0, MessageFault::Spelling { known }, "{message}");
    }
    assert_eq!(misspelt("tas\u{212a}", &["task"]), Some("task"));
    assert_eq!(misspelt("task", &["task"]), None);
    assert_eq!(misspelt("täsk", &["task"]), None);
}

#[test]
fn ids_methods_params_and_shapes_are_judged() {
    let request = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    for id in ["1.0", "1e3", "true", "[1]", "{}", "null", "-1.5"] {
        assert_eq!(refused(&request(id)), (MessageFault::Id, None), "{id}");
    }
    let long = format!("\"{}\"", "x".repeat(MAX_ID));
    assert_eq!(refused(&request(&long)).0, MessageFault::LongId { len: MAX_ID + 2 });
    let id = Some("1".to_owned());
    for (message, fault) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, MessageFault::Method),
        (r#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#, MessageFault::Method),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}"#, MessageFault::Params),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":null}"#, MessageFault::Params),
        (r#"{"jsonrpc":"2.0","id":1}"#, MessageFault::Shape),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","result":1}"#, MessageFault::Shape),
        (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, MessageFault::Shape),
        (r#"{"jsonrpc":"2.0","id":1,"result":1,"params":{}}"#, MessageFault::Shape),
        (r#"{"jsonrpc":2.0,"id":1,"method":"a"}"#, MessageFault::Version),
        (r#"{"id":1,"method":"a"}"#, MessageFault::Version),
    ] {
        assert_eq!(refused(message), (fault, id.clone()), "{message}");
    }
    assert_eq!(refused("[]").0, MessageFault::Batch);
    assert_eq!(refused(r#" [{"jsonrpc":"2.0"}]"#).0, MessageFault::Batch);
    for message in ["", "1", "\"x\"", "{", "{}{}", r#"{"jsonrpc":"2.0","id":1,"method":"a",}"#, "nul"] {
        let fault = refused(message).0;
        assert!(matches!(fault, MessageFault::Json(_)), "{message}: {fault}");
    }
    let error = read_message(b"{\"a\":\"\xff\"}", STRICT).unwrap_err();
    assert_eq!(error.fault, MessageFault::NotUtf8 { offset: 6 });
}

#[test]
fn size_depth_and_number_have_limits() {
    let params = |inner: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"a":{inner}}}}}"#);
    let nested = |levels: usize| params(&("[".repeat(levels) + &"]".repeat(levels)));
    assert!(read_message(nested(STRICT.max_depth - 2).as_bytes(), STRICT).is_ok());
    let fault = refused(&nested(STRICT.max_depth - 1)).0;
    assert!(matches!(fault, MessageFault::Json(JsonError::Deep { .. })), "{fault}");
    let limit = Strictness { max_bytes: 10, ..STRICT };
    let error = read_message(b"{\"a\":12345}", limit).unwrap_err();
    assert_eq!(error.fault, MessageFault::TooLarge { size: 11, limit: 10 });
    let many: String = (0..=MAX_PARAMS).map(|n| format!(",\"p{n}\":1")).collect();
    let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"a":1{many}}}}}"#);
    assert_eq!(refused(&message), (MessageFault::Many, Some("1".to_owned())));
    // A result may have as many members as it likes.
    let message = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"a":1{many}}}}}"#);
    assert!(read_message(message.as_bytes(), STRICT).is_ok());
}
