//! Answers that count until a session ends, answers that end it, and grants that end while it lasts.

use serde_json::json;

use crate::agent::{Client, Machine, result};
use crate::desk::{Desk, Lifeline};
use crate::terminal::Terminal;

const CHOICES: &str = "[y once / s this session / a always / n deny / e deny and end / b block]";

struct Asked {
    desk: Desk,
    machine: Machine,
    terminal: Terminal,
    link: String,
    lifeline: Lifeline,
}

/// A desktop on a terminal, and a known agent with this grant for its only server.
fn start(grant: &[&str]) -> Asked {
    let (desk, machine) = (Desk::new(), Machine::new());
    let lifeline = desk.add_counting("counting");
    desk.lend(&machine.fingerprint("default"), "Notebook", &[]);
    desk.done(&[&["grants", "set", "Notebook", "counting"], grant].concat());
    let (terminal, link) = desk.on_terminal(&[]);
    Asked { desk, machine, terminal, link, lifeline }
}

fn connect(machine: &Machine, link: &str) -> Client {
    let mut client = machine.connect("default", link, &["counting"]);
    client.initialize();
    client
}

#[test]
fn a_tool_is_allowed_until_the_session_ends() {
    let Asked { desk, machine, mut terminal, link, .. } = start(&[]);
    let mut client = connect(&machine, &link);
    let call = client.begin("count", json!({}));
    terminal.shows(CHOICES);
    terminal.answers("s");
    terminal.shows("Allowed for this session.");
    assert_eq!(result(&client.answer(call)).unwrap(), "1");
    assert_eq!(client.call("count", json!({})).unwrap(), "2");
    // Another tool is another question.
    let call = client.begin("echo", json!({}));
    let prompt = terminal.shows(CHOICES);
    assert!(prompt.contains("calls echo"), "{prompt}");
    terminal.types("n");
    assert!(result(&client.answer(call)).is_err());
    // A change elsewhere does not end what was allowed here.
    let _other = desk.add_counting("other");
    desk.done(&["grants", "set", "Notebook", "other"]);
    assert_eq!(client.call("count", json!({})).unwrap(), "3");
    let grants = desk.done(&["grants", "list"]);
    assert!(!grants.to_string().contains("allow"), "{grants}");
    drop(client);

    let mut again = connect(&machine, &link);
    let call = again.begin("count", json!({}));
    terminal.shows(CHOICES);
    terminal.types("n");
    assert!(result(&again.answer(call)).is_err());
}

#[test]
fn a_server_is_open_until_the_session_ends() {
    let Asked { desk, machine, mut terminal, link, .. } = start(&["--tools", "allow", "--ask"]);
    for _ in 0..2 {
        let mut client = machine.connect("default", &link, &["counting"]);
        let call = client.ask("initialize", json!({"protocolVersion": "2025-06-18"}));
        terminal.shows(CHOICES);
        terminal.answers("s");
        assert_eq!(client.answer(call)["result"]["serverInfo"]["name"], "counting");
        drop(client);
    }
    let grants = desk.done(&["grants", "list"]);
    assert_eq!(grants["grants"][0]["entry"], "ask", "{grants}");
}

#[test]
fn a_no_can_end_the_session_at_once() {
    let Asked { desk, machine, mut terminal, link, lifeline } = start(&[]);
    let mut client = connect(&machine, &link);
    client.begin("count", json!({}));
    let held = lifeline.held();
    terminal.shows(CHOICES);
    // It needs no second look.
    terminal.types("e");
    terminal.shows("Denied; the session ends.");
    let ended = client.program.end();
    assert!(ended.errors.contains("the desktop's user said no and ended this session"), "{ended:?}");
    assert_eq!(ended.code, Some(4), "{ended:?}");
    held.gone();
    // It is known as before, and may come back.
    let mut again = connect(&machine, &link);
    let call = again.begin("count", json!({}));
    terminal.shows(CHOICES);
    terminal.answers("y");
    assert_eq!(result(&again.answer(call)).unwrap(), "1");
    let log = desk.done(&["activity", "list", "--limit", "100"]);
    assert!(log.to_string().contains("\"answer\":\"ended\""), "{log}");
}

#[test]
fn an_agent_can_be_blocked_where_a_call_of_it_is_asked_about() {
    let Asked { desk, machine, mut terminal, link, .. } = start(&[]);
    let mut client = connect(&machine, &link);
    client.begin("count", json!({}));
    terminal.shows(CHOICES);
    // What is remembered has to be meant.
    terminal.types("b");
    terminal.shows("has not been in view and in focus for long enough");
    terminal.answers("b");
    terminal.shows("Blocked.");
    assert_eq!(client.program.end().code, Some(4));
    terminal.shows_line("the desktop's user said no");
    machine.turned_away("default", &link);
    assert_eq!(desk.done(&["agents", "list"])["agents"][0]["state"], "blocked");
}

#[test]
fn an_empty_line_before_anybody_can_have_read_the_question_is_no_answer() {
    let Asked { machine, mut terminal, link, desk: _desk, .. } = start(&[]);
    let mut client = connect(&machine, &link);
    let call = client.begin("count", json!({}));
    terminal.shows(CHOICES);
    terminal.types("");
    terminal.shows("has not been in view and in focus for long enough");
    terminal.answers("y");
    assert_eq!(result(&client.answer(call)).unwrap(), "1");
}

#[test]
fn a_grant_that_ends_while_it_is_used_ends_the_connection() {
    let Asked { machine, link, lifeline, terminal: _terminal, desk: _desk } =
        start(&["--tools", "allow", "--for", "12s"]);
    let mut client = connect(&machine, &link);
    let call = client.begin_waiting();
    let held = lifeline.held();
    // Neither side says anything more.
    let answer = client.answer(call);
    assert!(answer["error"]["message"].as_str().unwrap().contains("has expired"), "{answer}");
    held.gone();
    let ended = client.program.end();
    assert!(ended.errors.contains("the access to this server has expired"), "{ended:?}");
}

#[test]
fn arguments_too_long_for_a_terminal_are_not_allowed_on_one() {
    let Asked { machine, mut terminal, link, desk: _desk, .. } = start(&[]);
    let mut client = connect(&machine, &link);
    let call = client.begin("echo", json!({"text": "x".repeat(100_000)}));
    let prompt = terminal.shows("[n deny / e deny and end / b block]");
    assert!(prompt.contains("cannot be allowed here"), "the person is not told why");
    terminal.answers("y");
    terminal.shows("That is not possible here");
    terminal.types("n");
    assert!(result(&client.answer(call)).is_err());
}
