//! A program on a terminal: what it shows can be waited for, and answers can be typed.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use nix::pty::openpty;
use tokio::sync::Notify;

use crate::process::{Process, command};
use crate::within_limit;

/// A running program whose input and output are a terminal. Dropping it ends it; what it showed is printed if the test
/// fails.
pub struct Terminal {
    process: Process,
    keyboard: File,
    screen: Screen,
    /// Up to where the test has read.
    read: usize,
}

/// Everything that was shown so far.
#[derive(Clone, Default)]
struct Screen {
    text: Arc<Mutex<String>>,
    changed: Arc<Notify>,
}

impl Terminal {
    /// Starts the program with these arguments and variables.
    ///
    /// # Panics
    ///
    /// When there is no terminal or no program.
    pub fn start(program: &Path, arguments: &[&str], variables: &[(&str, &Path)]) -> Self {
        let terminal = openpty(None, None).expect("the system has another terminal");
        let end = || Stdio::from(terminal.slave.try_clone().expect("there is another file descriptor"));
        let mut started = command(program);
        // Colours and line editing would only hide what is said.
        started.args(arguments).env("TERM", "dumb").envs(variables.iter().copied());
        started.stdin(end()).stdout(end()).stderr(end());
        let process = Process::spawn(started, |_| {}, |_| {});
        let (keyboard, screen) = (File::from(terminal.master), Screen::default());
        let shown = keyboard.try_clone().expect("there is another file descriptor");
        let target = screen.clone();
        std::thread::spawn(move || target.show(shown));
        Self { process, keyboard, screen, read: 0 }
    }

    /// Waits until the program has shown this text, after what was waited for before; gives what came between.
    ///
    /// # Panics
    ///
    /// When it takes too long.
    pub async fn shows(&mut self, text: &str) -> String {
        let found = async {
            loop {
                let changed = self.screen.changed.notified();
                let found = self.screen.find(text, self.read);
                if let Some((between, end)) = found {
                    return (between, end);
                }
                changed.await;
            }
        };
        let (between, end) = within_limit(&format!("the text {text:?} on the terminal"), found).await;
        self.read = end;
        between
    }

    /// Waits for the first of these texts, after what was waited for before; gives which it was.
    ///
    /// # Panics
    ///
    /// When it takes too long.
    pub async fn shows_one_of<'text>(&mut self, texts: &[&'text str]) -> &'text str {
        let found = async {
            loop {
                let changed = self.screen.changed.notified();
                let found =
                    texts.iter().filter_map(|text| Some((self.screen.find(text, self.read)?.1, *text)));
                if let Some(found) = found.min() {
                    return found;
                }
                changed.await;
            }
        };
        let (end, text) = within_limit(&format!("one of the texts {texts:?} on the terminal"), found).await;
        self.read = end;
        text
    }

    /// Waits for a number after what was waited for before, and for what follows it.
    ///
    /// # Panics
    ///
    /// As [`shows`](Terminal::shows), and when there is no number there.
    pub async fn number(&mut self) -> u16 {
        let line = self.shows("\n").await;
        let digits: String = line.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_else(|_| panic!("{line:?} does not begin with a number"))
    }

    /// Types this, and the return key.
    ///
    /// # Panics
    ///
    /// When the terminal is gone.
    pub fn types(&mut self, text: &str) {
        writeln!(self.keyboard, "{text}").expect("the terminal takes what is typed");
    }

    /// Waits for the program to end by itself.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub async fn ends(&mut self) -> ExitStatus {
        let status = within_limit("the end of the program on the terminal", self.process.ended()).await;
        status.expect("a child process can be waited for")
    }

    /// Returns everything that was shown so far.
    pub fn shown(&self) -> String {
        self.screen.lock().clone()
    }
}

impl Screen {
    fn lock(&self) -> std::sync::MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, text: &str, from: usize) -> Option<(String, usize)> {
        let shown = self.lock();
        let place = shown[from..].find(text)?;
        Some((shown[from..from + place].to_owned(), from + place + text.len()))
    }

    fn show(&self, mut shown: File) {
        let mut bytes = [0; 4096];
        // Reading fails once the program has ended.
        while let Ok(count @ 1..) = shown.read(&mut bytes) {
            self.lock().push_str(&String::from_utf8_lossy(&bytes[..count]));
            self.changed.notify_waiters();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the terminal showed:\n{}", self.shown());
        }
    }
}
