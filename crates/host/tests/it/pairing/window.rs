//! What a window that shows prompts is told, and what its answers do: the page is given JSON and gives JSON.

use std::path::Path;

use gatelodge_host::approval::view::{PromptAnswer, PromptEvents};
use gatelodge_host::approval::{AnswerError, Nonce, PromptId};
use gatelodge_host::manage::{Reply, Request};
use gatelodge_host::{LinkPolicy, SessionId};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::peer::{Agent, Desk, LIMIT, identity};

/// A page in a window that has the focus whenever it shows something.
struct Page<'a> {
    desk: &'a Desk,
    events: PromptEvents,
}

impl<'a> Page<'a> {
    fn open(desk: &'a Desk) -> Self {
        Self { desk, events: desk.host.prompt_events() }
    }

    async fn hears(&mut self) -> Value {
        serde_json::to_value(timeout(LIMIT, self.events.next()).await.unwrap()).unwrap()
    }

    /// Waits until it shows something, and draws it.
    async fn shows(&mut self) -> Value {
        let prompt = loop {
            let event = self.hears().await;
            if event["event"] == "show" {
                break event["prompt"].clone();
            }
        };
        let id = PromptId::from_number(prompt["id"].as_u64().unwrap());
        self.desk.host.approvals().drawn(id, nonce(&prompt));
        self.desk.host.approvals().focused(id, true);
        prompt
    }

    fn answers(&self, prompt: &Value, answer: Value) -> Result<(), AnswerError> {
        let answer: PromptAnswer = serde_json::from_value(answer).unwrap();
        self.desk.host.approvals().answer(nonce(prompt), answer.into_answer()?)
    }
}

fn nonce(prompt: &Value) -> Nonce {
    Nonce::from_hex(prompt["nonce"].as_str().unwrap()).unwrap()
}

async fn lend_folder(desk: &Desk, folder: &Path) {
    let kind = json!({"kind": "files", "folders": [{"path": folder, "access": "read-only"}]});
    let server = serde_json::from_value(json!({"id": "notes", "name": "Notes", "kind": kind})).unwrap();
    desk.done(Request::PutServer { server }).await;
}

/// Terms that lend the folder.
fn terms(prompt: &Value, folder: &Path, label: &str) -> Value {
    let grant = json!({
        "agent": prompt["agent"], "server": "notes", "entry": "open", "tools": {"default": "allow"},
        "sampling": false, "elicitation": false, "folders": [{"path": folder, "access": "read-only"}],
    });
    json!({"label": label, "grants": [grant]})
}

#[tokio::test]
async fn an_agent_that_is_paired_for_a_session_comes_back_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::new().await;
    lend_folder(&desk, folder.path()).await;
    let (invitation, agent) = (desk.invite(60).await, identity());
    let mut page = Page::open(&desk);
    assert_eq!(page.hears().await, json!({"event": "none"}));
    let mut pairing = Agent::come(&agent, &desk.address).await.unwrap();
    pairing.pair(&invitation).await.unwrap();

    let prompt = page.shows().await;
    assert_eq!(prompt["agent"], agent.fingerprint().to_string());
    assert_eq!(prompt["words"], agent.fingerprint().words().to_string());
    assert_eq!((&prompt["known"], &prompt["name"]), (&json!(false), &json!("agent")));
    assert_eq!((&prompt["link"], &prompt["path_kind"]), (&json!("home"), &json!("direct")));
    assert!(prompt["path"].as_str().unwrap().contains(" to "), "{prompt}");
    assert_eq!(prompt["subject"]["preset"][0]["folders"][0]["access"], "read-only");
    assert_eq!(prompt["servers"][0]["kind"]["folders"][0]["path"], json!(folder.path()));
    assert_eq!(prompt["answers"], json!(["session", "always", "deny", "block"]));
    assert_eq!(prompt["millis"], 60_000);

    let answer = json!({"answer": "session", "terms": terms(&prompt, folder.path(), "My box")});
    assert_eq!(page.answers(&prompt, answer.clone()), Err(AnswerError::TooEarly));
    let armed = json!({"event": "armed", "id": prompt["id"], "nonce": prompt["nonce"]});
    assert_eq!(page.hears().await, armed);
    let elsewhere = json!({"answer": "session", "terms": terms(&prompt, Path::new("/etc"), "My box")});
    assert_eq!(page.answers(&prompt, elsewhere).unwrap_err().code(), "not_allowed");
    assert_eq!(page.answers(&prompt, answer), Ok(()));
    assert_eq!(page.hears().await, json!({"event": "none"}));
    assert_eq!(pairing.lent().await, Ok(vec!["notes".to_owned()]));
    match desk.host.perform(Request::Agents).await {
        Reply::Agents { agents } => {
            assert_eq!((agents[0].label.as_str(), &agents[0].servers), ("My box", &Some(Vec::new())));
        }
        other => panic!("{other:?}"),
    }
    // It can be taken back before, though it is written down nowhere.
    let taken_back = || Request::RemoveGrant { agent: agent.fingerprint(), server: "notes".parse().unwrap() };
    desk.done(taken_back()).await;
    assert!(matches!(desk.host.perform(taken_back()).await, Reply::Failed { .. }));
    pairing.leave().await;

    let mut again = Agent::come(&agent, &desk.address).await.unwrap();
    assert_eq!(again.lent().await, Ok(Vec::new()), "it is known, and lent nothing");
    again.leave().await;
    desk.host.shutdown().await;
}

#[tokio::test]
async fn an_unknown_agent_is_let_in_for_a_session_with_what_was_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::with(LinkPolicy::AskUnknown).await;
    lend_folder(&desk, folder.path()).await;
    let agent = identity();
    let mut page = Page::open(&desk);
    for chosen in [true, false] {
        let mut coming = Agent::come(&agent, &desk.address).await.unwrap();
        let prompt = page.shows().await;
        assert_eq!(prompt["subject"]["subject"], "unknown_agent");
        assert_eq!(prompt["answers"], json!(["once", "session", "always", "deny", "block"]));
        assert_eq!(page.hears().await["event"], "armed");
        let nothing = json!({"label": null, "grants": []});
        let (terms, lent) = match chosen {
            true => (terms(&prompt, folder.path(), "x"), vec!["notes".to_owned()]),
            false => (nothing, Vec::new()),
        };
        page.answers(&prompt, json!({"answer": "session", "terms": terms})).unwrap();
        assert_eq!(coming.lent().await, Ok(lent));
        // Nothing is written down, so that it is asked about again.
        assert_eq!(desk.agents().await, 0);
        coming.leave().await;
    }
    desk.host.shutdown().await;
}

#[tokio::test]
async fn a_window_that_begins_anew_answers_to_a_showing_of_its_own() {
    let desk = Desk::with(LinkPolicy::AskUnknown).await;
    let mut first = Page::open(&desk);
    let mut coming = Agent::come(&identity(), &desk.address).await.unwrap();
    let before = first.shows().await;
    assert_eq!(first.hears().await["event"], "armed");
    let mut second = Page::open(&desk);
    let prompt = second.shows().await;
    assert_eq!(prompt["id"], before["id"]);
    assert_eq!(second.answers(&before, json!({"answer": "once"})), Err(AnswerError::Gone));
    // A no needs no second look.
    assert_eq!(second.answers(&prompt, json!({"answer": "deny"})), Ok(()));
    assert_eq!(coming.verdict().await, Err("the desktop's user said no".to_owned()));
    desk.host.shutdown().await;
}

#[tokio::test]
async fn what_waits_is_listed_with_its_session() {
    let desk = Desk::with(LinkPolicy::AskUnknown).await;
    let (mut one, mut other) = (
        Agent::come(&identity(), &desk.address).await.unwrap(),
        Agent::come(&identity(), &desk.address).await.unwrap(),
    );
    let mut prompts = desk.host.approvals().prompts();
    let both = prompts.wait_for(|prompt| prompt.as_ref().is_some_and(|prompt| prompt.behind == 1));
    timeout(LIMIT, both).await.unwrap().unwrap();
    let waiting = desk.host.approvals().waiting();
    assert_eq!(waiting.iter().map(|waiting| waiting.visible).collect::<Vec<_>>(), [true, false]);
    let session = |at: usize| -> Option<SessionId> { waiting[at].request.session };
    assert!(session(0).is_some() && session(1).is_some() && session(0) != session(1));
    // The other one is wanted; nobody has read the first.
    desk.host.approvals().bring_forward(waiting[1].id);
    assert_eq!(desk.prompt().await.id, waiting[1].id);
    for _ in 0..2 {
        let prompt = desk.prompt().await;
        let deny: PromptAnswer = serde_json::from_value(json!({"answer": "deny"})).unwrap();
        desk.host.approvals().answer(prompt.nonce, deny.into_answer().unwrap()).unwrap();
    }
    assert!(one.verdict().await.is_err() && other.verdict().await.is_err());
    desk.host.shutdown().await;
}
