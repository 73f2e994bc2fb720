//! The PyPI package `mcp-webrtc` as a client of a desktop: an agent that nobody knows, with a new certificate each time.
//! Whoever sits at the desktop's terminal decides.

use std::path::Path;

use gatelodge_tests::{Aiortc, Foreign, Programs, Terminal};
use serde_json::json;
use tempfile::TempDir;

/// What the prompt of an agent that cannot be remembered lets one type.
const CHOICES: &str = "[y once / s this session / n deny / b block]";

/// A desktop on a terminal, which lends one folder to plain peers.
struct Scene {
    terminal: Terminal,
    port: u16,
    folder: TempDir,
    _home: TempDir,
}

impl Scene {
    async fn new(options: &[&str]) -> Self {
        let (folder, home) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        std::fs::write(folder.path().join("notes.txt"), "for agents\n").unwrap();
        let share = folder.path().to_str().unwrap();
        let mut arguments = vec!["host", "--ephemeral", "--link", "tcp://127.0.0.1:0", "--share", share];
        arguments.extend(options);
        let home_variable: [(&str, &Path); 1] = [("GATELODGE_HOME", home.path())];
        let mut terminal = Terminal::start(&Programs::get().gatelodge, &arguments, &home_variable);
        terminal.shows("tcp://127.0.0.1:").await;
        let port = terminal.number().await;
        Self { terminal, port, folder, _home: home }
    }

    /// As [`Scene::client`], but this one expects to be turned away, and has said its first message. The package fails, or
    /// waits for ever, if it is turned away before that has left.
    async fn unwelcome(&mut self) -> Foreign {
        let mut client = self.client(&["--refused"]).await;
        client.step("asked").await;
        client
    }

    /// Starts the client, which reads a file inside and one outside of the folder, and waits for the prompt, which must
    /// name its certificate.
    async fn client(&mut self, options: &[&str]) -> Foreign {
        let port = self.port.to_string();
        let inside = std::fs::canonicalize(self.folder.path()).unwrap().join("notes.txt");
        let call = |path: &Path| json!({ "path": path }).to_string();
        let (inside, outside) = (call(&inside), call(Path::new("/etc/passwd")));
        let mut arguments = vec!["127.0.0.1", &port, "--tools", "--call", "read_text_file", &inside];
        arguments.extend(["--call", "read_text_file", &outside]);
        arguments.extend(options);
        let mut client = Foreign::python("client.py", Aiortc::V1_16, &arguments);
        let certificate = client.step("certificate").await;
        self.terminal.shows(certificate["sha256"].as_str().unwrap()).await;
        self.terminal.shows(CHOICES).await;
        client
    }

    /// Types an answer, again if the prompt was not there for long enough to be read, until the desktop says this.
    async fn answers(&mut self, typed: &str, said: &'static str) {
        loop {
            self.terminal.types(typed);
            if self.terminal.shows_one_of(&[said, CHOICES]).await == said {
                return;
            }
        }
    }
}

#[tokio::test]
async fn allowed_once_it_reads_the_folder_and_nothing_else() {
    let mut scene = Scene::new(&[]).await;
    let mut client = scene.client(&[]).await;
    scene.answers("y", "Allowed once.").await;
    let inside = client.step("called").await;
    assert_eq!((&inside["error"], &inside["text"]), (&false.into(), &"for agents\n".into()));
    let outside = client.step("called").await;
    assert_eq!(outside["error"], true);
    assert!(!outside["text"].as_str().unwrap().contains("root:"), "{outside}");
    client.done().await;

    // Once is once: the next connection is asked about again.
    let mut again = scene.unwelcome().await;
    scene.answers("n", "Denied.").await;
    again.step("refused").await;
    again.done().await;
}

#[tokio::test]
async fn blocked_it_gets_nothing() {
    let mut scene = Scene::new(&[]).await;
    let mut client = scene.unwelcome().await;
    scene.answers("b", "Blocked.").await;
    client.step("refused").await;
    client.done().await;
}

#[tokio::test]
async fn without_an_answer_it_gets_nothing() {
    let mut scene = Scene::new(&["--approval-seconds", "2"]).await;
    let mut client = scene.unwelcome().await;
    scene.terminal.shows("the question is not open any more").await;
    client.step("refused").await;
    client.done().await;
}
