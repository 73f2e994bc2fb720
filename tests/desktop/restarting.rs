//! What lasts over a restart: whom the person trusts, in the keychain and nowhere else.

use nix::sys::signal::Signal;
use serde_json::json;
use sha2::Digest;

use crate::agent::Machine;
use crate::app::{App, PROMPT};
use crate::desk::Desk;
use crate::program::Program;

#[test]
fn an_agent_that_is_trusted_comes_in_after_a_restart_without_a_question() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let folder = desk.share_notes();
    let app = App::start(&desk);
    let mut client = machine.connect("laptop", &desk.link(), &[]);
    let prompt = app.look_at_prompt("Let this agent in?");
    app.click(prompt, "Until I revoke it");
    app.click(prompt, "Let it in");
    client.initialize();
    // Each home has entries of its own; see `KeychainScope`.
    let home = sha2::Sha256::digest(desk.home.path().as_os_str().as_encoded_bytes());
    let home: String = home[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let service = format!("gatelodge-{home}");
    let mut command = desk.command("secret-tool");
    command.args(["search", "--all", "service", &service]);
    let secrets = Program::run(command);
    let said = format!("{}\n{}", secrets.out, secrets.errors);
    assert!(said.contains(&machine.fingerprint("laptop")), "{said}");
    let identity = desk.done(&["status"])["fingerprint"].clone();
    client.program.signal(Signal::SIGTERM);
    assert_eq!(client.program.end().code, Some(0));
    desk.tray.says("Nobody is connected");
    app.quit();

    let asked = desk.notices.all().iter().filter(|notice| notice.title.contains("asks")).count();
    let _app = App::start(&desk);
    assert_eq!(desk.done(&["status"])["fingerprint"], identity);
    let mut client = machine.connect("laptop", &desk.link(), &[]);
    client.initialize();
    let note = client.call("read_text_file", json!({"path": folder.join("note.txt")})).unwrap();
    assert_eq!(note, "buy milk");
    let asked_now = desk.notices.all().iter().filter(|notice| notice.title.contains("asks")).count();
    assert_eq!((asked_now, desk.screen.find(PROMPT)), (asked, None));
}
