//! Servers that behave badly, through the whole chain: each ends its own connection and nothing else.

use std::path::Path;

use serde_json::{Value, json};

use crate::agent::{Client, Machine, result};
use crate::desk::{Host, Lifeline, counting_server};

/// Answers the first request and closes its output.
const CLOSES: &str =
    r#"read line; printf '%s\n' '{"jsonrpc":"2.0","id":1,"result":{}}'; exec >&-; exec sleep 600"#;
const GARBAGE: &str = "yes 'this is no message'";
const LONG_LINE: &str = r"head -c 104857600 /dev/zero | tr '\0' a; exec sleep 600";
const FILLS_STDERR: &str = r#"yes "this is the server's own business" >&2 & exec "$0""#;
const FORKS: &str = r#"trap "" TERM HUP; sleep 600 & (sleep 600 & sleep 600) & exec "$0""#;

/// Writes an `mcpServers` file.
fn servers(folder: &Path, servers: &[(&str, Vec<String>)]) -> String {
    let define = |(name, command): &(&str, Vec<String>)| {
        ((*name).to_owned(), json!({"command": command[0], "args": command[1..]}))
    };
    let all: serde_json::Map<_, _> = servers.iter().map(define).collect();
    let file = folder.join("servers.json");
    std::fs::write(&file, json!({"mcpServers": all}).to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script, counting_server().to_str().unwrap()].map(str::to_owned).into()
}

/// Begins with a server, and returns the sentence with which the connection ends and what `gatelodge connect` says.
fn broken(machine: &Machine, host: &Host, server: &str) -> (Client, u64) {
    let mut client = machine.connect("default", &host.link, &[server]);
    let call = client.ask("initialize", json!({"protocolVersion": "2025-06-18"}));
    (client, call)
}

fn error(answer: &Value) -> String {
    answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn each_ends_its_own_connection_with_the_reason_and_nothing_else() {
    let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
    let agent = machine.fingerprint("default");
    let file = servers(
        folder.path(),
        &[
            ("good", vec![counting_server().to_str().unwrap().to_owned()]),
            ("closes", shell(CLOSES)),
            ("garbage", shell(GARBAGE)),
            ("long", shell(LONG_LINE)),
            ("exits", shell("exit 3")),
            ("missing", vec!["no-such-program-anywhere".to_owned()]),
        ],
    );
    let host = Host::ephemeral(&["--servers", &file], &[&agent]);
    let mut good = machine.connect("default", &host.link, &["good"]);
    good.initialize();
    assert_eq!(good.call("count", json!({})).unwrap(), "1");
    let before = host.program.memory();

    let all = [
        ("closes", "closed its standard output"),
        ("garbage", "are no MCP messages"),
        ("long", "over the limit"),
        ("exits", "exited with code 3"),
        ("missing", "could not be started; the desktop's user can see why"),
    ];
    let begun: Vec<_> = all.iter().map(|(server, _)| broken(&machine, &host, server)).collect();
    for (count, ((server, reason), (mut client, call))) in (2..).zip(all.iter().zip(begun)) {
        // One that closed its output had answered before.
        let call = if *server == "closes" { client.ask("ping", json!({})) } else { call };
        let said = error(&client.answer(call));
        assert!(said.contains(reason), "{server}: {said}");
        assert!(!said.contains("PATH") && !said.contains('/'), "{server}: {said}");
        let ended = client.program.end();
        assert_eq!(ended.code, Some(7), "{server}: {ended:?}");
        assert_eq!(good.call("count", json!({})).unwrap(), count.to_string());
    }

    // One that always exits at once is not started again and again.
    let sentence = (0..4).find_map(|_| {
        let (mut client, call) = broken(&machine, &host, "exits");
        Some(error(&client.answer(call))).filter(|said| !said.contains("exited with code"))
    });
    let sentence = sentence.unwrap();
    assert!(
        sentence.contains("has crashed several times in a row; it can be started again in"),
        "{sentence}"
    );
    assert_eq!(good.call("count", json!({})).unwrap(), "7");

    let after = host.program.memory();
    assert!(after < before + 48 * 1024, "from {before} to {after} KiB");
    let said = host.program.said().join("\n");
    assert!(
        said.contains("no-such-program-anywhere is not in"),
        "the person is not told what was missing: {said}"
    );
}

#[test]
fn one_that_says_nothing_or_too_much_on_stderr_holds_nobody_up_and_goes_with_its_connection() {
    let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
    let agent = machine.fingerprint("default");
    let lifelines = ["silent", "forks", "noisy"].map(|name| Lifeline::new(folder.path(), name));
    let commands = [shell("exec sleep 600"), shell(FORKS), shell(FILLS_STDERR)];
    let mut all = vec![("good", vec![counting_server().to_str().unwrap().to_owned()])];
    for ((name, lifeline), command) in ["silent", "forks", "noisy"].into_iter().zip(&lifelines).zip(&commands)
    {
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        all.push((name, lifeline.hold(&command)));
    }
    // Clients are killed in here, and their sessions would be kept for a while.
    let arguments = ["--resume-seconds", "1", "--servers", &servers(folder.path(), &all)];
    let host = Host::ephemeral(&arguments, &[&agent]);
    let mut good = machine.connect("default", &host.link, &["good"]);
    good.initialize();
    let before = host.program.memory();
    let (silent, _) = broken(&machine, &host, "silent");
    let mut forks = machine.connect("default", &host.link, &["forks"]);
    let mut noisy = machine.connect("default", &host.link, &["noisy"]);
    forks.initialize();
    noisy.initialize();
    let held = lifelines.each_ref().map(Lifeline::held);
    for count in 1..=200 {
        assert_eq!(noisy.call("count", json!({})).unwrap(), count.to_string());
        assert_eq!(good.call("count", json!({})).unwrap(), count.to_string());
    }
    let call = good.begin("fill", json!({"bytes": 4 << 20}));
    assert_eq!(result(&good.answer(call)).unwrap().len(), 4 << 20);
    for client in [silent, forks, noisy] {
        drop(client);
    }
    for held in held {
        held.gone();
    }
    assert_eq!(good.call("count", json!({})).unwrap(), "201");
    let after = host.program.memory();
    assert!(after < before + 48 * 1024, "from {before} to {after} KiB");
}
