//! Trust over a real keyring: restarts, no keyring, a locked one, and processes killed in the middle of writes.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::desktop_session::{DesktopSession, Owned};

impl DesktopSession {
    /// The folder of the probe's store.
    fn data(&self) -> PathBuf {
        self.home().join("probe")
    }

    /// The probe with the session's store.
    fn probe_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(probe());
        command.arg(self.data()).args(arguments);
        command
    }

    /// Runs the probe and returns what it says.
    fn probe(&self, arguments: &[&str]) -> String {
        said(&self.probe_command(arguments).output().unwrap())
    }
}

/// What a probe said.
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

/// The example program, which cargo builds together with the tests unless it is told to build single ones.
fn probe() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let probe = profile.join("examples/trust_probe");
    assert!(
        probe.exists(),
        "single tests need it built: cargo build --package gatelodge-host --example trust_probe"
    );
    probe
}

#[test]
fn trust_identity_and_secrets_survive_a_restart() {
    let mut session = DesktopSession::new();
    assert_eq!(session.probe(&["grants"]), "no record");
    assert_eq!(session.probe(&["trust", "4"]), "done");
    let identity = session.probe(&["identity"]);
    assert!(identity.starts_with("made by "));
    assert_eq!(session.probe(&["set-secret", "TOKEN", "correct horse"]), "done");
    session.kill_keyring();
    session.start_keyring();
    assert_eq!(session.probe(&["grants"]), "valid 4");
    assert_eq!(session.probe(&["list"]), "1");
    assert_eq!(session.probe(&["identity"]), identity);
    assert_eq!(session.probe(&["resolve", "Bearer ${secret:TOKEN}"]), "Bearer correct horse");
    assert_eq!(session.probe(&["block"]), "done");
    assert_eq!(session.probe(&["grants"]), "blocked");
    assert_eq!(session.probe(&["forget"]), "done");
    assert_eq!(session.probe(&["grants"]), "no record");
}

#[test]
fn without_a_keyring_nothing_is_trusted_and_nothing_written() {
    let session = DesktopSession::without_keyring();
    for operation in
        [&["grants"] as &[&str], &["trust", "1"], &["identity"], &["set-secret", "TOKEN", "hush-hush"]]
    {
        let answer = session.probe(operation);
        assert!(answer.starts_with("no keychain was found"), "{operation:?}: {answer}");
        assert!(answer.ends_with("try again"), "{answer}");
    }
    // The same with no bus at all.
    let answer =
        said(&session.probe_command(&["grants"]).env_remove("DBUS_SESSION_BUS_ADDRESS").output().unwrap());
    assert!(answer.starts_with("no keychain was found"), "{answer}");
    for folder in [session.data(), session.home()] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let bytes = if path.is_dir() { Vec::new() } else { std::fs::read(path).unwrap() };
            assert!(!bytes.windows(9).any(|window| window == b"hush-hush" || window == b"made by 1"));
        }
    }
}

#[test]
fn a_keyring_that_appears_later_is_found_by_the_same_process() {
    let mut session = DesktopSession::without_keyring();
    let command = session.probe_command(&["watch"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut watch = Owned(command.unwrap());
    let mut ask = watch.0.stdin.take().unwrap();
    let mut answers = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    let mut verdict = || {
        ask.write_all(b"\n").unwrap();
        answers.next().unwrap().unwrap()
    };
    assert!(verdict().starts_with("no keychain was found"));
    session.start_keyring();
    assert_eq!(verdict(), "no record");
    // One that was replaced is found as well: the session with the one before it is of no use any more.
    session.kill_keyring();
    assert!(verdict().starts_with("no keychain was found"));
    session.start_keyring();
    assert_eq!(verdict(), "no record");
    // So is one that is locked meanwhile, as soon as it is unlocked.
    session.lock_keyring();
    assert_eq!(verdict(), "the keychain is locked; unlock it, then try again");
    session.unlock_keyring();
    assert_eq!(verdict(), "no record");
}

#[test]
fn the_keyrings_state_is_found_by_looking() {
    let mut session = DesktopSession::without_keyring();
    let looks = |session: &DesktopSession, state: &str, reason: &str| {
        let found = session.probe(&["look"]);
        assert!(
            found.starts_with(&format!(r#"{{"keychain":"{state}""#)) && found.contains(reason),
            "{found}"
        );
    };
    looks(&session, "missing", "start one (on Linux: gnome-keyring or KWallet");
    session.start_keyring();
    assert_eq!(session.probe(&["look"]), r#"{"keychain":"open"}"#);
    session.lock_keyring();
    looks(&session, "locked", "the keychain is locked; unlock it, then try again");
    // Looking has not had it unlocked.
    looks(&session, "locked", "");
    session.kill_keyring();
    looks(&session, "missing", "no keychain was found");
}

#[test]
fn a_locked_keyring_is_neither_trust_nor_a_new_identity() {
    let mut session = DesktopSession::new();
    let identity = session.probe(&["identity"]);
    assert_eq!(session.probe(&["trust", "2"]), "done");
    session.lock_keyring();
    for operation in
        [&["grants"] as &[&str], &["identity"], &["trust", "3"], &["set-secret", "TOKEN", "hush"]]
    {
        let answer = session.probe(operation);
        assert_eq!(answer, "the keychain is locked; unlock it, then try again", "{operation:?}");
    }
    // What the keyring does not have is not "there is none" either while it is locked.
    assert_eq!(
        session.probe(&["resolve", "${secret:OTHER}"]),
        "the keychain is locked; unlock it, then try again"
    );
    session.kill_keyring();
    session.start_keyring();
    assert_eq!(session.probe(&["identity"]), identity);
    // The changes that were refused have left nothing behind.
    assert_eq!(session.probe(&["grants"]), "valid 2");
    assert_eq!(session.probe(&["trust", "3"]), "done");
    assert_eq!(session.probe(&["grants"]), "valid 3");
}

#[test]
fn first_starts_at_once_end_with_one_identity() {
    let session = DesktopSession::new();
    let start = || session.probe_command(&["identity"]).stdout(Stdio::piped()).spawn().unwrap();
    let starts: Vec<_> = (0..6).map(|_| start()).collect();
    let mut identities: Vec<String> =
        starts.into_iter().map(|start| said(&start.wait_with_output().unwrap())).collect();
    identities.retain(|answer| !answer.contains("in use by another gatelodge"));
    identities.push(session.probe(&["identity"]));
    identities.dedup();
    assert_eq!(identities.len(), 1, "{identities:?}");
}

/// How a round of changes ended: the last number that was begun, the last that was done.
struct Round {
    begun: i64,
    done: Option<i64>,
    failed: bool,
}

/// Lets a process change grants from a number on, and calls `interrupt` at some moment in the middle.
fn change_until(
    session: &DesktopSession,
    from: i64,
    moment: Duration,
    interrupt: impl FnOnce(&mut Owned),
) -> Round {
    let command = session.probe_command(&["change", &from.to_string()]).stdout(Stdio::piped()).spawn();
    let mut process = Owned(command.unwrap());
    let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
    let mut round = Round { begun: from, done: None, failed: false };
    let mut take = |line: String| {
        let (what, number) = line.split_once(' ').unwrap();
        match what {
            "begun" => round.begun = number.parse().unwrap(),
            "done" => round.done = Some(number.parse().unwrap()),
            _ => round.failed = true,
        }
    };
    // The changes have to be under way; where among them the blow falls is what is varied.
    for line in lines.by_ref().take(2) {
        take(line.unwrap());
    }
    std::thread::sleep(moment);
    interrupt(&mut process);
    for line in lines {
        take(line.unwrap());
    }
    process.0.wait().unwrap();
    round
}

#[test]
fn a_process_killed_while_it_changes_grants_leaves_the_old_or_the_new_ones() {
    let session = DesktopSession::new();
    assert_eq!(session.probe(&["trust", "1"]), "done");
    let mut next = 2;
    for round in 0..40 {
        let moment = Duration::from_micros(731 * round);
        let ended = change_until(&session, next, moment, Owned::kill);
        assert!(!ended.failed);
        let found = session.probe(&["grants"]);
        let number: i64 = found.strip_prefix("valid ").unwrap_or_else(|| panic!("{found}")).parse().unwrap();
        let old = ended.done.unwrap_or(next - 1);
        assert!(number == old || number == ended.begun, "{found} after {old} and {}", ended.begun);
        next = ended.begun.max(number) + 1;
    }
}

#[test]
fn a_keyring_killed_in_the_middle_of_writes_leaves_the_old_grants_the_new_ones_or_none() {
    let mut session = DesktopSession::new();
    assert_eq!(session.probe(&["trust", "1"]), "done");
    let mut next = 2;
    let mut none = 0;
    for round in 0..20 {
        let keyring = Pid::from_raw(i32::try_from(session.keyring.as_ref().unwrap().0.id()).unwrap());
        let moment = Duration::from_micros(1_313 * round);
        let ended = change_until(&session, next, moment, |_| kill(keyring, Signal::SIGKILL).unwrap());
        assert!(ended.failed, "a dead keyring was written to");
        let without = session.probe(&["grants"]);
        assert!(without.starts_with("no keychain was found"), "{without}");
        session.kill_keyring();
        session.start_keyring();
        let found = session.probe(&["grants"]);
        match found.strip_prefix("valid ") {
            Some(number) => {
                let number: i64 = number.parse().unwrap();
                let old = ended.done.unwrap_or(next - 1);
                assert!(number == old || number == ended.begun, "{found} after {old} and {}", ended.begun);
            }
            None => {
                assert!(found == "unfinished" || found == "altered" || found == "no record", "{found}");
                none += 1;
            }
        }
        // Whatever it was, the person can give grants again.
        next = ended.begun + 1;
        assert_eq!(session.probe(&["trust", &next.to_string()]), "done");
        assert_eq!(session.probe(&["grants"]), format!("valid {next}"));
        next += 1;
    }
    assert!(none > 0, "no round hit the middle of a write");
}
