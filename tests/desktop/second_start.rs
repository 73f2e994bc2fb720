//! The app is there once: whoever starts it again sees the one that runs.

use gatelodge_tests::TrayApp;

use crate::app::{App, MAIN};
use crate::desk::Desk;
use crate::program::Program;

fn start_again(desk: &Desk, arguments: &[&str]) {
    let mut command = desk.command(&TrayApp::get().automated);
    command.args(arguments);
    let ended = Program::run(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_second_start_shows_the_window_of_the_first() {
    let desk = Desk::new();
    let _app = App::start(&desk);
    desk.screen.close(desk.screen.window(MAIN));
    desk.screen.is_closed(MAIN);
    start_again(&desk, &[]);
    desk.screen.window(MAIN);
    // Without a window of its own, as the session starts it, it shows none either.
    desk.screen.close(desk.screen.window(MAIN));
    desk.screen.is_closed(MAIN);
    start_again(&desk, &["--hidden"]);
    assert_eq!(desk.screen.find(MAIN), None);
}

#[test]
fn a_link_that_is_opened_is_shown_by_the_app_that_runs() {
    let desk = Desk::new();
    desk.share_notes();
    let app = App::start(&desk);
    app.main().says("Overview");
    start_again(&desk, &["gatelodge://pair/0123456789"]);
    app.main().says("That link is an invitation for an agent’s machine.");
}
