//! When Gatelodge is killed, its servers end too.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{FIXTURE, Lab, opened, within};

/// Killed at the end of a test, whatever its outcome.
struct Desktop(Child);

impl Drop for Desktop {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Starts a desktop of its own that runs a server.
fn desktop(server: &Path) -> Desktop {
    let mut child = Command::new(FIXTURE).arg("host").arg(server).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n");
    Desktop(child)
}

/// The process that watches over the desktop's servers.
fn guard_of(desktop: &Desktop) -> Option<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let mut ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.find(|id| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:\t"));
        let arguments = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        parent == Some(desktop.0.id().to_string().as_str())
            && arguments.split(|&byte| byte == 0).any(|argument| argument == b"watch")
    })
}

/// Waits until the guard is another process than `earlier`: a process has no arguments yet when it has just begun.
async fn guard_after(earlier: Option<u32>, desktop: &Desktop) -> u32 {
    loop {
        match guard_of(desktop) {
            Some(guard) if Some(guard) != earlier => return guard,
            _ => tokio::task::yield_now().await,
        }
    }
}

/// A server with a stubborn grandchild; each has the FIFO open and says when it is ready.
fn server(lab: &Lab, fifo: &Path) -> std::path::PathBuf {
    let text = format!(
        "#!/bin/sh\nexec 3> {}\n(trap '' TERM; while :; do sleep 1000; done) &\ntrap '' HUP\necho ready >&3\nwhile :; do sleep 1000; done\n",
        fifo.display()
    );
    super::script(lab.folder.path(), "stubborn", &text)
}

#[tokio::test]
async fn killing_the_desktop_ends_the_whole_group() {
    let lab = Lab::new();
    let fifo = lab.fifo("alive");
    let desktop = desktop(&server(&lab, &fifo));
    let (ready, gone) = opened(&fifo);
    within(ready).await.unwrap();
    drop(desktop);
    within(gone).await.unwrap();
}

#[tokio::test]
async fn a_guard_that_was_killed_is_replaced() {
    let lab = Lab::new();
    let fifo = lab.fifo("alive");
    let desktop = desktop(&server(&lab, &fifo));
    let (ready, mut gone) = opened(&fifo);
    within(ready).await.unwrap();
    let first = within(guard_after(None, &desktop)).await;
    assert!(Command::new("kill").args(["-9", &first.to_string()]).status().unwrap().success());
    within(guard_after(Some(first), &desktop)).await;
    assert!(gone.try_recv().is_err(), "the server doesn't notice");
    drop(desktop);
    within(gone).await.unwrap();
}
