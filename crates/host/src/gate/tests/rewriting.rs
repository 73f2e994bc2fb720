//! The agent's capabilities, byte for byte.

use proptest::prelude::*;

use super::*;

/// What the server sees of these capabilities: in `initialize`, and in the `_meta` of a stateless request.
fn seen(sampling: bool, roots: bool, capabilities: &str) -> (String, String) {
    let lent = Grant { sampling, ..grant(ToolRule::Allow) };
    let roots = roots.then(Vec::new);
    let before = r#"{ "jsonrpc":"2.0","id" : 1,"method":"initialize","params":{"x":1.0, "capabilities":"#;
    let after = r#" ,"clientInfo":{"name":"é"}}}"#;
    let mut channel = Channel::with(lent.clone(), roots.clone(), GateLimits::default());
    let sent = to_server(&channel.agent(&format!("{before}{capabilities}{after}"))).remove(0);
    let legacy = sent.strip_prefix(before).unwrap().strip_suffix(after).unwrap().to_owned();
    let before = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":"#;
    let after = r#" , "z":[1 ,2]}}}"#;
    let mut channel = Channel::with(lent, roots, GateLimits::default());
    let sent = to_server(&channel.agent(&format!("{before}{capabilities}{after}"))).remove(0);
    (legacy, sent.strip_prefix(before).unwrap().strip_suffix(after).unwrap().to_owned())
}

#[test]
fn roots_never_come_from_the_agent() {
    for (capabilities, left, with_own) in [
        (r#"{}"#, r#"{}"#, r#"{"roots":{}}"#),
        (r#"{"roots":{"listChanged":true}}"#, r#"{}"#, r#"{"roots":{}}"#),
        (r#"{ "roots" : {} }"#, r#"{  }"#, r#"{ "roots" : {} }"#),
        (
            r#"{"r\u006fots":{"a":1},"sampling":{}}"#,
            r#"{"sampling":{}}"#,
            r#"{"r\u006fots":{},"sampling":{}}"#,
        ),
        (r#"{"sampling":{} , "roots":{"a":[]} }"#, r#"{"sampling":{} }"#, r#"{"sampling":{} , "roots":{} }"#),
        (r#"{ "sampling":{}}"#, r#"{ "sampling":{}}"#, r#"{"roots":{}, "sampling":{}}"#),
        (r#"{"a":1, "roots":null, "b":2}"#, r#"{"a":1, "b":2}"#, r#"{"a":1, "roots":{}, "b":2}"#),
    ] {
        assert_eq!(seen(true, false, capabilities), (left.to_owned(), left.to_owned()));
        // Stateless servers are not told of the gate's own.
        assert_eq!(seen(true, true, capabilities), (with_own.to_owned(), left.to_owned()));
    }
}

#[test]
fn what_the_grant_denies_is_not_announced() {
    assert_eq!(seen(false, false, r#"{"sampling":{},"elicitation":{}}"#).0, r#"{"elicitation":{}}"#);
    assert_eq!(seen(false, true, r#"{"sampling":{}}"#).0, r#"{"roots":{}}"#);
    assert_eq!(seen(false, true, r#"{"sampling":{},"x":1}"#).0, r#"{"roots":{},"x":1}"#);
    assert_eq!(seen(false, true, r#"{"x":1,"sampling":{}}"#).0, r#"{"roots":{},"x":1}"#);
}

#[test]
fn the_roots_are_the_granted_folders() {
    let ask = r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#;
    let folder = SharedFolder { path: "/home/me/notes".into(), access: FolderAccess::ReadOnly };
    let mut channel = Channel::with(grant(ToolRule::Allow), Some(vec![folder]), GateLimits::default());
    let outputs = channel.server(ask);
    assert_eq!(
        to_server(&outputs),
        [r#"{"jsonrpc":"2.0","id":"r","result":{"roots":[{"uri":"file:///home/me/notes","name":"notes"}]}}"#]
    );
    assert_eq!((to_agent(&outputs).len(), ended(&outputs)), (0, Some(Outcome::AnsweredHere)));
    let mut channel = Channel::new(grant(ToolRule::Allow));
    let outputs = channel.server(ask);
    assert!(to_server(&outputs)[0].contains("-32601") && to_agent(&outputs).is_empty());
    let changed = channel.agent(r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#);
    assert_eq!(to_server(&changed).len(), 0);
}

proptest! {
    #[test]
    fn what_is_not_taken_out_stays_as_it_is(
        members in proptest::collection::btree_map("[a-d]{1,3}|roots|sampling", "[ ]{0,2}(1\\.0|\\{\\}|\"é\")[ ]{0,2}", 0..6),
        sampling: bool,
    ) {
        let write = |names: &dyn Fn(&str) -> bool| -> Vec<String> {
            members.iter().filter(|(name, _)| names(name)).map(|(name, value)| format!("\"{name}\":{value}")).collect()
        };
        let before = format!("{{{}}}", write(&|_| true).join(","));
        let (after, _) = seen(sampling, false, &before);
        let kept = |name: &str| name != "roots" && (sampling || name != "sampling");
        if members.keys().all(|name| kept(name)) {
            prop_assert_eq!(&after, &before);
        }
        let squeeze = |text: &str| text.replace(' ', "");
        prop_assert_eq!(squeeze(&after), squeeze(&format!("{{{}}}", write(&kept).join(","))));
    }
}
