//! Ways to say no: a click, a click that counts for ever, and nothing at all.

use std::time::{Duration, Instant};

use crate::agent::Machine;
use crate::app::{App, PROMPT};
use crate::desk::Desk;
use crate::waiting::stays;

#[test]
fn a_denied_agent_does_not_come_in() {
    let (desk, machine) = (Desk::new(), Machine::new());
    desk.share_notes();
    let app = App::start(&desk);
    let client = machine.connect("build-box", &desk.link(), &[]);
    // A no counts at once, in a window that nobody has looked at for long.
    let prompt = app.prompt();
    prompt.says("Let this agent in?");
    app.click(prompt, "Deny");
    let ended = client.program.end();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    desk.screen.is_closed(PROMPT);
    assert_eq!(desk.done(&["agents", "list"])["agents"], serde_json::json!([]));
}

#[test]
fn a_blocked_agent_is_turned_away_without_a_question_from_then_on() {
    let (desk, machine) = (Desk::new(), Machine::new());
    desk.share_notes();
    let app = App::start(&desk);
    let link = desk.link();
    let client = machine.connect("build-box", &link, &[]);
    app.answer("Let this agent in?", "Block this agent");
    assert_eq!(client.program.end().code, Some(4));
    desk.screen.is_closed(PROMPT);
    let agents = desk.done(&["agents", "list"]);
    assert_eq!(agents["agents"][0]["state"], "blocked", "{agents}");

    let asked = desk.notices.all().len();
    assert_eq!(machine.turned_away("build-box", &link).code, Some(4));
    assert_eq!((desk.notices.all().len(), desk.screen.find(PROMPT)), (asked, None));
    app.main().press("Agents");
    app.main().says("Blocked");
}

#[test]
fn nobody_deciding_is_a_no() {
    let (desk, machine) = (Desk::new(), Machine::new());
    desk.share_notes();
    desk.done(&["settings", "set", "approval_timeout", "5"]);
    let app = App::start(&desk);
    let client = machine.connect("build-box", &desk.link(), &[]);
    let asked = desk.notices.says("An unknown agent asks");
    app.focus_prompt();
    let begun = Instant::now();
    let ended = client.program.end();
    assert!(ended.errors.contains("did not answer in time"), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    desk.screen.is_closed(PROMPT);
    // Nothing reminds of it any more.
    desk.notices.is_withdrawn(asked.id);
    desk.tray.says("Nobody is connected");
    stays("no prompt", Duration::from_secs(1), || desk.screen.find(PROMPT).is_none());
}

#[test]
fn nothing_in_the_prompt_moves_when_it_gets_the_focus() {
    let (desk, machine) = (Desk::new(), Machine::new());
    desk.share_notes();
    let app = App::start(&desk);
    let client = machine.connect("build-box", &desk.link(), &[]);
    let prompt = app.prompt();
    prompt.says("Let this agent in?");
    desk.screen.is_calm();
    let buttons = ["Deny", "Let it in", "Block this agent"];
    let places = || buttons.map(|button| app.place_of(prompt, button).unwrap());
    let before = places();
    app.focus_prompt();
    prompt.element("Let it in");
    assert_eq!(places(), before, "the first click would hit something else");
    app.click(prompt, "Deny");
    assert_eq!(client.program.end().code, Some(4));
}
