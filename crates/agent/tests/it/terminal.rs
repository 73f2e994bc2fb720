//! A program on a terminal of its own: what it shows can be waited for, and answers can be typed.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::pty::openpty;

use crate::program::LIMIT;

type Screen = Arc<(Mutex<String>, Condvar)>;

/// A program on a terminal. It ends with the test.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    screen: Screen,
    read: usize,
}

impl Terminal {
    pub(crate) fn start(mut command: Command) -> Self {
        let terminal = openpty(None, None).unwrap();
        let end = || Stdio::from(terminal.slave.try_clone().unwrap());
        let child = command.env("TERM", "dumb").stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        drop(command);
        let keyboard = File::from(terminal.master);
        let (screen, mut shown) = (Screen::default(), keyboard.try_clone().unwrap());
        let target = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The read fails once nobody has the other end open any more.
            while let Ok(length @ 1..) = shown.read(&mut bytes) {
                target.0.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..length]));
                target.1.notify_all();
            }
        });
        Self { child, keyboard, screen, read: 0 }
    }

    /// Waits until this is shown, after what was waited for before; returns what came until then.
    #[track_caller]
    pub(crate) fn shows(&mut self, text: &str) -> String {
        self.shows_within(LIMIT, text)
    }

    /// The same, with another limit than the usual one.
    #[track_caller]
    pub(crate) fn shows_within(&mut self, limit: Duration, text: &str) -> String {
        let deadline = Instant::now() + limit;
        let mut screen = self.screen.0.lock().unwrap();
        loop {
            if let Some(at) = screen[self.read..].find(text) {
                let end = self.read + at + text.len();
                let shown = screen[self.read..end].to_owned();
                self.read = end;
                return shown;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{text:?} was not shown; the screen:\n{}", *screen);
            screen = self.screen.1.wait_timeout(screen, left).unwrap().0;
        }
    }

    /// Waits for a line with this in it, as [`shows`](Terminal::shows); returns the line from there on.
    #[track_caller]
    #[allow(dead_code, reason = "several test programs share this file, and one of them needs it")]
    pub(crate) fn shows_line(&mut self, text: &str) -> String {
        self.shows(text);
        self.shows("\n")
    }

    /// Types a line.
    pub(crate) fn types(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Types a line when the prompt has been in view for as long as answers need.
    pub(crate) fn answers(&mut self, line: &str) {
        std::thread::sleep(Duration::from_millis(1_100));
        self.types(line);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let screen = self.screen.0.lock().unwrap_or_else(PoisonError::into_inner);
            eprintln!("the terminal showed:\n{screen}");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
