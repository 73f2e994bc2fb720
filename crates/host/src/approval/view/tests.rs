use std::sync::Arc;

use gatelodge_wire::Fingerprint;
use serde_json::{Value, json};

use super::*;
use crate::approval::{ClaimedName, Request};

fn agent() -> Fingerprint {
    Fingerprint::from_bytes([1; 32])
}

fn prompt(subject: Subject, offered: Value) -> Prompt {
    let name = ClaimedName::new("evil\u{202e}txt");
    let offered = serde_json::from_value(offered).unwrap();
    let now = Instant::now();
    Prompt {
        id: PromptId::from_number(7),
        nonce: Nonce::from_bytes([0xa5; 16]),
        request: Arc::new(Request { agent: agent(), name, known: false, session: None, offered, subject }),
        requests: 1,
        behind: 2,
        armed_from: None,
        until: now + Duration::from_secs(50),
        limit: Duration::from_secs(60),
    }
}

fn shown(prompt: &Prompt) -> Value {
    let way = Way { link: "meet".to_owned(), kind: "direct".to_owned(), path: "192.0.2.7:5123".to_owned() };
    let now = prompt.until - Duration::from_millis(1_500);
    serde_json::to_value(PromptView::new(prompt, way, prompt.request.offered.clone(), now)).unwrap()
}

#[test]
fn a_prompt_has_the_members_that_its_page_reads() {
    let namesake = Fingerprint::from_bytes([2; 32]);
    let subject = Subject::UnknownAgent {
        link: "home".to_owned(),
        servers: vec!["notes".parse().unwrap()],
        stable: false,
        namesake: Some(namesake),
    };
    let kind = json!({"kind": "stdio", "command": "notes", "env": {"TOKEN": "hush"}});
    let offered = json!([{"id": "notes", "name": "Notes", "kind": kind, "notes": "my own"}]);
    let value = shown(&prompt(subject, offered));
    let expected = json!({
        "id": 7, "nonce": "a5".repeat(16),
        "agent": agent().to_string(), "words": agent().words().to_string(),
        "name": "evil txt", "known": false, "namesake_words": namesake.words().to_string(),
        "link": "meet", "path_kind": "direct", "path": "192.0.2.7:5123",
        "subject": {
            "subject": "unknown_agent", "link": "home", "servers": ["notes"], "stable": false,
            "namesake": namesake.to_string(),
        },
        // Neither its environment nor the person's notes.
        "servers": [{"id": "notes", "name": "Notes", "kind": {"kind": "stdio", "command": "notes", "args": []}}],
        "answers": ["once", "session", "deny", "block"],
        "requests": 1, "behind": 2, "millis_left": 1_500, "millis": 60_000,
    });
    assert_eq!(value, expected);
}

#[test]
fn each_subject_has_its_own_members() {
    let text = |text: &str| ShownText::new(text);
    let server = || "notes".parse().unwrap();
    let in_json = |text: &str, size: usize| json!({"text": text, "size": size, "is_whole": true});
    for (subject, expected) in [
        (
            Subject::Pairing { preset: Vec::new(), namesake: None },
            json!({"subject": "pairing", "preset": [], "namesake": null}),
        ),
        (Subject::Session { server: server() }, json!({"subject": "session", "server": "notes"})),
        (
            Subject::ToolCall {
                server: server(),
                tool: text("w"),
                arguments: text("\u{200b}"),
                detail: None,
            },
            json!({
                "subject": "tool_call", "server": "notes", "tool": in_json("w", 1),
                "arguments": in_json("\\u200b", 3), "detail": null,
            }),
        ),
        (
            Subject::ChangedTool { server: server(), tool: text("w"), before: None, now: text("{}") },
            json!({
                "subject": "changed_tool", "server": "notes", "tool": in_json("w", 1), "before": null,
                "now": in_json("{}", 2),
            }),
        ),
    ] {
        assert_eq!(shown(&prompt(subject.clone(), json!([])))["subject"], expected);
        let kind = serde_json::to_value(subject.kind()).unwrap();
        assert_eq!(kind, expected["subject"]);
    }
}

#[test]
fn answers_are_read_as_a_page_writes_them() {
    let read = |value: Value| {
        serde_json::from_value::<PromptAnswer>(value).map(PromptAnswer::into_answer).map_err(|_| "unreadable")
    };
    for (written, answer) in [
        ("once", Answer::Once),
        ("deny", Answer::Deny),
        ("deny_and_end", Answer::DenyAndEnd),
        ("block", Answer::Block),
    ] {
        assert_eq!(read(json!({"answer": written})), Ok(Ok(answer)));
    }
    let grant = json!({
        "agent": agent().to_string(), "server": "notes", "entry": "open", "tools": {"default": "ask"},
        "sampling": false, "elicitation": false, "expires": 5,
    });
    let given = json!({"answer": "session", "terms": {"label": "My box", "grants": [grant.clone()]}});
    let Ok(Ok(Answer::Session(terms))) = read(given) else { panic!("it is an answer") };
    assert_eq!((terms.label, terms.grants.len()), (Some("My box".parse().unwrap()), 1));
    assert_eq!(terms.grants[0].expires, Some(Timestamp::from_millis(5)));
    let given = json!({"answer": "always", "terms": {"label": null, "grants": []}});
    assert_eq!(read(given), Ok(Ok(Answer::Always(Terms::default()))));
    for label in ["", "\u{200b}", &"x".repeat(33)] {
        let given = json!({"answer": "always", "terms": {"label": label, "grants": []}});
        let error = read(given).unwrap().unwrap_err();
        assert_eq!(error.code(), "not_allowed", "{label:?}: {error}");
    }
    for unreadable in [
        json!({"answer": "yes"}),
        json!({"answer": "always"}),
        json!({"answer": "always", "terms": {"label": null, "grants": [{"server": "notes"}]}}),
    ] {
        assert_eq!(read(unreadable), Err("unreadable"));
    }
}

#[test]
fn a_summary_is_short() {
    let tool = ShownText::new(&"t".repeat(100_000));
    let subject = Subject::ToolCall {
        server: "notes".parse().unwrap(),
        tool,
        arguments: ShownText::new("{}"),
        detail: None,
    };
    let prompt = prompt(subject, json!([]));
    let waiting =
        Waiting { id: prompt.id, request: prompt.request, requests: 1, visible: true, until: prompt.until };
    let summary = WaitingSummary::from(&waiting);
    assert_eq!(summary.tool.map(|tool| tool.len()), Some(MAX_BRIEF));
    assert_eq!((summary.subject, summary.server.unwrap().as_str()), (SubjectKind::ToolCall, "notes"));
    assert!(summary.expires > Timestamp::now());
}
