//! What one client can cost, and that it costs the others nothing.

use std::time::Duration;

use gatelodge_wire::{
    ClientMessage, DeclineCode, Opaque, RendezvousErrorCode, RendezvousRole, ServerMessage,
};
use mcp_webrtc::Identity;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::desks::{PATIENCE, config, server};
use crate::raw::Raw;

fn identity() -> Identity {
    Identity::generate().unwrap()
}

#[tokio::test]
async fn connections_are_counted_by_address_and_in_all() {
    let mut few = config();
    few.limits.max_connections_per_address = 2;
    few.trust_forwarded_for = true;
    few.limits.max_connections = 4;
    let (server, url) = server(few).await;
    let from = async |address| Raw::connect_with(&url, &[("x-forwarded-for", address)]).await;
    let (first, _second) = (from("192.0.2.1").await, from("10.0.0.1, 192.0.2.1").await);
    assert_eq!(from("192.0.2.1").await.err(), Some(429));
    // Another address, and one network of IPv6 addresses.
    let _third = from("2001:db8::1").await.unwrap();
    drop(first);
    while server.counts().connections > 2 {
        tokio::task::yield_now().await;
    }
    let _again = from("192.0.2.1").await.unwrap();
    let _last = from("2001:db8::2").await.unwrap();
    // There is no room for anybody: the connection is closed without an answer.
    let mut full = TcpStream::connect((url.host(), url.port())).await.unwrap();
    let _ = full.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, full.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.is_empty());
}

#[tokio::test]
async fn who_does_not_register_is_let_go() {
    let mut hasty = config();
    hasty.limits.handshake_timeout = Duration::from_millis(200);
    let (server, url) = server(hasty).await;
    assert_eq!(Raw::connect(&url).await.last_word().await, RendezvousErrorCode::Idle);
    // And so is who does not even send a request.
    let mut silent = TcpStream::connect((url.host(), url.port())).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, silent.read_to_end(&mut answer)).await.unwrap().unwrap();
    while server.counts().connections > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_is_silent_is_let_go() {
    let mut hasty = config();
    hasty.limits.ping_interval = Duration::from_millis(50);
    hasty.limits.idle_timeout = Duration::from_millis(200);
    let (server, url) = server(hasty).await;
    // This one reads and answers pings, as every WebSocket does, while it waits.
    let mut awake = Raw::register(&url, &identity(), RendezvousRole::Desktop).await;
    let asleep = Raw::register(&url, &identity(), RendezvousRole::Desktop).await;
    let waiting = tokio::spawn(async move { awake.hear().await });
    while server.counts().desktops > 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(asleep.last_word().await, RendezvousErrorCode::Idle);
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn messages_are_limited_in_size_and_number() {
    let mut few = config();
    few.limits.messages_per_minute = 40;
    let (_server, url) = server(few).await;
    let mut loud = Raw::register(&url, &identity(), RendezvousRole::Agent).await;
    for _ in 0..20 {
        loud.say_text(r#"{"type":"noise"}"#.to_owned()).await;
    }
    assert_eq!(loud.last_word().await, RendezvousErrorCode::TooMany);
    let mut large = Raw::register(&url, &identity(), RendezvousRole::Agent).await;
    let noise = format!(r#"{{"type":"noise","x":"{}"}}"#, "x".repeat(80_000));
    // It is cut off while it sends, perhaps.
    let _ = large.socket.get_mut().writable().await;
    use futures_util::SinkExt;
    let _ = large.socket.send(tokio_tungstenite::tungstenite::Message::text(noise)).await;
    assert!(large.hear().await.is_none());
    let mut binary = Raw::register(&url, &identity(), RendezvousRole::Agent).await;
    binary.socket.send(tokio_tungstenite::tungstenite::Message::binary(vec![1])).await.unwrap();
    assert_eq!(binary.last_word().await, RendezvousErrorCode::BadMessage);
}

#[tokio::test]
async fn who_knocks_too_often_has_to_wait_and_stays_connected() {
    let mut few = config();
    few.limits.knocks_per_minute = 8;
    let (_server, url) = server(few).await;
    let nobody = identity().fingerprint();
    let mut agent = Raw::register(&url, &identity(), RendezvousRole::Agent).await;
    let mut heard = Vec::new();
    for number in 0..4 {
        let session = format!("k{number}").parse().unwrap();
        agent.say(&ClientMessage::Knock { to: nobody, session, invitation: None }).await;
        heard.push(agent.hear().await.unwrap());
    }
    assert!(heard[..2].iter().all(|message| matches!(message, ServerMessage::Unreachable { .. })));
    let refused = |message: &ServerMessage| {
        matches!(message, ServerMessage::Error { code: RendezvousErrorCode::TooFast, session: Some(_), .. })
    };
    assert!(heard[2..].iter().all(refused), "{heard:?}");
}

/// A desktop that has stopped reading loses its own connection in the end, and holds nobody up before.
#[tokio::test]
async fn who_does_not_read_is_dropped_and_blocks_nobody() {
    let mut small = config();
    small.limits.queue_bytes = 128 * 1024;
    small.limits.messages_per_minute = 100_000;
    small.limits.knocks_per_minute = 10_000;
    small.limits.knocks_per_minute_per_address = 10_000;
    let (server, url) = server(small).await;
    let (stuck_identity, sender_identity) = (identity(), identity());
    let mut stuck = Raw::register(&url, &stuck_identity, RendezvousRole::Agent).await;
    let mut sender = Raw::register(&url, &sender_identity, RendezvousRole::Desktop).await;
    let body = Opaque::new(format!(r#"{{"x":"{}"}}"#, "y".repeat(60_000))).unwrap();
    // Whatever the sockets hold between them, it is less than what is sent here: 8 knocks with 128 objects each.
    'sending: for number in 0..8 {
        let session = format!("k{number}").parse::<gatelodge_wire::KnockId>().unwrap();
        let to = sender_identity.fingerprint();
        stuck.say(&ClientMessage::Knock { to, session: session.clone(), invitation: None }).await;
        // Where the other one has been dropped already it hears of the end of the knock before.
        let ServerMessage::Knocked { .. } = sender.hear().await.unwrap() else { break 'sending };
        for _ in 0..128 {
            let to = stuck_identity.fingerprint();
            let forward = ClientMessage::Forward { to, session: session.clone(), body: body.clone() };
            timeout(PATIENCE, sender.say(&forward)).await.unwrap();
            if server.counts().agents == 0 {
                break 'sending;
            }
        }
    }
    timeout(PATIENCE, async {
        while server.counts().agents > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    // The others go on as if nothing had been.
    let mut agent = Raw::register(&url, &identity(), RendezvousRole::Agent).await;
    let session: gatelodge_wire::KnockId = "k".parse().unwrap();
    let to = sender_identity.fingerprint();
    agent.say(&ClientMessage::Knock { to, session: session.clone(), invitation: None }).await;
    let from = loop {
        match sender.hear().await.unwrap() {
            ServerMessage::Knocked { from, session: named, .. } if named == session => break from,
            _ => {}
        }
    };
    sender.say(&ClientMessage::Decline { to: from, session, code: DeclineCode::Busy }).await;
    assert!(matches!(agent.hear().await, Some(ServerMessage::Knocking { .. })));
    assert!(matches!(agent.hear().await, Some(ServerMessage::Declined { .. })));
}
