//! A receiver that stops reading makes the sender wait, and neither side's memory grows.
//!
//! A test of its own process, since it looks at the memory of all of it: both peers together.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

use std::time::Duration;

use bytes::Bytes;
use mcp_webrtc::signaling::memory;
use mcp_webrtc::{Identity, Session};

/// What is offered in all, in bytes.
const OFFERED: usize = 1 << 30;

/// The size of a message. It goes in fragments.
const MESSAGE: usize = 1 << 20;

/// How much the process may grow at its peak, in bytes.
const GROWTH: usize = 64 << 20;

/// Returns the largest resident set of this process so far, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn a_gibibyte_towards_a_reader_that_pauses_leaves_memory_flat() {
    let (left, right) = memory();
    let (desktop, agent) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let (desktop, agent) =
        tokio::join!(Session::builder(&desktop).offer(left), Session::builder(&agent).answer(right));
    let (desktop, agent) = (desktop.unwrap(), agent.unwrap());
    let channel = desktop.next_channel().await.unwrap();
    let mut reader = agent.next_channel().await.unwrap();
    let message = Bytes::from(vec![b'x'; MESSAGE]);
    let before = peak();

    let mut offering = tokio::spawn({
        let message = message.clone();
        async move {
            for _ in 0..OFFERED / MESSAGE {
                channel.send(message.clone()).await.unwrap();
            }
            channel
        }
    });
    // Nobody reads: the sender comes to a halt well before the end, and stays there.
    let halted = tokio::time::timeout(Duration::from_secs(2), &mut offering).await;
    assert!(halted.is_err(), "the sender did not wait for its receiver");
    // Then everything is read, with another pause in the middle.
    for number in 0..OFFERED / MESSAGE {
        assert_eq!(reader.recv().await.unwrap().len(), MESSAGE, "message {number}");
        if number == OFFERED / MESSAGE / 2 {
            let halted = tokio::time::timeout(Duration::from_secs(1), &mut offering).await;
            assert!(halted.is_err(), "the sender did not wait for its receiver");
        }
    }
    offering.await.unwrap();
    let growth = peak() - before;
    assert!(growth < GROWTH, "grew by {} MiB", growth >> 20);
    println!("grew by {:.1} MiB", growth as f64 / (1 << 20) as f64);
}
