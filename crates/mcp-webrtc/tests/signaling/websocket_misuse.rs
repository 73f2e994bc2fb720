//! WebSocket links with peers that misbehave: each of them gets an error and a close code of its kind, in time.

use futures_util::{SinkExt, StreamExt};
use mcp_webrtc::signaling::{Signaling, SignalingError, SignalingLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use super::websocket::{Peer, everything_from, link_and_peer, listener, open};
use super::{ANSWER, BYE, SHORT, answer, limits, offer, receive, receive_error, send_until_it_fails, soon};

fn frame(text: &[u8], data: Data, last: bool) -> Message {
    Message::Frame(Frame::message(text.to_vec(), OpCode::Data(data), last))
}

/// Sends some messages, and returns the link's error and what the peer gets to see of it.
async fn error_after(limits: SignalingLimits, messages: Vec<Message>) -> (SignalingError, Option<CloseCode>) {
    let (mut link, mut peer) = link_and_peer(limits).await;
    for message in messages {
        // The link may be gone before the last one.
        let _ = peer.send(message).await;
    }
    let error = receive_error(&mut link).await;
    assert!(matches!(receive_error(&mut link).await, SignalingError::Closed));
    let reader = tokio::spawn(async move { everything_from(&mut peer).await });
    soon(link.close()).await;
    let (texts, code) = soon(reader).await.unwrap();
    assert_eq!(texts, [BYE]);
    (error, code)
}

#[tokio::test]
async fn messages_that_are_not_text_are_refused() {
    for message in [
        Message::binary(ANSWER.as_bytes().to_vec()),
        Message::binary(Vec::new()),
        frame(b"{\"type\": \"bye\xff\"}", Data::Text, true),
    ] {
        let (error, code) = error_after(limits(), vec![message]).await;
        assert!(matches!(error, SignalingError::NotText), "{error:?}");
        assert_eq!(code, Some(CloseCode::Unsupported));
    }
}

#[tokio::test]
async fn garbage_is_malformed_and_what_follows_is_not_read() {
    for text in ["", "hello", "{\"type\": \"offer\"}", "\n"] {
        let (error, code) = error_after(limits(), vec![Message::text(text), Message::text(ANSWER)]).await;
        assert!(matches!(error, SignalingError::Malformed { .. }), "{text}: {error:?}");
        assert_eq!(code, Some(CloseCode::Policy));
    }
}

#[tokio::test]
async fn a_message_may_have_as_many_bytes_as_the_limit_and_no_more() {
    let exact = || limits().max_bytes_per_object(ANSWER.len());
    let (mut link, mut peer) = link_and_peer(exact()).await;
    peer.send(Message::text(ANSWER)).await.unwrap();
    assert_eq!(receive(&mut link).await, Some(answer()));

    let (half, rest) = ANSWER.as_bytes().split_at(10);
    let too_long = [rest, b" "].concat();
    for messages in [
        vec![Message::text(format!("{ANSWER} "))],
        vec![frame(half, Data::Text, false), frame(&too_long, Data::Continue, false)],
    ] {
        let (error, code) = error_after(exact(), messages).await;
        assert!(matches!(error, SignalingError::TooLarge { limit } if limit == ANSWER.len()), "{error:?}");
        assert_eq!(code, Some(CloseCode::Size));
    }
}

#[tokio::test]
async fn a_frame_that_announces_too_much_is_refused_before_it_comes() {
    let (mut link, peer) = link_and_peer(limits()).await;
    let mut stream = peer.into_inner();
    // A text frame of 2^16 + 1 bytes, masked.
    stream.write_all(b"\x81\xff\x00\x00\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00").await.unwrap();
    assert!(matches!(receive_error(&mut link).await, SignalingError::TooLarge { limit: 65_536 }));
}

#[tokio::test]
async fn frames_that_break_the_protocol_are_refused() {
    for bytes in [
        // Not masked; reserved bits set; an unknown kind of frame; a continuation of nothing; a split ping.
        &b"\x81\x02{}"[..],
        b"\xf1\x80\x00\x00\x00\x00",
        b"\x83\x80\x00\x00\x00\x00",
        b"\x80\x80\x00\x00\x00\x00",
        b"\x09\x80\x00\x00\x00\x00",
    ] {
        let (mut link, peer) = link_and_peer(limits()).await;
        let mut stream = peer.into_inner();
        stream.write_all(bytes).await.unwrap();
        let error = receive_error(&mut link).await;
        assert!(matches!(error, SignalingError::NotWebSocket(_)), "{bytes:x?}: {error:?}");
        soon(link.close()).await;
    }
}

#[tokio::test]
async fn a_message_that_never_ends_fails_in_time() {
    let begun: [&[u8]; 3] = [
        // The beginning of a frame, a whole fragment without the last one, and the same behind a whole message.
        b"\x81",
        b"\x01\x82\x00\x00\x00\x00{ ",
        b"\x81\x8f\x00\x00\x00\x00{\"type\": \"bye!\x01\x82",
    ];
    for bytes in begun {
        let (mut link, peer) = link_and_peer(limits().object_timeout(SHORT)).await;
        let mut stream = peer.into_inner();
        stream.write_all(bytes).await.unwrap();
        let error = receive_error(&mut link).await;
        let expected = match bytes.len() {
            20.. => matches!(error, SignalingError::Malformed { .. }),
            _ => matches!(error, SignalingError::TimedOut { limit: SHORT, .. }),
        };
        assert!(expected, "{error:?}");
    }
}

#[tokio::test]
async fn a_message_that_drips_in_empty_fragments_fails_in_time() {
    let (mut link, mut peer) = link_and_peer(limits().object_timeout(SHORT)).await;
    let drip = tokio::spawn(async move {
        let mut fragment = frame(b"", Data::Text, false);
        while peer.send(fragment).await.is_ok() {
            fragment = frame(b"", Data::Continue, false);
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    let error = receive_error(&mut link).await;
    assert!(matches!(error, SignalingError::TimedOut { .. }), "{error:?}");
    drop(link);
    soon(drip).await.unwrap();
}

#[tokio::test]
async fn a_link_carries_so_many_objects_and_no_more() {
    let messages = [ANSWER, "{\"type\": \"x\"}", ANSWER].map(Message::text).to_vec();
    let (mut link, mut peer) = link_and_peer(limits().max_objects(2)).await;
    for message in messages {
        peer.send(message).await.unwrap();
    }
    assert_eq!(receive(&mut link).await, Some(answer()));
    assert!(matches!(receive_error(&mut link).await, SignalingError::TooManyObjects { limit: 2 }));
}

#[tokio::test]
async fn a_flood_of_pings_ends() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    let flood = tokio::spawn(async move { while peer.send(Message::Ping("x".into())).await.is_ok() {} });
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

async fn assert_works(link: &mut impl Signaling, peer: &mut Peer) {
    link.send(offer()).await.unwrap();
    assert_eq!(soon(peer.next()).await.unwrap().unwrap(), Message::text(offer().to_json()));
}

#[tokio::test]
async fn a_slow_upgrade_keeps_nobody_else_out() {
    let listener = listener(limits()).await;
    let address = listener.local_addr().unwrap();
    let silent = TcpStream::connect(address).await.unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let mut not_http = TcpStream::connect(address).await.unwrap();
    not_http.write_all(b"\x16\x03\x01\x02\x00\x01\r\n\r\n").await.unwrap();
    let mut no_upgrade = TcpStream::connect(address).await.unwrap();
    no_upgrade.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();

    let (link, peer) = soon(async { tokio::join!(listener.accept(), open(&listener, "/", &[])) }).await;
    assert_works(&mut link.unwrap(), &mut peer.unwrap()).await;
    drop((silent, half));
}

#[tokio::test]
async fn an_upgrade_that_takes_too_long_is_dropped() {
    let listener = listener(limits().connect_timeout(SHORT)).await;
    let mut silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut scrap = [0];
    tokio::select! {
        link = listener.accept() => panic!("{link:?}"),
        bytes = soon(silent.read(&mut scrap)) => assert_eq!(bytes.unwrap_or(0), 0),
    }
}

#[tokio::test]
async fn silent_connections_give_way_to_new_ones() {
    let listener = listener(limits()).await.max_pending_upgrades(2);
    let address = listener.local_addr().unwrap();
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut scrap = [0];
    // The third one pushes the first one out, long before its time is up.
    tokio::select! {
        link = listener.accept() => panic!("{link:?}"),
        bytes = soon(silent[0].read(&mut scrap)) => assert_eq!(bytes.unwrap_or(0), 0),
    }
    let (link, peer) = soon(async { tokio::join!(listener.accept(), open(&listener, "/", &[])) }).await;
    assert_works(&mut link.unwrap(), &mut peer.unwrap()).await;
    assert_eq!(soon(silent[1].read(&mut scrap)).await.unwrap_or(0), 0);
    super::not_yet(silent[2].read(&mut scrap)).await;
}

#[tokio::test]
async fn a_listener_that_is_dropped_takes_its_unfinished_upgrades_along() {
    let listener = listener(limits()).await;
    let mut silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    super::not_yet(listener.accept()).await;
    drop(listener);
    assert_eq!(soon(silent.read(&mut [0])).await.unwrap_or(0), 0);
}
