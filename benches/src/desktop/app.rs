//! One run of the tray app, or of the least Tauri app.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::session::{LIMIT, Session, until};
use crate::plan::Stack;
use crate::product::program;

/// How the app begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    WithWindow,
    /// As with the session's start.
    InTray,
}

/// A running app, and what it says.
pub(super) struct App {
    stack: Stack,
    child: Child,
    stdin: Option<ChildStdin>,
    said: Receiver<(Instant, String)>,
    /// When it was started.
    pub(super) begun: Instant,
}

/// What a process and all below it use.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    pub(super) resident_mb: f64,
    /// Pages that several processes share count in parts.
    pub(super) proportional_mb: f64,
}

impl App {
    pub(super) fn start(session: &Session, stack: Stack, begin: Begin) -> anyhow::Result<Self> {
        let mut command = app(session, stack)?;
        if begin == Begin::InTray {
            command.arg("--hidden");
        }
        // The least app takes orders there, and ends when this process does; the other one ends with the X server.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        session.forget_icons();
        let begun = Instant::now();
        let mut child = command.spawn().context("the app does not start")?;
        let lines = BufReader::new(child.stderr.take().context("no standard error")?);
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        Ok(Self { stack, child, stdin, said, begun })
    }

    /// Returns when the panel had its icon.
    pub(super) fn in_tray(&self, session: &Session) -> anyhow::Result<Instant> {
        session.next_icon()
    }

    /// Returns when a window had its first paint.
    pub(super) fn painted(&mut self, window: &str) -> anyhow::Result<Instant> {
        let sign = match (self.stack, window) {
            (Stack::Desktop, "main") => "the main window is painted",
            (Stack::Desktop, _) => "a prompt is drawn",
            (_, window) => &format!("painted {window}"),
        };
        let begun = Instant::now();
        let mut all = Vec::new();
        while let Ok((at, line)) = self.said.recv_timeout(LIMIT.saturating_sub(begun.elapsed())) {
            if line.contains(sign) {
                return Ok(at);
            }
            all.push(line);
        }
        bail!("{} painted no {window} window; it said: {}", self.stack, all.join("; "))
    }

    /// Tells the least app what to show.
    pub(super) fn order(&mut self, order: &str) -> anyhow::Result<()> {
        let stdin = self.stdin.as_mut().context("the app takes no orders any more")?;
        Ok(writeln!(stdin, "{order}")?)
    }

    /// Opens the main window, as a second start does.
    pub(super) fn open_main(&mut self, session: &Session) -> anyhow::Result<()> {
        if self.stack != Stack::Desktop {
            return self.order("main");
        }
        let status = app(session, self.stack)?.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        ensure!(status.success(), "the second start failed");
        Ok(())
    }

    /// Closes the main window as a person does, and waits until its web process is gone.
    pub(super) fn close_main(&mut self, session: &Session) -> anyhow::Result<()> {
        if self.stack == Stack::Desktop {
            session.close_window("Gatelodge")?;
        } else {
            self.order("close")?;
        }
        let below = self.child.id();
        until("the web process's end", || {
            Ok(!tree(below).iter().any(|process| name(*process).starts_with("WebKitWebProces")))
        })
    }

    /// Returns what it and its web processes use.
    pub(super) fn memory(&self) -> anyhow::Result<Memory> {
        let mut memory = Memory::default();
        for process in tree(self.child.id()) {
            let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
            let megabytes = |field: &str| {
                let line = rollup.lines().find_map(|line| line.strip_prefix(field));
                let kib: f64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok())?;
                Some(kib * 1024.0 / 1e6)
            };
            memory.resident_mb += megabytes("Rss:").context("no Rss")?;
            memory.proportional_mb += megabytes("Pss:").context("no Pss")?;
        }
        Ok(memory)
    }

    /// Ends it as the system does.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        self.stdin = None;
        if self.stack == Stack::Desktop {
            kill(Pid::from_raw(self.child.id().try_into()?), Signal::SIGTERM)?;
        }
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(begun.elapsed() < LIMIT, "{} does not end", self.stack);
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn app(session: &Session, stack: Stack) -> anyhow::Result<Command> {
    let mut command = match stack {
        Stack::Desktop => session.command(program("gatelodge-desktop")?),
        _ => session.command(program("examples/minimal")?),
    };
    command.env("GATELODGE_LOG", "gatelodge_desktop=debug");
    Ok(command)
}

/// Returns a process and all that came from it.
fn tree(process: u32) -> Vec<u32> {
    let mut all = vec![process];
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    for thread in threads {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|child| child.parse().ok()).flat_map(tree));
    }
    all
}

fn name(process: u32) -> String {
    std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default()
}
