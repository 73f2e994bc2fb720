//! What passes is what was sent, and nobody buffers for a side that is too slow.

use std::time::Duration;

use bytes::Bytes;
use gatelodge_host::upstream::{Ending, LaunchOptions, UpstreamError};

use super::{Lab, recv, within};

const ECHO: &str = "exec cat";

#[tokio::test]
async fn messages_come_back_as_the_same_bytes_in_order() {
    let lab = Lab::new();
    let mut upstream = lab.start(&lab.sh(ECHO)).await;
    let messages = [r#"{"n":1.0,"x":[1e400,"\u0000é"]}"#, r#" {"a" : null,"a":2}  "#, "{}"];
    for message in messages {
        upstream.send(message).await.unwrap();
    }
    for message in messages {
        assert_eq!(recv(&mut upstream).await.unwrap(), message);
    }
    within(upstream.end(Ending::Gentle)).await;
}

#[tokio::test]
async fn a_message_with_line_breaks_is_one_message() {
    let lab = Lab::new();
    let mut upstream = lab.start(&lab.sh(ECHO)).await;
    upstream.send("{\r\n  \"a\": \"b\\n\"\n}\n").await.unwrap();
    upstream.send("{}").await.unwrap();
    assert_eq!(recv(&mut upstream).await.unwrap(), "{    \"a\": \"b\\n\" } ");
    assert_eq!(recv(&mut upstream).await.unwrap(), "{}");
}

#[tokio::test]
async fn a_message_cannot_carry_another_one_inside_a_broken_string() {
    let lab = Lab::new();
    let mut upstream = lab.start(&lab.sh(ECHO)).await;
    assert_eq!(upstream.send("{\"a\":\"\n{}\n\"}").await, Err(UpstreamError::BrokenString));
    upstream.send("{}").await.unwrap();
    assert_eq!(recv(&mut upstream).await.unwrap(), "{}");
}

#[tokio::test]
async fn large_messages_pass_whole_and_larger_ones_are_refused() {
    let limit = 8 * 1024 * 1024;
    let lab = Lab::with(LaunchOptions { message_limit: limit, ..LaunchOptions::default() });
    let (sender, mut receiver) = lab.start(&lab.sh(ECHO)).await.split();
    let message = Bytes::from(format!("{{\"a\":\"{}\"}}", "x".repeat(limit - 8)));
    assert_eq!(message.len(), limit);
    let (sent, received) =
        within(async { tokio::join!(sender.send(message.clone()), receiver.recv()) }).await;
    sent.unwrap();
    assert!(received.unwrap() == message);
    let too_large = Bytes::from(vec![b' '; limit + 1]);
    assert_eq!(sender.send(too_large).await, Err(UpstreamError::TooLarge { len: limit + 1, limit }));
    sender.send("{}").await.unwrap();
    assert_eq!(within(receiver.recv()).await.unwrap(), "{}");
}

#[tokio::test]
async fn many_senders_do_not_mix_their_messages() {
    let lab = Lab::new();
    let (sender, mut receiver) = lab.start(&lab.sh(ECHO)).await.split();
    let tasks: Vec<_> = (0..20_u8)
        .map(|letter| {
            let sender = sender.clone();
            let text = format!("{{\"a\":\"{}\"}}", char::from(b'a' + letter).to_string().repeat(100_000));
            tokio::spawn(async move {
                for _ in 0..5 {
                    sender.send(text.clone()).await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..100 {
        let message = within(receiver.recv()).await.unwrap();
        assert!(message[6..message.len() - 2].iter().all(|&byte| byte == message[6]));
        assert_eq!(message.len(), 100_008);
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_dropped_send_leaves_no_half_message() {
    let lab = Lab::new();
    // Reads nothing before the FIFO has a line.
    let fifo = lab.fifo("go");
    let server = lab.sh(&format!("read line < {}; exec cat", fifo.display()));
    let (sender, mut receiver) = lab.start(&server).await.split();
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1_000_000));
    let cut = tokio::time::timeout(Duration::from_millis(50), sender.send(large.clone())).await;
    assert!(cut.is_err(), "the pipe holds less than the message");
    super::release(&fifo);
    let (sent, first) = within(async { tokio::join!(sender.send("{}"), receiver.recv()) }).await;
    sent.unwrap();
    assert!(first.unwrap() == large, "what had begun goes whole");
    assert_eq!(within(receiver.recv()).await.unwrap(), "{}");
}

#[tokio::test]
async fn a_server_that_never_reads_holds_its_sender_back() {
    let lab = Lab::impatient();
    let upstream = lab.start(&lab.sh("exec sleep 1000")).await;
    let message = Bytes::from(format!("{{\"a\":\"{}\"}}", "x".repeat(60_000)));
    let mut taken = 0;
    while let Ok(sent) =
        tokio::time::timeout(Duration::from_millis(200), upstream.send(message.clone())).await
    {
        sent.unwrap();
        taken += message.len();
        assert!(taken < 1024 * 1024, "somebody buffers");
    }
    // A sender that waits hears of the end.
    let sender = upstream.sender();
    let (sent, _) = within(async { tokio::join!(sender.send("{}"), upstream.end(Ending::Now)) }).await;
    assert_eq!(sent, Err(UpstreamError::Ended));
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_the_server_back() {
    let lab = Lab::new();
    // Writes until nobody takes any more, and tells how much that was when it is asked.
    let server = lab.python(
        r#"
import os, sys
os.set_blocking(1, False)
line = b'{"a":"' + b"x" * 1000 + b'"}\n'
count = 0
while True:
    try:
        count += os.write(1, line)
    except BlockingIOError:
        break
sys.stdin.readline()
os.set_blocking(1, True)
os.write(1, b'\n{"count":%d}\n' % count)
"#,
    );
    let mut upstream = lab.start(&server).await;
    upstream.send("{}").await.unwrap();
    let count = loop {
        let message = recv(&mut upstream).await.unwrap();
        if let Some(count) = message.strip_prefix("{\"count\":") {
            break count.trim_end_matches('}').parse::<usize>().unwrap();
        }
    };
    assert!(count <= 1024 * 1024, "{count} bytes went somewhere before anybody read");
}
