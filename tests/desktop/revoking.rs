//! Taking back what was lent, in the middle of a large answer.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::agent::Machine;
use crate::app::App;
use crate::desk::Desk;
use crate::road::Road;
use crate::waiting::until;

/// How long it may take from the click to the session's end.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What is read, in bytes: as much as one call may.
const SIZE: usize = 16 << 20;

/// What may be on its way still, in bytes: the engine's window.
const AFTERWARDS: u64 = 2 << 20;

#[test]
fn blocking_an_agent_while_it_reads_16_mib_ends_its_session_within_a_second() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let folder = desk.share_notes();
    let file = folder.join("large.txt");
    std::fs::write(&file, "x".repeat(SIZE)).unwrap();
    desk.lend(&machine.fingerprint("laptop"), "laptop", "notes", "allow");
    let app = App::start(&desk);
    let road = Road::to(&desk.link());
    let mut client = machine.connect("laptop", &road.link, &[]);
    client.initialize();
    let main = app.main();
    main.press("Agents");
    main.press_entry("laptop");
    main.press("Block");
    main.says("Block laptop?");

    // It reads again and again, so that it is in the middle of it whenever the click comes.
    let before = road.down();
    let reading = std::thread::spawn(move || {
        loop {
            let call = client.begin("read_text_file", json!({"path": file}));
            let answer = client.answer(call);
            if answer.get("error").is_some() {
                return (client, answer);
            }
        }
    });
    until("a read that is under way", || road.down() > before + SIZE as u64 / 16);
    main.press_last("Block");
    let clicked = Instant::now();
    until("the session's end", || desk.sessions() == 0);
    assert!(clicked.elapsed() < AT_ONCE, "it went on for {:?}", clicked.elapsed());
    let after = road.down();
    let (client, answer) = reading.join().unwrap();
    let reason = answer["error"]["message"].as_str().unwrap();
    assert!(reason.contains("revoked this agent"), "{reason}");
    assert_eq!(client.program.end().code, Some(7));
    assert!(road.down() < after + AFTERWARDS, "more was read after the end");
    main.says("It is turned away unasked.");
    desk.tray.says("Nobody is connected");
}
