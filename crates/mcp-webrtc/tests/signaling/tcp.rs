//! TCP links with peers that behave: exact bytes, leaving, and several links at once.

use mcp_webrtc::signaling::{Signal, Signaling, SignalingError, TcpSignaling, TcpSignalingListener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{AIORTC, ANSWER, BYE, OFFER, answer, candidate, limits, not_yet, offer, receive, soon};
use super::{SHORT, large_offer};

/// A link of ours and the bare socket at its other end.
pub(super) async fn link_and_peer(
    limits: mcp_webrtc::signaling::SignalingLimits,
) -> (TcpSignaling, TcpStream) {
    let listener = TcpSignalingListener::bind("127.0.0.1:0").await.unwrap().with_limits(limits);
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (soon(listener.accept()).await.unwrap(), peer)
}

pub(super) async fn everything_from(peer: &mut TcpStream) -> String {
    let mut text = String::new();
    soon(peer.read_to_string(&mut text)).await.unwrap();
    text
}

#[tokio::test]
async fn what_aiortc_wrote_is_read_and_written_again_with_the_same_bytes() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    peer.write_all(AIORTC.as_bytes()).await.unwrap();
    let mut signals = Vec::new();
    while let Some(signal) = receive(&mut link).await {
        signals.push(signal);
    }
    let [Signal::Offer { sdp }, Signal::Answer { .. }, Signal::Candidate(candidate), Signal::Bye] =
        &signals[..]
    else {
        panic!("{signals:?}");
    };
    assert!(sdp.starts_with("v=0\r\no=- ") && sdp.ends_with("a=setup:actpass\r\n"), "{sdp}");
    assert_eq!(candidate.sdp_mid.as_deref(), Some("0"));
    for signal in signals {
        link.send(signal).await.unwrap();
    }
    link.close().await;
    assert_eq!(everything_from(&mut peer).await, AIORTC);
}

#[tokio::test]
async fn two_of_ours_exchange_offer_and_answer() {
    let listener = TcpSignalingListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut dialer = TcpSignaling::connect(address).await.unwrap();
    let mut listening = soon(listener.accept()).await.unwrap();
    listening.send(offer()).await.unwrap();
    assert_eq!(receive(&mut dialer).await, Some(offer()));
    dialer.send(answer()).await.unwrap();
    assert_eq!(receive(&mut listening).await, Some(answer()));
    assert!(dialer.is_local() && listening.is_local());
    assert_eq!(dialer.describe(), format!("TCP {address}"));
    dialer.close().await;
    assert_eq!(receive(&mut listening).await, Some(Signal::Bye));
    assert_eq!(receive(&mut listening).await, None);
    listening.close().await;
}

#[tokio::test]
async fn closing_writes_bye_once_before_the_end_of_the_connection() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    link.send(offer()).await.unwrap();
    link.close().await;
    link.close().await;
    assert_eq!(everything_from(&mut peer).await, format!("{OFFER}\n{BYE}\n"));
    assert!(matches!(link.send(offer()).await, Err(SignalingError::Closed)));
    assert_eq!(receive(&mut link).await, None);
}

#[tokio::test]
async fn a_bye_that_was_sent_is_not_said_again() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    link.send(Signal::Bye).await.unwrap();
    assert!(matches!(link.send(offer()).await, Err(SignalingError::Closed)));
    link.close().await;
    assert_eq!(everything_from(&mut peer).await, format!("{BYE}\n"));
}

#[tokio::test]
async fn a_link_that_is_dropped_still_says_bye() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    link.send(answer()).await.unwrap();
    drop(link);
    assert_eq!(everything_from(&mut peer).await, format!("{ANSWER}\n{BYE}\n"));
}

#[tokio::test]
async fn bye_arrives_also_where_the_peer_has_sent_what_nobody_read() {
    for dropped in [false, true] {
        let (mut link, mut peer) = link_and_peer(limits()).await;
        peer.write_all(AIORTC.repeat(4).as_bytes()).await.unwrap();
        // One object is handed over; what came with it stays behind.
        assert!(receive(&mut link).await.is_some());
        if !dropped {
            link.close().await;
        }
        drop(link);
        // A reset in place of the end would be an error here.
        assert_eq!(everything_from(&mut peer).await, format!("{BYE}\n"));
    }
}

#[tokio::test]
async fn bye_is_heard_at_every_step_and_ends_the_reading() {
    let candidate_line = candidate("candidate:1 1 udp 1 192.0.2.7 9 typ host").to_json();
    for before in [vec![], vec![ANSWER], vec![ANSWER, &candidate_line], vec!["", "", ANSWER]] {
        let (mut link, mut peer) = link_and_peer(limits()).await;
        let lines: String = before.iter().chain(&[BYE, OFFER]).map(|line| format!("{line}\n")).collect();
        peer.write_all(lines.as_bytes()).await.unwrap();
        for _ in before.iter().filter(|line| !line.is_empty()) {
            assert_ne!(receive(&mut link).await, Some(Signal::Bye));
        }
        assert_eq!(receive(&mut link).await, Some(Signal::Bye));
        assert_eq!(receive(&mut link).await, None);
        assert_eq!(receive(&mut link).await, None);
    }
}

#[tokio::test]
async fn the_end_of_the_connection_is_none_at_every_step() {
    for (text, objects) in
        [("", 0), ("\n\n", 0), (&format!("{ANSWER}\n"), 1), (&format!("{ANSWER}\n{OFFER}"), 1)]
    {
        for reset in [false, true] {
            let (mut link, mut peer) = link_and_peer(limits()).await;
            peer.write_all(text.as_bytes()).await.unwrap();
            for _ in 0..objects {
                assert_eq!(receive(&mut link).await, Some(answer()));
            }
            // With a lingering time of zero the connection is reset instead of ended.
            if reset {
                peer.set_zero_linger().unwrap();
            }
            drop(peer);
            assert_eq!(receive(&mut link).await, None);
            assert_eq!(receive(&mut link).await, None);
            soon(link.close()).await;
        }
    }
}

#[tokio::test]
async fn empty_lines_and_carriage_returns_are_read_over() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    peer.write_all(format!("\n \n\r\n{ANSWER}\r\n\n\n{OFFER}\n").as_bytes()).await.unwrap();
    assert_eq!(receive(&mut link).await, Some(answer()));
    assert_eq!(receive(&mut link).await, Some(offer()));
    not_yet(link.receive()).await;
}

#[tokio::test]
async fn a_link_may_be_silent_for_longer_than_an_object_may_take() {
    let (mut link, mut peer) = link_and_peer(limits().object_timeout(SHORT)).await;
    for _ in 0..2 {
        // Time has to pass here: three times what an object may take.
        tokio::time::timeout(3 * SHORT, link.receive()).await.unwrap_err();
        peer.write_all(format!("{ANSWER}\n").as_bytes()).await.unwrap();
        assert_eq!(receive(&mut link).await, Some(answer()));
    }
}

#[tokio::test]
async fn a_receive_that_is_dropped_loses_nothing() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    for part in ["{\"sdp\": ", "\"v=0\\r\\n\", \"ty", "pe\": \"off"] {
        peer.write_all(part.as_bytes()).await.unwrap();
        not_yet(link.receive()).await;
    }
    peer.write_all(b"er\"}\n").await.unwrap();
    assert_eq!(receive(&mut link).await, Some(offer()));
}

#[tokio::test]
async fn a_send_that_is_dropped_halfway_is_finished_by_the_next() {
    let (mut link, peer) = link_and_peer(limits()).await;
    let large = large_offer(60_000);
    let mut sent = 0;
    // The one that does not get through is dropped; part of it has been written.
    while tokio::time::timeout(SHORT, link.send(large.clone())).await.is_ok() {
        sent += 1;
    }
    // Those that are dropped while there is no room for a byte leave nothing behind, or they would add up.
    for _ in 0..3 {
        not_yet(link.send(large.clone())).await;
    }
    let reader = tokio::spawn(async move {
        let mut peer = peer;
        everything_from(&mut peer).await
    });
    soon(link.send(answer())).await.unwrap();
    soon(link.close()).await;
    let expected = format!("{}{ANSWER}\n{BYE}\n", format!("{}\n", large.to_json()).repeat(sent + 1));
    assert!(reader.await.unwrap() == expected);
}

#[tokio::test]
async fn a_second_client_is_a_second_link_and_takes_nothing_from_the_first() {
    let listener = TcpSignalingListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut first = TcpSignaling::connect(address).await.unwrap();
    let mut to_first = soon(listener.accept()).await.unwrap();
    to_first.send(offer()).await.unwrap();

    let mut second = TcpSignaling::connect(address).await.unwrap();
    let mut to_second = soon(listener.accept()).await.unwrap();
    second.send(candidate("candidate:second")).await.unwrap();
    second.close().await;
    assert_eq!(receive(&mut to_second).await, Some(candidate("candidate:second")));
    assert_eq!(receive(&mut to_second).await, Some(Signal::Bye));
    assert_eq!(receive(&mut second).await, None);

    assert_eq!(receive(&mut first).await, Some(offer()));
    first.send(answer()).await.unwrap();
    assert_eq!(receive(&mut to_first).await, Some(answer()));
}

#[tokio::test]
async fn an_accept_that_is_dropped_loses_no_connection() {
    let listener = TcpSignalingListener::bind("127.0.0.1:0").await.unwrap();
    not_yet(listener.accept()).await;
    let mut dialer = TcpSignaling::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut listening = soon(listener.accept()).await.unwrap();
    listening.send(offer()).await.unwrap();
    assert_eq!(receive(&mut dialer).await, Some(offer()));
}

#[tokio::test]
async fn the_mark_for_no_more_candidates_is_kept_from_aiortc() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    link.send(candidate("")).await.unwrap();
    link.close().await;
    assert_eq!(everything_from(&mut peer).await, format!("{BYE}\n"));
}

#[tokio::test]
async fn connecting_where_nobody_listens_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = TcpSignaling::connect(address).await.unwrap_err();
    assert_eq!(error.to_string(), format!("could not connect to {address}"));
    let SignalingError::Io { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
    let error = TcpSignaling::connect("name.invalid:1").await.unwrap_err();
    assert_eq!(error.to_string(), "could not resolve the address of the other side");
}

/// Elsewhere a full queue of connections is refused at once.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn connecting_to_a_host_that_does_not_answer_fails_in_time() {
    let listener = tokio::net::TcpSocket::new_v4().unwrap();
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listener.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts, so after a few connections the system no longer answers new ones.
    let mut connections = Vec::new();
    let error = loop {
        match soon(TcpSignaling::connect_with(address, limits().connect_timeout(SHORT))).await {
            Ok(connection) => connections.push(connection),
            Err(error) => break error,
        }
        assert!(connections.len() < 10, "the queue of connections should be full by now");
    };
    assert!(matches!(error, SignalingError::TimedOut { limit: SHORT, .. }), "{error:?}");
}

#[test]
fn a_link_may_be_dropped_after_its_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (link, peer) = runtime.block_on(link_and_peer(limits()));
    drop(runtime);
    drop((link, peer));
}
