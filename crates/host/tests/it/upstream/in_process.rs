//! A built-in server behind an upstream.

use gatelodge_host::upstream::{EndCause, Ending, Upstream, UpstreamError};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ServerHandler, ServiceExt, tool, tool_handler, tool_router};

use super::{recv, within};

#[derive(Clone)]
struct Sample;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Length {
    bytes: usize,
}

#[tool_router]
impl Sample {
    #[tool(description = "Text of a given length")]
    fn text(&self, Parameters(Length { bytes }): Parameters<Length>) -> String {
        "x".repeat(bytes)
    }
}

#[tool_handler]
impl ServerHandler for Sample {}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

fn call(id: u32, bytes: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"text","arguments":{{"bytes":{bytes}}}}}}}"#
    )
}

/// An upstream whose server runs; also returns the server's task.
async fn serving() -> (Upstream, tokio::task::JoinHandle<()>) {
    let (mut upstream, transport) = Upstream::in_process();
    let task = tokio::spawn(async move {
        let _ = Sample.serve(transport).await.unwrap().waiting().await;
    });
    upstream.send(INITIALIZE).await.unwrap();
    assert!(recv(&mut upstream).await.unwrap().contains("\"serverInfo\""));
    upstream.send(INITIALIZED).await.unwrap();
    (upstream, task)
}

#[tokio::test]
async fn an_rmcp_server_answers_and_ends_with_its_upstream() {
    let (mut upstream, task) = serving().await;
    upstream.send(call(1, 5)).await.unwrap();
    let answer = recv(&mut upstream).await.unwrap();
    assert!(answer.contains("\"id\":1") && answer.contains("\"text\":\"xxxxx\""), "{answer}");
    assert_eq!(within(upstream.end(Ending::Gentle)).await.cause, EndCause::Ended);
    within(task).await.unwrap();
}

#[tokio::test]
async fn dropping_the_upstream_ends_the_server() {
    let (upstream, task) = serving().await;
    drop(upstream);
    within(task).await.unwrap();
}

#[tokio::test]
async fn a_server_that_stops_ends_the_upstream() {
    let (mut upstream, transport) = Upstream::in_process();
    drop(transport);
    assert_eq!(recv(&mut upstream).await, None);
    assert_eq!(upstream.send("{}").await, Err(UpstreamError::Ended));
    assert_eq!(within(upstream.end(Ending::Gentle)).await.cause, EndCause::Finished);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_stop_is_not_waited_for() {
    for ending in [Ending::Gentle, Ending::Now] {
        let (upstream, _kept) = Upstream::in_process();
        assert_eq!(upstream.end(ending).await.cause, EndCause::Ended);
    }
}

#[tokio::test]
async fn what_rmcp_does_not_understand_is_answered() {
    let (mut upstream, _task) = serving().await;
    upstream.send(r#"{"jsonrpc":"2.0","id":"q","method":"tools/call","params":[1]}"#).await.unwrap();
    let answer = recv(&mut upstream).await.unwrap();
    assert!(answer.contains("\"id\":\"q\"") && answer.contains("\"error\""), "{answer}");
}

#[tokio::test]
async fn an_answer_over_the_limit_is_an_error_for_its_id() {
    let (mut upstream, _task) = serving().await;
    upstream.send(call(7, 64 * 1024 * 1024)).await.unwrap();
    let answer = recv(&mut upstream).await.unwrap();
    assert!(answer.starts_with(r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32013"#), "{}", &answer[..100]);
}

#[tokio::test]
async fn what_is_not_read_is_bounded() {
    let (upstream, _transport) = Upstream::in_process();
    let message = "x".repeat(1024 * 1024);
    let mut taken = 0;
    while let Ok(sent) =
        tokio::time::timeout(std::time::Duration::from_millis(100), upstream.send(message.clone())).await
    {
        sent.unwrap();
        taken += 1;
    }
    assert_eq!(taken, 4, "MiB wait for a server that doesn't read");
}
