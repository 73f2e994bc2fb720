//! Prompts on the terminal: what is asked, and the answer that somebody types.
//!
//! What makes an answer count (the nonce of the showing, the arming delay) is the broker's to judge; here a line is only
//! turned into an answer.

use std::io::Write;
use std::time::Instant;

use gatelodge_host::approval::{
    Answer, AnswerError, AnswerKind, Broker, Nonce, Prompt, Request, ShownText, Subject, Terms,
};
use gatelodge_host::{Timestamp, least_grant};
use tokio::sync::watch;

use crate::terminal::{harmless, say};

/// The most of a text that is printed, in bytes. What is longer scrolls away before anybody has read it, and cannot be
/// allowed here.
const MAX_PRINTED: usize = 64 << 10;

/// The prompts of a desktop, one at a time.
pub(super) struct Prompts {
    broker: Broker,
    visible: watch::Receiver<Option<Prompt>>,
    /// The showing that was printed last, if it is not answered yet.
    shown: Option<Nonce>,
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
        if self.shown == Some(prompt.nonce) {
            return;
        }
        self.shown = Some(prompt.nonce);
        if self.json {
            println!("{}", in_json(&prompt));
        }
        eprintln!("{}", harmless(&in_words(&prompt)));
        eprint!("{} ", choices(&prompt.request));
        let _ = std::io::stderr().flush();
        // A terminal has the attention of whoever types into it.
        self.broker.drawn(prompt.id, prompt.nonce);
        self.broker.focused(prompt.id, true);
    }

    /// Takes a typed line as an answer to the visible prompt.
    pub(super) fn answer(&mut self, line: &str) {
        let Some(prompt) = self.visible.borrow().clone() else { return };
        let typed = match &prompt.request.subject {
            Subject::Pairing { preset, .. } => super::pairing::answer(line, preset, Timestamp::now()),
            _ => in_a_word(line, &prompt.request),
        };
        let answer = match typed {
            Ok(answer) => answer,
            Err(reason) => {
                eprint!("{reason}. Please type one of these: {} ", choices(&prompt.request));
                let _ = std::io::stderr().flush();
                return;
            }
        };
        let said = answer_in_words(&answer);
        // Who was about to send off an empty line did not mean the question that came up before it.
        let unmeant = line.trim().is_empty() && !prompt.is_armed(Instant::now());
        let answered = match offers(&prompt.request, answer.kind()) {
            true if unmeant => Err(AnswerError::TooEarly),
            true => self.broker.answer(prompt.nonce, answer),
            false => Err(AnswerError::NotAllowed),
        };
        match answered {
            Ok(()) => {
                self.shown = None;
                eprintln!("{said}");
                // The next prompt, if any, is shown by the change that this one brought about.
                self.visible.mark_changed();
            }
            Err(AnswerError::NotAllowed) => {
                eprint!("That is not possible here: {} ", choices(&prompt.request));
            }
            Err(error @ (AnswerError::TooEarly | AnswerError::Terms(_))) => {
                eprint!("{error}: {} ", choices(&prompt.request));
            }
            Err(error) => say!("{error}"),
        }
        let _ = std::io::stderr().flush();
    }
}

/// Reads an answer that is a word. An unknown agent gets the least of all that is offered.
fn in_a_word(line: &str, request: &Request) -> Result<Answer, String> {
    let terms = || {
        let grants = request.offered.iter().map(|server| least_grant(request.agent, server)).collect();
        Terms { label: None, grants }
    };
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" | "once" => Ok(Answer::Once),
        "s" | "session" => Ok(Answer::Session(terms())),
        "a" | "always" => Ok(Answer::Always(terms())),
        "n" | "no" | "deny" | "" => Ok(Answer::Deny),
        "e" | "end" => Ok(Answer::DenyAndEnd),
        "b" | "block" => Ok(Answer::Block),
        _ => Err("That is no answer".to_owned()),
    }
}

fn answer_in_words(answer: &Answer) -> &'static str {
    match answer {
        Answer::Once => "Allowed once.",
        Answer::Session(_) => "Allowed for this session.",
        Answer::Always(_) => "Allowed from now on.",
        Answer::Deny => "Denied.",
        Answer::DenyAndEnd => "Denied; the session ends.",
        Answer::Block => "Blocked.",
    }
}

/// What may be typed.
fn choices(request: &Request) -> String {
    if matches!(request.subject, Subject::Pairing { .. }) {
        return "[y pair / s pair for now / n deny / b block]".to_owned();
    }
    let choice = |answer: AnswerKind| match answer {
        AnswerKind::Once => "y once",
        AnswerKind::Session => "s this session",
        AnswerKind::Always => "a always",
        AnswerKind::Deny => "n deny",
        AnswerKind::DenyAndEnd => "e deny and end",
        AnswerKind::Block => "b block",
    };
    let answers = request.subject.answers().into_iter().filter(|answer| offers(request, *answer));
    format!("[{}]", answers.map(choice).collect::<Vec<_>>().join(" / "))
}

/// Whether an answer can be given on a terminal: a yes only to what was printed whole.
fn offers(request: &Request, answer: AnswerKind) -> bool {
    let yes = matches!(answer, AnswerKind::Once | AnswerKind::Session | AnswerKind::Always);
    let printed = |text: &ShownText| text.text().len() <= MAX_PRINTED;
    let whole = match &request.subject {
        Subject::ToolCall { tool, arguments, detail, .. } => {
            [Some(tool), Some(arguments), detail.as_ref()].into_iter().flatten().all(printed)
        }
        Subject::ChangedTool { tool, now, .. } => printed(tool) && printed(now),
        _ => true,
    };
    request.subject.allows(answer) && (whole || !yes)
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
                format!("\"{name}\" calls {} of {server}, with\n{}", beginning(tool), indented(arguments));
            if let Some(detail) = detail {
                text += &format!("\nAs files are now, that means\n{}", indented(detail));
            }
            text
        }
        Subject::ChangedTool { server, tool, now, .. } => {
            format!(
                "The tool {} of {server} is not the one that you lent to \"{name}\". It is now\n{}",
                beginning(tool),
                indented(now)
            )
        }
        _ => format!("\"{name}\" asks for something that this version does not know.\n{who}"),
    };
    let left = prompt.until.saturating_duration_since(Instant::now()).as_secs();
    format!("\n{what}\n  No answer within {left} s is a no.")
}

/// A text with a line at its side; only the beginning, if it is too long for a terminal.
fn indented(text: &ShownText) -> String {
    let shown = beginning(text);
    let mut lines = shown.lines().map(|line| format!("  | {line}")).collect::<Vec<_>>();
    if shown.len() < text.text().len() || !text.is_whole() {
        lines.push(format!(
            "  (the beginning of {} bytes: too much for a terminal, so that it cannot be allowed here)",
            text.size()
        ));
    }
    lines.join("\n")
}

fn beginning(text: &ShownText) -> &str {
    let text = text.text();
    &text[..text.floor_char_boundary(MAX_PRINTED)]
}

/// The question, for programs that watch. It has no nonce: they can't answer it.
fn in_json(prompt: &Prompt) -> serde_json::Value {
    let request = &prompt.request;
    let kind = request.subject.kind();
    serde_json::json!({
        "event": "prompt", "kind": kind, "agent": request.agent.to_string(), "name": request.name.as_str(),
    })
}
