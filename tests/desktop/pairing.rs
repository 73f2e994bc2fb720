//! An invitation from the running app, and the agent that answers to it.

use serde_json::json;

use crate::agent::Machine;
use crate::app::{App, PROMPT};
use crate::desk::Desk;
use crate::program::Program;

#[test]
fn an_invited_agent_is_paired_by_a_prompt_that_says_who_it_is() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let folder = desk.share_notes();
    let app = App::start(&desk);
    desk.link();
    let invited = desk.done(&["invitations", "new"]);
    let mut pairing = Program::start(machine.command(&["pair", "--name", "laptop", "--as", "studio"]));
    pairing.write(invited["link"].as_str().unwrap());
    pairing.close_input();

    let prompt = app.look_at_prompt("Pair this agent?");
    prompt.says("Unknown, calls itself");
    prompt.says("laptop");
    let fingerprint = machine.fingerprint("default");
    let shown: String = prompt.text().split_whitespace().collect();
    assert!(shown.contains(&fingerprint), "{fingerprint} is not in {shown}");
    // The least is preset: this session, and to read.
    let preset = "return [document.querySelector('input[name=duration]:checked').value,
        document.querySelector('select').value]";
    assert_eq!(prompt.run(preset, &[]), Some(json!(["session", "read-only"])));
    app.click(prompt, "Until I revoke it");
    app.click(prompt, "Pair, lend 1 server");
    assert_eq!(pairing.end().code, Some(0));
    desk.screen.is_closed(PROMPT);

    let mut client = machine.connect("default", "studio", &[]);
    client.initialize();
    let path = folder.join("note.txt");
    assert_eq!(client.call("read_text_file", json!({"path": path})).unwrap(), "buy milk");
    let written = client.call("write_file", json!({"path": path, "content": "buy wine"}));
    assert!(written.is_err(), "it was lent to read: {written:?}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "buy milk");
}
