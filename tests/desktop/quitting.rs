//! The end: asked about while somebody is there, and complete.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::agent::Machine;
use crate::app::{App, has_ended};
use crate::desk::Desk;
use crate::screen::ESCAPE;
use crate::waiting::{stays, until};

/// How long it may take from the yes to the end of the last process.
const AT_MOST: Duration = Duration::from_secs(3);

#[test]
fn quitting_with_sessions_asks_and_then_leaves_no_process() {
    let (desk, machine) = (Desk::new(), Machine::new());
    desk.add_hostile("127.0.0.1:9");
    desk.done(&["links", "add", "home", "tcp://127.0.0.1:0"]);
    desk.lend(&machine.fingerprint("laptop"), "laptop", "hostile", "allow");
    let app = App::start(&desk);
    let mut client = machine.connect("laptop", &desk.link(), &[]);
    client.initialize();
    let (started, lines): (Vec<_>, Vec<_>) = desk.processes().into_iter().unzip();
    assert!(lines.iter().any(|line| line.contains("hostile")), "{lines:?}");

    let dialog = ask_to_quit(&desk);
    desk.screen.press(ESCAPE);
    until("the end of the question", || !desk.screen.windows().iter().any(|window| window.id == dialog));
    stays("the app", Duration::from_secs(1), || app.runs());
    assert!(client.request("ping", json!({})).get("result").is_some());

    let dialog = ask_to_quit(&desk);
    let quit = desk.choose_quit(dialog);
    let asked = Instant::now();
    quit();
    until("the app's end", || !app.runs());
    let gone = || started.iter().all(|&process| has_ended(process));
    until("the end of all it has started", || gone() && desk.processes().is_empty());
    assert!(asked.elapsed() < AT_MOST, "it took {:?}", asked.elapsed());
    assert_ne!(client.program.end().code, Some(0));
}

#[test]
fn quitting_with_nobody_there_asks_nothing() {
    let desk = Desk::new();
    desk.share_notes();
    let app = App::start(&desk);
    desk.link();
    let asked = Instant::now();
    app.quit();
    until("the end of all it has started", || desk.processes().is_empty());
    assert!(asked.elapsed() < AT_MOST, "it took {:?}", asked.elapsed());
}

#[track_caller]
fn ask_to_quit(desk: &Desk) -> u32 {
    desk.tray.click("Quit");
    let dialog = desk.screen.window("Quit Gatelodge?");
    desk.screen.activate(dialog);
    dialog
}

impl Desk {
    /// How to say yes in the question.
    fn choose_quit(&self, dialog: u32) -> impl Fn() {
        let (x, y, width, height) = self.screen.place_of(dialog).unwrap();
        let (width, height) = (i32::try_from(width).unwrap(), i32::try_from(height).unwrap());
        // The two buttons share the bottom of the dialog.
        move || self.screen.click(x + width / 4, y + height - 16)
    }
}
