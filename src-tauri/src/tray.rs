//! The tray icon and its menu. Nothing can be approved here: any process of the session can click in such a menu.

mod menu;

pub(crate) use menu::{Shown, asked, plain};

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use gatelodge_host::live::Live;
use gatelodge_host::manage::Request;
use gatelodge_host::{GateChange, HostEvent, SessionId};
use tauri::image::Image;
use tauri::menu::{IsMenuItem, Menu, MenuItem, PredefinedMenuItem, Submenu};
use tauri::tray::TrayIconBuilder;
use tauri::{AppHandle, Manager, Wry};

use crate::app::quit_asked;
use crate::desk::{Desk, Stage};
use crate::prompts::{Order, Prompts};
use crate::texts::Texts;
use crate::windows::{MainWindow, Screen};
use menu::{Action, Entry, Icon};

/// The tray icon's name.
const TRAY: &str = "gatelodge";

/// How long changes are gathered: panels draw slowly, and an agent may come and go quickly.
const GATHER: Duration = Duration::from_millis(500);

/// How often the tray is looked over without an event: for a gate that opens by itself.
const LOOK: Duration = Duration::from_secs(20);

/// Shows the tray icon for the first time. To be called on the main thread before any window is made, which would hold
/// the icon up by as long as a web process takes to start. `None` if it could not be shown.
pub(crate) fn begin(app: &AppHandle, texts: &Texts) -> Option<Shown> {
    let first = menu::of(&app.state::<Desk>().live(), texts);
    try_draw(app, &first).then_some(first)
}

/// Keeps the tray icon, which shows this already, as it has to be for as long as the app lives.
pub(crate) async fn keep(app: AppHandle, texts: Texts, mut shown: Option<Shown>) {
    let mut stages = app.state::<Desk>().stages();
    loop {
        let stage = stages.borrow_and_update().clone();
        // Listened to before it is looked at, so that nothing falls in between.
        let host = match stage {
            Stage::Up(host) => Some((host.events(), host.approvals().prompts())),
            Stage::Starting | Stage::Unusable(_) => None,
            Stage::Ending => return,
        };
        let now = menu::of(&app.state::<Desk>().live(), &texts);
        if shown.as_ref() != Some(&now) {
            if !draw(&app, &now).await {
                return;
            }
            shown = Some(now);
        }
        let something = async {
            let Some((mut events, mut prompts)) = host else { std::future::pending().await };
            loop {
                tokio::select! {
                    event = events.recv() => if event.is_none_or(|event| matters(&event)) { return },
                    _ = prompts.changed() => return,
                }
            }
        };
        tokio::select! {
            () = something => {}
            // The sender is the desk's, which lives as long as the app.
            _ = stages.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// Whether an event may change what the tray shows.
fn matters(event: &HostEvent) -> bool {
    !matches!(event, HostEvent::Called { .. } | HostEvent::PathChanged { .. } | HostEvent::Refused { .. })
}

/// Draws icon and menu. `false` if this desktop has no tray: then there is a window instead.
async fn draw(app: &AppHandle, shown: &Shown) -> bool {
    let (drawing, shown) = (app.clone(), shown.clone());
    // It waits for the main thread.
    let drawn = tauri::async_runtime::spawn_blocking(move || try_draw(&drawing, &shown)).await;
    if drawn.is_ok_and(|drawn| drawn) {
        return true;
    }
    app.state::<MainWindow>().open(app, None, None);
    false
}

/// Draws, and says in the log why that is not possible.
fn try_draw(app: &AppHandle, shown: &Shown) -> bool {
    // The library behind it panics where its own library is missing; that must not end the app.
    match std::panic::catch_unwind(AssertUnwindSafe(|| draw_now(app, shown))) {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => tracing::warn!(%error, "the tray icon cannot be shown"),
        Err(_) => tracing::warn!("the tray icon cannot be shown"),
    }
    false
}

fn draw_now(app: &AppHandle, shown: &Shown) -> tauri::Result<()> {
    let menu = Menu::new(app)?;
    for entry in &shown.entries {
        menu.append(&*item(app, entry)?)?;
    }
    let icon = image(shown.icon)?;
    match app.tray_by_id(TRAY) {
        Some(tray) => {
            tray.set_menu(Some(menu))?;
            tray.set_icon(Some(icon))?;
            tray.set_tooltip(Some(&shown.status))
        }
        None => {
            TrayIconBuilder::with_id(TRAY)
                .icon(icon)
                .tooltip(&shown.status)
                .menu(&menu)
                .on_menu_event(|app, event| clicked(app, event.id().as_ref()))
                .build(app)?;
            Ok(())
        }
    }
}

fn item(app: &AppHandle, entry: &Entry) -> tauri::Result<Box<dyn IsMenuItem<Wry>>> {
    Ok(match entry {
        Entry::Said(text) => Box::new(MenuItem::new(app, text, false, None::<&str>)?),
        Entry::Line => Box::new(PredefinedMenuItem::separator(app)?),
        Entry::Act(text, action) => Box::new(MenuItem::with_id(app, action.id(), text, true, None::<&str>)?),
        Entry::Below(text, entries) => {
            let submenu = Submenu::new(app, text, true)?;
            for entry in entries {
                submenu.append(&*item(app, entry)?)?;
            }
            Box::new(submenu)
        }
    })
}

fn image(icon: Icon) -> tauri::Result<Image<'static>> {
    Image::from_bytes(match icon {
        Icon::Quiet => include_bytes!("../../icons/tray/quiet.png"),
        Icon::Live => include_bytes!("../../icons/tray/live.png"),
        Icon::Waiting => include_bytes!("../../icons/tray/waiting.png"),
        Icon::Closed => include_bytes!("../../icons/tray/closed.png"),
        Icon::Trouble => include_bytes!("../../icons/tray/trouble.png"),
    })
}

/// Does what was clicked. Each of these opens something or takes something away.
fn clicked(app: &AppHandle, id: &str) {
    let Some(action) = Action::of_id(id) else { return };
    let window = app.state::<MainWindow>();
    match action {
        Action::Show(prompt) => app.state::<Prompts>().order(Order::Show(Some(prompt))),
        Action::End(session) => {
            let app = app.clone();
            tauri::async_runtime::spawn(async move {
                if let Ok(host) = app.state::<Desk>().host() {
                    host.perform(Request::EndSession { session: SessionId(session) }).await;
                }
            });
        }
        Action::Close(change) => close_gate(app, change),
        // Opening is for a window: a forged click must not let anybody in.
        Action::OpenGate | Action::Open => window.open(app, Some(Screen::Overview), None),
        Action::Settings => window.open(app, Some(Screen::Settings), None),
        Action::Quit => quit_asked(app),
    }
}

fn close_gate(app: &AppHandle, change: GateChange) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Ok(host) = app.state::<Desk>().host()
            && let Err(error) = host.set_gate(change).await
        {
            tracing::error!(error = gatelodge_wire::with_causes(&error), "the gate is not closed");
        }
    });
}

/// Whether the desktop needs the person to do something.
fn in_trouble(live: &Live) -> bool {
    !live.keychain.is_open()
}
