//! Prompts on the terminal of `gatelodge host`, and what their answers do.

use serde_json::json;

use crate::agent::{Client, Machine};
use crate::desk::Desk;
use crate::program::Ended;
use crate::terminal::Terminal;

/// What is shown when a prompt waits for its answer.
const CHOICES: &str = "[y once / a always / n deny / b block]";

/// A desktop on a terminal that lends a folder to whom it is told to let in.
fn start(desk: &Desk, arguments: &[&str]) -> (Terminal, String) {
    let mut all = vec!["--share", desk.home.path().to_str().unwrap()];
    all.extend(arguments);
    desk.on_terminal(&all)
}

/// An agent knocks, and the prompt about it is shown.
fn knock(terminal: &mut Terminal, machine: &Machine, profile: &str, link: &str) -> Client {
    let mut client = machine.connect(profile, link, &[]);
    client.program.error_line("asking its user whether to let this agent in");
    let prompt = terminal.shows(CHOICES);
    for shown in
        [&format!("calls itself \"{profile}\""), &machine.fingerprint(profile), "It would get: files"]
    {
        assert!(prompt.contains(shown), "{shown}: {prompt}");
    }
    client
}

fn refused(client: Client) -> Ended {
    let ended = client.program.end();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    ended
}

#[test]
fn once_always_no_and_block_do_what_they_say() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let (mut terminal, link) = start(&desk, &[]);

    let mut once = knock(&mut terminal, &machine, "once", &link);
    terminal.answers("y");
    once.initialize();
    drop(once);
    let again = knock(&mut terminal, &machine, "once", &link);
    terminal.answers("n");
    assert!(refused(again).errors.contains("the desktop's user said no"));

    let mut always = knock(&mut terminal, &machine, "always", &link);
    terminal.answers("a");
    always.initialize();
    assert!(always.call("list_allowed_directories", json!({})).is_ok());
    drop(always);

    let block = knock(&mut terminal, &machine, "block", &link);
    terminal.answers("b");
    assert!(refused(block).errors.contains("the desktop's user said no"));

    let agents = desk.done(&["agents", "list"]);
    let states: Vec<_> =
        agents["agents"].as_array().unwrap().iter().map(|agent| (&agent["label"], &agent["state"])).collect();
    assert_eq!(states, [(&json!("always"), &json!("trusted")), (&json!("block"), &json!("blocked"))]);

    let known = |terminal: &mut Terminal, link: &str| {
        machine.connect("always", link, &[]).initialize();
        terminal.shows("\"always\" is in");
        refused(machine.connect("block", link, &[]));
        let shown = terminal.shows("the agent is blocked");
        assert!(!shown.contains(CHOICES), "{shown}");
    };
    known(&mut terminal, &link);
    // Also of a new process, when the one before had no chance to put anything in order.
    drop(terminal);
    let (mut terminal, link) = start(&desk, &[]);
    known(&mut terminal, &link);
}

#[test]
fn what_is_typed_before_anybody_can_have_read_the_question_is_no_answer() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let (mut terminal, link) = start(&desk, &[]);
    // Before there is a question at all.
    terminal.types("y");
    terminal.types("a");
    let client = knock(&mut terminal, &machine, "default", &link);
    terminal.types("y");
    terminal.shows("has not been in view and in focus for long enough");
    terminal.answers("maybe");
    terminal.shows("Please type one of these");
    terminal.types("n");
    terminal.shows("Denied.");
    refused(client);
    assert_eq!(desk.done(&["agents", "list"])["agents"], json!([]));
}

#[test]
fn no_answer_in_time_is_no() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let (mut terminal, link) = start(&desk, &["--approval-seconds", "2"]);
    let client = knock(&mut terminal, &machine, "default", &link);
    terminal.shows("the question is not open any more");
    let ended = client.program.end();
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.errors.contains("(up to 2 s)"), "{ended:?}");
    assert!(ended.errors.contains("did not answer in time"), "{ended:?}");
    // An answer that comes after that is one to nothing.
    terminal.types("y");
    assert_eq!(desk.done(&["sessions", "list"])["sessions"], json!([]));
}

#[test]
fn nobody_is_asked_about_an_agent_that_has_left() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let (mut terminal, link) = start(&desk, &[]);
    let mut left = knock(&mut terminal, &machine, "left", &link);
    left.program.close_input();
    terminal.shows("the question is not open any more");
    assert_eq!(left.program.end().code, Some(0));
    let told = knock(&mut terminal, &machine, "told", &link);
    told.program.signal(nix::sys::signal::Signal::SIGTERM);
    terminal.shows("the question is not open any more");
    assert_eq!(told.program.end().code, Some(0));
}

#[test]
fn an_agent_that_claims_a_known_name_is_shown_as_another_one() {
    let (desk, machine, other) = (Desk::new(), Machine::new(), Machine::new());
    desk.done(&["agents", "trust", &machine.fingerprint("laptop"), "laptop"]);
    let (mut terminal, link) = start(&desk, &[]);
    let client = other.connect("laptop", &link, &[]);
    let prompt = terminal.shows(CHOICES);
    assert!(prompt.contains("It is NOT the agent that you know under that name."), "{prompt}");
    // Being let in for good, it cannot have that name.
    terminal.answers("n");
    refused(client);
}
