//! What the pages cannot do, whatever runs in them: each window calls its own commands and nothing else, and loads nothing.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use crate::agent::Machine;
use crate::app::{App, MAIN};
use crate::desk::Desk;
use crate::driver::{Driver, View};
use crate::waiting::sought;

/// Commands of the plugins and of Tauri itself that would be of use to an intruder.
const OF_PLUGINS: [&str; 14] = [
    "plugin:app|version",
    "plugin:autostart|enable",
    "plugin:deep-link|get_current",
    "plugin:dialog|open",
    "plugin:event|emit",
    "plugin:event|listen",
    "plugin:fs|read_text_file",
    "plugin:notification|notify",
    "plugin:path|resolve_directory",
    "plugin:shell|execute",
    "plugin:webview|create_webview_window",
    "plugin:window|set_title",
    "plugin:window|destroy",
    "plugin:window-state|save_window_state",
];

#[track_caller]
fn is_refused(view: View<'_>, command: &str) {
    let outcome = view.invoke(command, json!({"id": 1, "nonce": "00", "answer": {"answer": "once"}}));
    let error = outcome.expect_err(&format!("{:?} may call {command}", view.page));
    let error = error.to_string();
    assert!(error.contains("not allowed") || error.contains("not found"), "{command}: {error}");
}

#[test]
fn the_main_window_can_neither_answer_prompts_nor_call_plugins() {
    let (desk, machine) = (Desk::new(), Machine::new());
    desk.share_notes();
    let app = App::start(&desk);
    let client = machine.connect("build-box", &desk.link(), &[]);
    app.prompt().says("Let this agent in?");
    let main = app.main();
    main.says("Overview");
    for command in
        ["prompt_answer", "prompt_events", "prompt_shown", "prompt_theme"].into_iter().chain(OF_PLUGINS)
    {
        is_refused(main, command);
    }
    assert!(main.invoke("main_version", json!({})).is_ok());
    app.prompt().says("Let this agent in?");
    drop(client);
}

#[test]
fn the_prompt_can_answer_prompts_and_nothing_else() {
    let (desk, machine) = (Desk::new(), Machine::new());
    desk.share_notes();
    let app = App::start(&desk);
    let _client = machine.connect("build-box", &desk.link(), &[]);
    let prompt = app.prompt();
    prompt.says("Let this agent in?");
    let of_main = [
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
    ];
    for command in of_main.into_iter().chain(OF_PLUGINS) {
        is_refused(prompt, command);
    }
    assert!(prompt.invoke("prompt_theme", json!({})).is_ok());
}

#[test]
fn a_script_in_the_prompt_does_not_approve_before_it_is_armed() {
    let (desk, machine) = (Desk::new(), Machine::new());
    desk.share_notes();
    let app = App::start(&desk);
    let _client = machine.connect("build-box", &desk.link(), &[]);
    let prompt = app.prompt();
    prompt.says("Let this agent in?");
    for nonce in ["", "00", "00000000000000000000000000000000"] {
        let outcome = prompt.invoke("prompt_answer", json!({"nonce": nonce, "answer": {"answer": "once"}}));
        let error = outcome.unwrap_err();
        assert!(error["code"] == "wrong_nonce" || error.to_string().contains("a nonce is"), "{error}");
    }
    // A click that a script makes is none, armed or not.
    app.focus_prompt();
    prompt.element("Let it in");
    prompt.run("document.querySelector('[data-approve]').click()", &[]);
    prompt.says("Let this agent in?");
    assert_eq!(desk.done(&["agents", "list"])["agents"], json!([]));
}

#[test]
fn pages_run_no_foreign_script_and_fetch_nothing() {
    let desk = Desk::new();
    desk.share_notes();
    let app = App::start(&desk);
    let main = app.main();
    main.says("Overview");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let script = "const [address, done] = arguments;
        const outcome = { violations: [] };
        document.addEventListener('securitypolicyviolation', event => outcome.violations.push(event.effectiveDirective));
        const inline = document.createElement('script');
        inline.textContent = 'window.__inline = 1';
        document.body.append(inline);
        const remote = document.createElement('script');
        remote.src = address + '/script.js';
        document.body.append(remote);
        const picture = document.createElement('img');
        picture.src = address + '/picture.png';
        document.body.append(picture);
        const frame = document.createElement('iframe');
        frame.src = address + '/frame';
        document.body.append(frame);
        const button = document.createElement('button');
        button.setAttribute('onclick', 'window.__inline = 2');
        document.body.append(button);
        button.click();
        try { outcome.eval = eval('1 + 1'); } catch (error) { outcome.eval = 'refused'; }
        fetch(address + '/fetch').then(() => 'fetched', () => 'refused').then(fetched => {
            outcome.fetch = fetched;
            outcome.inline = window.__inline ?? null;
            setTimeout(() => done(outcome), 300);
        });";
    let outcome = main.run_async(script, &[json!(address)]);
    assert_eq!(
        (&outcome["inline"], &outcome["eval"], &outcome["fetch"]),
        (&Value::Null, &json!("refused"), &json!("refused"))
    );
    let violations = outcome["violations"].to_string();
    for directive in ["script-src-elem", "script-src-attr", "img-src", "connect-src"] {
        assert!(violations.contains(directive), "{directive} is not in {violations}");
    }
    assert!(listener.accept().is_err(), "something was fetched");
}

#[test]
fn a_page_cannot_be_led_elsewhere() {
    let desk = Desk::new();
    desk.share_notes();
    let app = App::start(&desk);
    let main = app.main();
    main.says("Overview");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let windows = desk.screen.windows().len();
    main.run("location.href = arguments[0]; window.open(arguments[0])", &[json!(address)]);
    main.says("Overview");
    assert!(listener.accept().is_err(), "the page went elsewhere");
    assert_eq!(desk.screen.windows().len(), windows);
}

#[test]
fn the_app_that_is_shipped_cannot_be_driven() {
    let desk = Desk::new();
    let shipped = gatelodge_tests::TrayApp::get().shipped.to_str().unwrap();
    let (port, _group) = desk.driver();
    let driven = Driver::try_start(port, shipped, &["--hidden"], || {
        desk.tray.process();
        // It is there, and stays as it is.
        sought(Duration::from_secs(3), || None::<()>);
    });
    assert!(driven.is_none(), "a WebDriver drives the app that is shipped");
    let process = desk.tray.process();
    let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(!environment.contains("TAURI_WEBVIEW_AUTOMATION"), "{environment}");
    desk.tray.click("Open Gatelodge");
    desk.screen.window(MAIN);
    desk.tray.click("Quit");
}
