//! Puts the app together, and ends it.

use std::process::ExitCode;
use std::time::Duration;

use gatelodge_host::Home;
use gatelodge_host::upstream::guard::GuardCommand;
use tauri::{AppHandle, Manager, RunEvent, WindowEvent};
use tauri_plugin_deep_link::DeepLinkExt;
use tauri_plugin_dialog::{DialogExt, MessageDialogButtons};

use crate::clipboard::Clipboard;
use crate::desk::Desk;
use crate::events::EventStreams;
use crate::prompts::{Order, PROMPT, Prompts};
use crate::texts::Texts;
use crate::windows::{MAIN, MainWindow};
use crate::{commands, notices, tray};

/// What the session's start passes to the app: no window then.
const HIDDEN: &str = "--hidden";

/// Threads that carry the desktop beside the one of the windows: sessions are few, and mostly wait.
const WORKERS: usize = 2;

/// How many threads wait for files, the database and the keychain at the same time.
const BLOCKING_THREADS: usize = 16;

/// What a thread may use for calls within calls. Only what is used takes memory; unoptimised, setting up a session and
/// looking for trouble use more than the usual 2 MiB.
const STACK: usize = 8 << 20;

/// How long such a thread stays without work.
const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Runs the app until it is quit.
pub(crate) fn run(hidden: bool) -> ExitCode {
    let Some(home) = Home::from_env() else {
        return refuse(
            "no home directory is known; set HOME, or GATELODGE_HOME to a folder to keep things in",
        );
    };
    let guard = match GuardCommand::current_exe() {
        Ok(guard) => guard,
        Err(error) => return refuse(&format!("the system does not tell where the program is: {error}")),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(THREAD_KEEP_ALIVE)
        .thread_stack_size(STACK)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("the system gives no event loop: {error}")),
    };
    tauri::async_runtime::set(runtime.handle().clone());
    let app = tauri::Builder::default()
        // First, so that a second start does nothing but tell this one.
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _| second_start(app, &arguments)))
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_autostart::Builder::new().arg(HIDDEN).build())
        .plugin(tauri_plugin_dialog::init())
        .plugin(
            tauri_plugin_window_state::Builder::new()
                .with_denylist(&[PROMPT])
                // It is shown when its page has been painted.
                .with_state_flags(
                    tauri_plugin_window_state::StateFlags::all()
                        - tauri_plugin_window_state::StateFlags::VISIBLE,
                )
                .build(),
        )
        .invoke_handler(tauri::generate_handler![
            commands::main::main_cancel,
            commands::main::main_copy,
            commands::main::main_events,
            commands::main::main_live,
            commands::main::main_pick_folder,
            commands::main::main_pick_new_file,
            commands::main::main_put_settings,
            commands::main::main_ready,
            commands::main::main_request,
            commands::main::main_retry_keychain,
            commands::main::main_set_gate,
            commands::main::main_settings,
            commands::main::main_shell,
            commands::main::main_show_prompt,
            commands::main::main_start,
            commands::main::main_version,
            commands::prompt::prompt_answer,
            commands::prompt::prompt_events,
            commands::prompt::prompt_shown,
            commands::prompt::prompt_theme,
        ])
        .setup(move |app| {
            set_up(app.handle(), Desk::new(home, guard), hidden);
            Ok(())
        })
        .on_window_event(|window, event| window_event(window.app_handle(), window.label(), event))
        .build(tauri::generate_context!());
    let app = match app {
        Ok(app) => app,
        Err(error) => return refuse(&format!("the app cannot start here: {error}")),
    };
    let code = app.run_return(|app, event| match event {
        // Without a code it is the last window that was closed; the app lives on in the tray.
        RunEvent::ExitRequested { api, code: None, .. } => api.prevent_exit(),
        RunEvent::Exit => tauri::async_runtime::block_on(app.state::<Desk>().end()),
        _ => {}
    });
    runtime.shutdown_background();
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn refuse(sentence: &str) -> ExitCode {
    eprintln!("gatelodge-desktop: {sentence}");
    ExitCode::FAILURE
}

fn set_up(app: &AppHandle, desk: Desk, hidden: bool) {
    let texts = Texts::of_session();
    app.manage(desk);
    app.manage(MainWindow::default());
    app.manage(Clipboard::default());
    app.manage(EventStreams::new(app.clone()));
    app.manage(texts.clone());
    let (prompts, keeping) = Prompts::new(app.clone());
    app.manage(prompts);
    let desk = app.clone();
    tauri::async_runtime::spawn(async move { desk.state::<Desk>().run().await });
    tauri::async_runtime::spawn(keeping);
    let shown = tray::begin(app, &texts);
    tauri::async_runtime::spawn(tray::keep(app.clone(), texts.clone(), shown));
    tauri::async_runtime::spawn(notices::keep(app.clone(), texts));
    tauri::async_runtime::spawn(end_when_told(app.clone()));
    let opening = app.clone();
    app.deep_link().on_open_url(move |event| open_links(&opening, &event.urls()));
    match app.deep_link().get_current() {
        Ok(Some(urls)) if !urls.is_empty() => open_links(app, &urls),
        _ if hidden => {}
        _ => app.state::<MainWindow>().open(app, None, None),
    }
}

fn open_links(app: &AppHandle, urls: &[tauri::Url]) {
    match urls.iter().find(|url| url.scheme() == "gatelodge") {
        Some(url) => app.state::<MainWindow>().open_link(app, url),
        None => app.state::<MainWindow>().open(app, None, None),
    }
}

/// Somebody started the app again: this one is shown. Links come as links.
fn second_start(app: &AppHandle, arguments: &[String]) {
    let only_started =
        arguments.iter().skip(1).all(|argument| argument != HIDDEN && !argument.starts_with("gatelodge:"));
    if only_started {
        app.state::<MainWindow>().open(app, None, None);
    }
}

fn window_event(app: &AppHandle, label: &str, event: &WindowEvent) {
    match (label, event) {
        (PROMPT, WindowEvent::Focused(focused)) => app.state::<Prompts>().order(Order::Focus(*focused)),
        (PROMPT, WindowEvent::CloseRequested { .. }) => app.state::<Prompts>().order(Order::PutAway),
        (PROMPT, WindowEvent::Destroyed) => app.state::<Prompts>().gone(),
        (MAIN, WindowEvent::Destroyed) => {
            app.state::<MainWindow>().closed();
            app.state::<EventStreams>().stop();
        }
        _ => {}
    }
}

/// The person wants to quit. If sessions are up, that is asked about first.
pub(crate) fn quit_asked(app: &AppHandle) {
    let sessions = app.state::<Desk>().live().sessions.len();
    if sessions == 0 {
        quit(app);
        return;
    }
    let texts = app.state::<Texts>().quit.clone();
    let quitting = app.clone();
    app.dialog()
        .message(texts.text.of(sessions))
        .title(texts.title)
        .buttons(MessageDialogButtons::OkCancelCustom(texts.quit, texts.stay))
        .show(move |yes| {
            if yes {
                quit(&quitting);
            }
        });
}

/// Ends sessions and servers, and then the app.
fn quit(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        app.state::<Desk>().end().await;
        app.exit(0);
    });
}

/// Ends the app when the system says so; nobody is asked then.
async fn end_when_told(app: AppHandle) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = kinds.map(signal) else { return };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        quit(&app);
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_ok() {
        quit(&app);
    }
}
