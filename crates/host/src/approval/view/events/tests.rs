use std::time::Duration;

use gatelodge_wire::Fingerprint;

use super::*;
use crate::approval::{ClaimedName, Request, Subject};

const SECOND: Duration = Duration::from_secs(1);

struct Window {
    told: Told,
    now: Instant,
}

impl Window {
    /// Returns what the window is told next, as if it had been told.
    fn hears(&mut self, prompt: Option<&Prompt>) -> Next {
        let next = self.told.next(self.now, prompt);
        self.told.note(&next, prompt);
        next
    }
}

fn prompt(now: Instant) -> Prompt {
    let subject = Subject::Session { server: "notes".parse().unwrap() };
    let (agent, name) = (Fingerprint::from_bytes([1; 32]), ClaimedName::new("x"));
    Prompt {
        id: PromptId::from_number(1),
        nonce: Nonce::from_bytes([1; 16]),
        request: Arc::new(Request { agent, name, known: true, session: None, offered: Vec::new(), subject }),
        requests: 1,
        behind: 0,
        armed_from: None,
        until: now + 60 * SECOND,
        limit: 60 * SECOND,
    }
}

fn window() -> (Window, Prompt) {
    let now = Instant::now();
    (Window { told: Told::default(), now }, prompt(now))
}

#[test]
fn a_window_hears_first_what_is_there() {
    let (mut window, prompt) = window();
    assert_eq!(window.hears(None), Next::None);
    assert_eq!(window.hears(None), Next::Wait(None));
    assert_eq!(window.hears(Some(&prompt)), Next::Show(prompt.clone()));
    assert_eq!(window.hears(Some(&prompt)), Next::Wait(None));
    assert_eq!(window.hears(None), Next::None);
}

#[test]
fn it_hears_when_answers_count_and_when_they_cease_to() {
    let (mut window, mut prompt) = window();
    window.hears(Some(&prompt));
    let from = window.now + SECOND;
    prompt.armed_from = Some(from);
    assert_eq!(window.hears(Some(&prompt)), Next::Wait(Some(from)));
    window.now = from;
    assert_eq!(window.hears(Some(&prompt)), Next::Armed(prompt.id, prompt.nonce));
    assert_eq!(window.hears(Some(&prompt)), Next::Wait(None));
    prompt.armed_from = None;
    assert_eq!(window.hears(Some(&prompt)), Next::Disarmed(prompt.id));
    assert_eq!(window.hears(Some(&prompt)), Next::Wait(None));
}

#[test]
fn a_focus_that_comes_back_unnoticed_is_another_arming() {
    let (mut window, mut prompt) = window();
    prompt.armed_from = Some(window.now);
    window.hears(Some(&prompt));
    assert_eq!(window.hears(Some(&prompt)), Next::Armed(prompt.id, prompt.nonce));
    // Lost and back between two looks at it.
    let from = window.now + SECOND;
    prompt.armed_from = Some(from);
    assert_eq!(window.hears(Some(&prompt)), Next::Disarmed(prompt.id));
    assert_eq!(window.hears(Some(&prompt)), Next::Wait(Some(from)));
    window.now = from;
    assert_eq!(window.hears(Some(&prompt)), Next::Armed(prompt.id, prompt.nonce));
}

#[test]
fn other_numbers_and_other_showings_are_shown() {
    let (mut window, mut prompt) = window();
    prompt.armed_from = Some(window.now);
    window.hears(Some(&prompt));
    window.hears(Some(&prompt));
    prompt.behind = 3;
    assert_eq!(window.hears(Some(&prompt)), Next::Show(prompt.clone()));
    assert_eq!(window.hears(Some(&prompt)), Next::Armed(prompt.id, prompt.nonce), "armed as it was");
    prompt.nonce = Nonce::from_bytes([2; 16]);
    prompt.armed_from = None;
    assert_eq!(window.hears(Some(&prompt)), Next::Show(prompt.clone()));
    assert_eq!(window.hears(Some(&prompt)), Next::Wait(None));
}
