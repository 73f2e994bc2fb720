//! A desktop that is found at a rendezvous: pairing, coming back, and what an agent hears that is not let in.

use serde_json::Value;

use crate::agent::Machine;
use crate::desk::Desk;
use crate::program::Program;
use crate::terminal::Terminal;

#[test]
fn a_desktop_is_paired_and_found_at_its_own_rendezvous() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let folder = desk.home.path().join("notes");
    std::fs::create_dir_all(&folder).unwrap();
    desk.done(&["servers", "add-folder", "notes", folder.to_str().unwrap()]);
    desk.done(&["links", "add", "meet", "rendezvous", "embedded=127.0.0.1:0"]);
    let mut terminal = Terminal::start(desk.command(&["host", "--name", "Studio Mac"]));
    let shown = terminal.shows("(link meet)");
    let (_, link) = shown.rsplit_once("open: ").unwrap();
    let link = link.split_whitespace().next().unwrap().to_owned();
    assert!(link.starts_with("http://127.0.0.1:") && link.contains("/#"), "{link}");

    // Strangers are declined at the rendezvous already; the desktop's person is not asked.
    let stranger = machine.turned_away("stranger", &link);
    assert_eq!(stranger.code, Some(4), "{stranger:?}");
    assert!(stranger.errors.contains("does not know this agent"), "{stranger:?}");
    let (url, _) = link.split_once("/#").unwrap();
    let wrong = machine.turned_away("stranger", &format!("{url}/#{}", machine.fingerprint("stranger")));
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    assert!(wrong.errors.contains("the desktop is not there"), "{wrong:?}");
    let unnamed = machine.turned_away("stranger", url);
    assert!(unnamed.errors.contains("does not say which desktop"), "{unnamed:?}");

    // An invitation names the rendezvous, and opens the door.
    let made = desk.done(&["invitations", "new"]);
    assert_eq!(made["invitation"]["places"][0], Value::from(url));
    let mut command = machine.command(&["pair", "--profile", "laptop", "--name", "laptop"]);
    command.args(["--link", made["link"].as_str().unwrap()]);
    let mut pairing = Program::start(command);
    terminal.shows("[y pair / s pair for now / n deny / b block]");
    pairing.error_line("asking its user whether to pair");
    terminal.answers("y notes");
    let ended = pairing.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");

    machine.connect("laptop", "Studio-Mac", &[]).initialize();
    machine.connect("laptop", &link, &[]).initialize();
}
