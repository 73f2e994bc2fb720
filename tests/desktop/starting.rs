//! The app starts, is in the tray, asks about an agent, and lets it read a file once the person has said yes.

use serde_json::json;

use crate::agent::Machine;
use crate::app::App;
use crate::desk::Desk;

#[test]
fn an_agent_that_knocks_reads_a_file_after_the_yes_of_a_person() {
    let desk = Desk::new();
    let folder = desk.share_notes();
    let app = App::start(&desk);
    desk.tray.says("Nobody is connected");
    app.main().says("Overview");

    let machine = Machine::new();
    let mut client = machine.connect("build-box", &desk.link(), &[]);
    let prompt = app.look_at_prompt("Let this agent in?");
    prompt.says("build-box");
    app.click(prompt, "Let it in");
    client.initialize();
    let note = client.call("read_text_file", json!({"path": folder.join("note.txt")})).unwrap();
    assert_eq!(note, "buy milk");
    desk.tray.says("1 session is live");
}
