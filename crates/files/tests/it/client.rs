//! A client of a file server in this process, and folders for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatelodge_files::{Access, FileServer, Folder, lines};
use rmcp::ServiceExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;

/// No answer takes as long, unless something hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A connection to a server.
pub(crate) struct Client {
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
    next_id: u64,
    /// Members of every request's `_meta`.
    pub(crate) meta: Value,
    /// Notifications that came before an answer.
    pub(crate) notifications: Vec<Value>,
    pub(crate) serving: JoinHandle<()>,
}

impl Client {
    /// Connects without a word.
    pub(crate) fn connect(server: &FileServer) -> Self {
        let (near, far) = tokio::io::duplex(64 << 10);
        let (reader, writer) = tokio::io::split(far);
        let server = server.clone();
        let serving = tokio::spawn(async move {
            if let Ok(running) = server.serve(lines(reader, writer)).await {
                let _ = running.waiting().await;
            }
        });
        let (reader, writer) = tokio::io::split(near);
        let reader = BufReader::new(reader);
        Self { reader, writer, next_id: 0, meta: Value::Null, notifications: Vec::new(), serving }
    }

    /// Connects as clients up to the revision of 2025-11-25 do.
    pub(crate) async fn initialized(server: &FileServer) -> Self {
        let mut client = Self::connect(server);
        let parameters = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "roots": { "listChanged": true } },
            "clientInfo": { "name": "test", "version": "1" },
        });
        let answer = client.request("initialize", parameters).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        client
    }

    /// Connects as clients of the revision of 2026-07-28 do: not at all.
    pub(crate) fn stateless(server: &FileServer) -> Self {
        let mut client = Self::connect(server);
        client.meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        });
        client
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_line(message.to_string().as_bytes()).await;
    }

    pub(crate) async fn send_line(&mut self, line: &[u8]) {
        self.writer.write_all(line).await.unwrap();
        self.writer.write_all(b"\n").await.unwrap();
    }

    /// Sends a request and returns its id.
    pub(crate) async fn begin(&mut self, method: &str, mut parameters: Value) -> u64 {
        self.next_id += 1;
        if !self.meta.is_null() {
            parameters["_meta"] = self.meta.clone();
        }
        let id = self.next_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters })).await;
        id
    }

    /// Returns the next message.
    pub(crate) async fn message(&mut self) -> Value {
        let mut line = String::new();
        tokio::time::timeout(LIMIT, self.reader.read_line(&mut line))
            .await
            .expect("an answer in time")
            .unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Returns the next notification of a kind.
    pub(crate) async fn notification(&mut self, method: &str) -> Value {
        loop {
            let place = self.notifications.iter().position(|message| message["method"] == method);
            if let Some(place) = place {
                return self.notifications.remove(place);
            }
            let message = self.message().await;
            self.notifications.push(message);
        }
    }

    /// Sends a request and returns its answer.
    pub(crate) async fn request(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.begin(method, parameters).await;
        loop {
            let message = self.message().await;
            if message["id"] == id {
                return message;
            }
            self.notifications.push(message);
        }
    }

    /// Calls a tool and returns its result.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let mut answer = self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await;
        let result = answer["result"].take();
        assert!(result.is_object(), "{answer}");
        result
    }

    /// Calls a tool that is to succeed, and returns its text.
    pub(crate) async fn text(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments.clone()).await;
        assert_ne!(result["isError"], true, "{tool} {arguments}: {result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// Calls a tool that is to fail, and returns its text.
    pub(crate) async fn failure(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments.clone()).await;
        assert_eq!(result["isError"], true, "{tool} {arguments}: {result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// Ends the connection from this side, and waits for the server to have ended.
    pub(crate) async fn end(self) {
        drop((self.reader, self.writer));
        tokio::time::timeout(LIMIT, self.serving).await.expect("the server to end").unwrap();
    }
}

/// A directory with a folder `notes` that is shared, and things beside it that are not.
pub(crate) struct Home {
    directory: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(home.path("notes/sub")).unwrap();
        home.write("notes/a.txt", "in notes\n");
        home.write("notes/sub/b.txt", "in sub\n");
        home.write("outside.txt", "SECRET outside\n");
        std::fs::create_dir_all(home.path("notes-secret")).unwrap();
        home.write("notes-secret/c.txt", "SECRET sibling\n");
        home
    }

    /// Returns the absolute path of something in the directory, without symbolic links.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, name: &str) {
        std::os::unix::fs::symlink(target, self.path(name)).unwrap();
    }

    /// Serves `notes`.
    pub(crate) fn server(&self, access: Access) -> FileServer {
        self.serving(&[("notes", access)])
    }

    pub(crate) fn serving(&self, folders: &[(&str, Access)]) -> FileServer {
        FileServer::open(folders.iter().map(|&(name, access)| Folder { path: self.path(name), access }))
            .unwrap()
    }
}

/// What is in a directory, without what is in its directories.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
