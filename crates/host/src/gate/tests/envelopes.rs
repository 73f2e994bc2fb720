//! What is read, what is refused, and which ids are free.

use super::*;

#[track_caller]
fn refused(message: &str, id: &str, code: i32, reason: &str) {
    let mut channel = Channel::new(grant(ToolRule::Allow));
    let outputs = channel.agent(message);
    assert_eq!(to_server(&outputs), Vec::<String>::new(), "{message}");
    let answers = to_agent(&outputs);
    let answer: serde_json::Value = serde_json::from_str(&answers[0]).unwrap();
    assert_eq!(answer["id"].to_string(), id, "{message}");
    assert_eq!(answer["error"]["code"], code, "{message}: {answer}");
    assert_eq!(answer["error"]["data"]["reason"], reason, "{message}");
}

#[test]
fn what_is_not_one_message_is_refused() {
    refused("{", "null", -32700, "not-json");
    refused("[]", "null", -32600, "batch");
    refused(r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"a"}"#, "null", -32600, "duplicate-member");
    refused(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","nam\u0065":"b"}}"#,
        "1",
        -32600,
        "duplicate-member",
    );
    refused(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":{"p":1,"p":2}}}}"#,
        "null",
        -32600,
        "duplicate-member",
    );
    refused(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"a"}}"#,
        "1",
        -32600,
        "member-spelling",
    );
    refused(r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, "null", -32600, "id");
    refused(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, "null", -32600, "id");
    refused(r#"{"jsonrpc":"2.0","id":9223372036854775808,"method":"ping"}"#, "null", -32600, "id");
    refused(r#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#, "null", -32600, "id");
    refused(r#"{"jsonrpc":"2.0","id":"gatelodge-gate-1","method":"ping"}"#, "null", -32600, "id-reserved");
    refused(r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, "1", -32602, "params");
    refused(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":5}}"#, "1", -32602, "params");
    refused(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, "1", -32602, "params");
    refused(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\ud800"}}"#,
        "1",
        -32602,
        "params",
    );
    refused(r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{}}"#, "1", -32602, "params");
    refused(r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":5}}"#, "1", -32602, "params");
    refused(
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":1.5}}}"#,
        "1",
        -32602,
        "params",
    );
    refused(
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"ProgressToken":1}}}"#,
        "1",
        -32602,
        "params",
    );
    refused(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{"Roots":{}}}}"#,
        "1",
        -32602,
        "params",
    );
    refused(r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#, "1", -32601, "wrong-direction");
    refused(r#"{"jsonrpc":"2.0","id":1,"method":"tools/execute"}"#, "1", -32601, "method-unknown");
    refused(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","inputResponses":{"r":{"roots":[]}}}}"#,
        "1",
        -32602,
        "params",
    );
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"a":{}{}}}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    refused(&deep, "null", -32600, "too-deep");
}

#[test]
fn what_is_good_passes_as_the_same_bytes() {
    let mut channel = Channel::new(grant(ToolRule::Allow));
    for (id, method) in ["ping", "resources/list", "logging/setLevel", "x.org/anything"].iter().enumerate() {
        let message = Bytes::from(format!(
            "{{ \"jsonrpc\" : \"2.0\",\n \"id\":{id},\"method\":\"{method}\",\"params\":{{\"big\":123456789012345678901234567890,\"x\":1.0}},\"more\":null}}"
        ));
        channel.gate.from_agent(channel.now, message.clone());
        let forwarded: Vec<_> = channel.outputs();
        let Some(Output::ToServer(sent)) =
            forwarded.iter().find(|output| matches!(output, Output::ToServer(_)))
        else {
            panic!("{method}: {forwarded:?}")
        };
        assert_eq!(sent.as_ptr(), message.as_ptr(), "not copied");
        let answer = Bytes::from(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"x\": 1.50}} }}"));
        channel.gate.from_server(channel.now, answer.clone());
        let outputs = channel.outputs();
        assert!(
            matches!(&outputs[0], Output::ToAgent(sent) if sent.as_ptr() == answer.as_ptr()),
            "{outputs:?}"
        );
        assert_eq!(ended(&outputs), Some(Outcome::Answered));
    }
}

#[test]
fn ids_and_tokens_are_unique_among_the_unanswered() {
    let mut channel = Channel::new(grant(ToolRule::Allow));
    let ping = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    assert_eq!(to_server(&channel.agent(&ping("\"a\""))).len(), 1);
    let outputs = channel.agent(&ping(r#""\u0061""#));
    assert_eq!(to_server(&outputs).len(), 0);
    assert!(to_agent(&outputs)[0].contains(r#""id":null"#), "the first one is still to be answered");
    assert_eq!(to_server(&channel.agent(&ping("1"))).len(), 1);
    assert_eq!(to_server(&channel.agent(&ping("\"1\""))).len(), 1, "a string is not a number");
    channel.server(r#"{"jsonrpc":"2.0","id":"a","result":{}}"#);
    assert_eq!(to_server(&channel.agent(&ping("\"a\""))).len(), 1, "it is answered, so that the id is free");

    let token = |id: u32| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"ping","params":{{"_meta":{{"progressToken":"t"}}}}}}"#
        )
    };
    assert_eq!(to_server(&channel.agent(&token(10))).len(), 1);
    assert_eq!(to_server(&channel.agent(&token(11))).len(), 0);
    channel.server(r#"{"jsonrpc":"2.0","id":10,"result":{}}"#);
    assert_eq!(to_server(&channel.agent(&token(12))).len(), 1);
}

#[test]
fn unanswered_requests_have_a_limit() {
    let limits = GateLimits { agent_requests: 3, ..GateLimits::default() };
    let mut channel = Channel::with(grant(ToolRule::Allow), None, limits);
    let ping = |id: u32| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    for id in 0..3 {
        assert_eq!(to_server(&channel.agent(&ping(id))).len(), 1);
    }
    let outputs = channel.agent(&ping(3));
    assert!(to_agent(&outputs)[0].contains("busy"));
    assert_eq!(ended(&outputs), Some(Outcome::Busy));
    // Withdrawn ones make room.
    channel.agent(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    assert_eq!(to_server(&channel.agent(&ping(4))).len(), 1);
}

#[test]
fn faults_of_the_agent_end_the_channel() {
    let limits = GateLimits { faults: 3, ..GateLimits::default() };
    let mut channel = Channel::with(grant(ToolRule::Allow), None, limits);
    for _ in 0..3 {
        assert!(!channel.agent("{").contains(&Output::End(EndReason::AgentFaults)));
    }
    assert!(channel.agent("{").contains(&Output::End(EndReason::AgentFaults)));
    assert_eq!(channel.agent(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), []);
}

#[test]
fn an_expired_grant_ends_the_channel() {
    let mut lent = grant(ToolRule::Allow);
    lent.expires = Some(Timestamp::from_millis(1_000_500));
    let mut channel = Channel::new(lent);
    assert_eq!(to_server(&channel.agent(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)).len(), 1);
    assert_eq!(channel.gate.deadline(channel.now), Some(channel.now.instant + Duration::from_millis(500)));
    assert_eq!(channel.pass(Duration::from_millis(499)), []);
    assert_eq!(channel.pass(Duration::from_millis(1)), [Output::End(EndReason::Expired)]);
    assert_eq!(channel.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), []);
}
