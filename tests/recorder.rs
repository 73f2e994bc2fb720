//! A tee in front of a stdio MCP server: starts the server, passes each line on as it is, and records it.
//!
//! Usage: `recorder PLAN`. The plan is a JSON file, so that the command line has nothing that looks like an option to the
//! client that starts the recorder; `transparency/recording.rs` writes it and reads the recordings. Each start makes a
//! recording of its own: a file with one record a line, whose first byte says what the rest is.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

/// What to start, and where recordings go.
#[derive(Deserialize)]
struct Plan {
    command: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    folder: PathBuf,
}

/// The records: a line of the client or of the server, and the end of what each of them sends.
const FROM_CLIENT: u8 = b'>';
const FROM_SERVER: u8 = b'<';
const CLIENT_ENDED: u8 = b')';
const SERVER_ENDED: u8 = b'(';

fn main() -> ExitCode {
    let Some(plan) = std::env::args_os().nth(1) else {
        eprintln!("usage: recorder PLAN");
        return ExitCode::FAILURE;
    };
    match record(&plan) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("recorder: {error}");
            ExitCode::FAILURE
        }
    }
}

fn record(plan: &OsString) -> io::Result<ExitCode> {
    let plan: Plan = serde_json::from_slice(&std::fs::read(plan)?)?;
    let tape = Tape::create(&plan)?;
    let mut server = start(&plan)?;
    let (to_server, from_server) = (server.stdin.take(), server.stdout.take());
    let (to_server, from_server) = to_server.zip(from_server).ok_or(io::ErrorKind::BrokenPipe)?;
    // The client's side is left to itself: it may never end, and then ends with this process.
    let up = tape.clone();
    thread::spawn(move || up.pass(io::stdin().lock(), to_server, FROM_CLIENT, CLIENT_ENDED));
    tape.pass(BufReader::new(from_server), io::stdout(), FROM_SERVER, SERVER_ENDED);
    let status = server.wait()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Starts the server so that the kernel ends it with this process, where the kernel can.
fn start(plan: &Plan) -> io::Result<Child> {
    let (program, arguments) = plan.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = if cfg!(target_os = "linux") {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.args(arguments).envs(&plan.env).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn()
}

/// The file of one recording; both directions write to it, in the order in which things happen.
#[derive(Clone)]
struct Tape(Arc<Mutex<File>>);

impl Tape {
    fn create(plan: &Plan) -> io::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Sorted by name, recordings are sorted by their beginning.
        let name = format!("{:020}-{}", now.as_nanos(), std::process::id());
        Ok(Self(Arc::new(Mutex::new(File::create_new(plan.folder.join(name))?))))
    }

    fn write(&self, kind: u8, line: &[u8]) -> io::Result<()> {
        let mut record = Vec::with_capacity(line.len() + 2);
        record.push(kind);
        record.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        record.push(b'\n');
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&record)
    }

    /// Passes lines on until one side has ended. A line is recorded before the other side can answer it.
    fn pass(&self, mut from: impl BufRead, mut to: impl Write, kind: u8, end: u8) {
        let mut pass = || -> io::Result<()> {
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line)? > 0 {
                self.write(kind, &line)?;
                to.write_all(&line)?;
                to.flush()?;
                line.clear();
            }
            Ok(())
        };
        // A side that is gone ends the direction, as the end of its lines does.
        let _ = pass();
        let _ = self.write(end, b"");
    }
}
