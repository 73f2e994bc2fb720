use gatelodge_wire::Fingerprint;

use super::*;
use crate::approval::shown::MAX_SHOWN;
use crate::approval::{AnswerKind, ClaimedName, ShownText, Subject, Terms};
use crate::event::SessionId;

/// The time on the wall. It stands still.
const WALL: Timestamp = Timestamp::from_millis(1_000_000);

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
        self.ask_in(agent, None, subject)
    }

    fn ask_in(&mut self, agent: u8, session: Option<u64>, subject: Subject) -> Result<RequestId, Denial> {
        let (agent, session) = (fingerprint(agent), session.map(SessionId));
        let (name, offered) = (ClaimedName::new("x"), Vec::new());
        self.queue.ask(self.now, Request { agent, name, known: true, session, offered, subject })
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.queue.tick(self.now);
    }

    /// Shows the visible prompt for long enough, and answers it.
    fn answer(&mut self, answer: Answer) -> Vec<Notice> {
        let prompt = self.show();
        self.pass(Duration::from_secs(1));
        self.queue.answer(self.now, WALL, prompt.nonce, answer).expect("the answer counts");
        self.notices()
    }

    fn show(&mut self) -> Prompt {
        let prompt = self.queue.prompt().expect("a prompt is visible");
        self.queue.drawn(self.now, prompt.id, prompt.nonce);
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

fn session_answer() -> Answer {
    Answer::Session(Terms::default())
}

fn always() -> Answer {
    Answer::Always(Terms::default())
}

#[test]
fn an_answer_counts_a_second_after_the_prompt_is_in_view() {
    for millis in [0, 1, 500, 999] {
        let mut desk = Desk::new();
        desk.ask(1, call()).unwrap();
        let prompt = desk.show();
        desk.pass(Duration::from_millis(millis));
        for answer in [Answer::Once, session_answer(), always(), Answer::Block] {
            assert_eq!(
                desk.queue.answer(desk.now, WALL, prompt.nonce, answer),
                Err(AnswerError::TooEarly),
                "{millis} ms"
            );
        }
        assert_eq!(desk.notices(), []);
        desk.pass(Duration::from_millis(1000 - millis));
        assert_eq!(desk.queue.answer(desk.now, WALL, prompt.nonce, Answer::Once), Ok(()));
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
        let answered = desk.queue.answer(desk.now, WALL, prompt.nonce, Answer::Once);
        assert_eq!(answered, Err(AnswerError::TooEarly), "{what}");
    };
    desk.pass(second);
    too_early(&mut desk, "never shown");
    desk.queue.drawn(desk.now, prompt.id, prompt.nonce);
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
    assert_eq!(desk.queue.answer(desk.now, WALL, prompt.nonce, Answer::Once), Ok(()));
}

#[test]
fn only_the_nonce_of_this_showing_counts() {
    let mut desk = Desk::new();
    desk.ask(1, call()).unwrap();
    desk.ask(2, call()).unwrap();
    let first = desk.show();
    desk.pass(Duration::from_secs(1));
    let wrong = Nonce::from_bytes([9; 16]);
    assert_eq!(desk.queue.answer(desk.now, WALL, wrong, Answer::Once), Err(AnswerError::WrongNonce));
    // Shown anew: another nonce.
    desk.queue.show_anew();
    let again = desk.queue.prompt().unwrap();
    desk.queue.drawn(desk.now, again.id, again.nonce);
    assert_ne!(again.nonce, first.nonce);
    desk.pass(Duration::from_secs(1));
    assert_eq!(desk.queue.answer(desk.now, WALL, first.nonce, Answer::Once), Err(AnswerError::Gone));
    assert_eq!(desk.queue.answer(desk.now, WALL, again.nonce, Answer::Once), Ok(()));
    // Used once, for this prompt and not for the next.
    desk.show();
    desk.pass(Duration::from_secs(1));
    assert_eq!(desk.queue.answer(desk.now, WALL, again.nonce, Answer::Once), Err(AnswerError::Gone));
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
    assert_eq!((desk.queue.prompt().unwrap().behind, refused), (3, 996));
}

#[test]
fn a_thousand_agents_are_few_prompts_and_leave_room() {
    let mut desk = Desk::new();
    for agent in 0..=255 {
        let _ = desk.ask(agent, unknown());
    }
    assert_eq!(desk.queue.prompt().unwrap().behind, 3);
    for agent in 0..20 {
        let _ = desk.ask(agent, session());
    }
    assert_eq!(desk.queue.prompt().unwrap().behind, 15, "sixteen in all");
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
    assert_eq!(desk.queue.answer(desk.now, WALL, prompt.nonce, Answer::Once), Err(AnswerError::Gone));
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
    assert_eq!(desk.queue.answer(desk.now, WALL, prompt.nonce, Answer::Once), Err(AnswerError::Gone));
    assert_eq!(
        desk.queue.answer(desk.now, WALL, next.nonce, Answer::Once),
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
    use AnswerKind::{Always, Block, Deny, DenyAndEnd, Once, Session};
    let stable = Subject::UnknownAgent {
        link: String::new(),
        servers: vec!["notes".parse().unwrap()],
        stable: true,
        namesake: None,
    };
    for (subject, kinds) in [
        (Subject::Pairing { preset: Vec::new(), namesake: None }, &[Session, Always, Deny, Block][..]),
        (unknown(), &[Once, Session, Deny, Block]),
        (stable, &[Once, Session, Always, Deny, Block]),
        (session(), &AnswerKind::ALL),
        (call(), &AnswerKind::ALL),
        (changed(), &[Always, Deny, DenyAndEnd]),
    ] {
        assert_eq!(subject.answers(), kinds, "{subject:?}");
        for answer in
            [Answer::Once, session_answer(), always(), Answer::Deny, Answer::DenyAndEnd, Answer::Block]
        {
            let mut desk = Desk::new();
            desk.ask(1, subject.clone()).unwrap();
            let prompt = desk.show();
            desk.pass(Duration::from_secs(1));
            let answered = desk.queue.answer(desk.now, WALL, prompt.nonce, answer.clone());
            let allowed = kinds.contains(&answer.kind());
            let expected = if allowed { Ok(()) } else { Err(AnswerError::NotAllowed) };
            assert_eq!(answered, expected, "{subject:?} {answer:?}");
            assert_eq!(desk.queue.prompt().is_some(), !allowed, "a prompt that is not answered stays");
        }
    }
}

#[test]
fn what_is_not_shown_whole_cannot_be_allowed() {
    let (text, long) = (ShownText::new("{}"), ShownText::new(&"x".repeat(MAX_SHOWN + 1)));
    let server = || "notes".parse().unwrap();
    let of_call = |tool: &ShownText, arguments: &ShownText, detail: Option<&ShownText>| Subject::ToolCall {
        server: server(),
        tool: tool.clone(),
        arguments: arguments.clone(),
        detail: detail.cloned(),
    };
    let noes = [AnswerKind::Deny, AnswerKind::DenyAndEnd, AnswerKind::Block];
    for subject in
        [of_call(&text, &long, None), of_call(&text, &text, Some(&long)), of_call(&long, &text, None)]
    {
        assert_eq!(subject.answers(), noes);
    }
    let of_tool = |before: &ShownText, now: &ShownText| Subject::ChangedTool {
        server: server(),
        tool: text.clone(),
        before: Some(before.clone()),
        now: now.clone(),
    };
    for subject in [of_tool(&long, &text), of_tool(&text, &long)] {
        assert_eq!(subject.answers(), noes[..2]);
    }
}

#[test]
fn a_no_counts_at_once_with_the_nonce_of_the_visible_prompt_only() {
    for (answer, denial) in [(Answer::Deny, Denial::Declined), (Answer::DenyAndEnd, Denial::Ended)] {
        let mut desk = Desk::new();
        let first = desk.ask(1, call()).unwrap();
        desk.ask(2, call()).unwrap();
        let prompt = desk.queue.prompt().unwrap();
        let guessed = desk.queue.answer(desk.now, WALL, Nonce::from_bytes([9; 16]), answer.clone());
        assert_eq!(guessed, Err(AnswerError::WrongNonce));
        // Neither drawn nor focused.
        assert_eq!(desk.queue.answer(desk.now, WALL, prompt.nonce, answer.clone()), Ok(()));
        assert_eq!(desk.notices(), [Notice { request: first, verdict: Verdict::Denied(denial) }]);
        // A second one that was on its way does not hit the next prompt.
        assert_eq!(desk.queue.answer(desk.now, WALL, prompt.nonce, answer.clone()), Err(AnswerError::Gone));
        assert!(desk.queue.prompt().is_some());
        // Nor does one to an earlier showing of it.
        let before = desk.queue.prompt().unwrap();
        desk.queue.show_anew();
        assert_eq!(desk.queue.answer(desk.now, WALL, before.nonce, answer), Err(AnswerError::Gone));
        assert_eq!(desk.notices(), []);
    }
}

#[test]
fn a_prompt_says_from_when_on_it_is_armed() {
    let mut desk = Desk::new();
    desk.ask(1, call()).unwrap();
    let prompt = desk.queue.prompt().unwrap();
    let armed = |desk: &Desk| desk.queue.prompt().unwrap().armed_from;
    assert_eq!((armed(&desk), prompt.limit), (None, Duration::from_secs(60)));
    desk.queue.focused(desk.now, prompt.id, true);
    assert_eq!(armed(&desk), None, "not drawn");
    desk.queue.drawn(desk.now, prompt.id, Nonce::from_bytes([9; 16]));
    assert_eq!(armed(&desk), None, "another showing was drawn");
    desk.queue.drawn(desk.now, prompt.id, prompt.nonce);
    let from = desk.now + Duration::from_secs(1);
    assert_eq!(armed(&desk), Some(from));
    // Drawn again it is the same showing, and armed as it was.
    desk.pass(Duration::from_secs(5));
    desk.queue.drawn(desk.now, prompt.id, prompt.nonce);
    assert_eq!((armed(&desk), desk.queue.prompt().unwrap().nonce), (Some(from), prompt.nonce));
    desk.queue.focused(desk.now, prompt.id, false);
    assert_eq!(armed(&desk), None);
    desk.queue.focused(desk.now, prompt.id, true);
    assert_eq!(armed(&desk), Some(desk.now + Duration::from_secs(1)));
    desk.queue.show_anew();
    assert_eq!(armed(&desk), None);
}

#[test]
fn a_prompt_that_is_wanted_comes_forward_and_none_gets_more_time() {
    let mut desk = Desk::new();
    let requests: Vec<_> = (1..=3).map(|agent| desk.ask(agent, call()).unwrap()).collect();
    let ids: Vec<_> = desk.queue.waiting().iter().map(|waiting| waiting.id).collect();
    let visible = |desk: &Desk| desk.queue.prompt().unwrap().id;
    let first = desk.queue.prompt().unwrap();
    desk.pass(Duration::from_secs(20));
    desk.queue.bring_forward(desk.now, ids[2]);
    assert_eq!(visible(&desk), ids[2]);
    let waiting: Vec<_> = desk.queue.waiting().iter().map(|waiting| (waiting.id, waiting.visible)).collect();
    assert_eq!(waiting, [(ids[2], true), (ids[0], false), (ids[1], false)]);
    // What was shown before is not what is answered.
    assert_eq!(desk.queue.answer(desk.now, WALL, first.nonce, Answer::Deny), Err(AnswerError::Gone));
    // It comes back with the time that it had left, as another showing.
    desk.queue.bring_forward(desk.now, ids[0]);
    let again = desk.queue.prompt().unwrap();
    assert_eq!(
        (again.id, again.until, again.limit),
        (ids[0], desk.now + Duration::from_secs(40), first.limit)
    );
    assert_ne!(again.nonce, first.nonce);
    // One that is being read stays; the wanted one is the next.
    desk.show();
    desk.pass(Duration::from_secs(1));
    desk.queue.bring_forward(desk.now, ids[2]);
    assert_eq!(visible(&desk), ids[0]);
    assert_eq!(desk.queue.answer(desk.now, WALL, again.nonce, Answer::Once), Ok(()));
    assert_eq!(desk.notices()[0].verdict, Verdict::Once);
    assert_eq!(visible(&desk), ids[2]);
    // To and fro, all of them come to an end: what is visible has a minute, and what waits two.
    let begun = desk.now;
    let mut decided = Vec::new();
    while decided.len() < 2 {
        desk.pass(Duration::from_secs(1));
        for id in [ids[1], ids[2]] {
            desk.queue.bring_forward(desk.now, id);
        }
        decided.extend(desk.notices());
        assert!(desk.now - begun <= Duration::from_secs(180), "a prompt lives on");
    }
    assert!(decided.iter().all(|notice| requests.contains(&notice.request)));
    assert_eq!((desk.queue.prompt(), desk.queue.deadline()), (None, None));
    // What is not there is not brought forward.
    desk.ask(1, call()).unwrap();
    desk.ask(2, call()).unwrap();
    let now_visible = visible(&desk);
    desk.queue.bring_forward(desk.now, ids[0]);
    assert_eq!(visible(&desk), now_visible);
}

#[test]
fn twelve_requests_of_three_agents_are_all_shown_in_turn() {
    let mut desk = Desk::new();
    let agents: Vec<u8> = [1, 2, 3].into_iter().flat_map(|agent| [agent; 4]).collect();
    for agent in &agents {
        desk.ask(*agent, call()).unwrap();
    }
    assert_eq!(desk.ask(1, call()), Err(Denial::Busy), "a fifth one of the same agent");
    assert!(desk.ask(4, call()).is_ok(), "another agent finds room");
    let mut turns = Vec::new();
    while let Some(prompt) = desk.queue.prompt() {
        assert_eq!(prompt.behind, 12 - turns.len());
        turns.push(prompt.request.agent);
        let notices = desk.answer(Answer::Once);
        assert_eq!(notices[0].verdict, Verdict::Once);
    }
    // Each once before anybody a second time.
    for round in [&turns[0..3], &turns[4..7], &turns[7..10], &turns[10..13]] {
        let different: std::collections::HashSet<_> = round.iter().collect();
        assert_eq!(different.len(), 3, "{turns:?}");
    }
    assert_eq!(turns[3], fingerprint(4));
}

#[test]
fn this_session_is_the_one_that_is_shown() {
    let mut desk = Desk::new();
    let asked: Vec<_> =
        [7, 8, 7].map(|session_id| desk.ask_in(1, Some(session_id), session()).unwrap()).into();
    let notices = desk.answer(session_answer());
    let verdicts: Vec<_> = notices.iter().map(|notice| (notice.request, notice.verdict.clone())).collect();
    let (yes, no) = (Verdict::Session(Terms::default()), Verdict::Denied(Denial::Merged));
    assert_eq!(verdicts, [(asked[0], yes.clone()), (asked[1], no), (asked[2], yes.clone())]);

    // If that one goes, the prompt is about the other, which has to be looked at first.
    let first = desk.ask_in(1, Some(7), session()).unwrap();
    let second = desk.ask_in(1, Some(8), session()).unwrap();
    let prompt = desk.show();
    desk.pass(Duration::from_secs(1));
    desk.queue.withdraw(desk.now, first);
    let answered = desk.queue.answer(desk.now, WALL, prompt.nonce, session_answer());
    assert_eq!(answered, Err(AnswerError::Gone));
    assert_eq!(desk.queue.prompt().unwrap().request.session, Some(SessionId(8)));
    assert_eq!(desk.answer(session_answer()), [Notice { request: second, verdict: yes }]);
}

#[test]
fn an_agent_has_a_share_of_memory_for_its_texts() {
    let mut desk = Desk::new();
    desk.queue.config.bytes_per_agent = 3_000;
    let of_size = |size: usize| Subject::ToolCall {
        server: "notes".parse().unwrap(),
        tool: ShownText::new("write"),
        arguments: ShownText::new(&"x".repeat(size)),
        detail: Some(ShownText::new("difference")),
    };
    assert!(desk.ask(1, of_size(2_000)).is_ok());
    assert_eq!(desk.ask(1, of_size(1_000)), Err(Denial::Busy));
    assert!(desk.ask(1, of_size(900)).is_ok(), "a shorter one finds room");
    assert!(desk.ask(2, of_size(5_000)).is_ok(), "and a single one always");
    // The longest that there can be is not refused for its length.
    assert!(QueueConfig::default().bytes_per_agent >= 3 * MAX_SHOWN);
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
