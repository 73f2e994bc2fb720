//! Lines that no SDK sends: the stateless revision, tasks, and members that typed models drop.

use gatelodge_tests::transparency::{Line, Normaliser, Run, Server, Stage, Way};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::repository;

/// What a typed model loses or rewrites must pass: the server gives it back, or a recorder behind the desktop sees it.
const ODD_BUT_LEGAL: [&str; 6] = [
    // Parameters that nobody has defined; spaces; an escaped slash; letters as escapes.
    r#"{ "jsonrpc":"2.0", "id": 1 , "method":"tools\/call","params":{"name":"echo","arguments":{"message":"\u00e9\ud83d\ude00"},"x":null,"x-unknown":{"a":[1,2.50,1e3]}}}"#,
    // The largest integers that JSON numbers carry exactly, and an id of that size.
    r#"{"jsonrpc":"2.0","id":9007199254740991,"method":"tools/call","params":{"name":"get-sum","arguments":{"a":9007199254740000,"b":-0.0}}}"#,
    r#"{"jsonrpc":"2.0","id":"a \"quoted\" id \u2028","method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":-7,"method":"ping","params":{}}"#,
    r#"{"jsonrpc":"2.0","id":"","method":"tools/call","params":{"name":"echo","arguments":{"message":""},"_meta":{"progressToken":"t","example.org/x":{"deep":[[[]]]}}}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/example.org/unknown","params":{"a":1.0}}"#,
];

/// A task's id and times.
const TASK: [Normaliser; 2] = [
    Normaliser {
        reason: "server-everything gives each task a random id",
        pattern: r#""taskId":"[0-9a-f]{32}""#,
        replacement: "\"taskId\":\"ID\"",
    },
    Normaliser {
        reason: "server-everything writes the time into a task",
        pattern: r#""(createdAt|lastUpdatedAt)":"[0-9T:.-]+Z""#,
        replacement: "\"$1\":\"TIME\"",
    },
];

async fn is_transparent<F>(server: Server, normalisers: &[Normaliser], talk: F)
where
    F: AsyncFn(&mut Line),
{
    let stage = Stage::new(server);
    let run = async |way| -> Run {
        let mut line = stage.line(way).await;
        talk(&mut line).await;
        stage.hang_up(line).await
    };
    let direct = run(Way::Direct).await;
    if !normalisers.is_empty() {
        run(Way::Direct).await.told_as_in(&direct, normalisers);
    }
    let lent = run(Way::Lent).await;
    lent.passed_unchanged();
    // How a direct run ends is left open, since a server with timers running is killed there.
    assert!(lent.status.success(), "gatelodge connect ended with {}", lent.status);
    lent.told_as_in(&direct, normalisers);
}

#[tokio::test]
async fn what_typed_models_lose_passes() {
    is_transparent(Server::everything(), &[], async |line| {
        line.initialize().await;
        for message in ODD_BUT_LEGAL {
            line.write(message.as_bytes()).await;
            line.write(b"\n").await;
            let id = serde_json::from_str::<Value>(message).unwrap()["id"].take();
            if !id.is_null() {
                line.answer(id).await;
            }
        }
        // `execution` is what typed models lose of a tool.
        let tools = line.ask(2, "tools/list", json!({})).await;
        assert!(tools.to_string().contains(r#""taskSupport":"required""#), "{tools}");
    })
    .await;
}

#[tokio::test]
async fn tasks_are_transparent() {
    is_transparent(Server::everything(), &TASK, async |line| {
        line.initialize().await;
        let call = json!({ "name": "simulate-research-query", "arguments": { "topic": "bees" }, "task": { "ttl": 60_000 } });
        let begun = line.ask(1, "tools/call", call).await;
        let id = begun["result"]["task"]["taskId"].clone();
        assert!(id.is_string(), "{begun}");
        // This waits for the end of the task.
        let result = line.ask(2, "tasks/result", json!({ "taskId": id })).await;
        assert!(result.to_string().contains("Research Report: bees"), "{result}");
        let task = line.ask(3, "tasks/get", json!({ "taskId": id })).await;
        assert_eq!(task["result"]["status"], "completed", "{task}");
    })
    .await;
}

#[tokio::test]
async fn the_stateless_revision_is_transparent() {
    let folder = TempDir::new().unwrap();
    repository(folder.path());
    let path = folder.path().to_str().unwrap().to_owned();
    is_transparent(Server::git(folder.path()), &[], async |line| {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "line", "version": "1.0.0" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let discovered = line.ask(1, "server/discover", json!({ "_meta": meta })).await;
        assert!(discovered["result"]["supportedVersions"].to_string().contains("2026-07-28"), "{discovered}");
        let tools = line.ask(2, "tools/list", json!({ "_meta": meta })).await;
        assert!(tools["result"]["tools"].is_array(), "{tools}");
        let call = json!({ "name": "git_status", "arguments": { "repo_path": path }, "_meta": meta });
        let status = line.ask(3, "tools/call", call).await;
        assert!(status.to_string().contains("poem.txt"), "{status}");
        let old = line.ask(4, "initialize", json!({})).await;
        assert!(old["error"].is_object(), "{old}");
    })
    .await;
}
