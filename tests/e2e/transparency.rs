//! A lent server answers the same as the server beside the client: with the clients of others, for servers of others
//! and for the built-in one. A module a client.

mod inspector;
mod odd;
mod raw;
mod roots;
mod sdk;

use std::path::Path;
use std::process::Command;

use gatelodge_tests::transparency::{Client, Normaliser, Stage, Way, needless};

/// `server-everything` writes the time of day into its dynamic resources.
const CLOCK: Normaliser = Normaliser {
    reason: "server-everything writes the time at which it made a resource into its text",
    pattern: r"created at \d{1,2}:\d{2}:\d{2}\s[AP]M",
    replacement: "created at TIME",
};

/// The same in its binary resources; `UmVzb3VyY2Ug` is `Resource `, with which their text begins.
const CLOCK_IN_BLOB: Normaliser = Normaliser {
    reason: "server-everything writes the time at which it made a resource into its bytes",
    pattern: r#"("blob": ?")UmVzb3VyY2Ug[A-Za-z0-9+/=]*""#,
    replacement: "${1}BYTES\"",
};

/// `server-everything` logs with a random level.
const RANDOM_LOG: Normaliser = Normaliser {
    reason: "server-everything chooses a random level, and the text that belongs to it, for each log message",
    pattern: r#""level":"[a-z]+","data":"[A-Z][a-z]+(-| )level( |-)message""#,
    replacement: "\"level\":\"LEVEL\",\"data\":\"MESSAGE\"",
};

/// Runs the client directly and through a desktop. The messages must be the same at both ends of the desktop, and the
/// client must see what it saw directly, but for what the normalisers know. A second direct run shows that what they
/// know is the server's own doing.
async fn is_transparent(stage: &Stage, client: &Client, normalisers: &[Normaliser]) {
    let direct = stage.succeed(Way::Direct, client).await;
    if !normalisers.is_empty() {
        stage.succeed(Way::Direct, client).await.same_as(&direct, normalisers);
        let stale = needless(&direct.client_side, normalisers);
        assert!(stale.is_empty(), "{client:?} needs no {stale:?}");
    }
    let lent = stage.succeed(Way::Lent, client).await;
    if lent.server_side.is_some() {
        lent.passed_unchanged();
    }
    lent.same_as(&direct, normalisers);
}

/// Makes a repository with two commits, one changed file and one new one. It is the same each time, commit ids included.
fn repository(folder: &Path) {
    let file = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    git(folder, &["init", "--quiet", "--initial-branch", "main"]);
    file("README", "A small repository.\n");
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "--message", "Begin"]);
    file("poem.txt", "Roses are red\nÄpfel auch\n");
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "--message", "Add a poem"]);
    file("poem.txt", "Roses are blue\nÄpfel auch\n");
    file("new.txt", "new\n");
}

/// What makes commits the same in each run.
const GIT_VARIABLES: [(&str, &str); 6] = [
    ("GIT_AUTHOR_NAME", "A"),
    ("GIT_AUTHOR_EMAIL", "a@example.org"),
    ("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z"),
    ("GIT_COMMITTER_NAME", "C"),
    ("GIT_COMMITTER_EMAIL", "c@example.org"),
    ("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z"),
];

fn git(folder: &Path, arguments: &[&str]) {
    // Nothing from the user's own configuration.
    let mut git = Command::new("git");
    git.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let status = git.envs(GIT_VARIABLES).args(arguments).status().unwrap();
    assert!(status.success(), "git {arguments:?} ended with {status}");
}
