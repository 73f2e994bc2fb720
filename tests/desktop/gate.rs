//! Closing the gate: everybody leaves, nobody gets in, until it is opened again.

use serde_json::json;

use crate::agent::{Client, Machine};
use crate::app::App;
use crate::desk::Desk;
use crate::tray::Picture;

fn start(desk: &Desk, machine: &Machine) {
    desk.share_notes();
    desk.lend(&machine.fingerprint("laptop"), "laptop", "notes", "allow");
}

fn connect(desk: &Desk, machine: &Machine) -> Client {
    let mut client = machine.connect("laptop", &desk.link(), &[]);
    client.initialize();
    client
}

#[test]
fn the_gate_closed_from_the_tray_ends_sessions_and_refuses_new_ones_until_it_is_opened() {
    let (desk, machine) = (Desk::new(), Machine::new());
    start(&desk, &machine);
    let app = App::start(&desk);
    desk.tray.shows(include_bytes!("../../icons/tray/quiet.png"));
    let client = connect(&desk, &machine);
    desk.tray.says("1 session is live");
    desk.tray.shows(include_bytes!("../../icons/tray/live.png"));

    desk.tray.click("Until I open it");
    let ended = client.program.end();
    assert_ne!(ended.code, Some(0), "{ended:?}");
    desk.tray.says("The gate is closed");
    desk.tray.shows(include_bytes!("../../icons/tray/closed.png"));
    assert_eq!(desk.sessions(), 0);
    let refused = machine.turned_away("laptop", &desk.link());
    assert_ne!(refused.code, Some(0), "{refused:?}");
    let unknown = machine.turned_away("unknown", &desk.link());
    assert_ne!(unknown.code, Some(0), "{unknown:?}");

    app.main().says("Gate closed");
    app.main().press("Open the gate");
    app.main().says("Gate open");
    desk.tray.says("Nobody is connected");
    let mut client = connect(&desk, &machine);
    assert!(client.request("ping", json!({})).get("result").is_some());
}

#[test]
fn the_gate_closed_from_the_window_asks_first_while_somebody_is_there() {
    let (desk, machine) = (Desk::new(), Machine::new());
    start(&desk, &machine);
    let app = App::start(&desk);
    let mut client = connect(&desk, &machine);
    let main = app.main();
    main.says("1 live session");
    main.press("Close gate");
    main.says("Close the gate?");
    main.press("Cancel");
    assert!(client.request("ping", json!({})).get("result").is_some());
    main.press("Close gate");
    main.press("Close the gate");
    assert_ne!(client.program.end().code, Some(0));
    desk.tray.says("The gate is closed");
    main.says("Nobody gets in until you open it.");
}

#[test]
fn a_forged_click_in_the_tray_does_not_open_the_gate() {
    let (desk, machine) = (Desk::new(), Machine::new());
    start(&desk, &machine);
    let app = App::start(&desk);
    let link = desk.link();
    desk.tray.click("Until I open it");
    desk.tray.says("The gate is closed");
    desk.tray.click("Open the gate…");
    // It leads to where the gate is opened.
    app.main().says("Open the gate");
    assert_ne!(machine.turned_away("laptop", &link).code, Some(0));
    desk.tray.says("The gate is closed");
}

impl crate::tray::Tray {
    /// Waits until the icon is this picture.
    #[track_caller]
    fn shows(&self, png: &[u8]) {
        let wanted = Picture::of(png).unwrap();
        crate::waiting::until("the tray's icon", || self.picture().is_some_and(|picture| picture == wanted));
    }
}
