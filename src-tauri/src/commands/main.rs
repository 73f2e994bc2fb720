//! What the main window may ask. It shows and manages; nothing here answers a prompt.

use std::path::PathBuf;

use gatelodge_host::approval::PromptId;
use gatelodge_host::live::Live;
use gatelodge_host::manage::{Reply, Request};
use gatelodge_host::{GateChange, HostEvent};
use tauri::ipc::Channel;
use tauri::{AppHandle, State, WebviewWindow};
use tauri_plugin_dialog::DialogExt;
use tokio::sync::oneshot;

use crate::clipboard::Clipboard;
use crate::desk::Desk;
use crate::events::EventStreams;
use crate::failure::Failure;
use crate::prompts::{Order, Prompts};
use crate::settings::{self, ShownSettings};
use crate::windows::{Destination, MainWindow, ShellEvent};

/// Carries out a request of the host.
#[tauri::command]
pub(crate) async fn main_request(
    desk: State<'_, Desk>,
    request: Request,
    operation: u64,
) -> Result<Reply, Failure> {
    let host = desk.host()?;
    // Boxed: what a diagnosis holds while it waits is too much for the stack that hands commands on.
    let performing = Box::pin(async move { Ok(host.perform(request).await) });
    desk.cancellable(operation, performing).await
}

/// Ends a request that still runs.
#[tauri::command]
pub(crate) async fn main_cancel(desk: State<'_, Desk>, operation: u64) -> Result<(), Failure> {
    desk.cancel(operation);
    Ok(())
}

/// Tells the window what happens from now on.
#[tauri::command]
pub(crate) async fn main_events(
    streams: State<'_, EventStreams>,
    channel: Channel<HostEvent>,
) -> Result<(), Failure> {
    streams.stream(channel);
    Ok(())
}

/// Tells the window what the shell wants of it.
#[tauri::command]
pub(crate) async fn main_shell(
    window: State<'_, MainWindow>,
    channel: Channel<ShellEvent>,
) -> Result<(), Failure> {
    window.listen(channel);
    Ok(())
}

/// Returns what changes from second to second.
#[tauri::command]
pub(crate) async fn main_live(desk: State<'_, Desk>) -> Result<Live, Failure> {
    Ok(desk.live())
}

/// Opens or closes the gate.
#[tauri::command]
pub(crate) async fn main_set_gate(desk: State<'_, Desk>, change: GateChange) -> Result<(), Failure> {
    desk.host()?.set_gate(change).await.map_err(|error| Failure::other(gatelodge_wire::with_causes(&error)))
}

/// Shows the prompt, and decides nothing.
#[tauri::command]
pub(crate) async fn main_show_prompt(
    prompts: State<'_, Prompts>,
    id: Option<PromptId>,
) -> Result<(), Failure> {
    prompts.order(Order::Show(id));
    Ok(())
}

/// Returns the settings.
#[tauri::command]
pub(crate) async fn main_settings(app: AppHandle, desk: State<'_, Desk>) -> Result<ShownSettings, Failure> {
    Ok(settings::read(&app, &desk))
}

/// Changes the settings.
#[tauri::command]
pub(crate) async fn main_put_settings(
    app: AppHandle,
    desk: State<'_, Desk>,
    settings: ShownSettings,
) -> Result<(), Failure> {
    settings::write(&app, &desk, settings).await
}

/// Tries the keychain again.
#[tauri::command]
pub(crate) async fn main_retry_keychain(desk: State<'_, Desk>) -> Result<(), Failure> {
    desk.try_again().await
}

/// Lets the person choose a folder.
#[tauri::command]
pub(crate) async fn main_pick_folder(
    app: AppHandle,
    window: WebviewWindow,
) -> Result<Option<String>, Failure> {
    let (sender, picked) = oneshot::channel();
    app.dialog().file().set_parent(&window).pick_folder(move |path| {
        // The window may be gone.
        let _ = sender.send(path);
    });
    path_text(picked.await.ok().flatten())
}

/// Lets the person choose a file that is to be written.
#[tauri::command]
pub(crate) async fn main_pick_new_file(
    app: AppHandle,
    window: WebviewWindow,
    suggested: String,
) -> Result<Option<String>, Failure> {
    let (sender, picked) = oneshot::channel();
    app.dialog().file().set_parent(&window).set_file_name(suggested).save_file(move |path| {
        let _ = sender.send(path);
    });
    path_text(picked.await.ok().flatten())
}

fn path_text(picked: Option<tauri_plugin_dialog::FilePath>) -> Result<Option<String>, Failure> {
    let Some(picked) = picked else { return Ok(None) };
    let path: PathBuf = picked.into_path().map_err(|error| Failure::other(error.to_string()))?;
    match path.into_os_string().into_string() {
        Ok(path) => Ok(Some(path)),
        Err(path) => Err(Failure::other(format!(
            "the name {} is not UTF-8; rename it, or choose another one",
            path.display()
        ))),
    }
}

/// Puts text onto the clipboard; with `seconds` it is a secret, and is taken off after that time.
#[tauri::command]
pub(crate) async fn main_copy(
    clipboard: State<'_, Clipboard>,
    text: String,
    seconds: Option<u32>,
) -> Result<(), Failure> {
    clipboard.copy(text, seconds).await
}

/// The first paint is done.
#[tauri::command]
pub(crate) async fn main_ready(app: AppHandle, window: State<'_, MainWindow>) -> Result<(), Failure> {
    tracing::debug!("the main window is painted");
    window.ready(&app);
    Ok(())
}

/// Returns where a window that was just made begins.
#[tauri::command]
pub(crate) async fn main_start(window: State<'_, MainWindow>) -> Result<Destination, Failure> {
    Ok(window.take_destination())
}

/// Returns the version, for reports.
#[tauri::command]
pub(crate) async fn main_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
