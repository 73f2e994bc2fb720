//! Clicks and keys that nobody meant for the prompt: none of them lets anybody in.

use std::time::Duration;

use crate::agent::{Client, Machine};
use crate::app::{App, PROMPT};
use crate::desk::Desk;
use crate::screen::{ENTER, Notepad};
use crate::waiting::{eventually, stays, until};

/// Longer than the prompt takes to be armed.
const WHILE: Duration = Duration::from_millis(2500);

struct Knock {
    desk: Desk,
    machine: Machine,
}

impl Knock {
    fn new() -> Self {
        let (desk, machine) = (Desk::new(), Machine::new());
        desk.share_notes();
        Self { desk, machine }
    }

    fn knock(&self) -> Client {
        self.machine.connect("build-box", &self.desk.link(), &[])
    }
}

/// Watches that the question stays open, and then that it can be answered as ever.
#[track_caller]
fn decides_nothing(app: &App<'_>, mut client: Client) {
    app.prompt().says("Let this agent in?");
    stays("the question", WHILE, || app.prompt().text().contains("Let this agent in?"));
    assert_eq!(app.desk.done(&["agents", "list"])["agents"], serde_json::json!([]));
    app.answer("Let this agent in?", "Let it in");
    client.initialize();
}

#[test]
fn a_forged_click_on_a_notification_lets_nobody_in() {
    let knock = Knock::new();
    let app = App::start(&knock.desk);
    let client = knock.knock();
    let notice = knock.desk.notices.says("An unknown agent asks");
    assert_eq!(notice.actions, ["default"], "it only opens the prompt");
    for action in ["default", "approve", "allow", "always", "once", "yes", "0", "1"] {
        knock.desk.notices.forge(notice.id, action);
    }
    decides_nothing(&app, client);
}

#[test]
fn a_click_on_a_notification_opens_the_prompt() {
    let knock = Knock::new();
    let app = App::start(&knock.desk);
    let _client = knock.knock();
    knock.desk.notices.says("An unknown agent asks");
    let prompt = knock.desk.screen.window(PROMPT);
    app.prompt().says("Let this agent in?");
    knock.desk.screen.close(prompt);
    knock.desk.screen.is_closed(PROMPT);
    // Who puts it away has not decided.
    knock.desk.tray.says("1 request waits for you");
    knock.desk.notices.click_latest();
    app.prompt().says("Let this agent in?");
}

#[test]
fn forged_clicks_in_the_tray_let_nobody_in() {
    let knock = Knock::new();
    let app = App::start(&knock.desk);
    let client = knock.knock();
    knock.desk.tray.says("1 request waits for you");
    knock.desk.tray.click("build-box wants to come in…");
    knock.desk.tray.click("Open Gatelodge");
    // Numbers of entries that there are not.
    for id in [0, -1, 10_000, i32::MAX] {
        knock.desk.tray.send_click(id);
    }
    decides_nothing(&app, client);
}

#[test]
fn enter_that_was_held_before_the_prompt_came_up_lets_nobody_in() {
    let knock = Knock::new();
    let app = App::start(&knock.desk);
    let screen = &knock.desk.screen;
    let _pad = Notepad::open(screen);
    screen.hold_key(ENTER);
    let client = knock.knock();
    app.look_at_prompt("Let this agent in?");
    until("an armed prompt", || app.prompt().find("Let it in").is_some());
    // As somebody would who holds it with the wrong button in focus.
    app.prompt().run("document.querySelector('[data-approve]').focus()", &[]);
    stays("the question", WHILE, || app.prompt().text().contains("Let this agent in?"));
    screen.release_key(ENTER);
    decides_nothing(&app, client);
}

#[test]
fn a_button_that_was_held_before_the_prompt_came_up_lets_nobody_in() {
    let knock = Knock::new();
    let app = App::start(&knock.desk);
    let screen = &knock.desk.screen;
    // Where the button will be: windows come up in the same place.
    let first = knock.machine.connect("other", &knock.desk.link(), &[]);
    app.look_at_prompt("Let this agent in?");
    let (x, y) = eventually("the place of the button", || app.place_of(app.prompt(), "Let it in"));
    app.answer("Let this agent in?", "Deny");
    assert_eq!(first.program.end().code, Some(4));
    screen.is_closed(PROMPT);

    screen.point(x, y);
    screen.hold_button();
    let client = knock.knock();
    app.prompt().says("Let this agent in?");
    stays("the question", WHILE, || app.prompt().text().contains("Let this agent in?"));
    screen.release_button();
    decides_nothing(&app, client);
}

#[test]
fn a_click_in_the_moment_in_which_the_prompt_comes_up_lets_nobody_in() {
    let knock = Knock::new();
    let app = App::start(&knock.desk);
    let screen = &knock.desk.screen;
    let first = knock.machine.connect("other", &knock.desk.link(), &[]);
    app.look_at_prompt("Let this agent in?");
    let (x, y) = eventually("the place of the button", || app.place_of(app.prompt(), "Let it in"));
    app.answer("Let this agent in?", "Deny");
    assert_eq!(first.program.end().code, Some(4));
    screen.is_closed(PROMPT);

    let client = knock.knock();
    // One click brings the window to the front, more follow within the second in which none counts.
    screen.window(PROMPT);
    app.prompt().says("build-box");
    for _ in 0..8 {
        screen.click(x, y);
    }
    decides_nothing(&app, client);
}
