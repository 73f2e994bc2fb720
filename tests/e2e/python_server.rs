//! The PyPI package `mcp-webrtc` as a server for our client, over its TCP signaling.

use gatelodge_tests::{Aiortc, Foreign, our};
use mcp_webrtc::Session;
use mcp_webrtc::signaling::TcpSignaling;
use serde_json::json;

/// Connects as soon as the server listens, which it does anew for each connection.
async fn connect(server: &mut Foreign) -> Session {
    let port = server.step("listening").await["port"].as_u64().unwrap();
    our::answer(TcpSignaling::connect(format!("127.0.0.1:{port}")).await.unwrap()).await
}

/// Everything that one connection is used for, and a clean end by us.
async fn serves_our_client(aiortc: Aiortc) {
    let mut server = Foreign::python("server.py", aiortc, &["127.0.0.1", "0", "--idle", "1"]);
    let session = connect(&mut server).await;
    assert_eq!(session.max_message_size(), aiortc.max_message_size());
    let client = our::Caller::start(&session).await;
    assert_eq!(client.tools().await, ["greet", "echo", "big", "steps", "ask"]);
    assert_eq!(client.text("greet", json!({})).await, "Hello from Python");
    client.echoes(60_000).await;
    // What counts here is what we take, and both releases know it or do not ask.
    assert_eq!(client.text("big", json!({ "size": 200_000 })).await.len(), 200_000);
    assert_eq!(client.text("steps", json!({ "count": 3 })).await, "3 steps");
    assert_eq!(client.progress(), [1.0, 2.0, 3.0]);
    let said = client.text("ask", json!({ "question": "why" })).await;
    assert_eq!(said, "the model said: you asked 'why'");
    client.close().await;
    our::close(&session).await;
    server.step("closed").await;
    server.done_and_idle().await;
}

#[tokio::test]
async fn on_aiortc_1_14_it_serves_our_client() {
    serves_our_client(Aiortc::V1_14).await;
}

#[tokio::test]
async fn on_aiortc_1_16_it_serves_our_client() {
    serves_our_client(Aiortc::V1_16).await;
}

/// Twenty connections, one after the other.
async fn serves_twenty_clients(aiortc: Aiortc) {
    let mut server =
        Foreign::python("server.py", aiortc, &["127.0.0.1", "0", "--count", "20", "--idle", "1"]);
    for connection in 0..20 {
        let session = connect(&mut server).await;
        let client = our::Caller::start(&session).await;
        assert_eq!(client.text("greet", json!({})).await, "Hello from Python");
        client.close().await;
        our::close(&session).await;
        assert_eq!(server.step("closed").await["connection"], connection);
    }
    server.done_and_idle().await;
}

#[tokio::test]
async fn on_aiortc_1_14_it_serves_twenty_clients() {
    serves_twenty_clients(Aiortc::V1_14).await;
}

#[tokio::test]
async fn on_aiortc_1_16_it_serves_twenty_clients() {
    serves_twenty_clients(Aiortc::V1_16).await;
}

/// A client that leaves without a word over MCP: the session is closed under it.
async fn notices_our_session_end(aiortc: Aiortc) {
    let mut server = Foreign::python("server.py", aiortc, &["127.0.0.1", "0", "--idle", "1"]);
    let session = connect(&mut server).await;
    let client = our::Caller::start(&session).await;
    our::close(&session).await;
    client.closed().await;
    server.step("closed").await;
    server.done_and_idle().await;
}

#[tokio::test]
async fn on_aiortc_1_14_it_notices_our_session_end() {
    notices_our_session_end(Aiortc::V1_14).await;
}

#[tokio::test]
async fn on_aiortc_1_16_it_notices_our_session_end() {
    notices_our_session_end(Aiortc::V1_16).await;
}
