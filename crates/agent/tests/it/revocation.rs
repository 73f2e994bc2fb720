//! Taking back: whatever an agent is doing in that moment, it is over at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::agent::{Client, Machine};
use crate::desk::{Desk, Held, Host, Lifeline};

/// How long it may take from the word to the end of the last process.
const AT_ONCE: Duration = Duration::from_secs(1);

struct Busy {
    desk: Desk,
    host: Host,
    client: Client,
    agent: String,
    call: u64,
    server: Held,
    _lifeline: Lifeline,
}

/// An agent in the middle of a call.
fn busy() -> Busy {
    let (desk, machine) = (Desk::new(), Machine::new());
    let lifeline = desk.add_counting("counting");
    let agent = machine.fingerprint("default");
    desk.lend(&agent, "Notebook", &["counting"]);
    let host = desk.start();
    let mut client = machine.connect("default", &host.link, &[]);
    client.initialize();
    let call = client.begin_waiting();
    let server = lifeline.held();
    Busy { desk, host, client, agent, call, server, _lifeline: lifeline }
}

/// Takes something back and checks that the call, the server's process and the connection are over.
fn is_over(mut busy: Busy, request: &Value, code: i32, reason: &str) -> (Desk, Host) {
    let asked = busy.desk.ask(request);
    let answer = busy.client.answer(busy.call);
    let heard = Instant::now();
    let gone = busy.server.gone();
    assert!(gone - asked < AT_ONCE, "the server's process was there for another {:?}", gone - asked);
    assert!(heard - asked < AT_ONCE, "the agent could go on for another {:?}", heard - asked);
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains(reason), "{message}");
    let ended = busy.client.program.end();
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(ended.errors.contains(reason), "{ended:?}");
    (busy.desk, busy.host)
}

#[test]
fn blocking_an_agent_ends_its_session() {
    let busy = busy();
    let request = json!({"request": "block", "agent": busy.agent});
    let (desk, mut host) = is_over(busy, &request, 7, "revoked this agent");
    host.event("ended");
    assert_eq!(desk.done(&["sessions", "list"])["sessions"], json!([]));
}

#[test]
fn forgetting_an_agent_ends_its_session() {
    let busy = busy();
    let request = json!({"request": "forget", "agent": busy.agent});
    let (desk, _host) = is_over(busy, &request, 7, "revoked this agent");
    assert_eq!(desk.done(&["agents", "list"])["agents"], json!([]));
}

#[test]
fn taking_a_grant_back_ends_what_is_done_under_it() {
    let busy = busy();
    let request = json!({"request": "remove_grant", "agent": busy.agent, "server": "counting"});
    is_over(busy, &request, 7, "was changed on the desktop");
}

#[test]
fn removing_a_server_ends_what_is_done_with_it() {
    let busy = busy();
    is_over(busy, &json!({"request": "remove_server", "server": "counting"}), 4, "removed on the desktop");
}

#[test]
fn ending_a_session_ends_what_is_done_in_it_and_the_agent_may_come_again() {
    let mut busy = busy();
    let session = busy.host.event("connected")["session"].clone();
    let request = json!({"request": "end_session", "session": session});
    is_over(busy, &request, 7, "ended the session");
}
