//! The transport: large messages, too large ones, and lines that are no messages.

use gatelodge_files::{Access, MESSAGE_LIMIT};
use serde_json::json;

use crate::client::{Client, Home};

#[tokio::test]
async fn a_message_of_twenty_mebibytes_is_answered() {
    let home = Home::new();
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    let content = "0123456789abcde\n".repeat((20 << 20) / 16);
    client.text("write_file", json!({ "path": "large.txt", "content": content })).await;
    assert_eq!(home.read("notes/large.txt"), content);
    let refusal = client.failure("read_text_file", json!({ "path": "large.txt" })).await;
    let expected = "large.txt would be 20971520 bytes and the limit is 16777216; read it in ranges with \
                    read_file_range, or use head or tail";
    assert_eq!(refusal, expected);
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_by_its_id_and_the_next_is_answered() {
    let home = Home::new();
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    let content = "x".repeat(MESSAGE_LIMIT);
    let arguments = json!({ "path": "large.txt", "content": content });
    // As SDKs write it: the id comes last.
    let line = format!(
        r#"{{"method":"tools/call","params":{{"name":"write_file","arguments":{arguments}}},"jsonrpc":"2.0","id":"last"}}"#
    );
    drop((content, arguments));
    client.send_line(line.as_bytes()).await;
    let answer = client.message().await;
    assert_eq!(answer["id"], "last", "{answer}");
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("64 MiB"), "{answer}");
    assert!(!home.path("notes/large.txt").exists());
    assert_eq!(client.text("read_text_file", json!({ "path": "a.txt" })).await, "in notes\n");
}

#[tokio::test]
async fn lines_that_are_no_messages_are_refused_and_blank_ones_are_nothing() {
    let home = Home::new();
    let mut client = Client::initialized(&home.server(Access::ReadOnly)).await;
    client.send_line(b"\r").await;
    client.send_line(b"{").await;
    assert_eq!(client.message().await["error"]["code"], -32700);
    client.send_line(b"\xff\xfe").await;
    assert_eq!(client.message().await["error"]["code"], -32700);
    client.send_line(br#"{"jsonrpc":"2.0","id":5,"method":7}"#).await;
    let answer = client.message().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(5), &json!(-32600)), "{answer}");
    client.send_line(br#"{"jsonrpc":"2.0","id":6,"method":"no/such/method"}"#).await;
    assert_eq!(client.message().await["error"]["code"], -32601);
    let failure = client.failure("read_text_file", json!({})).await;
    assert_eq!(failure, "Invalid arguments for tool read_text_file: missing field `path`");
    assert!(client.failure("no_tool", json!({})).await.contains("there is no tool no_tool"));
}

#[tokio::test]
async fn many_requests_at_once_are_all_answered() {
    let home = Home::new();
    let mut client = Client::initialized(&home.server(Access::ReadOnly)).await;
    let mut waiting = std::collections::BTreeSet::new();
    for _ in 0..300 {
        let parameters = json!({ "name": "read_text_file", "arguments": { "path": "a.txt" } });
        waiting.insert(client.begin("tools/call", parameters).await);
    }
    while !waiting.is_empty() {
        let answer = client.message().await;
        assert_eq!(answer["result"]["content"][0]["text"], "in notes\n");
        assert!(waiting.remove(&answer["id"].as_u64().unwrap()));
    }
    client.end().await;
}
