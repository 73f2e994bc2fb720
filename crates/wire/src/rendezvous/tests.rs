//! Exact bytes of the messages and of what a registration signs.

use super::*;
use crate::Fingerprint;

fn fingerprint(byte: u8) -> Fingerprint {
    Fingerprint::from_bytes([byte; 32])
}

fn text(byte: u8) -> String {
    fingerprint(byte).to_string()
}

#[test]
fn client_messages_have_these_bytes() {
    let session: KnockId = "k-1".parse().unwrap();
    let cases = [
        (
            ClientMessage::Register {
                role: RendezvousRole::Desktop,
                authority: "meet.example.org:443".into(),
                certificate: vec![1, 2],
                signature: vec![3, 4, 5],
            },
            r#"{"type":"register","role":"desktop","authority":"meet.example.org:443","certificate":"AQI=","signature":"AwQF"}"#
                .to_owned(),
        ),
        (
            ClientMessage::Knock {
                to: fingerprint(0xAB),
                session: session.clone(),
                invitation: Some("0123456789abcdef".parse().unwrap()),
            },
            format!(
                r#"{{"type":"knock","to":"{}","session":"k-1","invitation":"0123456789abcdef"}}"#,
                text(0xAB)
            ),
        ),
        (
            ClientMessage::Knock { to: fingerprint(0xAB), session: session.clone(), invitation: None },
            format!(r#"{{"type":"knock","to":"{}","session":"k-1"}}"#, text(0xAB)),
        ),
        (
            ClientMessage::Forward {
                to: fingerprint(1),
                session: session.clone(),
                body: Opaque::new(r#"{ "type": "bye", "x": 1.0 }"#.to_owned()).unwrap(),
            },
            format!(
                r#"{{"type":"forward","to":"{}","session":"k-1","body":{{ "type": "bye", "x": 1.0 }}}}"#,
                text(1)
            ),
        ),
        (
            ClientMessage::Decline {
                to: fingerprint(1),
                session: session.clone(),
                code: DeclineCode::NotKnown,
            },
            format!(r#"{{"type":"decline","to":"{}","session":"k-1","code":"not_known"}}"#, text(1)),
        ),
        (
            ClientMessage::Leave { to: fingerprint(1), session },
            format!(r#"{{"type":"leave","to":"{}","session":"k-1"}}"#, text(1)),
        ),
    ];
    for (message, json) in cases {
        assert_eq!(message.to_json(), json);
        assert_eq!(ClientMessage::parse(json.as_bytes()).unwrap(), message);
    }
}

#[test]
fn server_messages_have_these_bytes() {
    let session: KnockId = "k-1".parse().unwrap();
    let server = IceServer {
        urls: vec!["turn:turn.example.org:3478".into()],
        username: Some("u".into()),
        credential: Some("c".into()),
    };
    let stun = IceServer { urls: vec!["stun:s.example.org".into()], username: None, credential: None };
    let cases = [
        (
            ServerMessage::Challenge { version: 1, nonce: Nonce([0; 32]) },
            r#"{"type":"challenge","version":1,"nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}"#
                .to_owned(),
        ),
        (
            ServerMessage::Registered {
                fingerprint: fingerprint(2),
                address: "192.0.2.7:5123".into(),
                ice_servers: vec![server],
            },
            format!(
                r#"{{"type":"registered","fingerprint":"{}","address":"192.0.2.7:5123","ice_servers":[{{"urls":["turn:turn.example.org:3478"],"username":"u","credential":"c"}}]}}"#,
                text(2)
            ),
        ),
        (
            ServerMessage::IceServers { ice_servers: vec![stun] },
            r#"{"type":"ice_servers","ice_servers":[{"urls":["stun:s.example.org"]}]}"#.to_owned(),
        ),
        (
            ServerMessage::Knocking { to: fingerprint(2), session: session.clone(), local: true },
            format!(r#"{{"type":"knocking","to":"{}","session":"k-1","local":true}}"#, text(2)),
        ),
        (
            ServerMessage::Knocked {
                from: fingerprint(2),
                session: session.clone(),
                invitation: None,
                local: false,
            },
            format!(r#"{{"type":"knocked","from":"{}","session":"k-1"}}"#, text(2)),
        ),
        (
            ServerMessage::Forwarded {
                from: fingerprint(2),
                session: session.clone(),
                body: Opaque::new("{}".to_owned()).unwrap(),
            },
            format!(r#"{{"type":"forwarded","from":"{}","session":"k-1","body":{{}}}}"#, text(2)),
        ),
        (
            ServerMessage::Unreachable { to: fingerprint(2), session: session.clone() },
            format!(r#"{{"type":"unreachable","to":"{}","session":"k-1"}}"#, text(2)),
        ),
        (
            ServerMessage::Declined {
                from: fingerprint(2),
                session: session.clone(),
                code: DeclineCode::Busy,
            },
            format!(r#"{{"type":"declined","from":"{}","session":"k-1","code":"busy"}}"#, text(2)),
        ),
        (
            ServerMessage::Gone { peer: fingerprint(2), session: session.clone() },
            format!(r#"{{"type":"gone","peer":"{}","session":"k-1"}}"#, text(2)),
        ),
        (ServerMessage::Draining { seconds: 5 }, r#"{"type":"draining","seconds":5}"#.to_owned()),
        (
            ServerMessage::Error {
                code: RendezvousErrorCode::TooFast,
                message: "wait".into(),
                session: Some(session),
            },
            r#"{"type":"error","code":"too_fast","message":"wait","session":"k-1"}"#.to_owned(),
        ),
    ];
    for (message, json) in cases {
        assert_eq!(message.to_json(), json);
        assert_eq!(ServerMessage::parse(json.as_bytes()).unwrap(), message);
    }
}

#[test]
fn what_a_later_version_adds_is_skipped() {
    assert_eq!(ClientMessage::parse(br#"{"type":"wave","x":1}"#).unwrap(), ClientMessage::Unknown);
    assert_eq!(ServerMessage::parse(br#"{"x":1,"type":"wave"}"#).unwrap(), ServerMessage::Unknown);
    let more = br#"{"type":"draining","seconds":1,"more":[1,2]}"#;
    assert_eq!(ServerMessage::parse(more).unwrap(), ServerMessage::Draining { seconds: 1 });
    let code = br#"{"type":"error","code":"moon","message":"m"}"#;
    assert!(matches!(
        ServerMessage::parse(code).unwrap(),
        ServerMessage::Error { code: RendezvousErrorCode::Other, .. }
    ));
}

#[test]
fn what_breaks_a_limit_is_refused() {
    let to = text(1);
    let long = "x".repeat(65);
    let body = format!(r#"{{"x":"{}"}}"#, "y".repeat(65_536));
    for bad in [
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        r#"{"type":7}"#.to_owned(),
        r#"{"type":"knock","type":"knock"}"#.to_owned(),
        format!(r#"{{"type":"knock","to":"{to}","session":""}}"#),
        format!(r#"{{"type":"knock","to":"{to}","session":"{long}"}}"#),
        format!(r#"{{"type":"knock","to":"{to}","session":"a b"}}"#),
        format!(r#"{{"type":"knock","to":"{to}","session":"a","session":"b"}}"#),
        format!(r#"{{"type":"knock","to":"{to}","session":"a","invitation":"0123456789ABCDEF"}}"#),
        format!(r#"{{"type":"knock","to":"{}","session":"a"}}"#, &to[3..]),
        format!(r#"{{"type":"forward","to":"{to}","session":"a","body":[]}}"#),
        format!(r#"{{"type":"forward","to":"{to}","session":"a","body":"text"}}"#),
        format!(r#"{{"type":"forward","to":"{to}","session":"a","body":{body}}}"#),
        format!(
            r#"{{"type":"register","role":"agent","authority":"{}","certificate":"","signature":""}}"#,
            "a".repeat(261)
        ),
        r#"{"type":"register","role":"king","authority":"a:1","certificate":"","signature":""}"#.to_owned(),
        r#"{"type":"register","role":"agent","authority":"a:1","certificate":"?","signature":""}"#.to_owned(),
    ] {
        assert!(ClientMessage::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let huge = vec![b' '; MAX_RENDEZVOUS_BYTES + 1];
    assert!(matches!(ClientMessage::parse(&huge), Err(RendezvousMessageError::TooLarge(_))));
    assert!(matches!(ServerMessage::parse(&huge), Err(RendezvousMessageError::TooLarge(_))));
    for urls in [
        r#"[]"#,
        r#"["http://x"]"#,
        r#"["stun:a b"]"#,
        r#"["stun:a","stun:a","stun:a","stun:a","stun:a","stun:a","stun:a"]"#,
    ] {
        let message = format!(r#"{{"type":"ice_servers","ice_servers":[{{"urls":{urls}}}]}}"#);
        assert!(matches!(ServerMessage::parse(message.as_bytes()), Err(RendezvousMessageError::Limit(_))));
    }
    let loud = format!(r#"{{"type":"error","code":"idle","message":"{}"}}"#, "x".repeat(501));
    assert!(matches!(ServerMessage::parse(loud.as_bytes()), Err(RendezvousMessageError::Limit(_))));
}

#[test]
fn credentials_are_not_shown() {
    let server = IceServer {
        urls: vec!["turn:t".into()],
        username: Some("who".into()),
        credential: Some("hush".into()),
    };
    assert!(!format!("{server:?}").contains("hush"));
}

#[test]
fn urls_are_read_and_shown() {
    for (text, shown, authority, socket) in [
        (
            "https://Meet.Example.org",
            "https://meet.example.org",
            "meet.example.org:443",
            "wss://meet.example.org/v1/rendezvous",
        ),
        (
            "http://192.0.2.7:7424/",
            "http://192.0.2.7:7424",
            "192.0.2.7:7424",
            "ws://192.0.2.7:7424/v1/rendezvous",
        ),
        ("HTTPS://a:443/x/y/", "https://a/x/y", "a:443", "wss://a/x/y/v1/rendezvous"),
        ("http://[::1]", "http://[::1]", "[::1]:80", "ws://[::1]/v1/rendezvous"),
        (
            "http://[2001:db8::1]:81",
            "http://[2001:db8::1]:81",
            "[2001:db8::1]:81",
            "ws://[2001:db8::1]:81/v1/rendezvous",
        ),
    ] {
        let url: RendezvousUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), shown);
        assert_eq!(url.authority(), authority);
        assert_eq!(url.websocket(), socket);
        assert_eq!(shown.parse::<RendezvousUrl>().unwrap(), url);
    }
    for bad in [
        "",
        "meet.example.org",
        "ws://a",
        "http://",
        "http://:80",
        "http://a:0",
        "http://a:70000",
        "http://a:b",
        "http://u@a",
        "http://a?x",
        "http://a#x",
        "http://[::1",
        "http://[x]",
        "http://a b",
        "http://ä",
        "http://a:80:80",
    ] {
        assert!(bad.parse::<RendezvousUrl>().is_err(), "{bad:?}");
    }
}

/// The vectors that other implementations are checked against.
#[derive(serde::Deserialize)]
struct Vectors {
    registrations: Vec<Vector>,
}

#[derive(serde::Deserialize)]
struct Vector {
    domain: String,
    role: RendezvousRole,
    authority: String,
    nonce: Nonce,
    fingerprint: Fingerprint,
    signed_hex: String,
}

#[test]
fn a_registration_signs_these_bytes() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../../../tests/vectors/rendezvous.json")).unwrap();
    assert!(!vectors.registrations.is_empty());
    for vector in vectors.registrations {
        assert_eq!(vector.domain, REGISTRATION_DOMAIN);
        let content =
            registration_content(vector.role, &vector.authority, &vector.nonce, &vector.fingerprint);
        let signed: String =
            signed_bytes(&vector.domain, &content).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(signed, vector.signed_hex);
    }
}

#[test]
fn every_part_of_a_registration_counts() {
    let content = |role, authority, nonce, print| {
        registration_content(role, authority, &Nonce([nonce; 32]), &fingerprint(print))
    };
    let first = content(RendezvousRole::Agent, "a:1", 1, 1);
    for other in [
        content(RendezvousRole::Desktop, "a:1", 1, 1),
        content(RendezvousRole::Agent, "a:11", 1, 1),
        content(RendezvousRole::Agent, "a:1", 2, 1),
        content(RendezvousRole::Agent, "a:1", 1, 2),
    ] {
        assert_ne!(first, other);
    }
}
