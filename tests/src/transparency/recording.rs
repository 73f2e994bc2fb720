//! What a recorder has recorded, and the plans that tell recorders what to do. `tests/recorder.rs` is the program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// All lines of one MCP connection, in each direction in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// What the client sent.
    pub client: Vec<Vec<u8>>,
    /// What the server sent.
    pub server: Vec<Vec<u8>>,
    /// Whether the client has closed its side, so that nothing more can come from it.
    pub client_ended: bool,
}

impl Recording {
    fn read(path: &Path) -> Self {
        let mut recording = Self::default();
        let records = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // What follows the last line end is a record that is still being written.
        let whole = records.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        for record in records[..whole].split_inclusive(|&byte| byte == b'\n') {
            let line = record[1..record.len() - 1].to_vec();
            match record[0] {
                b'>' => recording.client.push(line),
                b'<' => recording.server.push(line),
                b')' => recording.client_ended = true,
                _ => {}
            }
        }
        recording
    }

    /// Returns what the client calls itself, in whichever revision it speaks.
    pub fn client_name(&self) -> Option<String> {
        let first: Value = serde_json::from_slice(self.client.first()?).ok()?;
        let legacy = &first["params"]["clientInfo"];
        let stateless = &first["params"]["_meta"]["io.modelcontextprotocol/clientInfo"];
        let name = legacy["name"].as_str().or(stateless["name"].as_str())?;
        Some(name.to_owned())
    }
}

/// A place in a connection that is recorded: a plan for recorders, and the folder where their recordings go.
#[derive(Debug)]
pub(super) struct Tap {
    plan: PathBuf,
    folder: PathBuf,
}

impl Tap {
    /// Plans to record what goes to and from this command.
    pub(super) fn new(folder: PathBuf, command: &[String], env: &BTreeMap<String, String>) -> Self {
        std::fs::create_dir_all(&folder).expect("the temporary folder can be written to");
        let plan = folder.with_extension("json");
        let content = json!({ "command": command, "env": env, "folder": folder });
        std::fs::write(&plan, content.to_string()).expect("the temporary folder can be written to");
        Self { plan, folder }
    }

    /// Returns the command that stands in for the recorded one.
    pub(super) fn command(&self, recorder: &Path) -> Vec<String> {
        vec![text(recorder), text(&self.plan)]
    }

    /// Returns the recordings there are.
    pub(super) fn files(&self) -> BTreeSet<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).expect("the folder was made with the plan");
        entries.map(|entry| entry.expect("it can be read").path()).collect()
    }

    /// Returns the recordings that have been begun since, in that order.
    pub(super) fn since(&self, before: &BTreeSet<PathBuf>) -> Vec<Recording> {
        self.files().difference(before).map(|path| Recording::read(path)).collect()
    }
}

pub(super) fn text(path: &Path) -> String {
    path.to_str().expect("the tests' own paths are UTF-8").to_owned()
}
