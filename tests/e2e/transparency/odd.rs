//! Agents that do not keep to the protocol: they are told so, the server hears none of it, and the desktop lives on.

use gatelodge_tests::transparency::{Line, Run, Server, Stage, Way};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A desktop of a debug build with a few sessions behind it has some 60 MB in use; one that keeps what these agents send
/// has much more. In bytes.
const MAX_MEMORY: usize = 250 << 20;

/// What an agent must not send. None of it may reach the server, so each has the word `forbidden` in it.
fn forbidden_lines() -> Vec<Vec<u8>> {
    let deep = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/x","params":{{"forbidden":{}1{}}}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let texts = [
        // Batches, which are no part of MCP any more.
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping","params":{"forbidden":1}},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#,
        // What is judged could be the one, and what is done the other.
        r#"{"jsonrpc":"2.0","id":3,"method":"ping","method":"tools/call","params":{"forbidden":1}}"#,
        r#"{"jsonrpc":"2.0","id":4,"id":5,"method":"ping","params":{"forbidden":1}}"#,
        r#"{"jsonrpc":"2.0","id":6,"method":"ping","Method":"tools/list","params":{"forbidden":1}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","name":"get-env","arguments":{"message":"forbidden"}}}"#,
        // The same name, once with an escape.
        r#"{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"echo","n\u0061me":"get-env","arguments":{"message":"forbidden"}}}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping","params":{"forbidden":1}}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"ping","params":{"forbidden":1}}"#,
        r#"{"jsonrpc":"2.0","id":["forbidden"],"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":10,"method":"ping","params":{"forbidden":1}}"#,
        r#"{"jsonrpc":"2.0","id":11,"method":"ping","params":{"forbidden":1}"#,
        r#"forbidden garbage"#,
        r#""forbidden""#,
        deep.as_str(),
    ];
    let mut lines: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    lines.push(
        b"{\"jsonrpc\":\"2.0\",\"id\":12,\"method\":\"ping\",\"params\":{\"forbidden\":\"\xff\xfe\"}}"
            .to_vec(),
    );
    lines
}

/// Whether the desktop, or its agent's end, is still there after what was sent. A connection that was ended must say why.
async fn goes_on(line: &mut Line, id: u64) -> bool {
    line.send(&json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })).await;
    while let Some(text) = line.next().await {
        let message: Value = serde_json::from_str(&text).unwrap();
        if message["id"] == id {
            assert!(message["result"].is_object() || message["error"]["message"].is_string(), "{message}");
            return message["result"].is_object();
        }
        let reason = message["error"]["message"].as_str().unwrap_or_default();
        assert!(message.get("method").is_some() || !reason.is_empty(), "{message}");
    }
    false
}

/// Fails the test unless a new connection works as if nothing had been.
async fn lives_on(stage: &Stage) -> Run {
    let mut line = stage.line(Way::Lent).await;
    line.initialize().await;
    let echo = json!({ "name": "echo", "arguments": { "message": "hello" } });
    let answer = line.ask(1, "tools/call", echo).await;
    assert_eq!(answer["result"]["content"][0]["text"], "Echo: hello", "{answer}");
    let memory = stage.desktop().await.memory().unwrap();
    assert!(memory < MAX_MEMORY, "the desktop has {memory} bytes in use");
    stage.hang_up(line).await
}

#[tokio::test]
async fn lines_that_are_no_messages_are_refused() {
    let stage = Stage::new(Server::everything());
    for (index, forbidden) in forbidden_lines().into_iter().enumerate() {
        let shown = String::from_utf8_lossy(&forbidden[..forbidden.len().min(120)]).into_owned();
        let mut line = stage.line(Way::Lent).await;
        line.initialize().await;
        line.write(&forbidden).await;
        line.write(b"\n").await;
        let goes_on = goes_on(&mut line, 1000).await;
        if !goes_on {
            let status = line.closed().await;
            assert!(!status.success(), "{index}: {shown}: the end was not called a failure");
        }
        let errors = line.errors();
        let run = stage.hang_up(line).await;
        let refused = run.said.iter().any(|said| said.contains("\"error\"")) || errors.contains("not sent");
        assert!(refused, "{index}: {shown}: nothing was said about it:\n{}\n{errors}", run.said.join("\n"));
        let heard = run.server_side.unwrap().client;
        let heard =
            heard.iter().map(|line| String::from_utf8_lossy(line)).find(|line| line.contains("forbidden"));
        assert_eq!(heard, None, "{index}: {shown}: the server has heard it");
    }
    lives_on(&stage).await;
}

#[tokio::test]
async fn an_id_in_use_is_refused() {
    let stage = Stage::new(Server::everything());
    let mut line = stage.line(Way::Lent).await;
    line.initialize().await;
    let long =
        json!({ "name": "trigger-long-running-operation", "arguments": { "duration": 1, "steps": 1 } });
    line.send(&json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": long })).await;
    line.send(&json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "get-env" } }))
        .await;
    line.send(&json!({ "jsonrpc": "2.0", "id": 8, "method": "ping" })).await;
    assert!(line.answer(8).await["result"].is_object());
    let run = stage.hang_up(line).await;
    let errors = run.said.iter().filter(|said| said.contains("\"error\""));
    assert_eq!(errors.count(), 1, "{}", run.said.join("\n"));
    let heard = run.server_side.unwrap().client;
    assert!(
        !heard.iter().any(|line| String::from_utf8_lossy(line).contains("get-env")),
        "the second call was made"
    );
    lives_on(&stage).await;
}

/// The one answer that differs from the server's own: a tool that is not listed was never lent, so that the server is not
/// asked whether it has it in spite of that.
#[tokio::test]
async fn a_tool_that_is_not_listed_is_refused_by_the_desktop() {
    let stage = Stage::new(Server::everything());
    let mut line = stage.line(Way::Lent).await;
    line.initialize().await;
    let answer = line.ask(1, "tools/call", json!({ "name": "no-such-tool", "arguments": {} })).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert!(goes_on(&mut line, 2).await);
    let heard = stage.hang_up(line).await.server_side.unwrap().client;
    assert!(!heard.iter().any(|line| String::from_utf8_lossy(line).contains("no-such-tool")));
}

#[tokio::test]
async fn a_folder_lent_for_reading_is_not_written_to() {
    let folder = tempfile::TempDir::new().unwrap();
    let stage = Stage::new(Server::built_in(folder.path()));
    let mut line = stage.line(Way::Lent).await;
    line.initialize().await;
    let file = folder.path().join("new.txt");
    let write = json!({ "name": "write_file", "arguments": { "path": file, "content": "new" } });
    let answer = line.ask(1, "tools/call", write).await;
    assert!(answer["error"].is_object() || answer["result"]["isError"] == true, "{answer}");
    stage.hang_up(line).await;
    assert!(!file.exists());
}

#[tokio::test]
async fn long_lines_are_carried_or_refused() {
    let stage = Stage::new(Server::everything());
    let mut line = stage.line(Way::Lent).await;
    line.initialize().await;
    // server-everything itself takes 10 MiB at once, in one line or several.
    let bytes = 9 << 20;
    let long = json!({ "name": "echo", "arguments": { "message": "x".repeat(bytes) } });
    let answer = line.ask(1, "tools/call", long).await;
    let echoed = answer["result"]["content"][0]["text"].as_str().map(str::len);
    assert_eq!(echoed, Some("Echo: ".len() + bytes));
    // What is no message is not kept to be looked at again, whatever its size.
    let mut garbage = vec![b'x'; 10 << 20];
    garbage.extend_from_slice(b" forbidden\n");
    line.write(&garbage).await;
    assert!(goes_on(&mut line, 2).await);
    let run = stage.hang_up(line).await;
    let heard = run.server_side.unwrap().client;
    assert!(!heard.iter().any(|line| line.ends_with(b"forbidden")), "the server has heard garbage");
    lives_on(&stage).await;
}

/// Whoever reaches the link can write to it before anything is proved.
#[tokio::test]
async fn garbage_on_the_link_is_cut_off() {
    let stage = Stage::new(Server::everything());
    let address = stage.desktop().await.link().strip_prefix("tcp://").unwrap().to_owned();
    let long_line = vec![b'x'; 10 << 20];
    let garbage: [&[u8]; 5] =
        [b"", b"\n\n\n", b"garbage\n", b"{\"type\":\"answer\",\"sdp\":\"v=0\"}\n", &long_line];
    for garbage in garbage {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        // The desktop may close before all is written.
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = gatelodge_tests::within_limit("the link's end", stream.read_to_end(&mut answer)).await;
        drop(read);
    }
    // Some that say nothing and stay.
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    lives_on(&stage).await;
}
