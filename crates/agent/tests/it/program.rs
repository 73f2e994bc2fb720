//! Running programs: their lines can be waited for, and their end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take before the test fails. Far more than it needs, since machines are slow at times.
pub(crate) const LIMIT: Duration = Duration::from_secs(40);

/// What a program has said, line by line.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Said {
    fn listen(source: impl Read + Send + 'static) -> Self {
        let said = Self::default();
        let heard = said.clone();
        std::thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                heard.add(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
            heard.end();
        });
        said
    }

    pub(crate) fn add(&self, line: String) {
        self.0.0.lock().unwrap().lines.push(line);
        self.0.1.notify_all();
    }

    pub(crate) fn end(&self) {
        self.0.0.lock().unwrap().ended = true;
        self.0.1.notify_all();
    }

    /// Waits for a line from a place on, and returns what is made of it with the place after it.
    fn find<T>(&self, from: usize, wanted: impl Fn(&str) -> Option<T>) -> Option<(T, usize)> {
        let deadline = Instant::now() + LIMIT;
        let (mut lines, mut at) = (self.0.0.lock().unwrap(), from);
        loop {
            while let Some(line) = lines.lines.get(at) {
                at += 1;
                if let Some(found) = wanted(line) {
                    return Some((found, at));
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.ended || left.is_zero() {
                return None;
            }
            lines = self.0.1.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits for the end of the program's output; says whether it came.
    fn ended(&self, limit: Duration) -> bool {
        let lines = self.0.0.lock().unwrap();
        let (lines, _) = self.0.1.wait_timeout_while(lines, limit, |lines| !lines.ended).unwrap();
        lines.ended
    }

    /// Everything up to now.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.0.lock().unwrap().lines.clone()
    }
}

/// A running program. It ends with the test.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    out: Said,
    errors: Said,
    read: usize,
    read_errors: usize,
}

/// How a program has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = Said::listen(child.stdout.take().unwrap());
        let errors = Said::listen(child.stderr.take().unwrap());
        let input = child.stdin.take();
        Self { child, input, out, errors, read: 0, read_errors: 0 }
    }

    /// Runs a program that needs no input to its end.
    pub(crate) fn run(command: Command) -> Ended {
        Self::run_with(command, "")
    }

    /// Runs a program with an input to its end.
    pub(crate) fn run_with(command: Command, input: &str) -> Ended {
        let mut program = Self::start(command);
        program.write(input);
        program.close_input();
        program.end()
    }

    /// Writes to the program; one that has ended does not read it.
    pub(crate) fn write(&mut self, text: &str) {
        let _ = self.input.as_mut().unwrap().write_all(text.as_bytes());
    }

    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits for a line on standard output, after what was waited for before.
    #[track_caller]
    pub(crate) fn line<T>(&mut self, wanted: impl Fn(&str) -> Option<T>) -> T {
        let Some((found, at)) = self.out.find(self.read, wanted) else { self.missing("output") };
        self.read = at;
        found
    }

    /// Waits for a text on standard error, after what was waited for before, and returns its line.
    #[track_caller]
    pub(crate) fn error_line(&mut self, text: &str) -> String {
        let found = self.errors.find(self.read_errors, |line| line.contains(text).then(|| line.to_owned()));
        let Some((found, at)) = found else { self.missing(text) };
        self.read_errors = at;
        found
    }

    /// Everything on standard output up to now.
    pub(crate) fn said(&self) -> Vec<String> {
        self.out.all()
    }

    #[track_caller]
    fn missing(&self, what: &str) -> ! {
        panic!(
            "{what} did not come; standard output:\n{}\nstandard error:\n{}",
            self.out.all().join("\n"),
            self.errors.all().join("\n")
        );
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for the end, by itself, of the program and of everything that writes where it does.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        if !(self.out.ended(LIMIT) && self.errors.ended(LIMIT)) {
            self.missing("the end");
        }
        let code = self.child.wait().unwrap().code();
        Ended { code, out: self.out.all().join("\n"), errors: self.errors.all().join("\n") }
    }

    /// How much memory it has in use, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
