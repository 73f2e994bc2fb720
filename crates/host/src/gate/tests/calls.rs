//! Calls of tools: asked about, held, withdrawn, and run as tasks.

use super::*;

fn asking() -> Channel {
    let mut channel = Channel::new(grant(ToolRule::Ask));
    channel.list(&format!("{READ},{WRITE}"));
    channel
}

#[test]
fn an_approved_call_is_forwarded_as_it_came() {
    for verdict in [Verdict::Once, Verdict::Always(Terms::default())] {
        let mut channel = asking();
        let outputs = channel.agent(&call("7", "read"));
        assert_eq!((to_server(&outputs).len(), to_agent(&outputs).len()), (0, 0));
        let question = question(&outputs).unwrap().clone();
        assert_eq!(question.tool, "read");
        assert_eq!(question.arguments.as_ref().map(text).as_deref(), Some(r#"{"a":1}"#));
        // Nothing can be answered that the server has not seen.
        let early = channel.server(r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#);
        assert_eq!(to_agent(&early).len(), 0);
        channel.gate.answer(channel.now, question.ticket, verdict);
        assert_eq!(to_server(&channel.outputs()), [call("7", "read")]);
        let outputs = channel.server(r#"{"jsonrpc":"2.0","id":7,"result":{"content":[],"isError":true}}"#);
        assert_eq!(to_agent(&outputs).len(), 1);
        let Some(Output::Record(Record::Ended { outcome, approved, call, .. })) = outputs.last() else {
            panic!()
        };
        assert_eq!((*outcome, *approved, call.subject.as_deref()), (Outcome::Failed, true, Some("read")));
    }
}

#[test]
fn a_declined_call_is_a_result_that_a_model_reads() {
    for (denial, outcome) in [
        (Denial::Declined, Outcome::Declined),
        (Denial::TimedOut, Outcome::TimedOut),
        (Denial::Busy, Outcome::Busy),
    ] {
        let mut channel = asking();
        let ticket = question(&channel.agent(&call("\"x\"", "read"))).unwrap().ticket;
        channel.gate.answer(channel.now, ticket, Verdict::Denied(denial));
        let outputs = channel.outputs();
        assert_eq!(to_server(&outputs).len(), 0);
        let answer: serde_json::Value = serde_json::from_str(&to_agent(&outputs)[0]).unwrap();
        assert_eq!((&answer["id"], &answer["result"]["isError"]), (&"x".into(), &true.into()));
        assert_eq!(answer["result"]["content"][0]["text"], denial.sentence());
        assert_eq!(ended(&outputs), Some(outcome));
        // A second verdict changes nothing.
        channel.gate.answer(channel.now, ticket, Verdict::Once);
        assert_eq!(channel.outputs(), []);
    }
}

#[test]
fn a_denied_tool_is_not_called() {
    let mut lent = grant(ToolRule::Allow);
    lent.tools.tools.insert("read".to_owned(), ToolRule::Deny);
    let mut channel = Channel::new(lent);
    let outputs = channel.agent(&call("1", "read"));
    assert_eq!(to_server(&outputs).len(), 0);
    assert!(to_agent(&outputs)[0].contains(r#""isError":true"#));
    assert_eq!(ended(&outputs), Some(Outcome::Denied(DenyReason::ToolDenied)));
}

#[test]
fn who_speaks_the_stateless_protocol_or_wants_a_task_is_answered_so() {
    let mut lent = grant(ToolRule::Deny);
    lent.sampling = false;
    let mut channel = Channel::new(lent);
    let stateless = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    assert!(to_agent(&channel.agent(stateless))[0].contains(r#""resultType":"complete""#));
    let task = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","task":{}}}"#;
    assert!(to_agent(&channel.agent(task))[0].contains(r#""code":-32014"#));
}

#[test]
fn a_waiting_call_tells_of_progress_and_can_be_withdrawn() {
    let mut channel = asking();
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","_meta":{"progressToken":"\u0074"}}}"#;
    let asked = channel.agent(message);
    let asked = question(&asked).unwrap();
    assert!(asked.progress);
    let progress: Vec<f64> = (0..3)
        .map(|_| {
            let message: serde_json::Value =
                serde_json::from_slice(&channel.gate.waiting(asked.ticket).unwrap()).unwrap();
            assert_eq!(message["params"]["progressToken"], "t");
            message["params"]["progress"].as_f64().unwrap()
        })
        .collect();
    assert!(progress.windows(2).all(|pair| pair[0] < pair[1]) && progress[2] < 0.01, "{progress:?}");
    let outputs =
        channel.agent(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    assert_eq!((to_server(&outputs).len(), to_agent(&outputs).len()), (0, 0));
    assert!(outputs.contains(&Output::Withdraw(asked.ticket)));
    assert_eq!(ended(&outputs), Some(Outcome::Cancelled));
    channel.gate.answer(channel.now, asked.ticket, Verdict::Once);
    assert_eq!(channel.outputs(), []);
    assert_eq!(channel.gate.waiting(asked.ticket), None);
}

#[test]
fn a_forwarded_call_is_cancelled_at_the_server() {
    let mut channel = Channel::new(grant(ToolRule::Allow));
    channel.list(READ);
    channel.agent(&call("1", "read"));
    let cancel =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"x"}}"#;
    let outputs = channel.agent(cancel);
    assert_eq!(to_server(&outputs), [cancel]);
    assert_eq!(ended(&outputs), Some(Outcome::Cancelled));
    assert_eq!(to_server(&channel.agent(cancel)).len(), 0, "once is enough");
    let late = channel.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!((to_agent(&late).len(), ended(&late)), (1, None));
}

#[test]
fn held_calls_have_limits_in_number_bytes_and_time() {
    let limits = GateLimits { held: 2, held_bytes: 300, ..GateLimits::default() };
    let mut channel = Channel::with(grant(ToolRule::Ask), None, limits);
    channel.list(READ);
    assert!(question(&channel.agent(&call("1", "read"))).is_some());
    let large = format!(
        r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"read","arguments":{{"a":"{}"}}}}}}"#,
        "x".repeat(300)
    );
    assert_eq!(ended(&channel.agent(&large)), Some(Outcome::Busy));
    let second = question(&channel.agent(&call("3", "read"))).unwrap().ticket;
    let outputs = channel.agent(&call("4", "read"));
    assert!(to_agent(&outputs)[0].contains(r#""isError":true"#));
    assert_eq!(ended(&outputs), Some(Outcome::Busy));
    let outputs = channel.pass(GateLimits::default().hold);
    assert!(outputs.contains(&Output::Withdraw(second)));
    assert_eq!(to_agent(&outputs).len(), 2);
    assert!(question(&channel.agent(&call("5", "read"))).is_some(), "there is room again");
}

#[test]
fn a_held_call_is_judged_again_by_the_grant_of_then() {
    let mut channel = asking();
    let ticket = question(&channel.agent(&call("1", "read"))).unwrap().ticket;
    channel.gate.regrant(grant(ToolRule::Deny));
    channel.gate.answer(channel.now, ticket, Verdict::Once);
    let outputs = channel.outputs();
    // The tools are listed anew under the new grant, then the call is denied.
    let listing: serde_json::Value = serde_json::from_str(&to_server(&outputs)[0]).unwrap();
    assert_eq!(listing["method"], "tools/list");
    let outputs = channel
        .server(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":[{READ}]}}}}"#, listing["id"]));
    assert_eq!(to_server(&outputs).len(), 0);
    assert_eq!(ended(&outputs), Some(Outcome::Denied(DenyReason::ToolDenied)));
}

#[test]
fn tasks_belong_to_the_channel_that_made_them() {
    for created in
        [r#"{"task":{"taskId":"t1","status":"working"}}"#, r#"{"resultType":"task","taskId":"t1"}"#]
    {
        let mut channel = Channel::new(grant(ToolRule::Allow));
        channel.list(READ);
        let get = |id: u32, task: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tasks/get","params":{{"taskId":"{task}"}}}}"#)
        };
        let outputs = channel.agent(&get(1, "t1"));
        assert_eq!(ended(&outputs), Some(Outcome::Denied(DenyReason::TaskUnknown)));
        channel.agent(&call("2", "read"));
        channel.server(&format!(r#"{{"jsonrpc":"2.0","id":2,"result":{created}}}"#));
        assert_eq!(to_server(&channel.agent(&get(3, "t1"))).len(), 1);
        assert_eq!(to_server(&channel.agent(&get(4, "t2"))).len(), 0);
        channel.agent(r#"{"jsonrpc":"2.0","id":5,"method":"tasks/list"}"#);
        let outputs = channel.server(r#"{"jsonrpc":"2.0","id":5,"result":{"tasks":[{"taskId":"t0"}, {"taskId":"t1"} ,{"taskId":"t2"}]}}"#);
        assert_eq!(to_agent(&outputs), [r#"{"jsonrpc":"2.0","id":5,"result":{"tasks":[{"taskId":"t1"}]}}"#]);
    }
}

#[test]
fn what_is_unanswered_at_the_end_is_told() {
    let mut channel = asking();
    let ticket = question(&channel.agent(&call("1", "read"))).unwrap().ticket;
    channel.gate.close(channel.now);
    let outputs = channel.outputs();
    assert_eq!(outputs[0], Output::Withdraw(ticket));
    assert_eq!(ended(&outputs), Some(Outcome::Unanswered));
}
