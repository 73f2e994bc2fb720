//! The built-in file server beside the reference `server-filesystem`, both over standard input and output, on the same
//! folder. [`crate::run`] has it run once a round.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::figures::{Figures, figures, median};
use crate::plan::Stack;

/// Where the reference server is in its installation.
const REFERENCE: &str = "node/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js";

/// A directory of a size that is still listed whole.
const LISTED: usize = 10_000;

/// Directories of 100 files each: a large working copy.
const DIRECTORIES: usize = 500;
const FILES: usize = 100;

const MIB: usize = 1 << 20;

/// What listing costs where nothing that was read before can be used. There is no bound to it: most of it is the kernel's.
pub(crate) const LIST_OF_CHANGED: &str = "list of 10,000 entries, changed before each";

/// What a row shows, by its title.
pub(crate) const ROWS: [(&str, &str, &str); 8] = [
    ("start to initialize answered", "p50_ms", "ms"),
    ("resident after initialize", "mib", "MiB"),
    ("read of 1 MiB", "p50_ms", "ms"),
    ("write of 1 MiB", "p50_ms", "ms"),
    ("list of 10,000 entries", "p50_ms", "ms"),
    (LIST_OF_CHANGED, "p50_ms", "ms"),
    ("search_files over 50,000 files", "p50_ms", "ms"),
    ("directory_tree over 50,000 files", "p50_ms", "ms"),
];

/// A folder to serve; it is removed when it is dropped.
pub(crate) struct Prepared(tempfile::TempDir);

impl Prepared {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let many = folder.path().join("many");
        std::fs::create_dir(&many)?;
        for number in 0..LISTED {
            std::fs::write(many.join(format!("file-{number:05}.txt")), "x")?;
        }
        for number in 0..DIRECTORIES {
            let directory = folder.path().join(format!("deep/{:02}/{number:03}", number % 50));
            std::fs::create_dir_all(&directory)?;
            for file in 0..FILES {
                let extension = if file % 10 == 0 { "md" } else { "txt" };
                std::fs::write(directory.join(format!("file-{file:02}.{extension}")), "some text\n")?;
            }
        }
        std::fs::write(folder.path().join("large.txt"), large())?;
        Ok(Self(folder))
    }
}

/// A text of 1 MiB in lines, with a few characters that JSON escapes.
fn large() -> String {
    let mut text = String::with_capacity(MIB + 100);
    for number in 0.. {
        writeln!(text, "{number:06} \"The quick brown fox\" jumps over the lazy dog, and so on.")
            .expect("writing to a string can't fail");
        if text.len() >= MIB {
            break;
        }
    }
    text.truncate(MIB);
    text
}

/// Measures one of the servers, and returns its figures by the titles of their rows.
pub(crate) fn measure(
    stack: Stack,
    prepared: &Prepared,
    packages: &Path,
    quick: bool,
) -> anyhow::Result<Vec<(&'static str, Figures)>> {
    let folder = prepared.0.path();
    let repeats = |count: usize| if quick { count.div_ceil(5) } else { count };
    let mut starts = Vec::new();
    let mut server = None;
    for _ in 0..repeats(10) {
        let (started, took) = Server::start(stack, folder, packages)?;
        starts.push(took);
        server = Some(started);
    }
    let mut server = server.context("no server was started")?;
    let resident = server.resident_mib()?;
    let path = |name: &str| -> Value { folder.join(name).to_string_lossy().into() };
    let mut times = vec![starts];
    for (tool, arguments, count) in [
        ("read_text_file", json!({ "path": path("large.txt") }), 30),
        ("write_file", json!({ "path": path("written.txt"), "content": large() }), 30),
        ("list_directory", json!({ "path": path("many") }), 30),
        ("search_files", json!({ "path": path("deep"), "pattern": "**/*.md" }), 5),
        ("directory_tree", json!({ "path": path("deep") }), 5),
    ] {
        // The first one fills the system's caches and starts threads.
        server.call(tool, &arguments)?;
        let times_of_tool: Result<Vec<f64>, _> =
            (0..repeats(count)).map(|_| server.call(tool, &arguments)).collect();
        times.push(times_of_tool?);
        if tool == "list_directory" {
            let passing = folder.join("many/passing.txt");
            let times_of_changed: Result<Vec<f64>, anyhow::Error> = (0..repeats(count))
                .map(|_| {
                    std::fs::write(&passing, "x")?;
                    std::fs::remove_file(&passing)?;
                    server.call(tool, &arguments)
                })
                .collect();
            times.push(times_of_changed?);
        }
    }
    let p50 = |times: &[f64]| median(times).context("nothing was measured");
    let mut measured = vec![(ROWS[1].0, figures([("mib", resident)]))];
    let rows = [0, 2, 3, 4, 5, 6, 7];
    for (row, times) in rows.into_iter().zip(&times) {
        measured.push((ROWS[row].0, figures([("p50_ms", p50(times)?)])));
    }
    Ok(measured)
}

struct Server {
    child: Child,
    next_id: u64,
    answer: Vec<u8>,
}

impl Server {
    /// Starts a server, and returns how long it took until `initialize` was answered, in milliseconds.
    fn start(stack: Stack, folder: &Path, packages: &Path) -> anyhow::Result<(Self, f64)> {
        let mut command = match stack {
            Stack::ServerFilesystem => {
                let mut command = Command::new("node");
                command.arg(packages.join(REFERENCE));
                command
            }
            _ => {
                let mut command = Command::new(crate::product::program("gatelodge")?);
                command.arg("files");
                command
            }
        };
        command.arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("{command:?} can't be started"))?;
        let mut server = Self { child, next_id: 0, answer: Vec::new() };
        let client = json!({ "name": "bench", "version": "1" });
        server.request(
            "initialize",
            &json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client }),
        )?;
        let took = started.elapsed().as_secs_f64() * 1e3;
        server.write(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")?;
        Ok((server, took))
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.child.stdin.as_mut().context("stdin is piped")?.write_all(bytes)?)
    }

    /// Sends a request, waits for the whole line of its answer, and returns how long that took, in milliseconds.
    fn request(&mut self, method: &str, parameters: &Value) -> anyhow::Result<f64> {
        self.next_id += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": parameters });
        let line = format!("{request}\n");
        let mut buffer = vec![0; MIB];
        self.answer.clear();
        let started = Instant::now();
        self.write(line.as_bytes())?;
        let stdout = self.child.stdout.as_mut().context("stdout is piped")?;
        while self.answer.last() != Some(&b'\n') {
            let length = stdout.read(&mut buffer)?;
            ensure!(length > 0, "the server ended");
            self.answer.extend_from_slice(&buffer[..length]);
        }
        Ok(started.elapsed().as_secs_f64() * 1e3)
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> anyhow::Result<f64> {
        let took = self.request("tools/call", &json!({ "name": tool, "arguments": arguments }))?;
        let answer: Value = serde_json::from_slice(&self.answer)?;
        let result = &answer["result"];
        ensure!(result.is_object() && result["isError"] != true, "{tool} failed: {result:.200}");
        Ok(took)
    }

    fn resident_mib(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        Ok(resident.context("no VmRSS")?.parse::<f64>()? / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
