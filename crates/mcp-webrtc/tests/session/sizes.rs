//! What a peer does not take is never sent to it, and the session lives on.

use bytes::Bytes;
use mcp_webrtc::{FragmentLimits, SendError, Sent};

use crate::harness::{builder, connect, within_limit};

/// What one SCTP message of this library's peers holds.
const PLAIN_LIMIT: usize = 262_144;

fn response(size: usize) -> Bytes {
    let frame = r#"{"jsonrpc":"2.0","id":"call-7","result":""}"#.len();
    format!(r#"{{"jsonrpc":"2.0","id":"call-7","result":"{}"}}"#, "x".repeat(size - frame)).into()
}

fn request(size: usize) -> Bytes {
    let frame = r#"{"jsonrpc":"2.0","id":1,"method":""}"#.len();
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(size - frame)).into()
}

#[tokio::test]
async fn a_response_above_the_limit_becomes_an_error_that_names_both_sizes() {
    within_limit(async {
        let pair = connect(builder(), builder().fragments(None)).await;
        let (desktop, mut agent) = pair.channels().await;
        assert!(!pair.desktop.speaks_fragments() && !pair.agent.speaks_fragments());
        assert_eq!(pair.desktop.max_message_size(), PLAIN_LIMIT);

        let fits = response(PLAIN_LIMIT);
        assert_eq!(desktop.send(fits.clone()).await.unwrap(), Sent::Message);
        assert_eq!(agent.recv().await.unwrap(), fits);

        let sent = desktop.send(response(300_000)).await.unwrap();
        assert_eq!(sent, Sent::ErrorInstead { size: 300_000, limit: PLAIN_LIMIT });
        let error: serde_json::Value = serde_json::from_slice(&agent.recv().await.unwrap()).unwrap();
        assert_eq!(error["id"], "call-7");
        assert_eq!(error["error"]["code"], -32013);
        assert_eq!(error["error"]["data"], serde_json::json!({"size": 300_000, "limit": PLAIN_LIMIT}));

        desktop.send("still here").await.unwrap();
        assert_eq!(agent.recv().await.unwrap(), "still here");
    })
    .await;
}

#[tokio::test]
async fn a_request_above_the_limit_is_the_senders_error() {
    within_limit(async {
        let pair = connect(builder(), builder().fragments(None)).await;
        let (mut desktop, agent) = pair.channels().await;
        let error = agent.send(request(PLAIN_LIMIT + 1)).await.unwrap_err();
        assert!(
            matches!(error, SendError::TooLarge { size, limit } if size == PLAIN_LIMIT + 1 && limit == PLAIN_LIMIT)
        );
        agent.send("still here").await.unwrap();
        assert_eq!(desktop.recv().await.unwrap(), "still here");
    })
    .await;
}

#[tokio::test]
async fn what_the_peer_puts_together_is_the_limit_with_fragments() {
    within_limit(async {
        let small = FragmentLimits { max_bytes: 1 << 20, ..FragmentLimits::default() };
        let pair = connect(builder(), builder().fragments(small)).await;
        let (desktop, mut agent) = pair.channels().await;
        assert_eq!(pair.desktop.max_message_size(), 1 << 20);
        let fits = response(1 << 20);
        let (sent, received) = tokio::join!(desktop.send(fits.clone()), agent.recv());
        assert_eq!((sent.unwrap(), received.unwrap()), (Sent::Message, fits));
        let sent = desktop.send(response((1 << 20) + 1)).await.unwrap();
        assert!(matches!(sent, Sent::ErrorInstead { limit, .. } if limit == 1 << 20));
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_not_utf8_is_not_sent() {
    within_limit(async {
        let pair = connect(builder(), builder()).await;
        let (desktop, mut agent) = pair.channels().await;
        for size in [3, 200_000] {
            let error = desktop.send(vec![0xff; size]).await.unwrap_err();
            assert!(matches!(error, SendError::NotUtf8));
        }
        desktop.send("still here").await.unwrap();
        assert_eq!(agent.recv().await.unwrap(), "still here");
    })
    .await;
}
