//! Taking back what was lent, in the middle of a large answer.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::agent::Machine;
use crate::app::App;
use crate::desk::Desk;
use crate::road::Road;

/// How long it may take from the click to the session's end.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What is read, in bytes: as much as one call may.
const SIZE: usize = 16 << 20;

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

    let before = road.down();
    let call = client.begin("read_text_file", json!({"path": file}));
    while road.down() < before + SIZE as u64 / 16 {
        std::hint::spin_loop();
    }
    // The rest stays on the way until the click.
    road.close();
    main.press_last("Block");
    let clicked = Instant::now();
    crate::waiting::until("the session's end", || desk.sessions() == 0);
    assert!(clicked.elapsed() < AT_ONCE, "it went on for {:?}", clicked.elapsed());
    road.open();
    let answer = client.answer(call);
    assert!(answer.get("error").is_some(), "the agent got {} bytes", answer.to_string().len());
    let ended = client.program.end();
    assert_ne!(ended.code, Some(0), "{ended:?}");
    main.says("Blocked");
    desk.tray.says("Nobody is connected");
}
