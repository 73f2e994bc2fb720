//! The steps that a foreign peer reports, as the tests read them.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::mpsc;

/// What a peer reported about one step: a JSON object with a `step` and what belongs to it.
pub type Step = Value;

/// More steps than any peer reports; a peer that runs wild fails the test instead of filling the memory.
const MAX_UNREAD: usize = 4096;

/// Everything that a peer has said so far, for the message of a failed test.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<String>>);

impl Log {
    pub(crate) fn line(&self, line: &str) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str("    ");
        log.push_str(line);
        log.push('\n');
    }
}

impl std::fmt::Display for Log {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where a peer's reports arrive.
#[derive(Clone)]
pub(crate) struct Reporter {
    steps: mpsc::Sender<Step>,
    log: Log,
}

/// Where a test reads them.
pub(crate) struct Steps {
    steps: mpsc::Receiver<Step>,
}

pub(crate) fn steps(log: Log) -> (Reporter, Steps) {
    let (sender, receiver) = mpsc::channel(MAX_UNREAD);
    (Reporter { steps: sender, log }, Steps { steps: receiver })
}

impl Reporter {
    /// Takes a line of a peer. One that is no step is the step `said` with that `text`: programs that are examples for
    /// people print such lines.
    pub(crate) fn report(&self, line: &str) {
        self.log.line(line);
        let step = serde_json::from_str::<Step>(line).ok().filter(|step| step["step"].is_string());
        if self.steps.try_send(step.unwrap_or(json!({ "step": "said", "text": line }))).is_err() {
            self.log.line("(nobody reads any more steps)");
        }
    }
}

impl Steps {
    /// Waits for the next step of that name, passing over others; an error once it cannot come any more.
    pub(crate) async fn next(&mut self, name: &str) -> Result<Step, String> {
        loop {
            let Some(step) = self.steps.recv().await else {
                return Err(format!("ended without the step {name:?}"));
            };
            if step["step"] == name {
                return Ok(step);
            }
            if step["step"] == "failed" {
                return Err(format!("failed: {}", step["error"].as_str().unwrap_or("no reason given")));
            }
        }
    }
}
