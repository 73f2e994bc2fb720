//! A page with a plain `RTCPeerConnection` in headless Chromium, over WebSocket signaling. Chromium hides its addresses
//! behind mDNS names, which we drop; its packets tell us where it is.

use gatelodge_tests::{Foreign, Site, our, within_limit};
use mcp_webrtc::signaling::WebSocketSignalingListener;
use mcp_webrtc::{CloseReason, Session};
use serde_json::json;

use crate::{OVERSIZED, assert_names_both_sizes};

const MIB: usize = 1 << 20;

/// What Chromium takes in one message, in bytes.
const MAX_MESSAGE_SIZE: usize = 262_144;

/// What the page says it takes in fragments, in bytes.
const FRAGMENTS: &str = "fragments=16777216";

/// Opens the page in that role and gives it with our session.
async fn connect(role: &str, query: &str) -> (Foreign, Session) {
    let site = Site::start().await;
    let listener = WebSocketSignalingListener::bind("127.0.0.1:0").await.unwrap().allow_origin(site.origin());
    let page = Foreign::page(site, listener.local_addr().unwrap(), &format!("role={role}&{query}"));
    let link = within_limit("the page's WebSocket", listener.accept()).await.unwrap();
    let session = match role {
        "offer" => our::answer(link).await,
        _ => our::offer(link).await,
    };
    (page, session)
}

/// A MiB each way, both of them in fragments.
async fn uses_our_server(role: &str, more: &str) {
    let calls = format!("mcp=client&{FRAGMENTS}&echo={MIB}&big={MIB}{more}");
    let (mut page, session) = connect(role, &calls).await;
    assert_eq!(session.max_message_size(), 16 * MIB);
    assert_eq!(our::serve(&session).await, CloseReason::Peer);
    assert!(page.step("connected").await["fragments"].as_u64() > Some(0));
    assert_eq!(page.step("initialize").await["server"], "rust-peer");
    assert_eq!(page.step("call").await["text"], "Hello from Rust");
    assert_eq!(page.step("echo").await["same"], true);
    assert_eq!(page.step("big").await["bytes"], MIB);
    assert_in_fragments(&mut page).await;
    page.done().await;
}

async fn serves_our_client(role: &str, more: &str) {
    let (mut page, session) = connect(role, &format!("mcp=server&{FRAGMENTS}{more}")).await;
    let client = our::Caller::start(&session).await;
    assert_eq!(client.tools().await, ["greet", "echo", "big"]);
    assert_eq!(client.text("greet", json!({})).await, "Hello from JavaScript");
    client.echoes(MIB).await;
    assert_eq!(client.text("big", json!({ "size": MIB })).await.len(), MIB);
    client.close().await;
    our::close(&session).await;
    assert_in_fragments(&mut page).await;
    page.done().await;
}

/// Large messages came and went as several binary messages each, small ones as text.
async fn assert_in_fragments(page: &mut Foreign) {
    let messages = page.step("messages").await;
    for direction in ["sent", "received"] {
        assert!(messages[direction]["fragments"].as_u64() >= Some(4), "{messages}");
        assert!(messages[direction]["text"].as_u64() >= Some(3), "{messages}");
    }
}

#[tokio::test]
async fn it_offers_and_uses_our_server() {
    uses_our_server("offer", "").await;
}

#[tokio::test]
async fn it_answers_and_uses_our_server() {
    uses_our_server("answer", "").await;
}

#[tokio::test]
async fn it_offers_and_serves_our_client() {
    serves_our_client("offer", "").await;
}

#[tokio::test]
async fn it_answers_and_serves_our_client() {
    serves_our_client("answer", "").await;
}

#[tokio::test]
async fn it_may_trickle_its_candidates() {
    uses_our_server("offer", "&trickle=1").await;
    serves_our_client("answer", "&trickle=1").await;
}

/// A page that knows nothing of fragments gets none.
#[tokio::test]
async fn without_fragments_it_gets_an_error_for_an_oversized_result() {
    let calls = format!("mcp=client&echo=200000&big=200000&oversized={OVERSIZED}");
    let (mut page, session) = connect("answer", &calls).await;
    assert_eq!(session.max_message_size(), MAX_MESSAGE_SIZE);
    assert_eq!(our::serve(&session).await, CloseReason::Peer);
    assert_eq!(page.step("echo").await["same"], true);
    assert_eq!(page.step("big").await["bytes"], 200_000);
    assert_names_both_sizes(&page.step("oversized").await, OVERSIZED, MAX_MESSAGE_SIZE);
    assert_eq!(page.step("after_oversized").await["text"], "still here");
    assert_eq!(page.step("messages").await["received"]["fragments"], 0);
    page.done().await;
}

#[tokio::test]
async fn it_notices_our_close() {
    let (mut page, session) = connect("offer", &format!("mcp=client&hold=1&{FRAGMENTS}")).await;
    let serving = tokio::spawn({
        let session = session.clone();
        async move { our::serve(&session).await }
    });
    page.step("holding").await;
    our::close(&session).await;
    assert_eq!(serving.await.unwrap(), CloseReason::Local);
    page.step("closed").await;
    page.done().await;
}
