//! Tells Tauri which commands there are, so that a window can call only those that its capability names.

use std::path::Path;

/// The commands of both windows. `capabilities/` says which window may call which.
const COMMANDS: &[&str] = &[
    "main_cancel",
    "main_copy",
    "main_events",
    "main_live",
    "main_pick_folder",
    "main_pick_new_file",
    "main_put_settings",
    "main_ready",
    "main_request",
    "main_retry_keychain",
    "main_set_gate",
    "main_settings",
    "main_shell",
    "main_show_prompt",
    "main_start",
    "main_version",
    "prompt_answer",
    "prompt_events",
    "prompt_shown",
    "prompt_theme",
];

fn main() {
    println!("cargo:rerun-if-changed=../ui/dist");
    assert!(
        Path::new("../ui/dist/index.html").exists(),
        "the windows are not built yet; run `make ui` first (or: cd ui && npm ci && npm run build)"
    );
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        panic!("{error:#}");
    }
}
