//! simple-peer on `@roamhq/wrtc`, over WebSocket signaling: as client and as server, offering and answering, with its
//! candidates in the description and one by one.

use gatelodge_tests::{Foreign, our, within_limit};
use mcp_webrtc::signaling::WebSocketSignalingListener;
use mcp_webrtc::{CloseReason, Session};
use serde_json::json;

use crate::{OVERSIZED, assert_names_both_sizes};

/// What libwebrtc takes in one message, in bytes.
const MAX_MESSAGE_SIZE: usize = 262_144;

/// Starts it in that role and gives it with our session.
async fn connect(role: &str, arguments: &[&str]) -> (Foreign, Session) {
    let listener = WebSocketSignalingListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let peer = Foreign::simple_peer(&url, &[&["--role", role, "--idle", "1"], arguments].concat());
    let link = within_limit("simple-peer's WebSocket", listener.accept()).await.unwrap();
    let session = match role {
        "offer" => our::answer(link).await,
        _ => our::offer(link).await,
    };
    assert_eq!(session.max_message_size(), MAX_MESSAGE_SIZE);
    assert!(!session.speaks_fragments());
    (peer, session)
}

async fn uses_our_server(role: &str, more: &[&str]) {
    let oversized = OVERSIZED.to_string();
    let calls = ["--mcp", "client", "--echo", "200000", "--big", "200000", "--oversized", &oversized];
    let (mut peer, session) = connect(role, &[&calls[..], more].concat()).await;
    assert_eq!(our::serve(&session).await, CloseReason::Peer);
    assert_eq!(peer.step("initialize").await["server"], "rust-peer");
    assert_eq!(peer.step("call").await["text"], "Hello from Rust");
    assert_eq!(peer.step("echo").await["same"], true);
    assert_eq!(peer.step("big").await["bytes"], 200_000);
    assert_names_both_sizes(&peer.step("oversized").await, OVERSIZED, MAX_MESSAGE_SIZE);
    assert_eq!(peer.step("after_oversized").await["text"], "still here");
    peer.done_and_idle().await;
}

async fn serves_our_client(role: &str, more: &[&str]) {
    let (mut peer, session) = connect(role, &[&["--mcp", "server"], more].concat()).await;
    // While a channel that it offered is opening, @roamhq/wrtc now and then loses what arrives.
    peer.step("connected").await;
    let client = our::Caller::start(&session).await;
    assert_eq!(client.tools().await, ["greet", "echo", "big"]);
    assert_eq!(client.text("greet", json!({})).await, "Hello from JavaScript");
    client.echoes(200_000).await;
    assert_eq!(client.text("big", json!({ "size": 200_000 })).await.len(), 200_000);
    client.close().await;
    our::close(&session).await;
    peer.step("closed").await;
    peer.done_and_idle().await;
}

#[tokio::test]
async fn it_offers_and_uses_our_server() {
    uses_our_server("offer", &[]).await;
}

#[tokio::test]
async fn it_offers_and_uses_our_server_trickling() {
    uses_our_server("offer", &["--trickle"]).await;
}

#[tokio::test]
async fn it_answers_and_uses_our_server() {
    uses_our_server("answer", &[]).await;
}

#[tokio::test]
async fn it_answers_and_uses_our_server_trickling() {
    uses_our_server("answer", &["--trickle"]).await;
}

#[tokio::test]
async fn it_offers_and_serves_our_client() {
    serves_our_client("offer", &[]).await;
}

#[tokio::test]
async fn it_offers_and_serves_our_client_trickling() {
    serves_our_client("offer", &["--trickle"]).await;
}

#[tokio::test]
async fn it_answers_and_serves_our_client() {
    serves_our_client("answer", &[]).await;
}

#[tokio::test]
async fn it_answers_and_serves_our_client_trickling() {
    serves_our_client("answer", &["--trickle"]).await;
}

/// Signaling is over once there is a session; that a peer closes its WebSocket does not end it.
#[tokio::test]
async fn it_may_hang_up_the_signaling_once_connected() {
    uses_our_server("offer", &["--hang-up"]).await;
    serves_our_client("answer", &["--hang-up"]).await;
}

#[tokio::test]
async fn it_notices_our_close() {
    let (mut peer, session) = connect("answer", &["--mcp", "client", "--hold"]).await;
    let serving = tokio::spawn({
        let session = session.clone();
        async move { our::serve(&session).await }
    });
    peer.step("holding").await;
    our::close(&session).await;
    assert_eq!(serving.await.unwrap(), CloseReason::Local);
    peer.step("closed").await;
    peer.done_and_idle().await;
}
