//! Grants that were changed behind the desktop's back: they count as none, and everybody concerned is told.

use serde_json::json;

use crate::agent::Machine;
use crate::desk::{Desk, Host};

/// The agent comes and finds nothing; the desktop says why.
fn finds_nothing(desk: &Desk, machine: &Machine, host: &mut Host) {
    let agent = machine.fingerprint("default");
    let ended = machine.turned_away("default", &host.link);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.errors.contains("lends nothing to this agent"), "{ended:?}");
    assert_eq!(host.event("grants_altered")["agent"], agent);
    let grants = desk.done(&["grants", "list"]);
    assert_eq!((&grants["grants"], &grants["altered"]), (&json!([]), &json!([agent])), "{grants}");
    assert_eq!(desk.done(&["agents", "list"])["agents"][0]["servers"], json!(null));
}

#[test]
fn grants_edited_in_the_database_count_as_none_until_they_are_given_anew() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let _counting = desk.add_counting("counting");
    desk.lend(&machine.fingerprint("default"), "Notebook", &[]);
    desk.done(&["grants", "set", "Notebook", "counting", "--tools", "deny"]);
    let mut host = desk.start();
    machine.connect("default", &host.link, &[]).initialize();
    desk.tamper(r#"UPDATE grants SET definition = replace(definition, '"deny"', '"allow"')"#);
    finds_nothing(&desk, &machine, &mut host);
    // The same for the next process.
    assert_eq!(host.stop().code, Some(0));
    let mut host = desk.start();
    finds_nothing(&desk, &machine, &mut host);

    desk.done(&["grants", "set", "Notebook", "counting", "--tools", "allow"]);
    let mut client = machine.connect("default", &host.link, &[]);
    client.initialize();
    assert_eq!(client.call("count", json!({})).unwrap(), "1");
}

#[test]
fn an_old_database_that_is_put_back_gives_nothing_back() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let _counting = desk.add_counting("counting");
    desk.lend(&machine.fingerprint("default"), "Notebook", &["counting"]);
    let host = desk.start();
    machine.connect("default", &host.link, &[]).initialize();
    assert_eq!(host.stop().code, Some(0));
    let old = std::fs::read(desk.database()).unwrap();
    desk.done(&["grants", "set", "Notebook", "counting", "--tools", "deny"]);
    let put_back = || {
        for leftover in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{leftover}", desk.database().display()));
        }
        std::fs::write(desk.database(), &old).unwrap();
    };
    put_back();
    let mut host = desk.start();
    finds_nothing(&desk, &machine, &mut host);
    assert_eq!(host.stop().code, Some(0));

    // An agent that was forgotten since is not known either.
    desk.done(&["agents", "forget", "Notebook"]);
    put_back();
    let host = desk.start();
    let ended = machine.turned_away("default", &host.link);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.errors.contains("takes paired agents only"), "{ended:?}");
}
