//! Tool calls that the person is asked about, on the terminal.

use nix::sys::signal::Signal;
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
    client: Client,
    _lifeline: Lifeline,
}

/// An agent that is in, whose calls are asked about.
fn start() -> Asked {
    let (desk, machine) = (Desk::new(), Machine::new());
    let lifeline = desk.add_counting("counting");
    desk.lend(&machine.fingerprint("default"), "Notebook", &[]);
    desk.done(&["grants", "set", "Notebook", "counting"]);
    let (terminal, link) = desk.on_terminal(&[]);
    let mut client = machine.connect("default", &link, &["counting"]);
    client.initialize();
    Asked { desk, machine, terminal, link, client, _lifeline: lifeline }
}

#[test]
fn a_call_waits_for_its_answer() {
    let Asked { desk, machine, mut terminal, link, mut client, _lifeline } = start();
    let call = client.begin("echo", json!({"path": "/etc/\u{202e}wd\u{1b}[2Jssap", "n": 7}));
    let prompt = terminal.shows(CHOICES);
    for shown in ["\"Notebook\" calls echo of counting", "/etc/", "\"n\":7"] {
        assert!(prompt.contains(shown), "{shown}: {prompt}");
    }
    assert!(!prompt.contains(['\u{1b}', '\u{202e}']), "{prompt:?}");
    // Others of the agent's messages pass meanwhile.
    assert!(client.request("tools/list", json!({})).get("result").is_some());
    terminal.answers("y");
    let answer = client.answer(call);
    assert_eq!(result(&answer).unwrap(), json!({"path": "/etc/\u{202e}wd\u{1b}[2Jssap", "n": 7}).to_string());

    let call = client.begin("count", json!({}));
    terminal.shows(CHOICES);
    terminal.answers("n");
    let answer = client.answer(call);
    assert!(answer.get("error").is_none(), "a no is a result that a model can read: {answer}");
    let sentence = result(&answer).unwrap_err();
    assert!(sentence.contains("The person who lends this server declined"), "{sentence}");

    // It was not made, and "always" is not asked about again, in another connection as little as in this one.
    let call = client.begin("count", json!({}));
    terminal.shows(CHOICES);
    terminal.answers("a");
    assert_eq!(result(&client.answer(call)).unwrap(), "1");
    assert_eq!(client.call("count", json!({})).unwrap(), "2");
    let mut again = machine.connect("default", &link, &["counting"]);
    again.initialize();
    assert_eq!(again.call("count", json!({})).unwrap(), "1");
    let grants = desk.done(&["grants", "list"]);
    assert_eq!(grants["grants"][0]["tools"]["tools"], json!({"count": "allow"}), "{grants}");
}

#[test]
fn a_caller_hears_that_it_is_being_asked_and_can_withdraw_the_call() {
    let Asked { desk, mut terminal, mut client, .. } = start();
    let call = client.ask("tools/call", json!({"name": "count", "_meta": {"progressToken": "mine"}}));
    let progress = client.heard("notifications/progress");
    assert_eq!(progress["progressToken"], "mine");
    assert!(!progress["message"].as_str().unwrap().is_empty(), "{progress}");
    terminal.shows(CHOICES);
    client.notify("notifications/cancelled", json!({"requestId": call}));
    terminal.shows("the question is not open any more");
    // An answer to it comes too late to do anything.
    terminal.types("y");
    let call = client.begin("count", json!({}));
    terminal.shows(CHOICES);
    terminal.answers("y");
    assert_eq!(result(&client.answer(call)).unwrap(), "1");

    // So does one when the agent has gone.
    client.begin("count", json!({}));
    // The late answer may have had the choices of the question before shown once more.
    terminal.shows("calls count of counting");
    terminal.shows(CHOICES);
    client.program.signal(Signal::SIGTERM);
    terminal.shows("the question is not open any more");
    assert_eq!(client.program.end().code, Some(0));
    drop(desk);
}

#[test]
fn a_server_that_is_asked_about_is_started_after_the_answer() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let lifeline = desk.add_counting("counting");
    desk.lend(&machine.fingerprint("default"), "Notebook", &[]);
    desk.done(&["grants", "set", "Notebook", "counting", "--tools", "allow", "--ask"]);
    let (mut terminal, link) = desk.on_terminal(&[]);
    let mut refused = machine.connect("default", &link, &[]);
    let call = refused.ask("initialize", json!({}));
    let prompt = terminal.shows("[y once / s this session / a always / n deny / e deny and end / b block]");
    assert!(prompt.contains("\"Notebook\" wants to use counting now"), "{prompt}");
    refused.program.error_line("asking its user whether this agent may use counting");
    terminal.answers("n");
    let error = refused.answer(call)["error"]["message"].as_str().unwrap().to_owned();
    assert!(error.contains("the desktop's user said no"), "{error}");
    assert_eq!(refused.program.end().code, Some(4));
    assert!(!lifeline.is_held(), "the server was started for nobody");

    let mut client = machine.connect("default", &link, &[]);
    let call = client.ask("initialize", json!({"protocolVersion": "2025-06-18"}));
    terminal.shows("[y once / s this session / a always / n deny / e deny and end / b block]");
    terminal.answers("y");
    assert_eq!(client.answer(call)["result"]["serverInfo"]["name"], "counting");
    assert!(lifeline.is_held());
}
