//! Both eras of the protocol on one server: with `initialize`, and without.

use gatelodge_files::Access;
use serde_json::json;

use crate::client::{Client, Home};

#[tokio::test]
async fn every_revision_with_initialize_is_spoken() {
    let home = Home::new();
    let server = home.server(Access::ReadOnly);
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut client = Client::connect(&server);
        let parameters = json!({
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let answer = client.request("initialize", parameters).await;
        assert_eq!(answer["result"]["protocolVersion"], version, "{answer}");
        assert_eq!(answer["result"]["serverInfo"]["name"], "gatelodge-files");
        let instructions = answer["result"]["instructions"].as_str().unwrap();
        assert!(instructions.contains(&format!("{} (read-only)", home.text("notes"))), "{instructions}");
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        let result = client.call("read_text_file", json!({ "path": "a.txt" })).await;
        let expected = json!({
            "content": [{ "type": "text", "text": "in notes\n" }],
            "structuredContent": { "content": "in notes\n" },
        });
        assert_eq!(result, expected, "{version}");
    }
}

#[tokio::test]
async fn the_revision_without_initialize_is_spoken() {
    let home = Home::new();
    let mut client = Client::stateless(&home.server(Access::ReadWrite));
    let answer = client.request("server/discover", json!({})).await;
    let versions = answer["result"]["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!("2026-07-28")), "{answer}");
    let answer = client.request("tools/list", json!({})).await;
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    assert_eq!(answer["result"]["tools"].as_array().unwrap().len(), 17);
    let result = client.call("read_text_file", json!({ "path": "a.txt" })).await;
    assert_eq!(result["resultType"], "complete", "{result}");
    assert_eq!(result["content"][0]["text"], "in notes\n");
    // What is long is written another way.
    let long = "a line of text\n".repeat(10_000);
    client.text("write_file", json!({ "path": "long.txt", "content": long })).await;
    let result = client.call("read_text_file", json!({ "path": "long.txt" })).await;
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["structuredContent"]["content"], long.as_str());
    let answer = client.request("ping", json!({})).await;
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
}

#[tokio::test]
async fn a_first_message_without_its_metadata_is_refused_and_the_next_may_be_right() {
    let home = Home::new();
    let mut client = Client::connect(&home.server(Access::ReadOnly));
    let answer = client.request("tools/list", json!({})).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
}
