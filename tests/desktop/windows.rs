//! The main window comes and goes; the app stays in the tray.

use crate::app::{App, MAIN};
use crate::desk::Desk;
use crate::waiting::{eventually, until};

fn web_processes(desk: &Desk) -> usize {
    desk.processes().iter().filter(|(_, line)| line.contains("WebKitWebProcess")).count()
}

#[test]
fn a_closed_window_leaves_the_app_in_the_tray_and_frees_its_web_process() {
    let desk = Desk::new();
    let app = App::start(&desk);
    app.main().says("Share a folder");
    assert_eq!(web_processes(&desk), 1);
    desk.screen.close(desk.screen.window(MAIN));
    desk.screen.is_closed(MAIN);
    until("the end of the web process", || web_processes(&desk) == 0);
    assert!(app.runs() && desk.tray.has_icon());
    desk.tray.click("Open Gatelodge");
    desk.screen.window(MAIN);
    assert!(app.runs());
}

#[test]
fn the_window_comes_back_where_it_was() {
    let desk = Desk::new();
    let _app = App::start(&desk);
    let window = desk.screen.window(MAIN);
    desk.screen.place(window, 120, 90, 900, 640);
    let place = eventually("another place", || {
        // It is moved and resized in two steps, and the window manager adds its frame.
        let moved = |x: i32| (120..200).contains(&x);
        let place = desk.screen.place_of(window);
        place.filter(|(x, _, width, height)| (*width, *height) == (900, 640) && moved(*x))
    });
    desk.screen.close(window);
    desk.screen.is_closed(MAIN);
    desk.tray.click("Open Gatelodge");
    let window = desk.screen.window(MAIN);
    until(&format!("the place {place:?}"), || desk.screen.place_of(window) == Some(place));
}

#[test]
fn starting_with_the_session_is_written_and_taken_back() {
    let desk = Desk::new();
    desk.share_notes();
    let app = App::start(&desk);
    let folder = desk.session.home().join(".config/autostart");
    let entries = || {
        let files = std::fs::read_dir(&folder).into_iter().flatten();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(entries(), [] as [&str; 0], "it is off until it is turned on");
    let main = app.main();
    main.press("Settings");
    main.press("Start when I log in");
    let entry = eventually("an entry for the session's start", || entries().pop());
    assert!(entry.lines().any(|line| line.starts_with("Exec=") && line.ends_with("--hidden")), "{entry}");
    main.press("Start when I log in");
    until("no entry any more", || entries().is_empty());
}
