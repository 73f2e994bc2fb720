//! Texts of peers are texts, wherever they are shown: no script of theirs runs, no dialog opens, nothing is fetched.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::agent::Machine;
use crate::app::{App, PROMPT};
use crate::corpus;
use crate::desk::Desk;
use crate::driver::View;

/// An address that counts who comes.
struct Bait {
    address: String,
    taken: Arc<AtomicUsize>,
}

impl Bait {
    fn lay() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                drop(connection);
            }
        });
        Self { address, taken }
    }
}

/// Checks that a page is as it was made: no script of others has run, and nothing was added to it.
#[track_caller]
fn is_unharmed(view: View<'_>, bait: &Bait) {
    let look = "return [
        window.__xss ?? null,
        document.querySelectorAll('iframe, object, embed, script:not([src]), img[src^=http], link[href^=http]').length,
        document.querySelectorAll('[onerror], [onload], [onfocus], [onmouseover], [ontoggle]').length,
        location.protocol,
    ]";
    let found = view.run(look, &[]).unwrap();
    assert_eq!(found, json!([Value::Null, 0, 0, "tauri:"]));
    assert_eq!(bait.taken.load(Ordering::SeqCst), 0, "something was fetched");
}

#[test]
fn what_agents_call_themselves_is_shown_as_text() {
    let (desk, machine, bait) = (Desk::new(), Machine::new(), Bait::lay());
    desk.share_notes();
    let app = App::start(&desk);
    let link = desk.link();
    for (number, name) in corpus::NAMES.into_iter().enumerate() {
        let client = machine.connect_as(&format!("agent-{number}"), name, &link, &[]);
        let prompt = app.look_at_prompt("Let this agent in?");
        prompt.says(name);
        app.main().says(name);
        is_unharmed(prompt, &bait);
        is_unharmed(app.main(), &bait);
        let notice = desk.notices.says("An unknown agent asks");
        assert!(!notice.body.contains('<'), "a notification reads markup: {}", notice.body);
        app.click(prompt, "Deny");
        assert_eq!(client.program.end().code, Some(4));
        desk.screen.is_closed(PROMPT);
    }
}

#[test]
fn what_servers_and_calls_say_is_shown_as_text() {
    let (desk, machine, bait) = (Desk::new(), Machine::new(), Bait::lay());
    desk.add_hostile(&bait.address);
    desk.done(&["links", "add", "home", "tcp://127.0.0.1:0"]);
    desk.done(&["settings", "set", "record_arguments", "true"]);
    desk.lend(&machine.fingerprint("laptop"), "laptop", "hostile", "ask");
    let corpus = corpus::texts(&bait.address);
    let app = App::start(&desk);
    let (main, prompt) = (app.main(), app.prompt());
    let mut client = machine.connect("laptop", &desk.link(), &[]);
    client.initialize();
    client.request("tools/list", json!({}));

    // The tool's name, its arguments and its result.
    for text in [&corpus[0], &corpus[1], &corpus[15]] {
        let call = client.begin(text, json!({"text": corpus.join("\n"), text.as_str(): text}));
        app.look_at_prompt("Allow this call?");
        prompt.says(text);
        for part in &corpus {
            let part = serde_json::to_string(part).unwrap();
            prompt.says(&part[1..part.len() - 1]);
        }
        is_unharmed(prompt, &bait);
        is_unharmed(main, &bait);
        app.click(prompt, "Allow once");
        assert!(client.answer(call).get("result").is_some());
        desk.screen.is_closed(PROMPT);
    }

    // Where they are shown afterwards: the log, the server's page with its tools and what it wrote.
    main.press("Activity");
    main.says(&corpus[1]);
    is_unharmed(main, &bait);
    main.press("Servers");
    main.press_entry("hostile");
    main.press("Start a probe");
    main.says(&corpus[3]);
    is_unharmed(main, &bait);
    main.press("Log");
    main.says(&corpus[4]);
    is_unharmed(main, &bait);
}

#[test]
fn characters_that_cannot_be_seen_are_shown() {
    let (desk, machine) = (Desk::new(), Machine::new());
    desk.add_hostile("127.0.0.1:9");
    desk.done(&["links", "add", "home", "tcp://127.0.0.1:0"]);
    desk.lend(&machine.fingerprint("laptop"), "laptop", "hostile", "ask");
    let app = App::start(&desk);
    let mut client = machine.connect("laptop", &desk.link(), &[]);
    client.initialize();
    let call = client.begin("echo", json!({"path": "/etc/\u{202e}txt.exe\u{200b}\u{2066}"}));
    let prompt = app.look_at_prompt("Allow this call?");
    prompt.says("path");
    let text = prompt.text();
    for code in ["202e", "200b", "2066"] {
        assert!(text.to_lowercase().contains(code), "{code} is not in {text:?}");
    }
    assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{2066}']), "{text:?}");
    app.click(prompt, "Deny");
    client.answer(call);
}
