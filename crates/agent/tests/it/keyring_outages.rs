//! No keyring, a locked one, one that dies: nothing is trusted then, nothing is written down, and it is said.

use std::path::Path;

use serde_json::json;

use crate::agent::Machine;
use crate::desk::Desk;
use crate::desktop_session::DesktopSession;
use crate::program::Program;

/// Checks that no file below a folder has one of these texts in it.
fn nowhere_below(folder: &Path, texts: &[&str]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            nowhere_below(&entry.path(), texts);
        } else if entry.file_type().unwrap().is_file() {
            let bytes = std::fs::read(entry.path()).unwrap();
            for text in texts {
                let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
                assert!(!found, "{text} is in {}", entry.path().display());
            }
        }
    }
}

#[test]
fn without_a_keyring_it_does_not_start_and_says_what_to_do() {
    let machine = Machine::new();
    let mut desk = Desk { session: DesktopSession::without_keyring(), home: tempfile::tempdir().unwrap() };
    let host = Program::run(desk.command(&["host"]));
    assert_eq!(host.code, Some(8), "{host:?}");
    assert!(
        host.errors.contains("no keychain was found") && host.errors.contains("gnome-keyring"),
        "{host:?}"
    );
    let agent = machine.fingerprint("default");
    let mut secret = desk.command(&["host", "secrets", "set", "TOKEN"]);
    secret.arg("--json");
    for ended in [
        desk.manage(&["agents", "trust", &agent, "Confidential-Label"]),
        Program::run_with(secret, "hush-hush-hush"),
    ] {
        assert_eq!(ended.code, Some(8), "{ended:?}");
        assert!(ended.errors.contains("no keychain was found"), "{ended:?}");
    }
    let private = ["PRIVATE KEY", "BEGIN", "Confidential-Label", "hush-hush-hush"];
    nowhere_below(desk.home.path(), &private);

    // With one, all of it works, and the files still have nothing of it.
    desk.session.start_keyring();
    desk.done(&["agents", "trust", &agent, "Confidential-Label"]);
    let host = desk.start();
    nowhere_below(desk.home.path(), &private);
    assert_eq!(host.stop().code, Some(0));
    nowhere_below(desk.home.path(), &private);
}

#[test]
fn with_a_locked_keyring_it_does_not_start_and_makes_no_new_identity() {
    let mut desk = Desk::new();
    let host = desk.start();
    let identity = host.fingerprint.clone();
    assert_eq!(host.stop().code, Some(0));
    desk.session.lock_keyring();
    let host = Program::run(desk.command(&["host"]));
    assert_eq!(host.code, Some(8), "{host:?}");
    assert!(host.errors.contains("the keychain is locked; unlock it"), "{host:?}");
    desk.session.kill_keyring();
    desk.session.start_keyring();
    assert_eq!(desk.start().fingerprint, identity);
}

#[test]
fn while_the_keyring_is_gone_nobody_new_comes_in_and_afterwards_they_do() {
    let (mut desk, machine) = (Desk::new(), Machine::new());
    let _counting = desk.add_counting("counting");
    desk.lend(&machine.fingerprint("known"), "Notebook", &["counting"]);
    let mut host = desk.start();
    let mut there = machine.connect("known", &host.link, &[]);
    there.initialize();
    desk.session.kill_keyring();

    let known = machine.turned_away("known", &host.link);
    assert_eq!(known.code, Some(4), "{known:?}");
    assert!(known.errors.contains("cannot look up whom it trusts"), "{known:?}");
    let told = host.event("keychain_unavailable");
    assert!(told["reason"].as_str().unwrap().contains("no keychain was found"), "{told}");
    // A stranger learns nothing, not even that.
    let unknown = machine.turned_away("unknown", &host.link);
    assert_eq!(unknown.code, Some(4), "{unknown:?}");
    assert!(unknown.errors.contains("without a word"), "{unknown:?}");
    // Who was in before is not disturbed.
    assert_eq!(there.call("count", json!({})).unwrap(), "1");

    desk.session.start_keyring();
    // Nobody has to come for it to be noticed.
    host.event("keychain_available");
    let mut again = machine.connect("known", &host.link, &[]);
    again.initialize();
    assert_eq!(again.call("count", json!({})).unwrap(), "1");
    assert_eq!(there.call("count", json!({})).unwrap(), "2");
}

#[test]
fn a_keyring_that_is_locked_meanwhile_lets_nobody_new_in_until_it_is_unlocked() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let _counting = desk.add_counting("counting");
    let agent = machine.fingerprint("known");
    desk.lend(&agent, "Notebook", &["counting"]);
    let mut host = desk.start();
    let mut there = machine.connect("known", &host.link, &[]);
    there.initialize();

    desk.session.lock_keyring();
    let known = machine.turned_away("known", &host.link);
    assert_eq!(known.code, Some(4), "{known:?}");
    assert!(known.errors.contains("cannot look up whom it trusts"), "{known:?}");
    let told = host.event("keychain_unavailable");
    assert!(told["reason"].as_str().unwrap().contains("the keychain is locked; unlock it"), "{told}");
    let unknown = machine.turned_away("unknown", &host.link);
    assert_eq!(unknown.code, Some(4), "{unknown:?}");
    assert!(unknown.errors.contains("without a word"), "{unknown:?}");
    // Nobody is trusted by a change that cannot be kept.
    let trusted = desk.manage(&["agents", "trust", &machine.fingerprint("unknown"), "Stranger"]);
    assert_eq!(trusted.code, Some(8), "{trusted:?}");
    assert!(trusted.errors.contains("the keychain is locked"), "{trusted:?}");
    assert_eq!(there.call("count", json!({})).unwrap(), "1");

    desk.session.unlock_keyring();
    let mut again = machine.connect("known", &host.link, &[]);
    again.initialize();
    assert_eq!(again.call("count", json!({})).unwrap(), "1");
    assert_eq!(there.call("count", json!({})).unwrap(), "2");
    let agents = desk.done(&["agents", "list"]);
    assert_eq!(agents["agents"].as_array().unwrap().len(), 1, "{agents}");
    assert_eq!(agents["agents"][0]["fingerprint"], json!(agent));
}

#[test]
fn a_revocation_counts_even_while_the_keyring_is_gone() {
    let (mut desk, machine) = (Desk::new(), Machine::new());
    let _counting = desk.add_counting("counting");
    let agent = machine.fingerprint("default");
    desk.lend(&agent, "Notebook", &["counting"]);
    let host = desk.start();
    let mut client = machine.connect("default", &host.link, &[]);
    client.initialize();
    desk.session.kill_keyring();
    let blocked = desk.manage(&["agents", "block", &agent]);
    assert!(blocked.errors.contains("no keychain was found"), "{blocked:?}");
    assert_eq!(client.program.end().code, Some(7));
    desk.session.start_keyring();
    let refused = machine.turned_away("default", &host.link);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert_eq!(desk.done(&["agents", "list"])["agents"][0]["state"], "blocked");
}

#[test]
fn an_agents_identity_is_in_the_keyring_where_there_is_one() {
    let (mut session, home) = (DesktopSession::new(), tempfile::tempdir().unwrap());
    let id = |session: &DesktopSession, profile: &str| {
        let mut command = session.command(crate::desk::GATELODGE);
        command.env("GATELODGE_HOME", home.path()).args(["id", "--profile", profile]);
        Program::run(command)
    };
    let made = id(&session, "one");
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_ne!(id(&session, "two").out, made.out);
    nowhere_below(home.path(), &["PRIVATE KEY", "BEGIN"]);
    assert!(home.path().join("agent/one/identity-in-keychain").exists());

    // It is not replaced by another one for want of its keyring.
    session.kill_keyring();
    let without = id(&session, "one");
    assert_eq!(without.code, Some(8), "{without:?}");
    assert!(without.errors.contains("no keychain was found"), "{without:?}");
    assert!(!home.path().join("agent/one/identity.pem").exists());
    // One that is made now is in a file, and stays there.
    let filed = id(&session, "three");
    assert_eq!(filed.code, Some(0), "{filed:?}");
    assert!(home.path().join("agent/three/identity.pem").exists());

    session.start_keyring();
    assert_eq!(id(&session, "one").out, made.out);
    assert_eq!(id(&session, "three").out, filed.out);
    assert!(!home.path().join("agent/three/identity-in-keychain").exists());

    session.lock_keyring();
    let locked = id(&session, "four");
    assert_eq!(locked.code, Some(8), "{locked:?}");
    assert!(locked.errors.contains("the keychain is locked"), "{locked:?}");
    assert!(!home.path().join("agent/four/identity.pem").exists());
}
