//! The built-in file server beside the reference `server-filesystem`: the same tools, the same answers.
//!
//! What differs on purpose is in the documentation of `gatelodge-files`; nothing of it is called here.

use std::path::Path;
use std::process::Stdio;

use gatelodge_files::{Access, FileServer, Folder, lines};
use gatelodge_tests::{node_module, within_limit};
use rmcp::ServiceExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

/// A server and the folder that it serves.
struct Server {
    folder: tempfile::TempDir,
    reader: Box<dyn AsyncBufRead + Unpin>,
    writer: Box<dyn AsyncWrite + Unpin>,
    next_id: u64,
    _child: Option<Child>,
}

impl Server {
    async fn reference() -> Self {
        let folder = folder();
        let program = node_module("@modelcontextprotocol/server-filesystem/dist/index.js");
        let mut command = Command::new("node");
        // Ours tells times in UTC.
        command.arg(program).arg(folder.path()).env("TZ", "UTC").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let reader = Box::new(BufReader::new(child.stdout.take().unwrap()));
        let writer = Box::new(child.stdin.take().unwrap());
        Self::initialized(Self { folder, reader, writer, next_id: 0, _child: Some(child) }).await
    }

    async fn ours() -> Self {
        let folder = folder();
        let shared = Folder { path: folder.path().to_owned(), access: Access::ReadWrite };
        let server = FileServer::open([shared]).unwrap();
        let (near, far) = tokio::io::duplex(64 << 10);
        tokio::spawn(async move {
            let (reader, writer) = tokio::io::split(far);
            let _ = server.serve(lines(reader, writer)).await.unwrap().waiting().await;
        });
        let (reader, writer) = tokio::io::split(near);
        let (reader, writer) = (Box::new(BufReader::new(reader)), Box::new(writer));
        Self::initialized(Self { folder, reader, writer, next_id: 0, _child: None }).await
    }

    async fn initialized(mut self) -> Self {
        let client = json!({ "name": "test", "version": "1" });
        let parameters = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        self.request("initialize", parameters).await;
        self.writer
            .write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")
            .await
            .unwrap();
        self
    }

    async fn request(&mut self, method: &str, parameters: Value) -> Value {
        self.next_id += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": parameters });
        self.writer.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let mut line = String::new();
        within_limit("an answer", self.reader.read_line(&mut line)).await.unwrap();
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["id"], self.next_id, "{answer}");
        answer["result"].take()
    }

    /// Calls a tool; `ROOT` stands for the folder in what is sent and in what comes back.
    async fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let root = self.folder.path().canonicalize().unwrap().to_str().unwrap().to_owned();
        let arguments = replaced(arguments, "ROOT", &root);
        let answer = self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await;
        replaced(&answer, &root, "ROOT")
    }
}

fn replaced(value: &Value, from: &str, to: &str) -> Value {
    serde_json::from_str(&value.to_string().replace(from, to)).unwrap()
}

/// Returns a folder with some of everything.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path: &Path = &folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    let numbers: String = (1..=40_u32).map(|number| format!("line {number}\n")).collect();
    write("numbers.txt", numbers.as_bytes());
    write("no-end.txt", "first\nsecond\nlast without an end".as_bytes());
    write("dos.txt", b"one\r\ntwo\r\nthree\r\n");
    write("empty", b"");
    write("Umlaut \u{e4} #1?%.txt", "ä€😀 \"quoted\" \\ \t \u{1} \u{7f}\n".as_bytes());
    write("latin.txt", b"caf\xe9\n");
    write("indented.rs", b"fn main() {\n    if true {\n        one();\n        two();\n    }\n}\n");
    write("fences.md", b"```rust\nfn f() {}\n```\n");
    write("picture.PNG", b"\x89PNG\r\n\x1a\n");
    write("sound.mp3", b"ID3\x03");
    write("data.bin", &[0, 1, 2, 254, 255]);
    write("b/deep/deeper/leaf.txt", b"leaf\n");
    write("b/deep/other.rs", b"other\n");
    write("a/.hidden/x.txt", b"x\n");
    write("a/node_modules/m/index.js", b"m\n");
    write("a/B.txt", &vec![b'x'; 1536]);
    write("a/a.txt", &vec![b'x'; 5_000_000]);
    write("a/_c.txt", b"");
    write("a/10.txt", b"1");
    write("a/9.txt", b"22");
    std::fs::create_dir(folder.path().join("nothing")).unwrap();
    let link =
        |target: &str, name: &str| std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
    link("numbers.txt", "link");
    link("b/deep", "link-to-directory");
    link("/etc", "link-outside");
    link("missing", "link-to-nothing");
    folder
}

#[tokio::test]
async fn the_reference_tools_are_there_as_they_are() {
    let (mut reference, mut ours) = (Server::reference().await, Server::ours().await);
    let theirs = reference.request("tools/list", json!({})).await;
    let own = ours.request("tools/list", json!({})).await;
    let shape = |tool: &Value| {
        let mut tool = tool.clone();
        let members = tool.as_object_mut().unwrap();
        assert!(members.remove("description").is_some());
        // `forbidden` is what its absence means; the SDK has no name for it.
        if let Some(execution) = members.remove("execution") {
            assert_eq!(execution, json!({ "taskSupport": "forbidden" }));
        }
        tool
    };
    let (theirs, own) = (theirs["tools"].as_array().unwrap(), own["tools"].as_array().unwrap());
    assert_eq!(theirs.len(), 14);
    for (theirs, own) in theirs.iter().zip(own) {
        assert_eq!(shape(own), shape(theirs));
    }
}

#[tokio::test]
async fn the_same_calls_have_the_same_answers() {
    let (mut reference, mut ours) = (Server::reference().await, Server::ours().await);
    let edit = |path: &str, edits: Value| ("edit_file", json!({ "path": path, "edits": edits }));
    let calls = vec![
        ("list_allowed_directories", json!({})),
        ("read_text_file", json!({ "path": "ROOT/numbers.txt" })),
        ("read_file", json!({ "path": "ROOT/numbers.txt" })),
        ("read_text_file", json!({ "path": "numbers.txt" })),
        ("read_text_file", json!({ "path": "b/../numbers.txt", "head": 0 })),
        ("read_text_file", json!({ "path": "ROOT/numbers.txt", "head": 3 })),
        ("read_text_file", json!({ "path": "ROOT/numbers.txt", "head": 1000 })),
        ("read_text_file", json!({ "path": "ROOT/numbers.txt", "tail": 1 })),
        ("read_text_file", json!({ "path": "ROOT/numbers.txt", "tail": 3 })),
        ("read_text_file", json!({ "path": "ROOT/numbers.txt", "tail": 1000 })),
        ("read_text_file", json!({ "path": "ROOT/numbers.txt", "head": 1, "tail": 1 })),
        ("read_text_file", json!({ "path": "ROOT/no-end.txt", "head": 3 })),
        ("read_text_file", json!({ "path": "ROOT/no-end.txt", "tail": 2 })),
        ("read_text_file", json!({ "path": "ROOT/dos.txt", "head": 2 })),
        ("read_text_file", json!({ "path": "ROOT/dos.txt", "tail": 2 })),
        ("read_text_file", json!({ "path": "ROOT/empty" })),
        ("read_text_file", json!({ "path": "ROOT/empty", "tail": 2 })),
        ("read_text_file", json!({ "path": "ROOT/latin.txt" })),
        ("read_text_file", json!({ "path": "ROOT/link" })),
        ("read_text_file", json!({ "path": "ROOT/Umlaut \u{e4} #1?%.txt" })),
        ("read_text_file", json!({ "path": "ROOT/Umlaut a\u{308} #1?%.txt" })),
        ("read_text_file", json!({ "path": "/etc/passwd" })),
        ("read_multiple_files", json!({ "paths": ["ROOT/no-end.txt", "/etc/passwd", "ROOT/dos.txt"] })),
        ("read_media_file", json!({ "path": "ROOT/picture.PNG" })),
        ("read_media_file", json!({ "path": "ROOT/sound.mp3" })),
        ("read_media_file", json!({ "path": "ROOT/data.bin" })),
        ("read_media_file", json!({ "path": "ROOT/Umlaut \u{e4} #1?%.txt" })),
        ("list_directory", json!({ "path": "ROOT" })),
        ("list_directory", json!({ "path": "ROOT/nothing" })),
        ("list_directory", json!({ "path": "link-to-directory" })),
        ("list_directory_with_sizes", json!({ "path": "ROOT/a" })),
        ("list_directory_with_sizes", json!({ "path": "ROOT/a", "sortBy": "size" })),
        ("list_directory_with_sizes", json!({ "path": "ROOT/nothing" })),
        ("directory_tree", json!({ "path": "ROOT" })),
        ("directory_tree", json!({ "path": "ROOT/nothing" })),
        (
            "directory_tree",
            json!({ "path": "ROOT", "excludePatterns": ["node_modules", "*.txt", "b/deep/*"] }),
        ),
        ("directory_tree", json!({ "path": "ROOT", "excludePatterns": ["**/*.txt", "deeper"] })),
        ("search_files", json!({ "path": "ROOT", "pattern": "*.txt" })),
        ("search_files", json!({ "path": "ROOT", "pattern": "**/*.txt" })),
        ("search_files", json!({ "path": "ROOT", "pattern": "**" })),
        ("search_files", json!({ "path": "ROOT/b", "pattern": "**/{leaf,other}.*" })),
        (
            "search_files",
            json!({ "path": "ROOT", "pattern": "**/*", "excludePatterns": ["**/node_modules", "b/**"] }),
        ),
        ("search_files", json!({ "path": "ROOT", "pattern": "link*" })),
        ("search_files", json!({ "path": "ROOT", "pattern": "no such" })),
        ("write_file", json!({ "path": "ROOT/new.txt", "content": "new ä\r\n" })),
        ("read_text_file", json!({ "path": "ROOT/new.txt" })),
        ("write_file", json!({ "path": "ROOT/new.txt", "content": "" })),
        ("read_text_file", json!({ "path": "ROOT/new.txt" })),
        edit(
            "ROOT/numbers.txt",
            json!([{ "oldText": "line 5\nline 6", "newText": "line five\nline 5.5\nline six" }]),
        ),
        edit(
            "ROOT/numbers.txt",
            json!([
                { "oldText": "line 20", "newText": "line twenty" },
                { "oldText": "line 1\n", "newText": "" },
                { "oldText": "line 40\n", "newText": "line 40" },
            ]),
        ),
        edit(
            "ROOT/indented.rs",
            json!([{ "oldText": "one();\n  two();", "newText": "one();\n    three();\nfour();" }]),
        ),
        edit("ROOT/fences.md", json!([{ "oldText": "fn f() {}", "newText": "fn g() {}" }])),
        edit("ROOT/no-end.txt", json!([{ "oldText": "second", "newText": "2" }])),
        edit("ROOT/no-end.txt", json!([{ "oldText": "not there", "newText": "" }])),
        edit("ROOT/no-end.txt", json!([])),
        (
            "edit_file",
            json!({ "path": "ROOT/dos.txt", "dryRun": true, "edits": [{ "oldText": "two", "newText": "2" }] }),
        ),
        ("read_text_file", json!({ "path": "ROOT/numbers.txt" })),
        ("read_text_file", json!({ "path": "ROOT/indented.rs" })),
        ("read_text_file", json!({ "path": "ROOT/dos.txt" })),
        ("create_directory", json!({ "path": "ROOT/x/y/z" })),
        ("create_directory", json!({ "path": "ROOT/x/y/z" })),
        ("move_file", json!({ "source": "ROOT/new.txt", "destination": "ROOT/x/y/moved.txt" })),
        ("move_file", json!({ "source": "ROOT/x/y", "destination": "ROOT/x/w" })),
        ("move_file", json!({ "source": "ROOT/empty", "destination": "ROOT/data.bin" })),
        ("directory_tree", json!({ "path": "ROOT/x" })),
    ];
    for (tool, arguments) in calls {
        let theirs = reference.call(tool, &arguments).await;
        let own = ours.call(tool, &arguments).await;
        assert_eq!(own, theirs, "{tool} {arguments}");
    }
    // A picture's times are its own; when it was read is not asked for twice.
    let lines =
        |answer: &Value| -> Vec<String> {
            let lines = answer["content"][0]["text"].as_str().unwrap().lines();
            lines
                .map(|line| {
                    if line.contains("GMT") { line[..line.len().min(20)].to_owned() } else { line.to_owned() }
                })
                .collect()
        };
    for path in ["ROOT/picture.PNG", "ROOT/b"] {
        let theirs = reference.call("get_file_info", &json!({ "path": path })).await;
        let own = ours.call("get_file_info", &json!({ "path": path })).await;
        let sizes = |lines: Vec<String>| -> Vec<String> {
            lines.into_iter().skip(usize::from(path == "ROOT/b")).collect()
        };
        assert_eq!(sizes(lines(&own)), sizes(lines(&theirs)), "{path}");
    }
}
