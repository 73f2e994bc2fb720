use super::*;
use crate::grant::{ToolPin, ToolRules};

fn grant(server: &str) -> Grant {
    Grant {
        agent: Fingerprint::of_certificate(b"agent"),
        server: server.parse().unwrap(),
        entry: EntryRule::Open,
        folders: None,
        tools: ToolRules::default(),
        sampling: false,
        elicitation: false,
        expires: None,
        pins: Default::default(),
    }
}

fn live(grants: Vec<Grant>) -> Live {
    let agent = Fingerprint::of_certificate(b"agent");
    let live = Live::new(SessionId(1), agent, "home".parse().unwrap(), String::new());
    live.admit(admitted(grants, false));
    live
}

fn admitted(grants: Vec<Grant>, session_only: bool) -> Admitted {
    Admitted { label: "agent".to_owned(), known: true, grants, session_only }
}

#[test]
fn another_grant_ends_the_channels_under_the_old_one() {
    let live = live(vec![grant("a"), grant("b"), grant("c")]);
    let endings: Vec<_> = (1..)
        .zip(["a", "b", "c"])
        .map(|(number, id)| live.channel_opened(number, id.parse().unwrap()))
        .collect();
    let pinned = Grant { pins: [("t".to_owned(), ToolPin([1; 32]))].into(), ..grant("a") };
    live.regrant(vec![pinned, Grant { sampling: true, ..grant("b") }]);
    assert_eq!(endings.iter().map(Ending::has_ended).collect::<Vec<_>>(), [false, true, true]);
}

#[test]
fn a_grant_that_is_taken_back_while_the_verdict_is_made_stays_away() {
    let agent = Fingerprint::of_certificate(b"agent");
    let live = Live::new(SessionId(1), agent, "home".parse().unwrap(), String::new());
    live.regrant(vec![grant("b")]);
    live.admit(admitted(vec![grant("a"), grant("b")], false));
    assert_eq!(live.servers(Timestamp::from_millis(0)), ["b".parse().unwrap()]);
}

#[test]
fn what_is_lent_for_a_session_outlives_other_changes_and_can_be_taken_back() {
    let agent = Fingerprint::of_certificate(b"agent");
    let (a, b, c): (ServerId, ServerId, ServerId) =
        ("a".parse().unwrap(), "b".parse().unwrap(), "c".parse().unwrap());
    let now = Timestamp::from_millis(0);
    let live = Live::new(SessionId(1), agent, "home".parse().unwrap(), String::new());
    live.admit(admitted(vec![grant("a"), grant("b")], true));
    let endings = [&a, &b].map(|server| live.channel_opened(1, server.clone()));
    let second = live.channel_opened(2, b.clone());
    live.regrant(vec![grant("c")]);
    assert_eq!(live.servers(now), [a.clone(), b.clone(), c.clone()]);
    assert_eq!(endings.each_ref().map(Ending::has_ended), [false, false]);
    // A grant for the same server is newer than what was lent in the prompt.
    live.regrant(vec![grant("c"), Grant { sampling: true, ..grant("b") }]);
    assert!(live.grant(&b, now).unwrap().sampling);
    assert!(second.has_ended());
    assert!(!live.take_back(&b), "that one is kept");
    assert!(live.take_back(&a));
    assert_eq!(live.servers(now), [b, c]);
}

#[test]
fn what_is_allowed_until_the_session_ends_is_not_a_change_of_the_grant() {
    let now = Timestamp::from_millis(0);
    let asking = Grant { entry: EntryRule::Ask, ..grant("a") };
    let live = live(vec![asking.clone()]);
    let a = "a".parse().unwrap();
    let ending = live.channel_opened(1, "a".parse().unwrap());
    live.allow_tool_here(&a, "t");
    live.open_entry_here(&a);
    live.allow_tool_here(&"b".parse().unwrap(), "t");
    assert_eq!(live.grant(&"b".parse().unwrap(), now), None, "nothing is lent by it");
    let allowed = |live: &Live| {
        let held = live.grant(&a, now).unwrap();
        (held.tools.of("t"), held.tools.of("u"), held.entry)
    };
    assert_eq!(allowed(&live), (ToolRule::Allow, ToolRule::Ask, EntryRule::Open));
    live.regrant(vec![asking.clone(), grant("c")]);
    assert!(!ending.has_ended());
    assert_eq!(allowed(&live), (ToolRule::Allow, ToolRule::Ask, EntryRule::Open));
    // Another grant is another decision.
    live.regrant(vec![Grant { sampling: true, ..asking }]);
    assert!(ending.has_ended());
    assert_eq!(allowed(&live), (ToolRule::Ask, ToolRule::Ask, EntryRule::Ask));
}

#[test]
fn an_expired_grant_is_none() {
    let now = Timestamp::from_millis(1_000);
    let live = live(vec![Grant { expires: Some(now), ..grant("a") }, grant("b")]);
    assert_eq!(live.grant(&"a".parse().unwrap(), now), None);
    assert_eq!(live.servers(now), ["b".parse().unwrap()]);
    assert!(live.grant(&"a".parse().unwrap(), Timestamp::from_millis(999)).is_some());
}
