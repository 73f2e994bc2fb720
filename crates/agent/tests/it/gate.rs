//! The gate on the command line: closed, it ends what goes on and turns everybody away with a reason; it stays as it was.

use serde_json::{Value, json};

use crate::agent::Machine;
use crate::desk::Desk;
use crate::program::Program;

/// What `gatelodge host gate --json` says.
fn gate(desk: &Desk) -> Value {
    let ended = Program::run(desk.command(&["host", "gate", "--json"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str::<Value>(&ended.out).unwrap()["state"].clone()
}

#[test]
fn a_closed_gate_is_closed_until_it_is_opened_again() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let _counting = desk.add_counting("counting");
    desk.lend(&machine.fingerprint("known"), "Notebook", &["counting"]);
    let mut host = desk.start();
    assert_eq!(gate(&desk), json!({"gate": "open"}));
    let mut client = machine.connect("known", &host.link, &[]);
    client.initialize();

    let closed = json!({"gate": "closed", "until": null});
    assert_eq!(desk.done(&["gate", "close"])["state"], closed);
    assert_eq!(desk.done(&["sessions", "list"])["sessions"], json!([]));
    assert_eq!(host.event("gate_changed")["state"], closed);
    let ended = client.program.end();
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(ended.errors.contains("the desktop's user has closed the gate"), "{ended:?}");
    let turned_away = machine.turned_away("known", &host.link);
    assert_eq!(turned_away.code, Some(4), "{turned_away:?}");
    assert!(turned_away.errors.contains("has closed its gate; nobody is let in"), "{turned_away:?}");

    // A restart does not open it, nor does the end of the desktop.
    assert_eq!(host.stop().code, Some(0));
    assert_eq!(gate(&desk), closed);
    let host = desk.start();
    assert_eq!(machine.turned_away("known", &host.link).code, Some(4));
    assert_eq!(desk.done(&["gate", "open"])["state"], json!({"gate": "open"}));
    machine.connect("known", &host.link, &[]).initialize();

    // One that is closed for this run only is open in the next.
    desk.done(&["gate", "close", "--until-restart"]);
    assert_eq!(gate(&desk), closed);
    assert_eq!(host.stop().code, Some(0));
    let host = desk.start();
    machine.connect("known", &host.link, &[]).initialize();
}

#[test]
fn the_gate_opens_by_itself_when_its_time_is_over() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let _counting = desk.add_counting("counting");
    desk.lend(&machine.fingerprint("known"), "Notebook", &["counting"]);
    let mut host = desk.start();
    let until = desk.done(&["gate", "close", "--for", "1s"])["state"]["until"].as_i64().unwrap();
    assert!(until > 0);
    assert_eq!(host.event("gate_changed")["state"]["until"], until);
    assert_eq!(host.event("gate_changed")["state"], json!({"gate": "open"}));
    machine.connect("known", &host.link, &[]).initialize();
}

#[test]
fn the_setting_says_how_the_gate_is_at_a_start() {
    let desk = Desk::new();
    desk.done(&["settings", "set", "gate_at_start", "closed"]);
    assert_eq!(gate(&desk), json!({"gate": "closed", "until": null}));
    // Opening it now would not count.
    let refused = desk.manage(&["gate", "open"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.errors.contains("gate_at_start"), "{refused:?}");
    let _host = desk.start();
    assert_eq!(gate(&desk), json!({"gate": "closed", "until": null}));
    assert_eq!(desk.done(&["gate", "open"])["state"], json!({"gate": "open"}));
}
