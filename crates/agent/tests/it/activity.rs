//! The activity log, as `gatelodge host activity` shows it.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::agent::Machine;
use crate::desk::Desk;

#[test]
fn what_an_agent_did_can_be_read_checked_and_exported() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let _counting = desk.add_counting("counting");
    let agent = machine.fingerprint("default");
    desk.lend(&agent, "Notebook", &[]);
    desk.done(&["grants", "set", "Notebook", "counting", "--tools", "allow", "--tool", "count=deny"]);
    let mut host = desk.start();
    let mut client = machine.connect("default", &host.link, &[]);
    client.initialize();
    client.call("echo", json!({"confidential": "the-argument"})).unwrap();
    client.call("count", json!({})).unwrap_err();
    client.begin_waiting();
    client.program.signal(Signal::SIGTERM);
    host.event("ended");

    let listed = |arguments: &[&str]| {
        let mut all = vec!["activity", "list"];
        all.extend(arguments);
        desk.done(&all)["entries"].as_array().unwrap().clone()
    };
    let entries = listed(&["--limit", "500"]);
    let of_kind = |kind: &str| entries.iter().filter(|entry| entry["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of_kind("session-begun").len(), 1, "{entries:#?}");
    assert_eq!(of_kind("session-ended").len(), 1, "{entries:#?}");
    let calls: BTreeMap<_, _> = of_kind("call")
        .into_iter()
        .map(|entry| {
            assert_eq!((&entry["agent"], &entry["server"]), (&json!(agent), &json!("counting")));
            assert!(entry["millis"].is_u64() && entry["request_bytes"].as_u64() > Some(20), "{entry}");
            let name = entry["target"].as_str().or(entry["method"].as_str()).unwrap();
            (name.to_owned(), entry["outcome"].as_str().unwrap().to_owned())
        })
        .collect();
    let expected =
        [("count", "denied"), ("echo", "answered"), ("initialize", "answered"), ("wait", "interrupted")];
    assert_eq!(calls, expected.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())).into());
    assert!(!serde_json::to_string(&entries).unwrap().contains("the-argument"));

    // By pages and by agent.
    let newest = listed(&["--limit", "1"]);
    assert_eq!(newest[0], entries[0]);
    let next = listed(&["--limit", "1", "--before", &newest[0]["seq"].to_string()]);
    assert_eq!(next[0], entries[1]);
    assert_eq!(listed(&["--agent", &machine.fingerprint("other")]), [] as [Value; 0]);

    let of_tool = listed(&["--tool", "count", "--outcome", "denied", "--last", "1h"]);
    assert_eq!(of_tool.iter().map(|entry| &entry["target"]).collect::<Vec<_>>(), ["count"]);
    assert_eq!(listed(&["--tool", "count", "--outcome", "answered"]), [json!(null); 0]);
    assert_eq!(listed(&["--text", "no-such-text"]), [json!(null); 0]);
    let count = desk.done(&["activity", "verify"])["entries"].as_u64().unwrap();
    assert_eq!(count, entries.len() as u64);
    let file = desk.home.path().join("export.jsonl");
    desk.done(&["activity", "export", file.to_str().unwrap()]);
    let lines = std::fs::read_to_string(&file).unwrap();
    let exported: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported.len() as u64, count);
    assert_eq!(exported.iter().filter(|line| line["entry"]["kind"] == "call").count(), calls.len());
    let again = desk.manage(&["activity", "export", file.to_str().unwrap()]);
    assert_eq!(again.code, Some(1), "{again:?}");

    // Running or not, a changed entry is found, and so is one that is missing.
    assert_eq!(host.stop().code, Some(0));
    desk.done(&["activity", "verify"]);
    desk.tamper(r#"UPDATE activity SET entry = replace(entry, '"denied"', '"answered"')"#);
    let changed = desk.manage(&["activity", "verify"]);
    assert_eq!(changed.code, Some(1), "{changed:?}");
    assert!(changed.out.contains("is not what was written"), "{changed:?}");
    desk.tamper("DELETE FROM activity WHERE kind = 'session-begun'");
    let missing = desk.manage(&["activity", "verify"]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
}

#[test]
fn old_activity_is_pruned_and_the_rest_is_still_whole() {
    let desk = Desk::new();
    for number in 0..4 {
        let agent = format!("{number:02x}").repeat(32);
        let agent: Vec<_> =
            agent.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
        desk.done(&["agents", "trust", &agent.join(":"), &format!("agent {number}")]);
    }
    assert_eq!(desk.done(&["activity", "verify"])["entries"], 4);
    assert_eq!(desk.done(&["activity", "prune"]), json!({"reply": "pruned", "entries": 0}));
    desk.done(&["activity", "prune", "--days", "0"]);
    assert_eq!(desk.done(&["activity", "verify"])["entries"], 0);

    // What is past its time goes by itself.
    desk.done(&["agents", "block", "agent 1"]);
    desk.tamper("INSERT INTO settings (key, value) VALUES ('activity_days', '0')");
    let _host = desk.start();
    let deadline = std::time::Instant::now() + crate::program::LIMIT;
    while desk.done(&["activity", "list"])["entries"] != json!([]) {
        assert!(std::time::Instant::now() < deadline, "old activity stays");
    }
    assert_eq!(desk.done(&["activity", "verify"])["entries"], 0);
}
