//! `gatelodge doctor` and `gatelodge host doctor`: all is well, and what is said of each thing that is not.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::agent::Machine;
use crate::desk::Desk;
use crate::desktop_session::DesktopSession;
use crate::program::Program;

/// The findings of a doctor.
struct Findings {
    code: Option<i32>,
    checks: Vec<Value>,
}

impl Findings {
    fn of(mut command: Command) -> Self {
        command.arg("--json");
        let ended = Program::run(command);
        let checks = serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        Self { code: ended.code, checks }
    }

    #[track_caller]
    fn find(&self, id: &str) -> &Value {
        self.checks
            .iter()
            .find(|check| check["id"] == id)
            .unwrap_or_else(|| panic!("no {id} in {:#?}", self.checks))
    }

    /// Checks what was found and what is to be done.
    #[track_caller]
    fn says(&self, id: &str, state: &str, found: &str, advice: &str) {
        let check = self.find(id);
        let has = |member: &str, text: &str| check[member].as_str().unwrap().contains(text);
        assert!(check["state"] == state && has("found", found) && has("advice", advice), "{check}");
    }
}

fn host(desk: &Desk) -> Findings {
    Findings::of(desk.command(&["host", "doctor"]))
}

#[test]
fn where_all_is_well_both_sides_say_so() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let folder = desk.home.path().join("notes");
    std::fs::create_dir_all(&folder).unwrap();
    desk.done(&["servers", "add-folder", "notes", folder.to_str().unwrap()]);
    desk.done(&["links", "add", "meet", "rendezvous", "embedded=127.0.0.1:0"]);
    desk.lend(&machine.fingerprint("laptop"), "Laptop", &["notes"]);
    let mut program = Program::start(desk.command(&["host", "--json"]));
    let link = program.line(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        (event["event"] == "link_up").then(|| event["address"].as_str().unwrap().to_owned())
    });

    let found = host(&desk);
    assert_eq!(found.code, Some(0), "{:#?}", found.checks);
    for id in [
        "desktop",
        "keychain",
        "identity",
        "database",
        "agents",
        "link.meet",
        "link.meet.registration",
        "server.notes",
    ] {
        assert_eq!(found.find(id)["state"], "ok", "{id}");
    }
    let members: Vec<&String> = found.checks[0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["advice", "found", "id", "state"]);

    let here = Findings::of(machine.command(&["doctor", "--profile", "laptop", &link]));
    assert_eq!(here.code, Some(0), "{:#?}", here.checks);
    here.says("rendezvous.desktop", "ok", "knows this agent, and answers", "");
    here.says("identity", "ok", "this agent is ", "");
    // Somebody else hears what is missing.
    machine.fingerprint("stranger");
    let there = Findings::of(machine.command(&["doctor", "--profile", "stranger", &link]));
    assert_eq!(there.code, Some(1));
    there.says("rendezvous.desktop", "failed", "does not know this agent", "gatelodge host pair");

    // For people it is a line for each, and what to do.
    let text = Program::run(machine.command(&["doctor", "--profile", "stranger", &link]));
    assert!(text.out.contains("FAILED   rendezvous.desktop"), "{text:?}");
    assert!(text.out.contains("-> pair with it"), "{text:?}");
    assert!(text.errors.contains("1 of "), "{text:?}");

    // With a session up, its path and round trip are known.
    let mut client = machine.connect("laptop", &link, &[]);
    client.initialize();
    let told = client.program.error_line("direct connection");
    assert!(told.contains(" ms"), "{told}");
    client.call("list_allowed_directories", serde_json::json!({})).unwrap();
    let session = &desk.done(&["sessions", "list"])["sessions"][0];
    assert_eq!((&session["kind"], &session["local_kind"]), (&"direct".into(), &"host".into()), "{session}");
    assert!(session["rtt_ms"].as_f64().unwrap() > 0.0, "{session}");
    assert!(session["bytes_received"].as_u64().unwrap() > 0, "{session}");
    assert!(session["calls"].as_u64().unwrap() >= 2, "{session}");
}

#[test]
fn a_keychain_that_is_missing_or_locked_is_named() {
    let mut desk = Desk { session: DesktopSession::without_keyring(), home: tempfile::tempdir().unwrap() };
    let missing = host(&desk);
    assert_eq!(missing.code, Some(1));
    missing.says("keychain", "failed", "no keychain was found", "gnome-keyring");
    missing.says("identity", "skipped", "keychain", "");
    missing.says("database", "warning", "none yet", "gatelodge host");
    assert!(!desk.home.path().join("desktop").exists(), "a diagnosis makes nothing");

    desk.session.start_keyring();
    assert_eq!(desk.start().stop().code, Some(0));
    let resting = host(&desk);
    resting.says("keychain", "ok", "open", "");
    resting.says("identity", "ok", "kept in the keychain", "");
    resting.says("desktop", "warning", "no desktop is running", "gatelodge host");
    desk.session.lock_keyring();
    let locked = host(&desk);
    locked.says("keychain", "failed", "locked", "unlock it");
    locked.says("agents", "skipped", "keychain", "");

    // The agent's side: its identity is in the keychain there.
    let (mut session, home) = (DesktopSession::new(), tempfile::tempdir().unwrap());
    let agent = |session: &DesktopSession, arguments: &[&str]| {
        let mut command = session.command(crate::desk::GATELODGE);
        command.env("GATELODGE_HOME", home.path()).args(arguments);
        command
    };
    let before = Findings::of(agent(&session, &["doctor"]));
    before.says("identity", "warning", "no identity yet", "gatelodge pair");
    assert_eq!(Program::run(agent(&session, &["id"])).code, Some(0));
    Findings::of(agent(&session, &["doctor"])).says("identity", "ok", "kept in the keychain", "");
    session.lock_keyring();
    Findings::of(agent(&session, &["doctor"])).says("keychain", "failed", "locked", "unlock it");
    session.kill_keyring();
    Findings::of(agent(&session, &["doctor"])).says(
        "keychain",
        "failed",
        "no keychain was found",
        "gnome-keyring",
    );
}

#[test]
fn what_is_lent_and_is_not_there_is_named_with_the_next_step() {
    let desk = Desk::new();
    let folder = desk.home.path().join("gone");
    std::fs::create_dir_all(&folder).unwrap();
    desk.done(&["servers", "add-folder", "notes", folder.to_str().unwrap()]);
    desk.done(&["servers", "add", "node", "--", "npx-that-nobody-has", "-y", "x"]);
    desk.done(&["servers", "add", "git", "--env", "TOKEN=${secret:github}", "--", "sh"]);
    std::fs::remove_dir(&folder).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", taken.local_addr().unwrap());
    desk.done(&["links", "add", "home", &address]);
    let port = taken.local_addr().unwrap().port();
    let agent = Machine::new().fingerprint("default");
    desk.done(&["agents", "trust", &agent, "Laptop"]);

    let check = |found: &Findings| {
        assert_eq!(found.code, Some(1));
        found.says("server.notes", "failed", "is gone", "put it back");
        found.says(
            "server.node",
            "failed",
            "npx-that-nobody-has is not in the login shell's PATH",
            "install it",
        );
        found.says("server.git", "failed", "the secret github", "gatelodge host secrets set github");
        found.says("link.home", "failed", &format!("port {port} is in use"), "another port");
        found.says(&format!("grants.{agent}"), "warning", "Laptop: nothing is lent", "grants set 'Laptop'");
    };
    check(&host(&desk));
    // It is the same where a desktop runs that could not open its link.
    let mut program = Program::start(desk.command(&["host", "--json"]));
    program.line(|line| line.contains("link_down").then_some(()));
    let running = host(&desk);
    running.says("desktop", "ok", "running", "");
    check(&running);
}

#[test]
fn grants_that_count_as_none_are_named() {
    let desk = Desk::new();
    let folder = desk.home.path().join("notes");
    std::fs::create_dir_all(&folder).unwrap();
    desk.done(&["servers", "add-folder", "notes", folder.to_str().unwrap()]);
    let agent = Machine::new().fingerprint("default");
    desk.lend(&agent, "Laptop", &["notes"]);
    desk.tamper("UPDATE grants SET definition = replace(definition, 'allow', 'ask')");
    let found = host(&desk);
    found.says(&format!("grants.{agent}"), "failed", "changed outside of gatelodge", "lend anew");
}

#[test]
fn an_agents_key_that_others_can_read_and_a_desktop_that_is_not_there_are_named() {
    let machine = Machine::new();
    machine.fingerprint("default");
    let file = machine.home.path().join("agent/default/identity.pem");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let found = Findings::of(machine.command(&["doctor", &format!("tcp://{free}")]));
    assert_eq!(found.code, Some(1));
    found.says("identity", "ok", "mode 600", "");
    found.says("link", "failed", "refused", "switched on");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let found = Findings::of(machine.command(&["doctor"]));
    found.says("identity", "failed", "mode 644", "chmod 600");
    found.says("desktops", "warning", "no desktop is known", "gatelodge pair");
    let unknown = Findings::of(machine.command(&["doctor", "studio"]));
    unknown.says("desktops", "failed", "no desktop is known as", "");
}
