//! TCP links with peers that misbehave: each of them gets an error of its kind, in time, and costs no memory.

use mcp_webrtc::signaling::{Signaling, SignalingError, TcpSignalingListener};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::tcp::{everything_from, link_and_peer};
use super::{ANSWER, BYE, SHORT, answer, limits, offer, receive, receive_error, send_until_it_fails, soon};

#[tokio::test]
async fn garbage_is_malformed_and_shown_in_part() {
    let long = format!("[{}", "x".repeat(5_000));
    let long_excerpt = format!("[{}...", "x".repeat(47));
    let cases: [(&[u8], &str); 10] = [
        (b"hello", "hello"),
        (b"null", "null"),
        (b"{\"type\": \"offer\"}", r#"{\"type\": \"offer\"}"#),
        (b"{\"type\": \"bye\", \"type\": \"offer\"}", r#"{\"type\": \"bye\", \"type\": \"offer\"}"#),
        (b"{\"type\": \"bye\"}{\"type\": \"bye\"}", r#"{\"type\": \"bye\"}{\"type\": \"bye\"}"#),
        (b"{\"type\": \"bye\xff\"}", r#"{\"type\": \"bye\xff\"}"#),
        (b"\x00\x1b[2J\xe2\x80\xae", r"\x00\x1b[2J\xe2\x80\xae"),
        (b"\x16\x03\x01\x02\x00\x01", r"\x16\x03\x01\x02\x00\x01"),
        (b"SSH-2.0-x\r", r"SSH-2.0-x\r"),
        (long.as_bytes(), &long_excerpt),
    ];
    for (line, shown) in cases {
        let (mut link, mut peer) = link_and_peer(limits()).await;
        peer.write_all(line).await.unwrap();
        peer.write_all(format!("\n{ANSWER}\n").as_bytes()).await.unwrap();
        let SignalingError::Malformed { excerpt, .. } = receive_error(&mut link).await else {
            panic!("{}", line.escape_ascii())
        };
        assert_eq!(excerpt, shown);
        // What follows is not read, however well it is formed, but the peer gets its `bye`.
        assert!(matches!(receive_error(&mut link).await, SignalingError::Closed));
        link.close().await;
        assert_eq!(everything_from(&mut peer).await, format!("{BYE}\n"));
    }
}

#[tokio::test]
async fn the_body_of_a_web_page_s_request_is_never_read() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    let request = format!("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n\r\n{ANSWER}\n");
    peer.write_all(request.as_bytes()).await.unwrap();
    let error = receive_error(&mut link).await;
    assert_eq!(
        error.to_string(),
        r"the other side sent something that is no signaling object: `POST / HTTP/1.1\r`"
    );
    for _ in 0..10 {
        assert!(matches!(receive_error(&mut link).await, SignalingError::Closed));
    }
}

#[tokio::test]
async fn a_line_that_never_ends_fails_in_time() {
    // The second one begins in the same packet in which a whole line ends.
    for (text, objects) in [("{", 0), (&format!("{ANSWER}\n{{"), 1)] {
        let (mut link, mut peer) = link_and_peer(limits().object_timeout(SHORT)).await;
        peer.write_all(text.as_bytes()).await.unwrap();
        for _ in 0..objects {
            assert_eq!(receive(&mut link).await, Some(answer()));
        }
        let error = receive_error(&mut link).await;
        assert!(matches!(error, SignalingError::TimedOut { limit: SHORT, .. }), "{error:?}");
        assert!(matches!(receive_error(&mut link).await, SignalingError::Closed));
    }
}

#[tokio::test]
async fn a_line_that_drips_fails_in_time() {
    let (mut link, mut peer) = link_and_peer(limits().object_timeout(SHORT)).await;
    let drip = tokio::spawn(async move {
        while peer.write_all(b" ").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    let error = receive_error(&mut link).await;
    assert!(matches!(error, SignalingError::TimedOut { .. }), "{error:?}");
    drop(link);
    soon(drip).await.unwrap();
}

#[tokio::test]
async fn an_object_may_have_as_many_bytes_as_the_limit_and_no_more() {
    let exact = limits().max_bytes_per_object(ANSWER.len());
    let (mut link, mut peer) = link_and_peer(exact.clone()).await;
    peer.write_all(format!("{ANSWER}\n {ANSWER}\n").as_bytes()).await.unwrap();
    assert_eq!(receive(&mut link).await, Some(answer()));
    let error = receive_error(&mut link).await;
    assert_eq!(error.to_string(), format!("a signaling object is larger than {} bytes", ANSWER.len()));

    // Nobody has to wait for the end of a line that is too long already.
    let (mut link, mut peer) = link_and_peer(exact).await;
    peer.write_all("x".repeat(ANSWER.len() + 1).as_bytes()).await.unwrap();
    assert!(matches!(receive_error(&mut link).await, SignalingError::TooLarge { .. }));

    // What is sent is bounded as well, and the link lives on.
    let (mut link, mut peer) = link_and_peer(limits().max_bytes_per_object(ANSWER.len() - 1)).await;
    assert!(matches!(link.send(answer()).await, Err(SignalingError::TooLarge { .. })));
    link.send(offer()).await.unwrap();
    link.close().await;
    assert_eq!(everything_from(&mut peer).await, format!("{}\n{BYE}\n", offer().to_json()));
}

#[tokio::test]
async fn ten_mebibytes_without_a_line_end_are_not_kept() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    let flood = tokio::spawn(async move {
        let chunk = [b'x'; 64 * 1024];
        let mut written = 0;
        while written < 10 << 20 && peer.write_all(&chunk).await.is_ok() {
            written += chunk.len();
        }
        written
    });
    assert!(matches!(receive_error(&mut link).await, SignalingError::TooLarge { limit: 65_536 }));
    drop(link);
    assert!(soon(flood).await.unwrap() < 10 << 20);
}

#[tokio::test]
async fn a_link_carries_so_many_objects_and_no_more() {
    let (mut link, mut peer) = link_and_peer(limits().max_objects(3)).await;
    // Those that mean nothing count, or they would keep the link busy for ever.
    let lines =
        format!("{ANSWER}\n{{\"type\": \"renegotiate\", \"renegotiate\": true}}\n{ANSWER}\n{ANSWER}\n");
    peer.write_all(lines.as_bytes()).await.unwrap();
    assert_eq!(receive(&mut link).await, Some(answer()));
    assert_eq!(receive(&mut link).await, Some(answer()));
    let error = receive_error(&mut link).await;
    assert_eq!(error.to_string(), "the other side sent more than 3 signaling objects");
}

#[tokio::test]
async fn a_flood_of_empty_lines_ends() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    let flood = tokio::spawn(async move { while peer.write_all(&[b'\n'; 4096]).await.is_ok() {} });
    assert!(matches!(receive_error(&mut link).await, SignalingError::TooManyObjects { limit: 128 }));
    drop(link);
    soon(flood).await.unwrap();
}

#[tokio::test]
async fn sending_to_a_client_that_never_reads_fails_in_time() {
    let (mut link, peer) = link_and_peer(limits().send_timeout(SHORT)).await;
    let error = send_until_it_fails(&mut link).await;
    assert!(matches!(error, SignalingError::TimedOut { limit: SHORT, .. }), "{error:?}");
    assert!(matches!(link.send(offer()).await, Err(SignalingError::Closed)));
    soon(link.close()).await;
    drop(peer);
}

#[tokio::test]
async fn closing_towards_a_client_that_never_reads_takes_less_than_a_second() {
    let (mut link, peer) = link_and_peer(limits()).await;
    while tokio::time::timeout(SHORT, link.send(super::large_offer(60_000))).await.is_ok() {}
    tokio::time::timeout(std::time::Duration::from_secs(1), link.close()).await.unwrap();
    drop(peer);
}

#[tokio::test]
async fn a_silent_client_keeps_nobody_else_out() {
    let listener = TcpSignalingListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let silent = TcpStream::connect(address).await.unwrap();
    let mut to_silent = soon(listener.accept()).await.unwrap();
    let waiting = tokio::spawn(async move { to_silent.receive().await });

    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.write_all(format!("{ANSWER}\n").as_bytes()).await.unwrap();
    let mut link = soon(listener.accept()).await.unwrap();
    assert_eq!(receive(&mut link).await, Some(answer()));
    assert!(!waiting.is_finished());
    drop(silent);
    assert_eq!(soon(waiting).await.unwrap().unwrap(), None);
}
