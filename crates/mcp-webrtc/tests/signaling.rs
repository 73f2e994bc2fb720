//! Signaling links against real sockets: what crosses them, byte for byte, and what the worst of peers can do to
//! them. One module for each kind of link.

#![expect(clippy::unwrap_used, reason = "the lint knows test functions as such, and not what they call")]

mod signaling {
    mod memory;
    mod paste;
    mod tcp;
    mod tcp_misuse;
    mod websocket;
    mod websocket_misuse;

    use std::time::Duration;

    use mcp_webrtc::signaling::{Candidate, Signal, Signaling, SignalingError, SignalingLimits};

    /// For limits that a test waits for, and for waits that are expected to come to nothing.
    const SHORT: Duration = Duration::from_millis(40);

    /// Long enough for anything that happens at all on a busy machine. Only a failing test ever waits this long.
    const LONG: Duration = Duration::from_secs(20);

    /// What an aiortc 1.16 peer wrote to its socket: an offer, an answer, a candidate, and `bye`.
    const AIORTC: &str = include_str!("signaling/aiortc-1.16.jsonl");

    fn offer() -> Signal {
        Signal::Offer { sdp: "v=0\r\n".to_owned() }
    }

    fn answer() -> Signal {
        Signal::Answer { sdp: "v=0\r\ns=\u{fc}\r\n".to_owned() }
    }

    const OFFER: &str = r#"{"sdp": "v=0\r\n", "type": "offer"}"#;
    const ANSWER: &str = r#"{"sdp": "v=0\r\ns=\u00fc\r\n", "type": "answer"}"#;
    const BYE: &str = r#"{"type": "bye"}"#;

    fn candidate(text: &str) -> Signal {
        Signal::Candidate(Candidate {
            candidate: text.to_owned(),
            sdp_mid: Some("0".to_owned()),
            sdp_mline_index: Some(0),
        })
    }

    /// An offer of about this many bytes, to fill buffers with.
    fn large_offer(bytes: usize) -> Signal {
        Signal::Offer { sdp: "x".repeat(bytes) }
    }

    fn limits() -> SignalingLimits {
        SignalingLimits::default()
    }

    /// Waits for something that must happen.
    async fn soon<F: Future>(future: F) -> F::Output {
        tokio::time::timeout(LONG, future).await.expect("this should have happened by now")
    }

    /// Asserts that something does not happen yet, and drops it.
    async fn not_yet<F: Future>(future: F) {
        assert!(tokio::time::timeout(SHORT, future).await.is_err(), "this should still be waiting");
    }

    async fn receive(link: &mut impl Signaling) -> Option<Signal> {
        soon(link.receive()).await.expect("the link should be in order")
    }

    async fn receive_error(link: &mut impl Signaling) -> SignalingError {
        match soon(link.receive()).await {
            Err(error) => error,
            Ok(signal) => panic!("{signal:?} instead of an error"),
        }
    }

    /// Sends until the other side's buffers are full, and returns the error that this ends with.
    async fn send_until_it_fails(link: &mut impl Signaling) -> SignalingError {
        // No socket buffer takes 64 MiB.
        for _ in 0..1024 {
            if let Err(error) = soon(link.send(large_offer(60_000))).await {
                return error;
            }
        }
        panic!("nothing slows the sender down");
    }
}
