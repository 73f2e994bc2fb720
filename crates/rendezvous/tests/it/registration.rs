//! Who may register, and as what.

use gatelodge_rendezvous::AuthorityRule;
use gatelodge_wire::{ClientMessage, RendezvousErrorCode, RendezvousRole, ServerMessage};
use mcp_webrtc::Identity;
use mcp_webrtc::signaling::rendezvous::{RendezvousAgent, RendezvousError};

use crate::desks::{config, options, server};
use crate::raw::Raw;

const AGENT: RendezvousRole = RendezvousRole::Agent;

#[tokio::test]
async fn only_a_good_proof_registers() {
    let (server, url) = server(config()).await;
    let (identity, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let authority = url.authority();

    let mut replayed = Raw::connect(&url).await;
    let earlier = Raw::connect(&url).await.proof(&identity, AGENT, &authority);
    replayed.say(&earlier).await;
    assert_eq!(replayed.last_word().await, RendezvousErrorCode::BadProof);

    let mut borrowed = Raw::connect(&url).await;
    let ClientMessage::Register { role, authority: name, signature, .. } =
        borrowed.proof(&identity, AGENT, &authority)
    else {
        unreachable!()
    };
    let certificate = other.certificate_der().to_vec();
    borrowed.say(&ClientMessage::Register { role, authority: name, certificate, signature }).await;
    assert_eq!(borrowed.last_word().await, RendezvousErrorCode::BadProof);

    let mut promoted = Raw::connect(&url).await;
    let ClientMessage::Register { authority: name, certificate, signature, .. } =
        promoted.proof(&identity, AGENT, &authority)
    else {
        unreachable!()
    };
    let role = RendezvousRole::Desktop;
    promoted.say(&ClientMessage::Register { role, authority: name, certificate, signature }).await;
    assert_eq!(promoted.last_word().await, RendezvousErrorCode::BadProof);

    let mut wrong = Raw::connect(&url).await;
    wrong.say_text("{}".to_owned()).await;
    assert_eq!(wrong.last_word().await, RendezvousErrorCode::BadMessage);

    let mut early = Raw::connect(&url).await;
    let session = "a".parse().unwrap();
    early.say(&ClientMessage::Knock { to: other.fingerprint(), session, invitation: None }).await;
    assert_eq!(early.last_word().await, RendezvousErrorCode::BadMessage);

    assert_eq!((server.counts().desktops, server.counts().agents), (0, 0));
    let mut good = Raw::register(&url, &identity, AGENT).await;
    assert_eq!(server.counts().agents, 1);
    good.say_text(r#"{"type":"something of a later version"}"#.to_owned()).await;
    let proof = good.proof(&identity, AGENT, &authority);
    good.say(&proof).await;
    assert_eq!(good.last_word().await, RendezvousErrorCode::BadMessage, "nobody registers twice");
}

/// Somebody in between lures a client, and passes on the challenge of the real rendezvous.
#[tokio::test]
async fn a_proof_for_another_rendezvous_is_of_no_use() {
    let lured = "trap.example.org:443";
    let host = [("host", lured)];
    let identity = Identity::generate().unwrap();
    let mut named = config();
    named.authority = AuthorityRule::Urls(vec!["https://meet.example.org".parse().unwrap()]);
    for config in [config(), named] {
        let (_server, url) = server(config).await;
        let mut passed_on = Raw::connect_with(&url, &host).await.unwrap();
        let proof = passed_on.proof(&identity, AGENT, lured);
        passed_on.say(&proof).await;
        assert_eq!(passed_on.last_word().await, RendezvousErrorCode::WrongAuthority);
    }
}

#[tokio::test]
async fn a_public_url_is_the_only_name() {
    let mut config = config();
    config.authority = AuthorityRule::Urls(vec!["https://meet.example.org".parse().unwrap()]);
    let (_server, url) = server(config).await;
    let identity = Identity::generate().unwrap();
    let mut client = Raw::connect(&url).await;
    let proof = client.proof(&identity, AGENT, "meet.example.org:443");
    client.say(&proof).await;
    assert!(matches!(client.hear().await, Some(ServerMessage::Registered { .. })));
    let refused = RendezvousAgent::connect(&identity, &url, options()).await.unwrap_err();
    assert!(
        matches!(&refused, RendezvousError::Refused { code: RendezvousErrorCode::WrongAuthority, message }
            if message.contains("another name")),
        "{refused}"
    );
}

#[tokio::test]
async fn a_host_header_names_the_server_where_nothing_else_does() {
    let mut config = config();
    config.authority = AuthorityRule::HostHeader;
    let (_server, url) = server(config).await;
    let identity = Identity::generate().unwrap();
    for (header, authority, good) in [
        ("desk.example:7424", "desk.example:7424", true),
        ("Meet.Example.org", "meet.example.org:443", true),
        ("meet.example.org", "meet.example.org:80", true),
        ("meet.example.org", "meet.example.org:7424", false),
        ("[2001:db8::1]", "[2001:db8::1]:443", true),
        ("meet.example.org", "other.example.org:443", false),
    ] {
        let mut client = Raw::connect_with(&url, &[("host", header)]).await.unwrap();
        let proof = client.proof(&identity, AGENT, authority);
        client.say(&proof).await;
        let registered = matches!(client.hear().await, Some(ServerMessage::Registered { .. }));
        assert_eq!(registered, good, "{header} {authority}");
    }
}
