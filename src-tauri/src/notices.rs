//! Notifications of the desktop: that somebody waits, that a session began or ended, that a tool has changed.
//!
//! A click on one opens a window and does nothing else, since any process of the session can forge such a click.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use gatelodge_host::NotifyChoice;
use gatelodge_host::approval::view::WaitingSummary;
use gatelodge_host::approval::{PromptId, Waiting};
use gatelodge_host::{Host, HostEvent, SessionId};
use notify_rust::{Hint, Notification, NotificationResponse, Timeout, Urgency};
use tauri::{AppHandle, Manager};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::prompts::{Order, Prompts};
use crate::texts::Texts;
use crate::tray::{asked, plain};
use crate::windows::{MainWindow, Screen};

/// The longest a notification is followed: some services never say that one is gone.
const FOLLOWED: Duration = Duration::from_secs(15 * 60);

/// How long somebody has to wait before there is a notification of it: the prompt's window comes first, and who answers
/// that at once need not be told.
const PATIENCE: Duration = Duration::from_millis(500);

/// Notifications about sessions in this time at most: an agent that comes and goes must not fill the screen.
const SPAN: Duration = Duration::from_secs(30);
const MOST: usize = 6;

/// Sessions whose agents' names are remembered before those that are over are looked for: more than are ever up.
const MOST_NAMES: usize = 1000;

/// Where a click on a notification leads.
#[derive(Debug, Clone)]
enum Click {
    Prompt(PromptId),
    Screen(Screen, Option<String>),
}

/// Shows notifications for as long as the app lives.
pub(crate) async fn keep(app: AppHandle, texts: Texts) {
    while let Some(host) = app.state::<Desk>().when_up().await {
        let mut notices = Notices {
            app: app.clone(),
            texts: texts.clone(),
            asking: None,
            names: HashMap::new(),
            recent: Vec::new(),
        };
        notices.follow(&host).await;
    }
}

struct Notices {
    app: AppHandle,
    texts: Texts,
    /// The notification that somebody waits: for which prompt, and what takes it away.
    asking: Option<(PromptId, usize, CancellationToken)>,
    /// What the agents of sessions are called that were told of.
    names: HashMap<SessionId, String>,
    recent: Vec<Instant>,
}

impl Notices {
    async fn follow(&mut self, host: &Host) {
        let (mut events, mut prompts) = (host.events(), host.approvals().prompts());
        prompts.mark_changed();
        let mut due = None;
        loop {
            let patience = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => self.tell(event, host),
                    None => break,
                },
                changed = prompts.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let nobody = prompts.borrow_and_update().is_none();
                    if nobody {
                        self.withdraw();
                    }
                    let soon = || tokio::time::Instant::now() + PATIENCE;
                    due = (!nobody).then(|| due.unwrap_or_else(soon));
                }
                () = patience => {
                    due = None;
                    self.tell_who_waits(&host.approvals().waiting());
                }
            }
        }
        self.withdraw();
    }

    /// One notification, whoever waits: it names the first, and counts the others.
    fn tell_who_waits(&mut self, waiting: &[Waiting]) {
        let count = waiting.len();
        let Some(first) = waiting.first().map(WaitingSummary::from) else {
            self.withdraw();
            return;
        };
        if self.asking.as_ref().is_some_and(|(id, told, _)| *id == first.id && *told == count) {
            return;
        }
        self.withdraw();
        if !self.wanted().waiting {
            return;
        }
        let notice = &self.texts.notice;
        let title = match first.known {
            true => notice.asks.with(&[("name", &plain(&first.name))]),
            false => notice.unknown_asks.clone(),
        };
        let mut body = format!("{}\n{}", asked(&first, &self.texts), notice.look);
        if count > 1 {
            body = format!("{body}\n{}", notice.more.of(count - 1));
        }
        let gone = self.show(&title, &body, true, Click::Prompt(first.id));
        self.asking = Some((first.id, count, gone));
    }

    fn withdraw(&mut self) {
        if let Some((_, _, gone)) = self.asking.take() {
            gone.cancel();
        }
    }

    fn tell(&mut self, event: HostEvent, host: &Host) {
        let notice = &self.texts.notice;
        let overview = || Click::Screen(Screen::Overview, None);
        let (kind, title, body, click): (fn(&NotifyChoice) -> bool, _, _, _) = match event {
            HostEvent::Admitted { session, label, servers } => {
                let lent: Vec<_> = servers.iter().map(|server| plain(server.as_str())).collect();
                let title = notice.began.with(&[("name", &plain(&label))]);
                let body = notice.lent.with(&[("servers", &lent.join(", "))]);
                self.remember(session, label, host);
                (|wanted| wanted.session_began, title, body, overview())
            }
            HostEvent::Ended { session, reason } => {
                let Some(label) = self.names.remove(&session) else { return };
                let title = notice.ended.with(&[("name", &plain(&label))]);
                (|wanted| wanted.session_ended, title, reason, overview())
            }
            HostEvent::ToolChanged { server, tool, .. } => {
                let (tool, shown) = (plain(&tool), plain(server.as_str()));
                let values = [("tool", tool.as_str()), ("server", shown.as_str())];
                let to = Click::Screen(Screen::Servers, Some(server.to_string()));
                let body = notice.tool_suspended.with(&values);
                (|wanted| wanted.tool_changed, notice.tool_changed.clone(), body, to)
            }
            HostEvent::KeychainUnavailable { reason } => {
                (|_| true, notice.trouble.clone(), reason, overview())
            }
            _ => return,
        };
        if kind(&self.wanted()) && self.has_room() {
            self.show(&title, &body, false, click);
        }
    }

    /// Remembers what the agent of a session is called, for when it ends.
    fn remember(&mut self, session: SessionId, label: String, host: &Host) {
        self.names.insert(session, label);
        if self.names.len() > MOST_NAMES {
            // Sessions whose end was missed are not kept for ever.
            let up: Vec<_> = host.live().sessions.iter().map(|live| SessionId(live.session.id)).collect();
            self.names.retain(|session, _| up.contains(session));
        }
    }

    /// What the person wants to be told of.
    fn wanted(&self) -> NotifyChoice {
        self.app.state::<Desk>().settings().notify
    }

    /// Whether there have not been too many lately.
    fn has_room(&mut self) -> bool {
        let now = Instant::now();
        self.recent.retain(|at| now.duration_since(*at) < SPAN);
        let room = self.recent.len() < MOST;
        if room {
            self.recent.push(now);
        }
        room
    }

    /// Shows a notification, and follows it until it is gone, clicked, or cancelled by what is returned.
    fn show(&self, title: &str, body: &str, lasting: bool, click: Click) -> CancellationToken {
        let mut notification = Notification::new();
        notification
            .appname("Gatelodge")
            .icon("gatelodge-desktop")
            .summary(title)
            .body(&escaped(body))
            .action("default", "Open")
            .hint(Hint::DesktopEntry("Gatelodge".to_owned()))
            .urgency(if lasting { Urgency::Critical } else { Urgency::Normal })
            .timeout(if lasting { Timeout::Never } else { Timeout::Default });
        let gone = CancellationToken::new();
        let (app, cancelled) = (self.app.clone(), gone.clone());
        tauri::async_runtime::spawn(async move {
            let handle = match notification.show_async().await {
                Ok(handle) => handle,
                Err(error) => {
                    tracing::warn!(%error, "a notification cannot be shown");
                    return;
                }
            };
            let mut clicked = false;
            let waiting = handle.wait_for_action_async(|response| {
                clicked = matches!(response, NotificationResponse::Default | NotificationResponse::Action(_));
            });
            let ended = tokio::select! {
                ended = tokio::time::timeout(FOLLOWED, waiting) => ended.is_ok(),
                () = cancelled.cancelled() => false,
            };
            if !ended || clicked {
                // Some services keep a notification after a click on it.
                handle.close_async().await;
            }
            if clicked {
                follow_click(&app, click);
            }
        });
        gone
    }
}

fn follow_click(app: &AppHandle, click: Click) {
    match click {
        Click::Prompt(id) => app.state::<Prompts>().order(Order::Show(Some(id))),
        Click::Screen(screen, id) => app.state::<MainWindow>().open(app, Some(screen), id),
    }
}

/// Notification services read a part of HTML in the body.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_markup() {
        assert_eq!(escaped("<img src=x> & <b>"), "&lt;img src=x&gt; &amp; &lt;b&gt;");
    }
}
