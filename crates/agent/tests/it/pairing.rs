//! Pairing by invitation, as people do it: what each side shows, what it keeps, and what does not get through.

use std::process::Command;

use serde_json::{Value, json};

use crate::agent::{Client, Machine};
use crate::desk::{Desk, Host};
use crate::program::{Ended, Program};
use crate::terminal::Terminal;

/// What is shown when a pairing prompt waits for its answer.
const CHOICES: &str = "[y pair / s pair for now / n deny / b block]";

/// An invitation as `gatelodge host pair --json` prints it.
struct Invitation {
    id: String,
    text: String,
    link: String,
}

fn invite(desk: &Desk, arguments: &[&str]) -> Invitation {
    let mut all = vec!["invitations", "new"];
    all.extend(arguments);
    let made = desk.done(&all);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Invitation { id: text(&made["invitation"]["id"]), text: text(&made["text"]), link: text(&made["link"]) }
}

/// A desktop on a terminal that lends a folder, at a link for known agents only.
fn on_terminal(desk: &Desk) -> Terminal {
    let folder = desk.home.path().join("notes");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("note.txt"), "buy milk").unwrap();
    desk.done(&["servers", "add-folder", "notes", folder.to_str().unwrap()]);
    desk.done(&["links", "add", "home", "tcp://127.0.0.1:0"]);
    let mut terminal = Terminal::start(desk.command(&["host", "--name", "Studio Mac"]));
    terminal.shows("open: tcp://");
    terminal
}

fn pair_command(machine: &Machine, profile: &str, arguments: &[&str]) -> Command {
    let mut command = machine.command(&["pair", "--profile", profile, "--name", profile]);
    command.args(arguments);
    command
}

/// Begins to pair with the invitation on standard input.
fn pair(machine: &Machine, profile: &str, invitation: &str) -> Program {
    let mut program = Program::start(pair_command(machine, profile, &[]));
    program.write(invitation);
    program.close_input();
    program
}

#[track_caller]
fn not_accepted(ended: &Ended, reason: &str) {
    assert_eq!(ended.code, Some(9), "{ended:?}");
    assert!(ended.errors.contains(reason), "{reason}: {ended:?}");
}

fn connect(machine: &Machine, profile: &str, desktop: &str) -> Client {
    machine.connect(profile, desktop, &[])
}

#[test]
fn an_invited_agent_is_paired_and_comes_back_by_name() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let mut terminal = on_terminal(&desk);
    terminal.types("pair");
    let shown = terminal.shows("gatelodge host invitations cancel");
    assert!(shown.contains("█"), "{shown}");
    let link = shown.lines().find(|line| line.starts_with("gatelodge://pair/")).unwrap().trim().to_owned();

    let mut pairing = pair(&machine, "laptop", &link);
    let prompt = terminal.shows(CHOICES);
    for part in [
        "calls itself \"laptop\" has proved your invitation",
        &machine.fingerprint("laptop"),
        "notes: ",
        " to read\r\n",
    ] {
        assert!(prompt.contains(part), "{part}: {prompt}");
    }
    pairing.error_line("asking its user whether to pair");
    terminal.answers("y notes for 8h as My laptop");
    terminal.shows("\"My laptop\" is in and gets notes");
    let ended = pairing.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("gatelodge connect Studio-Mac notes"), "{ended:?}");

    let mut client = connect(&machine, "laptop", "Studio-Mac");
    client.initialize();
    let note = desk.home.path().join("notes/note.txt");
    let read = client.call("read_text_file", json!({"path": note})).unwrap();
    assert!(read.contains("buy milk"), "{read}");
    assert!(client.call("write_file", json!({"path": note, "content": "x"})).is_err());
    let agents = desk.done(&["agents", "list"]);
    assert_eq!(agents["agents"][0]["label"], "My laptop");
    let grants = desk.done(&["grants", "list"]);
    assert!(grants["grants"][0]["expires"].is_i64(), "{grants}");

    let desktops = Program::run(machine.command(&["desktops", "--json", "--profile", "laptop"]));
    let desktops: Value = serde_json::from_str(&desktops.out).unwrap();
    assert_eq!(desktops[0]["name"], "Studio-Mac");
    let beginning = desktops[0]["fingerprint"].as_str().unwrap()[..14].to_lowercase();
    connect(&machine, "laptop", &beginning).initialize();
    let place = desktops[0]["places"][0].as_str().unwrap();
    connect(&machine, "laptop", place).initialize();

    // Another profile of the same machine is another agent, and knows nothing of it.
    let other = machine.turned_away("other", place);
    assert_eq!(other.code, Some(4), "{other:?}");
    let none = machine.turned_away("other", "Studio-Mac");
    assert!(none.errors.contains("no desktop is known as \"Studio-Mac\""), "{none:?}");

    // It is good for one pairing.
    not_accepted(&pair(&machine, "other", &link).end(), "was used, cancelled or has expired");
    assert_eq!(desk.done(&["agents", "list"])["agents"].as_array().unwrap().len(), 1);
}

#[test]
fn names_and_settings_are_kept_on_the_agents_side() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let mut terminal = on_terminal(&desk);
    let invitation = invite(&desk, &[]);
    let mut command = pair_command(&machine, "default", &["--as", "studio", "--link", &invitation.link]);
    command.env("GATELODGE_LOG", "trace");
    let pairing = Program::start(command);
    terminal.shows(CHOICES);
    terminal.answers("y nothing");
    let ended = pairing.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.errors.contains("other programs of this machine can see it"), "{ended:?}");
    assert!(ended.out.contains("Nothing is lent yet"), "{ended:?}");

    let config = Program::run(machine.command(&["config", "studio", "notes", "--client", "vscode"]));
    let settings: Value = serde_json::from_str(&config.out).unwrap();
    let entry = &settings["servers"]["studio-notes"];
    assert_eq!(entry["args"], json!(["connect", "studio", "notes"]));
    assert_eq!(entry["command"], crate::desk::GATELODGE);

    assert_eq!(Program::run(machine.command(&["desktops", "rename", "studio", "home"])).code, Some(0));
    assert_eq!(Program::run(machine.command(&["forget", "studio"])).code, Some(1));
    assert_eq!(Program::run(machine.command(&["forget", "home"])).code, Some(0));
    assert_eq!(Program::run(machine.command(&["desktops", "--json"])).out, "[]");

    // The desktop still knows the agent, which has forgotten it: another invitation needs no question.
    let again = pair(&machine, "default", &invite(&desk, &[]).text).end();
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(desk.done(&["invitations", "list"])["invitations"], json!([]));
}

#[test]
fn a_no_leaves_nothing() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let mut terminal = on_terminal(&desk);
    let (first, second) = (invite(&desk, &[]), invite(&desk, &[]));
    let pairing = pair(&machine, "default", &first.text);
    terminal.shows(CHOICES);
    terminal.answers("n");
    let ended = pairing.end();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.errors.contains("the desktop's user said no"), "{ended:?}");
    assert_eq!(Program::run(machine.command(&["desktops", "--json"])).out, "[]");
    assert_eq!(desk.done(&["agents", "list"])["agents"], json!([]));
    // It was an answer, so that the invitation is used. The other one still lets agents come as far as to hear that.
    not_accepted(&pair(&machine, "other", &first.text).end(), "was used already");
    assert_eq!(desk.done(&["invitations", "list"])["invitations"][0]["id"], second.id);
}

#[test]
fn invitations_that_do_not_count_say_why_and_lead_to_no_question() {
    let (desk, machine) = (Desk::new(), Machine::new());
    desk.done(&["links", "add", "home", "tcp://127.0.0.1:0"]);
    let mut host = desk.start();
    let open = invite(&desk, &[]);
    let cancelled = invite(&desk, &[]);
    desk.done(&["invitations", "cancel", &cancelled.id[..8]]);
    assert_eq!(host.event("invitation_ended")["invitation"], cancelled.id);
    not_accepted(&pair(&machine, "default", &cancelled.text).end(), "was cancelled");
    assert_eq!(host.event("pairing_failed")["invitation"], cancelled.id);

    let short = invite(&desk, &["--for", "1s"]);
    assert_eq!(host.event("invitation_ended")["invitation"], short.id);
    not_accepted(&pair(&machine, "default", &short.text).end(), "has expired");

    // A restart takes all back.
    assert_eq!(host.stop().code, Some(0));
    let mut host = desk.start();
    invite(&desk, &["--place", &host.link]);
    let mut old = pair_command(&machine, "default", &[]);
    old.env("GATELODGE_LOG", "off");
    // The port is another one now; the same secret at the right place is what counts.
    let ended = Program::run_with(old, &open.text);
    assert_eq!(ended.code, Some(3), "{ended:?}");

    // Without a word about an invitation, nothing has changed.
    let unknown = machine.turned_away("default", &host.link);
    assert_eq!(unknown.code, Some(4), "{unknown:?}");
    assert!(!host.program.said().iter().any(|line| line.contains("\"prompt\"")));
    assert_eq!(desk.done(&["agents", "list"])["agents"], json!([]));
    host.event("connected");
}

#[test]
fn typing_errors_are_told_by_group_and_can_be_corrected() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let mut terminal = on_terminal(&desk);
    let invitation = invite(&desk, &[]);
    let groups: Vec<&str> = invitation.text.split_whitespace().collect();
    let mut wrong: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
    let other = if groups[2].starts_with('7') { "8" } else { "7" };
    wrong[2].replace_range(..1, other);

    let ended = pair(&machine, "default", &wrong.join(" ")).end();
    not_accepted(&ended, "group 3 is wrong");
    not_accepted(
        &pair(&machine, "default", &groups[..7].join(" ")).end(),
        "something is missing after group 7",
    );

    let mut agent = Terminal::start(pair_command(&machine, "default", &[]));
    agent.shows("an empty line ends it");
    wrong.swap(7, 8);
    for line in wrong.chunks(5) {
        agent.types(&line.join(" ").to_lowercase());
    }
    agent.types("");
    agent.shows("groups 8 and 9 have changed places");
    agent.shows("group 3 again: ");
    agent.types(&groups[2].to_lowercase());
    terminal.shows(CHOICES);
    terminal.answers("b");
    agent.shows("the desktop's user said no");
    assert_eq!(desk.done(&["agents", "list"])["agents"][0]["state"], "blocked");
}

#[test]
fn another_desktop_than_the_invited_one_is_refused() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let host = desk.start();
    let invitation = invite(&desk, &[]);
    let link = host.link.clone();
    assert_eq!(host.stop().code, Some(0));
    let folder = tempfile::tempdir().unwrap();
    let mut other = Host::ephemeral_at(&link, &["--share", folder.path().to_str().unwrap()], &[]);
    let ended = pair(&machine, "default", &invitation.text).end();
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(ended.errors.contains("another desktop than the invited one"), "{ended:?}");
    assert!(ended.errors.contains(&other.fingerprint), "{ended:?}");
    assert!(!other.program.said().iter().any(|line| line.contains("\"prompt\"")));
    other.event("refused");
}
