//! The life of a desktop that keeps what it is told: set up, managed, restarted, ended.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::agent::Machine;
use crate::desk::Desk;
use crate::program::Program;
use crate::terminal::Terminal;

/// Sets everything up by commands, and returns what is there in the end.
fn set_up(desk: &Desk, agent: &str, folder: &str) -> Value {
    let path = std::fs::canonicalize(folder).unwrap();
    for command in [
        &["servers", "add-folder", "notes", folder] as &[&str],
        &["servers", "add-folder", "gone", folder, "--read-write"],
        &["servers", "remove", "gone"],
        &["servers", "add", "counting", "--env", "A=${secret:TOKEN}", "--", "count", "-x"],
        &["links", "add", "home", "tcp://127.0.0.1:0", "--lend", "notes", "--ask-unknown"],
        &["links", "disable", "home"],
        &["agents", "trust", agent, "Laptop"],
        &["agents", "rename", "Laptop", "Notebook"],
        &["grants", "set", "Notebook", "notes", "--tools", "allow", "--folder", folder],
        &["grants", "set", agent, "counting", "--tool", "count=deny", "--sampling"],
        &["grants", "remove", "Notebook", "counting"],
    ] {
        assert_eq!(desk.done(command), json!({"reply": "done"}), "{command:?}");
    }
    for command in [
        &["servers", "remove", "gone"] as &[&str],
        &["grants", "set", "Notebook", "gone"],
        &["grants", "remove", "Notebook", "counting"],
        &["agents", "block", "Laptop"],
        &["links", "enable", "gone"],
    ] {
        let ended = desk.manage(command);
        assert_eq!(ended.code, Some(1), "{command:?}: {ended:?}");
        assert!(ended.errors.starts_with("gatelodge: ") && ended.out.is_empty(), "{command:?}: {ended:?}");
    }
    let mut agents = desk.done(&["agents", "list"]);
    assert!(agents["agents"][0]["since"].take().is_number() || !agents["agents"][0]["since"].is_null());
    let found = json!({
        "servers": desk.done(&["servers", "list"])["servers"],
        "links": desk.done(&["links", "list"])["links"],
        "agents": agents["agents"],
        "grants": desk.done(&["grants", "list"])["grants"],
    });
    assert_eq!(found["servers"].as_array().unwrap().len(), 2);
    assert_eq!(found["links"][0]["enabled"], false);
    assert_eq!(found["agents"][0]["label"], "Notebook");
    assert_eq!(found["agents"][0]["fingerprint"], agent);
    assert_eq!(found["agents"][0]["servers"], json!(["notes"]));
    assert_eq!(found["grants"].as_array().unwrap().len(), 1);
    assert_eq!(found["grants"][0]["folders"][0]["path"], path.to_str().unwrap());
    found
}

#[test]
fn it_is_managed_the_same_while_it_runs_and_while_it_does_not() {
    let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
    let (agent, folder) = (machine.fingerprint("default"), folder.path().to_str().unwrap());
    let (running, resting) = (Desk::new(), Desk::new());
    let status = |desk: &Desk| {
        let ended = Program::run(desk.command(&["host", "status", "--json"]));
        serde_json::from_str::<Value>(&ended.out).unwrap()
    };
    let program = Program::start(running.command(&["host", "--json"]));
    let mut program = program;
    let identity = program.line(|line| serde_json::from_str::<Value>(line).ok());
    assert_eq!(set_up(&running, &agent, folder), set_up(&resting, &agent, folder));
    let (one, other) = (status(&running), status(&resting));
    assert_eq!((&one["running"], &other["running"]), (&json!(true), &json!(false)));
    // Two installations are two desktops, also on the same kind of machine.
    assert_eq!(one["fingerprint"], identity["fingerprint"]);
    assert_ne!(one["fingerprint"], other["fingerprint"]);
}

#[test]
fn it_is_the_same_desktop_after_a_restart_and_lends_the_same() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("note.txt"), "remember").unwrap();
    desk.done(&["servers", "add-folder", "notes", folder.path().to_str().unwrap()]);
    desk.lend(&machine.fingerprint("default"), "Notebook", &["notes"]);
    let mut identities = Vec::new();
    for _ in 0..2 {
        let mut host = desk.start();
        identities.push(host.fingerprint.clone());
        let mut client = machine.connect("default", &host.link, &["--expect", &host.fingerprint]);
        client.initialize();
        let path = folder.path().join("note.txt");
        assert_eq!(client.call("read_text_file", json!({"path": path})).unwrap(), "remember");
        assert_eq!(host.event("admitted")["label"], "Notebook");
        client.program.close_input();
        assert_eq!(client.program.end().code, Some(0));
        let ended = host.stop();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(!ended.out.contains("\"prompt\""), "{ended:?}");
    }
    assert_eq!(identities[0], identities[1]);
}

#[test]
fn a_second_instance_is_refused_and_the_first_goes_on() {
    let desk = Desk::new();
    let host = desk.start();
    let second = Program::run(desk.command(&["host"]));
    assert_eq!(second.code, Some(8), "{second:?}");
    assert!(second.errors.contains("in use by another gatelodge"), "{second:?}");
    assert_eq!(desk.done(&["links", "list"])["open"][0], json!(["home", host.link]));
    assert_eq!(host.stop().code, Some(0));
}

#[test]
fn being_told_to_end_it_ends_everything_in_time() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let polite = desk.add_counting("polite");
    // Neither the server nor its own child listens to SIGTERM, or to the end of the input.
    let stubborn = crate::desk::Lifeline::new(desk.home.path(), "stubborn");
    let script = r#"trap "" TERM HUP; (while :; do sleep 1; done) & "$0" <&0; while :; do sleep 1; done"#;
    let server = crate::desk::counting_server();
    let hold = stubborn.hold(&["sh", "-c", script, server.to_str().unwrap()]);
    let mut add = vec!["servers", "add", "stubborn", "--"];
    add.extend(hold.iter().map(String::as_str));
    desk.done(&add);
    desk.lend(&machine.fingerprint("default"), "Notebook", &["polite", "stubborn"]);
    let host = desk.start();
    let mut clients: Vec<_> = ["polite", "stubborn"]
        .iter()
        .map(|server| machine.connect("default", &host.link, &[server]))
        .collect();
    let waiting: Vec<_> = clients
        .iter_mut()
        .map(|client| {
            client.initialize();
            client.begin_waiting()
        })
        .collect();
    let held = [polite.held(), stubborn.held()];
    let told = Instant::now();
    let ended = host.stop();
    assert!(told.elapsed() < Duration::from_secs(6), "{:?}", told.elapsed());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for held in held {
        assert!(held.gone() - told < Duration::from_secs(6));
    }
    for (mut client, call) in clients.into_iter().zip(waiting) {
        let answer = client.answer(call);
        assert!(answer["error"]["message"].as_str().unwrap().contains("shutting down"), "{answer}");
        assert_eq!(client.program.end().code, Some(7));
    }
}

#[test]
fn a_first_start_in_a_terminal_offers_to_lend_a_folder() {
    let (desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    let mut terminal = Terminal::start(desk.command(&["host"]));
    terminal.shows("Which folder do you want to lend");
    terminal.types("/there/is/no/such/folder");
    terminal.shows("cannot be lent");
    terminal.shows("Which folder do you want to lend");
    terminal.types(folder.path().to_str().unwrap());
    terminal.shows("Kept.");
    let servers = desk.done(&["servers", "list"]);
    let shared = &servers["servers"][0]["kind"]["folders"][0];
    assert_eq!(shared["path"], std::fs::canonicalize(folder.path()).unwrap().to_str().unwrap(), "{servers}");
    assert_eq!(shared["access"], "read-only", "{servers}");
}
