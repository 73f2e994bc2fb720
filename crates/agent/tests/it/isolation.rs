//! Two agents at once: neither sees anything of the other.

use serde_json::{Value, json};

use crate::agent::Machine;
use crate::desk::Desk;

#[test]
fn two_agents_share_nothing() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let _lifelines = ["a", "b", "both"].map(|server| desk.add_counting(server));
    desk.lend(&machine.fingerprint("one"), "one", &["a", "both"]);
    desk.lend(&machine.fingerprint("two"), "two", &["b", "both"]);
    let host = desk.start();

    // What the other has is not there, under its right name as little as under another.
    for (profile, server) in [("one", "b"), ("two", "a"), ("one", "nothing"), ("one", "..")] {
        let ended = machine.connect(profile, &host.link, &[server]).program.end();
        assert_eq!(ended.code, Some(4), "{ended:?}");
        let own = if profile == "one" { "it lends: a, both" } else { "it lends: b, both" };
        assert!(ended.errors.contains(own), "{ended:?}");
    }

    let mut one = machine.connect("one", &host.link, &["both"]);
    let mut two = machine.connect("two", &host.link, &["both"]);
    let mut again = machine.connect("one", &host.link, &["both"]);
    for client in [&mut one, &mut two, &mut again] {
        assert_eq!(client.initialize()["name"], "counting");
    }

    // The same ids at the same time, and each has an answer of its own. So has another connection of the same agent.
    for count in 1..=3 {
        assert_eq!(one.call("count", json!({})).unwrap(), count.to_string());
    }
    let calls = [one.begin("echo", json!({"of": "one"})), two.begin("echo", json!({"of": "two"}))];
    for (client, id, of) in [(&mut one, calls[0], "one"), (&mut two, calls[1], "two")] {
        let answer = client.answer(id);
        assert_eq!(crate::agent::result(&answer).unwrap(), json!({"of": of}).to_string());
    }
    assert_eq!(two.call("count", json!({})).unwrap(), "1");
    assert_eq!(again.call("count", json!({})).unwrap(), "1");

    // Progress of the one's token does not reach the other, which has the same one in use.
    let wait = |token: &str| json!({"name": "wait", "_meta": {"progressToken": token}});
    one.ask("tools/call", wait("same"));
    assert_eq!(one.heard("notifications/progress")["progressToken"], "same");
    let waiting = two.ask("tools/call", wait("same"));
    assert_eq!(two.heard("notifications/progress")["progressToken"], "same");

    // Subscriptions of the one tell the other nothing, and cancelling an id of one's own ends nothing of the other's.
    one.request("resources/subscribe", json!({"uri": "test://shared"}));
    two.notify("notifications/cancelled", json!({"requestId": waiting}));
    assert_eq!(two.call("change", json!({})).unwrap(), "changed");
    assert_eq!(one.call("count", json!({})).unwrap(), "4");
    assert_eq!(one.call("change", json!({})).unwrap(), "changed");
    let heard = |said: &[String], method: &str| {
        let is = |line: &&String| serde_json::from_str::<Value>(line).unwrap()["method"] == method;
        said.iter().filter(is).count()
    };
    assert_eq!(heard(&one.program.said(), "notifications/resources/updated"), 1);
    assert_eq!(heard(&two.program.said(), "notifications/resources/updated"), 0);
    for client in [&one, &two] {
        assert_eq!(heard(&client.program.said(), "notifications/progress"), 1);
    }

    // One that takes its server down takes down nothing else.
    again.begin("crash", json!({}));
    assert_eq!(again.program.end().code, Some(7));
    assert_eq!(one.call("count", json!({})).unwrap(), "5");
    assert_eq!(two.call("count", json!({})).unwrap(), "2");
}
