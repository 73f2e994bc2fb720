//! What a prompt's window is told, one thing after the other: which prompt is visible, and from when on answers count.

use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::{PromptEvent, PromptView};
use crate::approval::{Broker, Nonce, Prompt, PromptId};
use crate::desktop::Desktop;

/// The events for one window that shows prompts, from its beginning on.
///
/// The window says when it has drawn a showing ([`Broker::drawn`]), and whoever owns the window says of each prompt whether it
/// has the focus ([`Broker::focused`]).
pub struct PromptEvents {
    desktop: Arc<Desktop>,
    prompts: watch::Receiver<Option<Prompt>>,
    told: Told,
}

/// What the window knows.
#[derive(Debug, Default)]
struct Told {
    /// Nothing before the first event.
    shown: Option<Option<Showing>>,
    /// Since when answers count, as far as the window was told that they do.
    armed: Option<Instant>,
}

/// What makes a prompt another one for the window, or the same with other numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Showing {
    id: PromptId,
    nonce: Nonce,
    requests: usize,
    behind: usize,
    until: Instant,
}

/// What is to be told next.
#[derive(Debug, PartialEq)]
enum Next {
    Show(Prompt),
    Armed(PromptId, Nonce),
    Disarmed(PromptId),
    None,
    /// Nothing before another change, or before this moment.
    Wait(Option<Instant>),
}

impl PromptEvents {
    /// Begins with the prompt that is visible now, in a showing of its own.
    pub(crate) fn new(desktop: Arc<Desktop>) -> Self {
        let broker: &Broker = &desktop.broker;
        broker.show_anew();
        let prompts = broker.prompts();
        Self { desktop, prompts, told: Told::default() }
    }

    /// Waits for the next event. Cancel-safe.
    pub async fn next(&mut self) -> PromptEvent {
        loop {
            let prompt = self.prompts.borrow_and_update().clone();
            let now = tokio::time::Instant::now().into_std();
            let next = self.told.next(now, prompt.as_ref());
            let event = match &next {
                Next::Show(prompt) => {
                    PromptEvent::Show { prompt: Box::new(PromptView::of(&self.desktop, prompt).await) }
                }
                Next::Armed(id, nonce) => PromptEvent::Armed { id: *id, nonce: *nonce },
                Next::Disarmed(id) => PromptEvent::Disarmed { id: *id },
                Next::None => PromptEvent::None,
                Next::Wait(until) => {
                    let alarm = async {
                        match until {
                            Some(until) => tokio::time::sleep_until((*until).into()).await,
                            None => pending().await,
                        }
                    };
                    tokio::select! {
                        // The broker lives as long as the desktop that is held here.
                        _ = self.prompts.changed() => {}
                        () = alarm => {}
                    }
                    continue;
                }
            };
            self.told.note(&next, prompt.as_ref());
            return event;
        }
    }
}

impl std::fmt::Debug for PromptEvents {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PromptEvents").field("told", &self.told).finish_non_exhaustive()
    }
}

impl Told {
    fn next(&self, now: Instant, prompt: Option<&Prompt>) -> Next {
        let showing = prompt.map(Showing::of);
        if self.shown != Some(showing) {
            return prompt.map_or(Next::None, |prompt| Next::Show(prompt.clone()));
        }
        let Some(prompt) = prompt else { return Next::Wait(None) };
        match (self.armed, prompt.armed_from) {
            (Some(told), Some(from)) if told == from => Next::Wait(None),
            // A focus that was lost and came back is no less lost: the window waits to be armed anew.
            (Some(_), _) => Next::Disarmed(prompt.id),
            (None, Some(_)) if prompt.is_armed(now) => Next::Armed(prompt.id, prompt.nonce),
            (None, from) => Next::Wait(from),
        }
    }

    fn note(&mut self, next: &Next, prompt: Option<&Prompt>) {
        match next {
            // Who draws a prompt anew is armed anew, even if only numbers have changed.
            Next::Show(_) | Next::None => (self.shown, self.armed) = (Some(prompt.map(Showing::of)), None),
            Next::Armed(..) => self.armed = prompt.and_then(|prompt| prompt.armed_from),
            Next::Disarmed(_) => self.armed = None,
            Next::Wait(_) => {}
        }
    }
}

impl Showing {
    fn of(prompt: &Prompt) -> Self {
        let &Prompt { id, nonce, requests, behind, until, .. } = prompt;
        Self { id, nonce, requests, behind, until }
    }
}

#[cfg(test)]
mod tests;
