//! The prompt window: there while somebody waits for an answer, and only then.
//!
//! The broker decides which prompt is visible and what an answer is worth, and the host says what the page is told. This
//! makes the window, and tells the broker what the window system says about its focus; the page never says that it is
//! focused.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatelodge_host::Host;
use gatelodge_host::approval::view::PromptEvent;
use gatelodge_host::approval::{Prompt, PromptId};
use tauri::ipc::Channel;
use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::desk::Desk;
use crate::windows::confined;

/// The label of the prompt window, as its capability names it.
pub(crate) const PROMPT: &str = "prompt";

/// The window's size, and the least that it is made for, in logical pixels.
const SIZE: (f64, f64) = (480.0, 680.0);
const LEAST: (f64, f64) = (320.0, 480.0);

/// How long an empty window stays: the next question is often there a moment later, and a new window takes longer.
const LINGER: Duration = Duration::from_millis(700);

/// How long after it was drawn the window may get the focus. Before the window manager has placed a window it may give it the
/// focus unasked, as a new one; on a busy machine that is not done when the first frame is.
const PLACED: Duration = Duration::from_millis(300);

/// How long no window is made before there is a question, after one was made for nothing: who knocks and leaves again is not
/// to keep this machine busy.
const WARY: Duration = Duration::from_secs(60);

/// How many orders may wait. Pages and window systems give a few a second.
const ORDERS: usize = 64;

/// What the window system and the rest of the shell want.
#[derive(Debug)]
pub(crate) enum Order {
    /// The window has the focus, or not any more.
    Focus(bool),
    /// The page has drawn a prompt.
    Drawn,
    /// The person closed the window.
    PutAway,
    /// The window is gone.
    Gone,
    /// The person wants to see a prompt; `None` for whichever is next.
    Show(Option<PromptId>),
}

/// The handle of the prompt window.
#[derive(Debug)]
pub(crate) struct Prompts {
    app: AppHandle,
    orders: mpsc::Sender<Order>,
    /// What tells the page.
    telling: Mutex<Option<AbortHandle>>,
}

impl Prompts {
    /// Makes the handle, and what keeps the window for as long as the app lives.
    pub(crate) fn new(app: AppHandle) -> (Self, impl Future<Output = ()>) {
        let (sender, orders) = mpsc::channel(ORDERS);
        let keeping = keep(app.clone(), orders);
        (Self { app, orders: sender, telling: Mutex::default() }, keeping)
    }

    /// Gives an order. More than the window can do are dropped.
    pub(crate) fn order(&self, order: Order) {
        if let Err(error) = self.orders.try_send(order) {
            tracing::warn!(%error, "the prompt window is told more than it can do");
        }
    }

    /// Tells a page that has just begun, and no other one any more.
    pub(crate) fn tell(&self, page: Channel<PromptEvent>) {
        let app = self.app.clone();
        let telling = tauri::async_runtime::spawn(async move {
            let Some(host) = app.state::<Desk>().when_up().await else { return };
            let mut events = host.prompt_events();
            loop {
                let event = events.next().await;
                if let Err(error) = page.send(event) {
                    tracing::debug!(%error, "the prompt's page is gone");
                    return;
                }
            }
        });
        self.replace(Some(telling.inner().abort_handle()));
    }

    /// The window is gone.
    pub(crate) fn gone(&self) {
        self.replace(None);
        self.order(Order::Gone);
    }

    fn replace(&self, telling: Option<AbortHandle>) {
        let before =
            std::mem::replace(&mut *self.telling.lock().unwrap_or_else(PoisonError::into_inner), telling);
        if let Some(before) = before {
            before.abort();
        }
    }
}

async fn keep(app: AppHandle, mut orders: mpsc::Receiver<Order>) {
    let Some(host) = app.state::<Desk>().when_up().await else { return };
    let (mut prompts, mut expected) = (host.approvals().prompts(), host.approvals().expected());
    let mut window = Window {
        app,
        host,
        focused: false,
        put_away: None,
        visible: None,
        empty_since: Some(Instant::now()),
        shown: false,
        in_vain: None,
    };
    loop {
        let prompt = prompts.borrow_and_update().clone();
        window.follow(prompt.as_ref()).await;
        let alarm = async {
            match window.alarm() {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(order) => window.obey(order),
                None => return,
            },
            changed = prompts.changed() => if changed.is_err() { return },
            Ok(()) = expected.changed() => window.expect().await,
            () = alarm => {}
        }
    }
}

/// The window, as it was left.
struct Window {
    app: AppHandle,
    host: Host,
    focused: bool,
    /// The prompt that the person put away without an answer.
    put_away: Option<PromptId>,
    visible: Option<PromptId>,
    /// Since when there has been nothing to show.
    empty_since: Option<Instant>,
    /// Whether there is a window that can be seen.
    shown: bool,
    /// When a window was taken away that nobody had seen.
    in_vain: Option<Instant>,
}

impl Window {
    /// Makes the window show what the broker says.
    async fn follow(&mut self, prompt: Option<&Prompt>) {
        let before = std::mem::replace(&mut self.visible, prompt.map(|prompt| prompt.id));
        let Some(prompt) = prompt else {
            self.put_away = None;
            self.take_away();
            return;
        };
        self.empty_since = None;
        if before != self.visible {
            // The window may have had the focus before this prompt was there.
            self.host.approvals().focused(prompt.id, self.focused);
        }
        if self.put_away != self.visible {
            self.put_away = None;
            self.make(true).await;
        }
    }

    /// Makes the window before there is a question, so that its page is there sooner. Nobody sees it yet.
    async fn expect(&mut self) {
        if self.visible.is_none() && self.in_vain.is_none_or(|at| at.elapsed() >= WARY) {
            self.empty_since = Some(Instant::now());
            self.make(false).await;
        }
    }

    /// Takes an empty window away, once it has been empty for a while. A hidden one would keep its memory.
    fn take_away(&mut self) {
        let since = *self.empty_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= LINGER
            && let Some(window) = self.app.get_webview_window(PROMPT)
        {
            if !self.shown {
                self.in_vain = Some(Instant::now());
            }
            if let Err(error) = window.destroy() {
                tracing::warn!(%error, "the prompt window cannot be taken away");
            }
        }
    }

    /// Returns when there is something to do even if nothing happens.
    fn alarm(&self) -> Option<Instant> {
        let since = self.empty_since?;
        self.app.get_webview_window(PROMPT).map(|_| since.max(Instant::now() - LINGER) + LINGER)
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Focus(focused) => self.focus(focused),
            Order::Drawn => self.let_focus(),
            Order::PutAway => self.put_away = self.visible,
            Order::Gone => self.focus(false),
            Order::Show(id) => {
                self.put_away = None;
                if let Some(id) = id {
                    self.host.approvals().bring_forward(id);
                }
                if self.shown
                    && let Some(window) = self.app.get_webview_window(PROMPT)
                {
                    // What the window manager does not want to do, it does not do.
                    let _ = window.set_focusable(true);
                    let _ = window.unminimize();
                    let _ = window.show();
                    let _ = window.set_focus();
                }
            }
        }
    }

    /// Lets the person give the window the focus, from soon on.
    fn let_focus(&self) {
        let app = self.app.clone();
        tauri::async_runtime::spawn(async move {
            tokio::time::sleep(PLACED).await;
            if let Some(window) = app.get_webview_window(PROMPT)
                && let Err(error) = window.set_focusable(true)
            {
                tracing::warn!(%error, "the prompt window cannot get the focus");
            }
        });
    }

    fn focus(&mut self, focused: bool) {
        self.focused = focused;
        if let Some(visible) = self.visible {
            self.host.approvals().focused(visible, focused);
        }
    }

    /// Makes the window if there is none, and has it seen. It comes up without the focus: who types elsewhere goes on
    /// typing there.
    async fn make(&mut self, seen: bool) {
        if let Some(window) = self.app.get_webview_window(PROMPT) {
            if seen && !std::mem::replace(&mut self.shown, true) {
                let _ = window.show();
            }
            return;
        }
        self.shown = seen;
        let app = self.app.clone();
        // It waits for the main thread.
        let building = tauri::async_runtime::spawn_blocking(move || {
            let window = WebviewWindowBuilder::new(&app, PROMPT, WebviewUrl::App("prompt.html".into()))
                .title("Gatelodge")
                .inner_size(SIZE.0, SIZE.1)
                .min_inner_size(LEAST.0, LEAST.1)
                .maximizable(false)
                .always_on_top(true)
                .center()
                .focusable(false)
                .focused(false)
                .visible(seen)
                // The page has the texts, and calls itself by something else than the main window.
                .on_document_title_changed(|window, title| {
                    // A window that is gone needs none.
                    let _ = window.set_title(&title);
                });
            confined(&app, window).build().map(drop)
        });
        match building.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the prompt window cannot be made"),
            Err(panic) => tracing::error!(%panic, "the prompt window cannot be made"),
        }
    }
}
