use super::*;
use crate::approval::{ClaimedName, ShownText, Subject};
use crate::grant::Grant;

/// A queue with a clock that stands until it is moved.
struct Desk {
    queue: Queue,
    now: Instant,
}

impl Desk {
    fn new() -> Self {
        let mut count = 0u128;
        let nonces = move || {
            count += 1;
            Nonce::from_bytes(count.to_be_bytes())
        };
        Self { queue: Queue::new(QueueConfig::default(), nonces), now: Instant::now() }
    }

    fn ask(&mut self, agent: u8, subject: Subject) -> Result<RequestId, Denial> {
        let agent = fingerprint(agent);
        self.queue.ask(self.now, Request { agent, name: ClaimedName::new("x"), subject })
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.queue.tick(self.now);
    }

    /// Shows the visible prompt for long enough, and answers it.
    fn answer(&mut self, answer: Answer) -> Vec<Notice> {
        let prompt = self.show();
        self.pass(Duration::from_secs(1));
        self.queue.answer(self.now, prompt.nonce, answer).expect("the answer counts");
        self.notices()
    }

    fn show(&mut self) -> Prompt {
        let prompt = self.queue.prompt().expect("a prompt is visible");
        self.queue.shown(self.now, prompt.id);
        self.queue.focused(self.now, prompt.id, true);
        prompt
    }

    fn notices(&mut self) -> Vec<Notice> {
        std::iter::from_fn(|| self.queue.next_notice()).collect()
    }
}

fn fingerprint(agent: u8) -> Fingerprint {
    vec![format!("{agent:02X}"); 32].join(":").parse().unwrap()
}

fn unknown() -> Subject {
    Subject::UnknownAgent {
        link: "tcp".to_owned(),
        servers: vec!["notes".parse().unwrap()],
        stable: false,
        namesake: None,
    }
}

fn call() -> Subject {
    Subject::ToolCall {
        server: "notes".parse().unwrap(),
        tool: ShownText::new("write"),
        arguments: ShownText::new("{}"),
        detail: None,
    }
}

fn session() -> Subject {
    Subject::Session { server: "notes".parse().unwrap() }
}

fn changed() -> Subject {
    let shown = ShownText::new("x");
    Subject::ChangedTool { server: "notes".parse().unwrap(), tool: shown.clone(), before: None, now: shown }
}

#[test]
fn an_answer_counts_a_second_after_the_prompt_is_in_view() {
    for millis in [0, 1, 500, 999] {
        let mut desk = Desk::new();
        desk.ask(1, call()).unwrap();
        let prompt = desk.show();
        desk.pass(Duration::from_millis(millis));
        for answer in [Answer::Once, Answer::Deny] {
            assert_eq!(
                desk.queue.answer(desk.now, prompt.nonce, answer),
                Err(AnswerError::TooEarly),
                "{millis} ms"
            );
        }
        assert_eq!(desk.notices(), []);
        desk.pass(Duration::from_millis(1000 - millis));
        assert_eq!(desk.queue.answer(desk.now, prompt.nonce, Answer::Once), Ok(()));
        assert_eq!(desk.notices()[0].verdict, Verdict::Once);
    }
}

#[test]
fn the_second_counts_from_shown_and_focused_and_anew_after_a_blur() {
    let mut desk = Desk::new();
    desk.ask(1, call()).unwrap();
    let prompt = desk.queue.prompt().unwrap();
    let second = Duration::from_secs(1);
    let too_early = |desk: &mut Desk, what: &str| {
        let answered = desk.queue.answer(desk.now, prompt.nonce, Answer::Once);
        assert_eq!(answered, Err(AnswerError::TooEarly), "{what}");
    };
    desk.pass(second);
    too_early(&mut desk, "never shown");
    desk.queue.shown(desk.now, prompt.id);
    desk.pass(second);
    too_early(&mut desk, "never focused");
    desk.queue.focused(desk.now, prompt.id, true);
    desk.pass(second / 2);
    desk.queue.focused(desk.now, prompt.id, true);
    too_early(&mut desk, "focused for half a second");
    desk.queue.focused(desk.now, prompt.id, false);
    desk.pass(second);
    too_early(&mut desk, "blurred");
    desk.queue.focused(desk.now, prompt.id, true);
    desk.pass(second - Duration::from_millis(1));
    too_early(&mut desk, "just focused again");
    desk.pass(Duration::from_millis(1));
    assert_eq!(desk.queue.answer(desk.now, prompt.nonce, Answer::Once), Ok(()));
}

#[test]
fn only_the_nonce_of_this_showing_counts() {
    let mut desk = Desk::new();
    desk.ask(1, call()).unwrap();
    desk.ask(2, call()).unwrap();
    let first = desk.show();
    desk.pass(Duration::from_secs(1));
    let wrong = Nonce::from_bytes([9; 16]);
    assert_eq!(desk.queue.answer(desk.now, wrong, Answer::Once), Err(AnswerError::WrongNonce));
    // Shown anew: another nonce.
    desk.queue.shown(desk.now, first.id);
    let again = desk.queue.prompt().unwrap();
    assert_ne!(again.nonce, first.nonce);
    desk.pass(Duration::from_secs(1));
    assert_eq!(desk.queue.answer(desk.now, first.nonce, Answer::Once), Err(AnswerError::Gone));
    assert_eq!(desk.queue.answer(desk.now, again.nonce, Answer::Once), Ok(()));
    // Used once, for this prompt and not for the next.
    desk.show();
    desk.pass(Duration::from_secs(1));
    assert_eq!(desk.queue.answer(desk.now, again.nonce, Answer::Once), Err(AnswerError::Gone));
    assert_eq!(desk.notices().len(), 1);
}

#[test]
fn a_thousand_requests_of_one_agent_are_one_prompt() {
    let mut desk = Desk::new();
    let taken: Vec<_> = (0..1000).filter_map(|_| desk.ask(1, unknown()).ok()).collect();
    let prompt = desk.queue.prompt().unwrap();
    assert_eq!((taken.len(), prompt.requests, prompt.behind), (32, 32, 0));
    // "Once" lets one in.
    let notices = desk.answer(Answer::Once);
    let once: Vec<_> = notices.iter().filter(|notice| notice.verdict == Verdict::Once).collect();
    assert_eq!((once.len(), once[0].request, notices.len()), (1, taken[0], 32));
    assert!(desk.queue.prompt().is_none());

    // A thousand calls, which can't be merged: one visible, few behind.
    let mut desk = Desk::new();
    let refused = (0..1000).filter(|_| desk.ask(1, call()) == Err(Denial::Busy)).count();
    assert_eq!((desk.queue.prompt().unwrap().behind, refused), (2, 997));
}

#[test]
fn a_thousand_agents_are_few_prompts_and_leave_room() {
    let mut desk = Desk::new();
    for agent in 0..=255 {
        let _ = desk.ask(agent, unknown());
    }
    assert_eq!(desk.queue.prompt().unwrap().behind, 3);
    for agent in 0..10 {
        let _ = desk.ask(agent, session());
    }
    assert_eq!(desk.queue.prompt().unwrap().behind, 7, "eight in all");
    // Over an hour, strangers that come and are timed out are limited, too.
    let mut desk = Desk::new();
    let mut prompts = 0;
    for second in 0..3600u32 {
        desk.now += Duration::from_secs(1);
        for knock in 0..3 {
            prompts += u32::from(desk.ask((second * 3 + knock) as u8, unknown()).is_ok());
        }
    }
    assert!(prompts < 370, "{prompts}");
}

#[test]
fn nobody_deciding_is_a_no() {
    let mut desk = Desk::new();
    let first = desk.ask(1, call()).unwrap();
    desk.show();
    let second = desk.ask(2, call()).unwrap();
    assert_eq!(desk.queue.deadline(), Some(desk.now + Duration::from_secs(60)));
    desk.pass(Duration::from_millis(59_999));
    assert_eq!(desk.notices(), []);
    desk.pass(Duration::from_millis(1));
    let timed_out = |request| Notice { request, verdict: Verdict::Denied(Denial::TimedOut) };
    assert_eq!(desk.notices(), [timed_out(first)]);
    // The next one has its own time, from being visible.
    desk.pass(Duration::from_millis(59_999));
    assert_eq!(desk.notices(), []);
    desk.pass(Duration::from_millis(1));
    assert_eq!(desk.notices(), [timed_out(second)]);
    assert_eq!((desk.queue.deadline(), desk.queue.prompt()), (None, None));

    // Who waits behind others waits two minutes at most.
    let mut desk = Desk::new();
    for agent in 0..8 {
        desk.ask(agent, call()).unwrap();
    }
    desk.pass(Duration::from_secs(60));
    desk.pass(Duration::from_secs(60));
    assert_eq!(desk.notices().len(), 8);
}

#[test]
fn an_answer_after_the_time_limit_is_late() {
    let mut desk = Desk::new();
    desk.ask(1, call()).unwrap();
    let prompt = desk.show();
    desk.now += Duration::from_secs(60);
    assert_eq!(desk.queue.answer(desk.now, prompt.nonce, Answer::Once), Err(AnswerError::Gone));
    assert_eq!(desk.notices()[0].verdict, Verdict::Denied(Denial::TimedOut));
}

#[test]
fn a_requester_that_is_gone_takes_its_prompt_along() {
    let mut desk = Desk::new();
    let first = desk.ask(1, unknown()).unwrap();
    let merged = desk.ask(1, unknown()).unwrap();
    let behind = desk.ask(2, call()).unwrap();
    let prompt = desk.show();
    desk.pass(Duration::from_secs(1));
    desk.queue.withdraw(desk.now, first);
    assert_eq!(desk.queue.prompt().unwrap().id, prompt.id, "another one still waits");
    desk.queue.withdraw(desk.now, merged);
    let next = desk.queue.prompt().unwrap();
    assert_eq!(next.request.agent, fingerprint(2));
    assert_eq!(desk.queue.answer(desk.now, prompt.nonce, Answer::Once), Err(AnswerError::Gone));
    assert_eq!(
        desk.queue.answer(desk.now, next.nonce, Answer::Once),
        Err(AnswerError::TooEarly),
        "armed anew"
    );
    desk.queue.withdraw(desk.now, behind);
    assert_eq!((desk.queue.prompt(), desk.notices()), (None, vec![]));
}

#[test]
fn two_agents_take_turns() {
    let mut desk = Desk::new();
    for agent in [1, 1, 1, 2, 2, 2] {
        desk.ask(agent, call()).unwrap();
    }
    let turns: Vec<_> = (0..6)
        .map(|_| {
            let agent = desk.queue.prompt().unwrap().request.agent;
            desk.answer(Answer::Deny);
            if agent == fingerprint(1) { 1 } else { 2 }
        })
        .collect();
    assert_eq!(turns, [1, 2, 1, 2, 1, 2]);
}

#[test]
fn a_denied_stranger_waits_longer_each_time_up_to_a_day() {
    let mut desk = Desk::new();
    let mut wait = Duration::from_secs(30);
    for _ in 0..16 {
        desk.ask(1, unknown()).unwrap();
        desk.answer(Answer::Deny);
        assert_eq!(desk.ask(1, unknown()), Err(Denial::TooSoon));
        desk.pass(wait - Duration::from_millis(1));
        assert_eq!(desk.ask(1, unknown()), Err(Denial::TooSoon), "{wait:?}");
        desk.pass(Duration::from_millis(1));
        wait = (wait * 2).min(Duration::from_secs(24 * 3600));
    }
    assert_eq!(wait, Duration::from_secs(24 * 3600));
    // A yes forgets it.
    desk.ask(1, unknown()).unwrap();
    desk.answer(Answer::Once);
    desk.ask(1, unknown()).unwrap();
    desk.answer(Answer::Deny);
    desk.pass(Duration::from_secs(30));
    assert!(desk.ask(1, unknown()).is_ok());
    // A known agent's declined call has no such consequence.
    desk.ask(2, call()).unwrap();
    desk.answer(Answer::Deny);
    assert!(desk.ask(2, call()).is_ok());
}

#[test]
fn each_kind_has_its_answers() {
    let always = || Answer::Always(Terms::default());
    let stable = Subject::UnknownAgent {
        link: String::new(),
        servers: vec!["notes".parse().unwrap()],
        stable: true,
        namesake: None,
    };
    for (subject, [once, forever, block]) in [
        (Subject::Pairing { preset: Vec::new(), namesake: None }, [false, true, true]),
        (unknown(), [true, false, true]),
        (stable, [true, true, true]),
        (session(), [true, true, true]),
        (call(), [true, true, false]),
        (changed(), [false, true, false]),
    ] {
        for (answer, allowed) in
            [(Answer::Once, once), (always(), forever), (Answer::Block, block), (Answer::Deny, true)]
        {
            let mut desk = Desk::new();
            desk.ask(1, subject.clone()).unwrap();
            let prompt = desk.show();
            desk.pass(Duration::from_secs(1));
            let answered = desk.queue.answer(desk.now, prompt.nonce, answer.clone());
            let expected = if allowed { Ok(()) } else { Err(AnswerError::NotAllowed) };
            assert_eq!(answered, expected, "{subject:?} {answer:?}");
            assert_eq!(desk.queue.prompt().is_some(), !allowed, "a prompt that is not answered stays");
        }
    }
}

#[test]
fn terms_are_for_the_agent_of_the_prompt() {
    let grant = |agent: u8| -> Grant {
        let agent = fingerprint(agent).to_string();
        serde_json::from_value(serde_json::json!({"agent": agent, "server": "notes"})).unwrap()
    };
    for (agent, allowed) in [(1, true), (2, false)] {
        let mut desk = Desk::new();
        desk.ask(1, Subject::Pairing { preset: Vec::new(), namesake: None }).unwrap();
        let prompt = desk.show();
        desk.pass(Duration::from_secs(1));
        let terms = Terms { label: None, grants: vec![grant(agent)] };
        let answered = desk.queue.answer(desk.now, prompt.nonce, Answer::Always(terms.clone()));
        assert_eq!(answered.is_ok(), allowed);
        if allowed {
            assert_eq!(desk.notices()[0].verdict, Verdict::Always(terms));
        }
    }
}

#[test]
fn nonces_are_written_and_read_but_never_printed() {
    let nonce = Nonce::from_bytes([0xa5; 16]);
    assert_eq!(Nonce::from_hex(&nonce.to_hex()), Some(nonce));
    for wrong in ["", "a5", &"+5".repeat(16), &"a5".repeat(17)] {
        assert_eq!(Nonce::from_hex(wrong), None);
    }
    assert!(!format!("{nonce:?}").contains("a5"));
}
