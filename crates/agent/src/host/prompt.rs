//! Prompts on the terminal: what is asked, and the answer that somebody types.
//!
//! What makes an answer count (the nonce of the showing, the arming delay) is the broker's to judge; here a line is only
//! turned into an answer.

use std::io::Write;
use std::time::Instant;

use gatelodge_host::Timestamp;
use gatelodge_host::approval::{Answer, AnswerError, Broker, Prompt, PromptId, Subject, Terms};
use tokio::sync::watch;

use crate::terminal::{harmless, say};

/// The prompts of a desktop, one at a time.
pub(super) struct Prompts {
    broker: Broker,
    visible: watch::Receiver<Option<Prompt>>,
    /// The one that was printed last, if it is not answered yet.
    shown: Option<PromptId>,
    json: bool,
}

impl Prompts {
    pub(super) fn new(broker: Broker, json: bool) -> Self {
        let mut visible = broker.prompts();
        // One that is there already is a change as well.
        visible.mark_changed();
        Self { broker, visible, shown: None, json }
    }

    /// Waits until there is another prompt, or none any more. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        if self.visible.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Prints the prompt that is visible now, unless it is there already.
    pub(super) fn show(&mut self) {
        let prompt = self.visible.borrow_and_update().clone();
        let Some(prompt) = prompt else {
            if self.shown.take().is_some() {
                say!("the question is not open any more");
            }
            return;
        };
        if self.shown == Some(prompt.id) {
            return;
        }
        self.shown = Some(prompt.id);
        if self.json {
            println!("{}", in_json(&prompt));
        }
        eprintln!("{}", harmless(&in_words(&prompt)));
        eprint!("{} ", choices(&prompt.request.subject));
        let _ = std::io::stderr().flush();
        // A terminal has the attention of whoever types into it.
        self.broker.shown(prompt.id);
        self.broker.focused(prompt.id, true);
    }

    /// Takes a typed line as an answer to the visible prompt.
    pub(super) fn answer(&mut self, line: &str) {
        let Some(prompt) = self.visible.borrow().clone() else { return };
        let typed = match &prompt.request.subject {
            Subject::Pairing { preset, .. } => super::pairing::answer(line, preset, Timestamp::now()),
            _ => in_a_word(line),
        };
        let answer = match typed {
            Ok(answer) => answer,
            Err(reason) => {
                eprint!("{reason}. Please type one of these: {} ", choices(&prompt.request.subject));
                let _ = std::io::stderr().flush();
                return;
            }
        };
        let said = answer_in_words(&answer);
        match self.broker.answer(prompt.nonce, answer) {
            Ok(()) => {
                self.shown = None;
                eprintln!("{said}");
                // The next prompt, if any, is shown by the change that this one brought about.
                self.visible.mark_changed();
            }
            Err(AnswerError::NotAllowed) => {
                eprint!("That is not possible here: {} ", choices(&prompt.request.subject));
            }
            Err(error @ AnswerError::TooEarly) => eprint!("{error}: {} ", choices(&prompt.request.subject)),
            Err(error) => say!("{error}"),
        }
        let _ = std::io::stderr().flush();
    }
}

/// Reads an answer that is a word.
fn in_a_word(line: &str) -> Result<Answer, String> {
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" | "once" => Ok(Answer::Once),
        "a" | "always" => Ok(Answer::Always(Terms::default())),
        "n" | "no" | "deny" | "" => Ok(Answer::Deny),
        "b" | "block" => Ok(Answer::Block),
        _ => Err("That is no answer".to_owned()),
    }
}

fn answer_in_words(answer: &Answer) -> &'static str {
    match answer {
        Answer::Once => "Allowed once.",
        Answer::Always(_) => "Allowed from now on.",
        Answer::Deny => "Denied.",
        Answer::Block => "Blocked.",
    }
}

/// What may be typed.
fn choices(subject: &Subject) -> String {
    if matches!(subject, Subject::Pairing { .. }) {
        return "[y pair / n deny / b block]".to_owned();
    }
    let once = subject.allows(&Answer::Once).then_some("y once");
    let always = subject.allows(&Answer::Always(Terms::default())).then_some("a always");
    let block = subject.allows(&Answer::Block).then_some("b block");
    let all: Vec<_> = once.into_iter().chain(always).chain(["n deny"]).chain(block).collect();
    format!("[{}]", all.join(" / "))
}

/// The question, for people.
fn in_words(prompt: &Prompt) -> String {
    let request = &prompt.request;
    let (name, agent) = (&request.name, request.agent);
    let words = agent.words();
    let who = format!("  {agent}\n  in words: {words}");
    let what = match &request.subject {
        Subject::UnknownAgent { link, servers, stable, namesake } => {
            let lent = servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let lent = if lent.is_empty() { "nothing yet".to_owned() } else { lent };
            let mut text =
                format!("An unknown agent that calls itself \"{name}\" wants in by the link {link}.\n{who}");
            if namesake.is_some() {
                text += "\n  It is NOT the agent that you know under that name.";
            }
            if !stable {
                text += "\n  Its certificate is a new one each time, so that it cannot be remembered.";
            }
            text + &format!("\n  It would get: {lent}")
        }
        Subject::Pairing { preset, namesake } => {
            let mut text = format!(
                "An agent that calls itself \"{name}\" has proved your invitation and wants to be paired.\n{who}"
            );
            if namesake.is_some() {
                text += "\n  It is NOT the agent that you know under that name; name it with: as NAME";
            }
            text += "\n  Its user sees the same words; if they are others, deny.\n  It would get, until you take it back:";
            text + &super::pairing::offer(preset) + "\n" + super::pairing::ANSWERS
        }
        Subject::Session { server } => format!("\"{name}\" wants to use {server} now.\n{who}"),
        Subject::ToolCall { server, tool, arguments, detail } => {
            let mut text =
                format!("\"{name}\" calls {} of {server}, with\n{}", tool.text(), indented(arguments.text()));
            if !arguments.is_whole() {
                text += &format!("\n  (the beginning of {} bytes)", arguments.size());
            }
            if let Some(detail) = detail {
                text += &format!("\nAs files are now, that means\n{}", indented(detail.text()));
                if !detail.is_whole() {
                    text += "\n  (and more)";
                }
            }
            text
        }
        Subject::ChangedTool { server, tool, now, .. } => {
            format!(
                "The tool {} of {server} is not the one that you lent to \"{name}\". It is now\n{}",
                tool.text(),
                indented(now.text())
            )
        }
        _ => format!("\"{name}\" asks for something that this version does not know.\n{who}"),
    };
    let left = prompt.until.saturating_duration_since(Instant::now()).as_secs();
    format!("\n{what}\n  No answer within {left} s is a no.")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}

/// The question, for programs that watch. It has no nonce: they can't answer it.
fn in_json(prompt: &Prompt) -> serde_json::Value {
    let request = &prompt.request;
    let kind = match &request.subject {
        Subject::Pairing { .. } => "pairing",
        Subject::UnknownAgent { .. } => "unknown_agent",
        Subject::Session { .. } => "session",
        Subject::ToolCall { .. } => "tool_call",
        Subject::ChangedTool { .. } => "changed_tool",
        _ => "other",
    };
    serde_json::json!({
        "event": "prompt", "kind": kind, "agent": request.agent.to_string(), "name": request.name.as_str(),
    })
}
