//! The least Tauri app that does what the benchmarks compare the tray app by: a tray icon with a menu, a main window unless it is
//! started with `--hidden`, and windows on demand: a line `main` or `prompt` on standard input opens one.
//!
//! What it has to tell goes to standard error, a line each, as the tray app's log does. It is an example of the tray app's
//! package so that both are made of the same libraries with the same features. Never shipped.

use std::io::BufRead;

use tauri::image::Image;
use tauri::menu::{Menu, MenuItem};
use tauri::tray::TrayIconBuilder;
use tauri::{AppHandle, Manager, RunEvent, WebviewUrl, WebviewWindowBuilder};

fn main() {
    let hidden = std::env::args().any(|argument| argument == "--hidden");
    let app = tauri::Builder::default()
        .setup(move |app| {
            let entries = ["Status", "Open", "Settings", "Quit"];
            let entries = entries.map(|name| MenuItem::with_id(app, name, name, true, None::<&str>));
            let menu = Menu::new(app)?;
            for entry in entries {
                menu.append(&entry?)?;
            }
            TrayIconBuilder::with_id("minimal")
                .icon(Image::from_bytes(include_bytes!("../../../icons/tray/quiet.png"))?)
                .menu(&menu)
                .build(app)?;
            if !hidden {
                open(app.handle(), "main", (1080.0, 720.0));
            }
            let app = app.handle().clone();
            std::thread::spawn(move || {
                for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                    match line.as_str() {
                        "main" => open(&app, "main", (1080.0, 720.0)),
                        "prompt" => open(&app, "prompt", (480.0, 680.0)),
                        "close" => app.webview_windows().values().for_each(|window| drop(window.destroy())),
                        _ => {}
                    }
                }
                app.exit(0);
            });
            Ok(())
        })
        .build(tauri::generate_context!("examples/minimal/tauri.conf.json"))
        .expect("the benchmarks start it where Tauri works");
    app.run(|_, event| {
        // Without a code it is the last window that was closed; the app lives on in the tray.
        if let RunEvent::ExitRequested { api, code: None, .. } = event {
            api.prevent_exit();
        }
    });
}

fn open(app: &AppHandle, label: &str, size: (f64, f64)) {
    let page = if label == "prompt" { "prompt.html" } else { "index.html" };
    let (app, label) = (app.clone(), label.to_owned());
    // On a thread of its own: it waits for the main thread, which may be who asks.
    std::thread::spawn(move || {
        let window = WebviewWindowBuilder::new(&app, &label, WebviewUrl::App(page.into()));
        let painted = label.clone();
        let window = window.on_document_title_changed(move |_, title| {
            if title == "painted" {
                eprintln!("painted {painted}");
            }
        });
        if let Err(error) = window.title(&label).inner_size(size.0, size.1).build() {
            eprintln!("no window: {error}");
        }
    });
}
