//! The main window: made when it is wanted, destroyed when it is closed, since a hidden one keeps its memory.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatelodge_host::Theme;
use serde::Serialize;
use tauri::ipc::Channel;
use tauri::utils::config::Color;
use tauri::webview::NewWindowResponse;
use tauri::{AppHandle, Manager, Runtime, Url, WebviewUrl, WebviewWindowBuilder};

use crate::desk::Desk;

/// The label of the main window, as its capability names it.
pub(crate) const MAIN: &str = "main";

/// How long the window waits for its page before it is shown as it is: longer than any first paint, so that who sees an
/// empty window at least sees one.
const PAINT_LIMIT: Duration = Duration::from_secs(5);

/// A screen of the main window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Screen {
    Overview,
    Servers,
    Links,
    Settings,
}

/// Where the main window begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Destination {
    screen: Option<Screen>,
    id: Option<String>,
}

/// What the shell wants of the main window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum ShellEvent {
    /// Go to this screen.
    Navigate { screen: Screen, id: Option<String> },
    /// The person opened a `gatelodge://` link.
    OpenedLink { url: String },
}

/// What is known of the main window.
#[derive(Default)]
pub(crate) struct MainWindow(Mutex<State>);

#[derive(Default)]
struct State {
    destination: Destination,
    channel: Option<Channel<ShellEvent>>,
    /// The page has been painted, and the window shown.
    shown: bool,
}

impl MainWindow {
    /// Opens the window, or brings it to the front, and goes to a screen if one is named.
    pub(crate) fn open(&self, app: &AppHandle, screen: Option<Screen>, id: Option<String>) {
        if let Some(screen) = screen {
            self.tell(
                ShellEvent::Navigate { screen, id: id.clone() },
                Destination { screen: Some(screen), id },
            );
        }
        self.show(app);
    }

    /// Shows a link that the person opened.
    pub(crate) fn open_link(&self, app: &AppHandle, url: &Url) {
        let begin = Destination { screen: Some(Screen::Links), id: Some("opened".to_owned()) };
        self.tell(ShellEvent::OpenedLink { url: url.to_string() }, begin);
        self.show(app);
    }

    /// Tells the page, or keeps for it where it shall begin.
    fn tell(&self, event: ShellEvent, otherwise: Destination) {
        let mut state = self.lock();
        let told = state.channel.as_ref().is_some_and(|channel| channel.send(event).is_ok());
        if !told {
            state.destination = otherwise;
        }
    }

    fn show(&self, app: &AppHandle) {
        if let Some(window) = app.get_webview_window(MAIN) {
            if self.lock().shown {
                // What the window manager does not want to do, it does not do.
                let _ = window.unminimize();
                let _ = window.show();
                let _ = window.set_focus();
            }
            return;
        }
        let app = app.clone();
        // Made on a thread of its own: it waits for the main thread, which may be who asks.
        tauri::async_runtime::spawn(async move {
            let building = app.clone();
            let built = tauri::async_runtime::spawn_blocking(move || build(&building)).await;
            match built {
                Ok(Ok(())) => {}
                // Somebody else has just made it.
                Ok(Err(
                    tauri::Error::WindowLabelAlreadyExists(_) | tauri::Error::WebviewLabelAlreadyExists(_),
                )) => {}
                Ok(Err(error)) => tracing::error!(%error, "the main window cannot be made"),
                Err(panic) => tracing::error!(%panic, "the main window cannot be made"),
            }
            tokio::time::sleep(PAINT_LIMIT).await;
            app.state::<Self>().ready(&app);
        });
    }

    /// Shows the window for the first time.
    pub(crate) fn ready(&self, app: &AppHandle) {
        let Some(window) = app.get_webview_window(MAIN) else { return };
        if !std::mem::replace(&mut self.lock().shown, true) {
            let _ = window.show();
            let _ = window.set_focus();
        }
    }

    /// Tells this channel what the shell wants.
    pub(crate) fn listen(&self, channel: Channel<ShellEvent>) {
        self.lock().channel = Some(channel);
    }

    /// Returns where the window begins, once.
    pub(crate) fn take_destination(&self) -> Destination {
        std::mem::take(&mut self.lock().destination)
    }

    /// The window is gone.
    pub(crate) fn closed(&self) {
        *self.lock() = State::default();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn build(app: &AppHandle) -> tauri::Result<()> {
    let window = WebviewWindowBuilder::new(app, MAIN, WebviewUrl::App("index.html".into()))
        .title("Gatelodge")
        .inner_size(1080.0, 720.0)
        .min_inner_size(320.0, 480.0)
        // It is shown once its page is there.
        .visible(false);
    confined(app, window).build().map(drop)
}

/// Returns what a window shows before its page is there, where the person chose how that looks; `None` for the system's
/// choice, which is not known before there is a window. The colours are the page's (`--ground` in `ui/src/tokens.css`).
fn ground(app: &AppHandle) -> Option<Color> {
    match app.state::<Desk>().settings().theme {
        Theme::System => None,
        Theme::Light => Some(Color(0xf5, 0xf6, 0xf8, 0xff)),
        Theme::Dark => Some(Color(0x14, 0x16, 0x1b, 0xff)),
    }
}

/// Keeps a window on its own pages, and in their colour: no other page, window or download, whatever a page is made to
/// ask for.
pub(crate) fn confined<'a, R: Runtime, M: Manager<R>>(
    app: &AppHandle,
    window: WebviewWindowBuilder<'a, R, M>,
) -> WebviewWindowBuilder<'a, R, M> {
    let window = match ground(app) {
        Some(color) => window.background_color(color),
        None => window,
    };
    window
        .on_navigation(is_own_page)
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_download(|_, _| false)
        .devtools(false)
}

fn is_own_page(url: &Url) -> bool {
    match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        // On Windows.
        "http" | "https" => url.host_str() == Some("tauri.localhost"),
        // What a window shows before its page.
        "about" => url.as_str() == "about:blank",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_show_their_own_pages_only() {
        let own = |url: &str| is_own_page(&url.parse().unwrap());
        assert!(
            own("tauri://localhost/index.html")
                && own("http://tauri.localhost/prompt.html")
                && own("about:blank")
        );
        for other in [
            "https://example.org/",
            "file:///etc/passwd",
            "data:text/html,x",
            "tauri://elsewhere/",
            "about:config",
        ] {
            assert!(!own(other), "{other}");
        }
    }

    #[test]
    fn a_page_that_is_not_there_yet_begins_where_it_was_wanted() {
        let window = MainWindow::default();
        let destination = Destination { screen: Some(Screen::Settings), id: None };
        window.tell(ShellEvent::Navigate { screen: Screen::Settings, id: None }, destination.clone());
        assert_eq!(window.take_destination(), destination);
        assert_eq!(window.take_destination(), Destination::default());
    }
}
