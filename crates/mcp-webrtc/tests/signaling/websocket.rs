//! WebSocket links with peers that behave: exact messages, leaving, origins, and several links at once.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use mcp_webrtc::signaling::{Signal, Signaling, SignalingError, SignalingLimits};
use mcp_webrtc::signaling::{WebSocketSignaling, WebSocketSignalingListener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{ANSWER, BYE, OFFER, SHORT, answer, candidate, limits, not_yet, offer, receive, soon};

pub(super) type Peer = WebSocketStream<TcpStream>;

pub(super) async fn listener(limits: SignalingLimits) -> WebSocketSignalingListener {
    WebSocketSignalingListener::bind("127.0.0.1:0").await.unwrap().with_limits(limits)
}

/// Opens a WebSocket as a program other than ours does, with some more headers.
pub(super) async fn open(
    listener: &WebSocketSignalingListener,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<Peer, tungstenite::Error> {
    let address = listener.local_addr().unwrap();
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    client_async(request, stream).await.map(|(peer, _)| peer)
}

/// A link of ours and the WebSocket at its other end.
pub(super) async fn link_and_peer(limits: SignalingLimits) -> (WebSocketSignaling, Peer) {
    let listener = listener(limits).await;
    let (link, peer) = soon(async { tokio::join!(listener.accept(), open(&listener, "/", &[])) }).await;
    (link.unwrap(), peer.unwrap())
}

/// The texts that come until the close frame, and its code.
pub(super) async fn everything_from(peer: &mut Peer) -> (Vec<String>, Option<CloseCode>) {
    let mut texts = Vec::new();
    let mut code = None;
    while let Some(message) = soon(peer.next()).await {
        match message {
            Ok(Message::Text(text)) => texts.push(text.to_string()),
            Ok(Message::Close(frame)) => code = frame.map(|frame| frame.code),
            Ok(other) => panic!("{other:?}"),
            Err(_) => break,
        }
    }
    (texts, code)
}

#[tokio::test]
async fn each_object_is_one_text_message() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    link.send(offer()).await.unwrap();
    link.send(candidate("")).await.unwrap();
    peer.send(Message::text(ANSWER)).await.unwrap();
    assert_eq!(receive(&mut link).await, Some(answer()));
    assert!(link.is_local());
    assert!(link.describe().starts_with("WebSocket 127.0.0.1:"), "{}", link.describe());
    let reader = tokio::spawn(async move { everything_from(&mut peer).await });
    link.close().await;
    link.close().await;
    let end = r#"{"candidate": "", "id": "0", "label": 0, "type": "candidate"}"#;
    let expected = [OFFER, end, BYE].map(str::to_owned).to_vec();
    assert_eq!(soon(reader).await.unwrap(), (expected, Some(CloseCode::Normal)));
    assert!(matches!(link.send(offer()).await, Err(SignalingError::Closed)));
    assert_eq!(receive(&mut link).await, None);
}

#[tokio::test]
async fn what_simple_peer_sends_is_read() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    for json in [
        r#"{"type":"answer","sdp":"v=0\r\ns=ü\r\n"}"#,
        r#"{"type":"transceiverRequest","transceiverRequest":{"kind":"video"}}"#,
        r#"{"type":"renegotiate","renegotiate":true}"#,
        r#"{"type":"candidate","candidate":{"candidate":"candidate:1 1 udp 2113937151 192.0.2.7 40000 typ host","sdpMLineIndex":0,"sdpMid":"0"}}"#,
    ] {
        peer.send(Message::text(json)).await.unwrap();
    }
    assert_eq!(receive(&mut link).await, Some(answer()));
    let expected = candidate("candidate:1 1 udp 2113937151 192.0.2.7 40000 typ host");
    assert_eq!(receive(&mut link).await, Some(expected));
    not_yet(link.receive()).await;
}

#[tokio::test]
async fn two_of_ours_exchange_offer_and_answer() {
    let listener = listener(limits()).await;
    let url = format!("ws://{}/any/path?at=all", listener.local_addr().unwrap());
    let (dialer, listening) =
        soon(async { tokio::join!(WebSocketSignaling::connect(&url), listener.accept()) }).await;
    let (mut dialer, mut listening) = (dialer.unwrap(), listening.unwrap());
    listening.send(offer()).await.unwrap();
    assert_eq!(receive(&mut dialer).await, Some(offer()));
    dialer.send(answer()).await.unwrap();
    assert_eq!(receive(&mut listening).await, Some(answer()));
    assert!(dialer.is_local() && listening.is_local());
    let (_, ()) = tokio::join!(dialer.close(), async {
        assert_eq!(receive(&mut listening).await, Some(Signal::Bye));
        assert_eq!(receive(&mut listening).await, None);
        listening.close().await;
    });
}

#[tokio::test]
async fn a_link_that_is_dropped_still_says_bye() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    link.send(offer()).await.unwrap();
    drop(link);
    let expected = [OFFER, BYE].map(str::to_owned).to_vec();
    assert_eq!(everything_from(&mut peer).await, (expected, Some(CloseCode::Normal)));
}

#[tokio::test]
async fn bye_is_heard_at_every_step_and_ends_the_reading() {
    for before in [vec![], vec![ANSWER], vec![ANSWER, OFFER]] {
        let (mut link, mut peer) = link_and_peer(limits()).await;
        for text in before.iter().chain(&[BYE, OFFER]) {
            peer.send(Message::text(*text)).await.unwrap();
        }
        for _ in &before {
            assert_ne!(receive(&mut link).await, Some(Signal::Bye));
        }
        assert_eq!(receive(&mut link).await, Some(Signal::Bye));
        assert_eq!(receive(&mut link).await, None);
        assert_eq!(receive(&mut link).await, None);
    }
}

#[tokio::test]
async fn the_end_of_the_connection_is_none_at_every_step() {
    for objects in [0, 1] {
        for with_close_frame in [false, true] {
            let (mut link, mut peer) = link_and_peer(limits()).await;
            for _ in 0..objects {
                peer.send(Message::text(ANSWER)).await.unwrap();
                assert_eq!(receive(&mut link).await, Some(answer()));
            }
            if with_close_frame {
                peer.close(None).await.unwrap();
            }
            let left = tokio::spawn(async move {
                if with_close_frame { everything_from(&mut peer).await.1 } else { None }
            });
            assert_eq!(receive(&mut link).await, None);
            assert_eq!(receive(&mut link).await, None);
            soon(link.close()).await;
            soon(left).await.unwrap();
        }
    }
}

#[tokio::test]
async fn pings_are_answered_while_the_link_waits() {
    let (mut link, mut peer) = link_and_peer(limits()).await;
    let waiting = tokio::spawn(async move { receive(&mut link).await });
    for payload in ["one", "two"] {
        peer.send(Message::Ping(payload.into())).await.unwrap();
        assert_eq!(soon(peer.next()).await.unwrap().unwrap(), Message::Pong(payload.into()));
    }
    peer.send(Message::text(ANSWER)).await.unwrap();
    assert_eq!(soon(waiting).await.unwrap(), Some(answer()));
}

#[tokio::test]
async fn a_link_may_be_silent_for_longer_than_an_object_may_take() {
    let (mut link, mut peer) = link_and_peer(limits().object_timeout(SHORT)).await;
    for message in [Message::text(ANSWER), Message::Ping("".into()), Message::text(ANSWER)] {
        // Time has to pass here: three times what an object may take.
        tokio::time::timeout(3 * SHORT, link.receive()).await.unwrap_err();
        let is_object = message.is_text();
        peer.send(message).await.unwrap();
        if is_object {
            assert_eq!(receive(&mut link).await, Some(answer()));
        }
    }
}

#[tokio::test]
async fn a_second_client_is_a_second_link_and_takes_nothing_from_the_first() {
    let listener = listener(limits()).await;
    let (to_first, first) = tokio::join!(listener.accept(), open(&listener, "/", &[]));
    let (to_second, second) = tokio::join!(listener.accept(), open(&listener, "/", &[]));
    let (mut to_first, mut first) = (to_first.unwrap(), first.unwrap());
    let (mut to_second, mut second) = (to_second.unwrap(), second.unwrap());
    second.send(Message::text(OFFER)).await.unwrap();
    assert_eq!(receive(&mut to_second).await, Some(offer()));
    drop(second);
    assert_eq!(receive(&mut to_second).await, None);
    first.send(Message::text(ANSWER)).await.unwrap();
    assert_eq!(receive(&mut to_first).await, Some(answer()));
}

#[tokio::test]
async fn an_accept_that_is_dropped_loses_no_connection() {
    let listener = Arc::new(listener(limits()).await);
    let opening = tokio::spawn({
        let listener = Arc::clone(&listener);
        async move { open(&listener, "/", &[]).await.unwrap() }
    });
    // Each call is dropped at the first point where it has to wait.
    let accepting = async {
        loop {
            tokio::select! {
                biased;
                link = listener.accept() => break link.unwrap(),
                () = tokio::task::yield_now() => {}
            }
        }
    };
    let mut link = soon(accepting).await;
    let mut peer = soon(opening).await.unwrap();
    peer.send(Message::text(ANSWER)).await.unwrap();
    assert_eq!(receive(&mut link).await, Some(answer()));
}

#[tokio::test]
async fn pages_get_in_only_where_their_origin_is_allowed() {
    let listener =
        listener(limits()).await.allow_origin("https://App.example/").allow_origin("http://localhost:5173");
    let own = format!("http://{}", listener.local_addr().unwrap());
    let accepting = async {
        loop {
            drop(listener.accept().await.unwrap());
        }
    };
    let cases: [(&[&str], bool); 9] = [
        (&[], true),
        (&["https://app.example"], true),
        (&["http://localhost:5173"], true),
        (&["https://app.example:444"], false),
        (&["http://app.example"], false),
        (&["https://evil.example"], false),
        (&["https://app.example", "https://evil.example"], false),
        (&["null"], false),
        // No page comes from here, so one that says so has had a name rebound to this machine.
        (&[&own], false),
    ];
    let opening = async {
        for (origins, allowed) in cases {
            let headers: Vec<_> = origins.iter().map(|origin| ("origin", *origin)).collect();
            match open(&listener, "/", &headers).await {
                Ok(_) => assert!(allowed, "{origins:?}"),
                Err(tungstenite::Error::Http(response)) => {
                    assert_eq!((response.status().as_u16(), allowed), (403, false), "{origins:?}");
                }
                Err(error) => panic!("{origins:?}: {error}"),
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = soon(opening) => {}
    }
}

#[tokio::test]
async fn addresses_that_cannot_work_are_refused_by_name() {
    let error = WebSocketSignaling::connect("wss://192.0.2.7/").await.unwrap_err();
    assert!(matches!(error, SignalingError::TlsNotSupported), "{error:?}");
    for url in ["", "192.0.2.7:5123", "http://192.0.2.7/", "ws://", "ws:///path", "/path", "ws://a b/"] {
        let error = WebSocketSignaling::connect(url).await.unwrap_err();
        assert!(matches!(error, SignalingError::InvalidUrl { .. }), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn an_http_server_s_answer_is_reported_and_not_followed() {
    for (answer, status) in [
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", Some(403)),
        ("HTTP/1.1 302 Found\r\nlocation: ws://127.0.0.1:1/\r\n\r\n", Some(302)),
        ("HTTP/1.1 200 OK\r\n\r\nhello", Some(200)),
        ("SSH-2.0-x\r\n\r\n", None),
    ] {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", server.local_addr().unwrap());
        let serving = async {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream
        };
        let (outcome, _stream) =
            soon(async { tokio::join!(WebSocketSignaling::connect(&url), serving) }).await;
        match (outcome.unwrap_err(), status) {
            (SignalingError::Refused { status }, Some(expected)) => assert_eq!(status, expected),
            (SignalingError::NotWebSocket(_), None) => {}
            (error, _) => panic!("{answer:?}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_in_time() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let error =
        soon(WebSocketSignaling::connect_with(&url, limits().connect_timeout(SHORT))).await.unwrap_err();
    assert_eq!(error.to_string(), format!("could not open a WebSocket to {url} within 40ms"));
}

#[test]
fn a_link_may_be_dropped_after_its_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (link, peer) = runtime.block_on(link_and_peer(limits()));
    drop(runtime);
    drop((link, peer));
}
