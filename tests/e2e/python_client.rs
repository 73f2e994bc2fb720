//! The PyPI package `mcp-webrtc` as a client of our server, over its TCP signaling.

use gatelodge_tests::{Aiortc, Foreign, our, within_limit};
use mcp_webrtc::CloseReason;
use mcp_webrtc::signaling::TcpSignalingListener;
use serde_json::json;

use crate::{OVERSIZED, assert_names_both_sizes};

async fn listen() -> (TcpSignalingListener, String) {
    let listener = TcpSignalingListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    (listener, port)
}

async fn accept(listener: &TcpSignalingListener) -> mcp_webrtc::Session {
    our::offer(within_limit("a client", listener.accept()).await.unwrap()).await
}

/// Everything that one connection is used for, and a clean end.
async fn uses_our_server(aiortc: Aiortc, largest: usize) {
    let (listener, port) = listen().await;
    let largest = largest.to_string();
    // The echo is as large as a request: aiortc 1.16 refuses to send it unless we have said that we take it.
    let calls = ["--echo", &largest, "--big", &largest, "--steps", "3", "--ask", "why", "--idle", "1"];
    let mut client =
        Foreign::python("client.py", aiortc, &[&["127.0.0.1", port.as_str()], &calls[..]].concat());
    let session = accept(&listener).await;
    assert_eq!(session.max_message_size(), aiortc.max_message_size());
    assert!(!session.speaks_fragments());
    assert_eq!(our::serve(&session).await, CloseReason::Peer);

    let initialized = client.step("initialize").await;
    assert_eq!(initialized["server"], "rust-peer");
    let mut tools: Vec<String> = serde_json::from_value(client.step("list").await["tools"].take()).unwrap();
    tools.sort();
    assert_eq!(tools, ["ask", "big", "echo", "greet", "steps"]);
    assert_eq!(client.step("call").await["text"], "Hello from Rust");
    assert_eq!(client.step("echo").await["same"], true);
    assert_eq!(client.step("big").await["bytes"].to_string(), largest);
    assert_eq!(client.step("steps").await["seen"], json!([1.0, 2.0, 3.0]));
    assert_eq!(client.step("ask").await["text"], "the model said: you asked 'why'");
    client.step("closed").await;
    client.done_and_idle().await;
}

#[tokio::test]
async fn on_aiortc_1_14_it_uses_our_server() {
    uses_our_server(Aiortc::V1_14, 60_000).await;
}

#[tokio::test]
async fn on_aiortc_1_16_it_uses_our_server_with_a_result_of_200_kb() {
    uses_our_server(Aiortc::V1_16, 200_000).await;
}

/// A result over its limit is answered with an error, after which the session goes on.
async fn gets_an_error_for_an_oversized_result(aiortc: Aiortc, text_bytes: usize) {
    let (listener, port) = listen().await;
    let bytes = text_bytes.to_string();
    let mut client = Foreign::python("client.py", aiortc, &["127.0.0.1", &port, "--oversized", &bytes]);
    let session = accept(&listener).await;
    assert_eq!(our::serve(&session).await, CloseReason::Peer);
    assert_names_both_sizes(&client.step("oversized").await, text_bytes, aiortc.max_message_size());
    assert_eq!(client.step("after_oversized").await["text"], "still here");
    client.done().await;
}

#[tokio::test]
async fn on_aiortc_1_14_it_gets_an_error_for_an_oversized_result() {
    gets_an_error_for_an_oversized_result(Aiortc::V1_14, OVERSIZED).await;
    // What aiortc 1.14 announces is less than what later ones do, and it counts.
    gets_an_error_for_an_oversized_result(Aiortc::V1_14, 200_000).await;
}

#[tokio::test]
async fn on_aiortc_1_16_it_gets_an_error_for_an_oversized_result() {
    gets_an_error_for_an_oversized_result(Aiortc::V1_16, OVERSIZED).await;
}

/// Twenty connections to one listener, one after the other.
async fn comes_back_twenty_times(aiortc: Aiortc) {
    let (listener, port) = listen().await;
    let mut client =
        Foreign::python("client.py", aiortc, &["127.0.0.1", &port, "--count", "20", "--idle", "1"]);
    let mut seen = std::collections::HashSet::new();
    for connection in 0..20 {
        let session = accept(&listener).await;
        seen.insert(session.peer().fingerprint.to_string());
        assert_eq!(our::serve(&session).await, CloseReason::Peer);
        assert_eq!(client.step("call").await["text"], "Hello from Rust");
        assert_eq!(client.step("closed").await["connection"], connection);
    }
    // Each of its connections has a certificate of its own.
    assert_eq!(seen.len(), 20);
    client.done_and_idle().await;
}

#[tokio::test]
async fn on_aiortc_1_14_it_comes_back_twenty_times() {
    comes_back_twenty_times(Aiortc::V1_14).await;
}

#[tokio::test]
async fn on_aiortc_1_16_it_comes_back_twenty_times() {
    comes_back_twenty_times(Aiortc::V1_16).await;
}

/// When we close first, it notices and comes to rest.
async fn notices_our_close(aiortc: Aiortc) {
    let (listener, port) = listen().await;
    let mut client = Foreign::python("client.py", aiortc, &["127.0.0.1", &port, "--hold", "--idle", "1"]);
    let session = accept(&listener).await;
    let serving = tokio::spawn({
        let session = session.clone();
        async move { our::serve(&session).await }
    });
    client.step("holding").await;
    our::close(&session).await;
    assert_eq!(serving.await.unwrap(), CloseReason::Local);
    client.step("closed").await;
    client.done_and_idle().await;
}

#[tokio::test]
async fn on_aiortc_1_14_it_notices_our_close() {
    notices_our_close(Aiortc::V1_14).await;
}

#[tokio::test]
async fn on_aiortc_1_16_it_notices_our_close() {
    notices_our_close(Aiortc::V1_16).await;
}
