//! From the first start to the first file that an agent reads: three screens, a folder from the system's dialog, an invitation,
//! a prompt. All of it with the pointer; only the folder's path is typed.

use serde_json::json;

use crate::agent::Machine;
use crate::app::{App, MAIN, PROMPT};
use crate::desk::Desk;
use crate::program::Program;
use crate::screen::{CONTROL, ENTER};
use crate::waiting::eventually;

#[test]
fn the_first_start_leads_to_a_file_that_an_agent_reads() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let folder = desk.home.path().join("notes");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("note.txt"), "buy milk").unwrap();
    let app = App::start(&desk);
    let main = app.main();

    main.says("Share a folder");
    app.click(main, "Choose a folder…");
    app.pick_folder(&folder);
    main.says(folder.to_str().unwrap());
    app.click(main, "Save");

    main.says("Invite the agent that may use it");
    app.click(main, "Invite an agent");
    main.says("Waits for the agent…");
    let invitation = main.run("return document.querySelector('.groups').innerText", &[]).unwrap();
    let mut pairing = Program::start(machine.command(&["pair", "--name", "laptop", "--as", "studio"]));
    pairing.write(invitation.as_str().unwrap());
    pairing.close_input();

    let prompt = app.look_at_prompt("Pair this agent?");
    prompt.says("laptop");
    prompt.says(&machine.fingerprint("default")[..20]);
    app.click(prompt, "Until I revoke it");
    app.click(prompt, "Pair, lend 1 server");
    let ended = pairing.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    desk.screen.is_closed(PROMPT);

    main.says("Paired. The agent is trusted from now on.");
    app.click(main, "Go on");
    main.says("All set");
    app.click(main, "Open the overview");

    let mut client = machine.connect("default", "studio", &[]);
    client.initialize();
    let note = client.call("read_text_file", json!({"path": folder.join("note.txt")})).unwrap();
    assert_eq!(note, "buy milk");
    main.says("laptop");
    assert_eq!(desk.screen.find(PROMPT), None, "who is paired is not asked about");
}

impl App<'_> {
    /// Chooses a folder in the system's dialog, by its path.
    #[track_caller]
    fn pick_folder(&self, folder: &std::path::Path) {
        let screen = &self.desk.screen;
        let dialog = eventually("the system's dialog", || {
            screen.windows().into_iter().find(|window| window.title != MAIN && window.title != PROMPT)
        });
        crate::waiting::until("the dialog's focus", || screen.active() == Some(dialog.id));
        // A slash opens the field for paths, which takes the keys that come after it only once it is there.
        screen.is_calm();
        screen.type_text("/");
        screen.is_calm();
        screen.hold_key(CONTROL);
        screen.press('a'.into());
        screen.release_key(CONTROL);
        screen.type_text(folder.to_str().unwrap());
        screen.is_calm();
        eventually("the end of the dialog", || {
            screen.press(ENTER);
            let gone = || (!screen.windows().iter().any(|window| window.id == dialog.id)).then_some(());
            crate::waiting::sought(std::time::Duration::from_secs(1), gone)
        });
    }
}
