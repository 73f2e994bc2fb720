//! No keychain, or a locked one: a screen of its own, and nothing else until there is one.

use crate::app::App;
use crate::desk::Desk;
use crate::waiting::{eventually, until};

#[test]
fn without_a_keychain_the_app_says_so_and_goes_on_by_itself_once_there_is_one() {
    let desk = Desk::without_keyring();
    let app = App::start(&desk);
    app.main().says("There is no keychain");
    desk.tray.says("Something needs your attention");
    app.main().press("Try again");
    app.main().says("There is no keychain");
    let _keyring = desk.start_keyring();
    app.main().says("Share a folder");
    desk.tray.says("Nobody is connected");
}

#[test]
fn a_locked_keychain_is_said_and_the_app_goes_on_by_itself_once_it_is_unlocked() {
    let desk = Desk::new();
    desk.share_notes();
    let app = App::start(&desk);
    desk.link();
    let identity = desk.done(&["status"])["fingerprint"].clone();
    app.quit();
    desk.session.lock_keyring();

    let app = App::start(&desk);
    app.main().says("The keychain is locked");
    desk.tray.says("Something needs your attention");
    app.main().press("Try again");
    app.main().says("The keychain is locked");
    desk.session.unlock_keyring();
    app.main().says("Overview");
    desk.tray.says("Nobody is connected");
    desk.link();
    assert_eq!(desk.done(&["status"])["fingerprint"], identity);
}

#[test]
fn a_keychain_that_is_locked_meanwhile_is_said_and_it_is_said_when_it_is_open_again() {
    let (desk, machine) = (Desk::new(), crate::agent::Machine::new());
    desk.share_notes();
    let app = App::start(&desk);
    let link = desk.link();
    desk.session.lock_keyring();
    // It is noticed when it is needed.
    let refused = machine.turned_away("laptop", &link);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    app.main().says("The keychain is locked");
    desk.tray.says("Something needs your attention");
    desk.session.unlock_keyring();
    app.main().press("Try again");
    app.main().says("Overview");
    let mut client = machine.connect("laptop", &link, &[]);
    app.answer("Let this agent in?", "Let it in");
    client.initialize();
    until("no trouble", || !desk.tray.texts().iter().any(|text| text.contains("attention")));
    eventually("a session", || (desk.sessions() == 1).then_some(()));
}
