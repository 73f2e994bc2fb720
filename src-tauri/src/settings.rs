//! The settings as the main window shows them: the host's, and what the system keeps about starting with the session.

use gatelodge_host::Settings;
use gatelodge_host::manage::{Reply, Request};
use serde::{Deserialize, Serialize};
use tauri::AppHandle;
use tauri_plugin_autostart::ManagerExt;

use crate::desk::Desk;
use crate::failure::Failure;

/// The settings as the main window shows them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShownSettings {
    /// Whether the app starts with the session.
    autostart: bool,
    #[serde(flatten)]
    host: Settings,
}

/// Reads all settings. Without a host they are the defaults.
pub(crate) fn read(app: &AppHandle, desk: &Desk) -> ShownSettings {
    let autostart = app.autolaunch().is_enabled().unwrap_or_else(|error| {
        tracing::warn!(%error, "whether the app starts with the session cannot be told");
        false
    });
    ShownSettings { autostart, host: desk.settings() }
}

/// Changes all settings. The host's first: they are checked, and nothing is changed if one is not possible.
pub(crate) async fn write(app: &AppHandle, desk: &Desk, settings: ShownSettings) -> Result<(), Failure> {
    match desk.host()?.perform(Request::PutSettings { settings: settings.host }).await {
        Reply::Done => {}
        reply => return Err(Failure::of_reply(reply)),
    }
    let launcher = app.autolaunch();
    if launcher.is_enabled().unwrap_or(false) == settings.autostart {
        return Ok(());
    }
    let changed = if settings.autostart { launcher.enable() } else { launcher.disable() };
    changed.map_err(|error| Failure::other(format!("starting with the session was not changed: {error}")))
}
