//! What servers send.

use super::*;

#[test]
fn an_answer_is_for_one_question_and_comes_once() {
    let mut channel = Channel::new(grant(ToolRule::Allow));
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(to_agent(&channel.server(answer)).len(), 0, "nobody asked");
    channel.agent(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    assert_eq!(to_agent(&channel.server(r#"{"jsonrpc":"2.0","id":"1","result":{}}"#)).len(), 0);
    assert_eq!(to_agent(&channel.server(answer)), [answer]);
    let outputs = channel.server(answer);
    assert_eq!(to_agent(&outputs).len(), 0, "a second time");
    assert!(matches!(outputs[0], Output::Record(Record::Dropped { reason: DropReason::NotAsked, .. })));
    let outputs = channel.server(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#);
    assert!(matches!(outputs[0], Output::Record(Record::Dropped { reason: DropReason::NoId, .. })));
}

#[test]
fn garbage_is_dropped_and_too_much_of_it_ends_the_channel() {
    let limits = GateLimits { faults: 3, server_message: 1000, ..GateLimits::default() };
    let mut channel = Channel::with(grant(ToolRule::Allow), None, limits.clone());
    for line in ["listening on stdio", "", "[]"] {
        let outputs = channel.server(line);
        assert_eq!(to_agent(&outputs).len(), 0);
        assert!(!outputs.contains(&Output::End(EndReason::ServerFaults)));
    }
    assert!(channel.server("{").contains(&Output::End(EndReason::ServerFaults)));
    let mut channel = Channel::with(grant(ToolRule::Allow), None, limits);
    let end = Output::End(EndReason::ServerMessage { size: 2000, limit: 1000 });
    assert!(channel.server(&"x".repeat(2000)).contains(&end));
}

#[test]
fn a_bad_answer_does_not_leave_the_agent_waiting() {
    for bad in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"Tools":[]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":5}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"inputRequests":{"a":{"method":"x","method":"y"}}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
    ] {
        let mut channel = Channel::new(grant(ToolRule::Allow));
        channel.agent(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
        let outputs = channel.server(bad);
        assert!(to_agent(&outputs)[0].contains(r#""id":1,"error":{"code":-32603"#), "{bad}: {outputs:?}");
        assert_eq!(ended(&outputs), Some(Outcome::BadAnswer));
    }
    // A bad request with the same id is no answer.
    let mut channel = Channel::new(grant(ToolRule::Allow));
    channel.agent(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    let outputs = channel.server(r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"name":1,"name":2}}"#);
    assert_eq!(to_agent(&outputs).len(), 0);
    assert_eq!(to_agent(&channel.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)).len(), 1);
}

#[test]
fn requests_of_the_server_go_to_the_agent_and_answers_come_back() {
    let mut channel = Channel::new(grant(ToolRule::Allow));
    // Both sides may use the same ids.
    channel.agent(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    let ask = r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"messages":[]}}"#;
    assert_eq!(to_agent(&channel.server(ask)), [ask]);
    assert_eq!(to_agent(&channel.server(ask)).len(), 0, "the id is in use");
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"role":"assistant"}}"#;
    assert_eq!(to_server(&channel.agent(answer)), [answer]);
    assert_eq!(to_server(&channel.agent(answer)).len(), 0, "a second time");
    assert_eq!(to_server(&channel.agent(r#"{"jsonrpc":"2.0","id":2,"result":{}}"#)).len(), 0, "nobody asked");
    assert_eq!(to_agent(&channel.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)).len(), 1);
}

#[test]
fn what_the_grant_denies_is_answered_here() {
    let mut channel = Channel::new(Grant { sampling: false, elicitation: false, ..grant(ToolRule::Allow) });
    for (method, reason) in
        [("sampling/createMessage", "sampling-denied"), ("elicitation/create", "elicitation-denied")]
    {
        let outputs = channel.server(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#));
        assert_eq!(to_agent(&outputs).len(), 0);
        assert!(to_server(&outputs)[0].contains(reason), "{outputs:?}");
        // Within a result, which is how stateless servers ask.
        channel.agent(r#"{"jsonrpc":"2.0","id":5,"method":"prompts/get","params":{"name":"x"}}"#);
        let outputs = channel.server(&format!(
            r#"{{"jsonrpc":"2.0","id":5,"result":{{"resultType":"input_required","inputRequests":{{"a":{{"method":"{method}","params":{{}}}}}}}}}}"#
        ));
        assert!(to_agent(&outputs)[0].contains(reason), "{outputs:?}");
        let notification = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/tasks","params":{{"taskId":"t","inputRequests":{{"a":{{"method":"{method}"}}}}}}}}"#
        );
        assert_eq!(to_agent(&channel.server(&notification)).len(), 0);
    }
    let mut channel = Channel::new(grant(ToolRule::Allow));
    for (method, passes) in
        [("sampling/createMessage", true), ("elicitation/create", true), ("roots/list", false)]
    {
        channel.agent(r#"{"jsonrpc":"2.0","id":5,"method":"prompts/get","params":{"name":"x"}}"#);
        let answer = format!(
            r#"{{"jsonrpc":"2.0","id":5,"result":{{"inputRequests":{{"a":{{"method":"{method}"}}}}}}}}"#
        );
        assert_eq!(to_agent(&channel.server(&answer)) == [answer], passes, "{method}");
    }
}

#[test]
fn notifications_pass() {
    let mut channel = Channel::new(grant(ToolRule::Allow));
    for method in ["progress", "message", "resources/updated", "x", "tools/list_changed", "cancelled"] {
        let message =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{{"x":1.0}}}}"#);
        assert_eq!(to_agent(&channel.server(&message)), [message]);
    }
    assert_eq!(to_agent(&channel.server(r#"{"jsonrpc":"2.0","method":"sampling/createMessage"}"#)).len(), 0);
}

#[test]
fn the_server_can_not_make_room_by_asking_too_much() {
    let limits = GateLimits { server_requests: 2, ..GateLimits::default() };
    let mut channel = Channel::with(grant(ToolRule::Allow), None, limits);
    let ping = |id: u32| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    assert_eq!(to_agent(&channel.server(&ping(1))).len() + to_agent(&channel.server(&ping(2))).len(), 2);
    let outputs = channel.server(&ping(3));
    assert!(to_agent(&outputs).is_empty() && to_server(&outputs)[0].contains("busy"));
    channel.server(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    assert_eq!(to_agent(&channel.server(&ping(4))).len(), 1);
}
