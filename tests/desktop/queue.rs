//! Many requests at a time: one is visible, each gets its own answer.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::agent::{Client, Machine, result};
use crate::app::{App, PROMPT};
use crate::desk::Desk;
use crate::waiting::eventually;

const AGENTS: [&str; 3] = ["alpha", "beta", "gamma"];
/// As many as one agent may have waiting.
const CALLS: usize = 4;

#[test]
fn twelve_requests_of_three_agents_are_answered_one_by_one() {
    let (desk, machine) = (Desk::new(), Machine::new());
    desk.add_hostile("127.0.0.1:9");
    desk.done(&["links", "add", "home", "tcp://127.0.0.1:0"]);
    for agent in AGENTS {
        desk.lend(&machine.fingerprint(agent), agent, "hostile", "ask");
    }
    let app = App::start(&desk);
    let link = desk.link();
    let mut calls = Vec::new();
    for agent in AGENTS {
        let mut client = machine.connect(agent, &link, &[]);
        client.initialize();
        let begun: Vec<_> = (0..CALLS)
            .map(|number| client.begin("echo", json!({"call": format!("{agent}-{number}-please")})))
            .collect();
        calls.push((agent, client, begun));
    }
    let prompt = app.prompt();
    prompt.says("1 of 12");
    desk.tray.says("12 requests wait for you");
    // One notification for all of them.
    assert_eq!(desk.notices.says("11 more wait.").title, "alpha asks");

    app.focus_prompt();
    let names =
        AGENTS.iter().flat_map(|agent| (0..CALLS).map(move |number| format!("{agent}-{number}-please")));
    let mut left: BTreeSet<String> = names.collect();
    while !left.is_empty() {
        let call = eventually("the next call", || {
            let text = prompt.text();
            left.iter().find(|call| text.contains(call.as_str())).cloned()
        });
        assert_eq!(desk.screen.windows().iter().filter(|window| window.title == PROMPT).count(), 1);
        let even = call.contains("-0-") || call.contains("-2-");
        app.click(prompt, if even { "Allow once" } else { "Deny" });
        prompt.says_no_more(&call);
        left.remove(&call);
    }
    desk.screen.is_closed(PROMPT);
    for (agent, mut client, begun) in calls {
        // They come in the order of the decisions.
        let answers: HashMap<u64, Value> = (0..CALLS).map(|_| next_answer(&mut client)).collect();
        for (number, call) in begun.into_iter().enumerate() {
            let outcome = result(&answers[&call]);
            match number % 2 {
                0 => assert_eq!(outcome, Ok(json!({"call": format!("{agent}-{number}-please")}).to_string())),
                _ => assert!(outcome.unwrap_err().contains("declined"), "{agent} {number}"),
            }
        }
    }
    assert!(desk.notices.shown().iter().all(|notice| !notice.title.contains("asks")));
}

/// Waits for the next answer to whatever was asked: the request's number, and the answer.
fn next_answer(client: &mut Client) -> (u64, Value) {
    client.program.line(|line| {
        let message: Value = serde_json::from_str(line).unwrap();
        Some((message["id"].as_u64()?, message))
    })
}
