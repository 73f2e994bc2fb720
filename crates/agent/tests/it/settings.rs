//! Settings on the command line, of a desktop that runs and of one that does not.

use serde_json::{Value, json};

use crate::desk::Desk;
use crate::program::Program;

fn settings(desk: &Desk) -> Value {
    let ended = Program::run(desk.command(&["host", "settings", "--json"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str::<Value>(&ended.out).unwrap()["settings"].clone()
}

#[test]
fn settings_are_kept_and_count_at_once() {
    let desk = Desk::new();
    let before = settings(&desk);
    assert_eq!((&before["activity_days"], &before["gate_at_start"]), (&json!(90), &json!("as-before")));
    desk.done(&["settings", "set", "activity_days", "7"]);
    let mut host = desk.start();
    assert_eq!(settings(&desk)["activity_days"], 7);
    desk.done(&["settings", "set", "rendezvous", "embedded"]);
    host.event("link_up");
    desk.done(&["settings", "set", "rendezvous", "none"]);
    host.event("link_down");
    assert_eq!(host.stop().code, Some(0));
    assert_eq!(settings(&desk)["activity_days"], 7);
    let shown = Program::run(desk.command(&["host", "settings"]));
    assert!(shown.out.contains("rendezvous none\n") && shown.out.contains("activity_days 7\n"), "{shown:?}");
}

#[test]
fn impossible_settings_change_nothing_and_say_why() {
    let desk = Desk::new();
    let before = settings(&desk);
    let _host = desk.start();
    for (key, value, code, reason) in [
        ("approval_timeout", "1", 1, "a prompt waits for 5 to 3600 seconds, not for 1"),
        ("rendezvous", "meet.example.org", 1, "is no rendezvous"),
        (
            "ice_servers",
            r#"[{"url":"turn:a","username":"me","secret":"turn"}]"#,
            1,
            "which there is not; keep it first",
        ),
        ("activity_days", "many", 2, "activity_days is a whole number"),
        ("days", "7", 2, "there is no setting \"days\""),
    ] {
        let ended = desk.manage(&["settings", "set", key, value]);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.errors.contains(reason), "{ended:?}");
    }
    assert_eq!(settings(&desk), before);
}
