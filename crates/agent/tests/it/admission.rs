//! Who comes in, who does not, and what each hears.

use serde_json::{Value, json};

use crate::agent::Machine;
use crate::desk::{Desk, Host};
use crate::program::Program;

#[test]
fn a_trusted_agent_comes_in_unasked_and_an_unknown_one_is_turned_away() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let folder = tempfile::tempdir().unwrap();
    desk.done(&["servers", "add-folder", "notes", folder.path().to_str().unwrap()]);
    let trusted = machine.fingerprint("trusted");
    desk.lend(&trusted, "Notebook", &["notes"]);
    let mut host = desk.start();
    let mut client = machine.connect("trusted", &host.link, &[]);
    client.initialize();
    assert_eq!(host.event("admitted")["servers"], json!(["notes"]));

    let unknown = machine.turned_away("unknown", &host.link);
    assert_eq!(unknown.code, Some(4), "{unknown:?}");
    assert!(unknown.errors.contains("takes paired agents only"), "{unknown:?}");
    let refused = host.event("refused");
    assert_eq!(refused["agent"], machine.fingerprint("unknown"));
    assert!(refused["reason"].as_str().unwrap().contains("known agents only"), "{refused}");
    assert!(!host.program.said().iter().any(|line| line.contains("\"prompt\"")));
    // The one that is in is not disturbed.
    assert!(client.request("ping", json!({})).get("result").is_some());

    // One that is known and is lent nothing is in, and hears that.
    desk.done(&["grants", "remove", "Notebook", "notes"]);
    let empty = machine.turned_away("trusted", &host.link);
    assert_eq!(empty.code, Some(4), "{empty:?}");
    assert!(empty.errors.contains("lends nothing to this agent"), "{empty:?}");
}

#[test]
fn what_was_asked_before_a_connection_failed_is_answered_with_the_reason() {
    let desk = Desk::new();
    let (host, machine) = (desk.start(), Machine::new());
    let mut client = machine.connect("unknown", &host.link, &[]);
    let asked = [client.ask("initialize", json!({})), client.ask("tools/list", json!({}))];
    for id in asked {
        let answer = client.answer(id);
        assert_eq!(answer["error"]["code"], -32_000, "{answer}");
        let reason = answer["error"]["message"].as_str().unwrap();
        assert!(reason.contains("takes paired agents only"), "{reason}");
    }
    assert_eq!(client.program.end().code, Some(4));

    let nowhere = machine.turned_away("unknown", "tcp://127.0.0.1:9");
    assert_eq!(nowhere.code, Some(3), "{nowhere:?}");
    assert!(nowhere.errors.contains("is the desktop running"), "{nowhere:?}");
}

#[test]
fn another_desktop_at_a_known_link_is_refused_until_the_old_one_is_forgotten() {
    let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
    let agent = machine.fingerprint("default");
    let share = ["--share", folder.path().to_str().unwrap()];
    let first = Host::ephemeral(&share, &[&agent]);
    let link = first.link.clone();
    machine.connect("default", &link, &[]).initialize();
    assert_eq!(first.stop().code, Some(0));
    let known = machine.home.path().join("agent/default/known-desktops.json");
    let remembered = std::fs::read(&known).unwrap();

    let second = Host::ephemeral_at(&link, &share, &[&agent]);
    for arguments in [&[] as &[&str], &["--expect", &"AB:".repeat(32)[..95]]] {
        let mut client = machine.connect("default", &link, arguments);
        let call = client.ask("initialize", json!({}));
        let reason = client.answer(call)["error"]["message"].as_str().unwrap().to_owned();
        assert!(
            reason.contains("another desktop answers") && reason.contains(&second.fingerprint),
            "{reason}"
        );
        assert_eq!(client.program.end().code, Some(5));
        assert_eq!(std::fs::read(&known).unwrap(), remembered);
    }

    let forget = Program::run(machine.command(&["forget", &link]));
    assert_eq!(forget.code, Some(0), "{forget:?}");
    let mut client = machine.connect("default", &link, &[]);
    client.initialize();
    client.program.error_line("first contact with this desktop");
    let desktops = Program::run(machine.command(&["desktops", "--json"]));
    let desktops: Value = serde_json::from_str(&desktops.out).unwrap();
    assert_eq!(desktops, json!([{"link": link, "fingerprint": second.fingerprint}]));
}
