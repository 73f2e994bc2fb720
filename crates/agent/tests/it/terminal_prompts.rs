//! Prompts on the terminal of `gatelodge host`, and what their answers do.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::agent::{Client, Machine};
use crate::desk::Desk;
use crate::program::Ended;
use crate::terminal::Terminal;

/// What is shown when a prompt waits for its answer.
const CHOICES: &str = "[y once / s this session / a always / n deny / b block]";

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
fn block_ends_all_sessions_of_the_agent_at_once() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let (mut terminal, link) = start(&desk, &[]);
    let mut others = machine.connect("others", &link, &[]);
    terminal.shows(CHOICES);
    terminal.answers("y");
    others.initialize();
    let mut first = knock(&mut terminal, &machine, "twice", &link);
    terminal.answers("y");
    first.initialize();
    let second = knock(&mut terminal, &machine, "twice", &link);
    terminal.answers("b");
    let said = Instant::now();
    let ended = first.program.end();
    assert!(said.elapsed() < Duration::from_secs(1), "it could go on for {:?}", said.elapsed());
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(ended.errors.contains("has blocked this agent"), "{ended:?}");
    assert!(refused(second).errors.contains("the desktop's user said no"));
    assert!(others.call("list_allowed_directories", json!({})).is_ok());
}

#[test]
fn block_ends_them_as_well_where_a_known_agent_asks_for_a_server() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let (_asked, _open) = (desk.add_counting("asked"), desk.add_counting("open"));
    desk.lend(&machine.fingerprint("default"), "Notebook", &["open"]);
    desk.done(&["grants", "set", "Notebook", "asked", "--tools", "allow", "--ask"]);
    let (mut terminal, link) = desk.on_terminal(&[]);
    let mut open = machine.connect("default", &link, &["open"]);
    open.initialize();
    let mut asked = machine.connect("default", &link, &["asked"]);
    asked.ask("initialize", json!({}));
    terminal.shows("e deny and end / b block]");
    terminal.answers("b");
    let said = Instant::now();
    let ended = open.program.end();
    assert!(said.elapsed() < Duration::from_secs(1), "it could go on for {:?}", said.elapsed());
    assert_eq!(ended.code, Some(7), "{ended:?}");
    refused(asked);
    assert_eq!(desk.done(&["agents", "list"])["agents"][0]["state"], "blocked");
}

#[test]
fn it_is_said_that_an_agent_is_not_reachable_while_its_question_is_open() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let (mut terminal, link) = start(&desk, &[]);
    let killed = knock(&mut terminal, &machine, "killed", &link);
    killed.program.signal(Signal::SIGKILL);
    terminal.shows("its agent is not reachable at the moment");
    // It has no session to come back to, so that its question goes with the path.
    terminal.shows("the question is not open any more");
    assert_eq!(desk.done(&["sessions", "list"])["sessions"], json!([]));
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
    told.program.signal(Signal::SIGTERM);
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
