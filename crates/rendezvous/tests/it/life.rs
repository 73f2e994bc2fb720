//! Ends and new beginnings: of the server, of connections, of configurations.

use std::net::SocketAddr;

use gatelodge_rendezvous::{Config, Rendezvous};
use gatelodge_wire::{RendezvousRole, ServerMessage};
use mcp_webrtc::Identity;
use mcp_webrtc::signaling::rendezvous::{
    RendezvousAgent, RendezvousDesktop, RendezvousError, RendezvousOptions, RendezvousState,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::desks::{config, desktop, options, server, state};
use crate::raw::Raw;

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_desktop_comes_back_to_a_server_that_starts_again() {
    let (first, url) = server(config()).await;
    let desk = Identity::generate().unwrap();
    let mut registered = desktop(&desk, &url).await;
    let address = first.local_addr();
    first.shutdown().await;
    let trouble = state(&registered, |state| matches!(state, RendezvousState::Trouble { .. })).await;
    assert!(
        matches!(&trouble, RendezvousState::Trouble { reason, .. } if reason.contains("about to end")),
        "{trouble:?}"
    );
    let _second = Rendezvous::bind(Config { listen: address, ..config() }).await.unwrap();
    state(&registered, |state| matches!(state, RendezvousState::Registered { .. })).await;
    let agent = Identity::generate().unwrap();
    let connected = RendezvousAgent::connect(&agent, &url, options()).await.unwrap();
    let knocking = tokio::spawn(async move { connected.knock(desk.fingerprint(), None).await });
    assert_eq!(registered.next_knock().await.from(), agent.fingerprint());
    knocking.abort();
}

#[tokio::test]
async fn clients_are_told_that_the_server_ends() {
    let (server, url) = server(config()).await;
    let mut client = Raw::register(&url, &Identity::generate().unwrap(), RendezvousRole::Desktop).await;
    let (told, ()) = tokio::join!(client.hear(), server.shutdown());
    assert!(matches!(told, Some(ServerMessage::Draining { seconds: 1.. })));
    assert_eq!(server.counts().connections, 0);
}

#[tokio::test]
async fn the_newer_of_two_desktops_stays_and_the_older_waits() {
    let (_server, url) = server(config()).await;
    let desk = Identity::generate().unwrap();
    let older = desktop(&desk, &url).await;
    let newer = desktop(&desk, &url).await;
    let replaced = state(&older, |state| matches!(state, RendezvousState::Trouble { .. })).await;
    let RendezvousState::Trouble { reason, retry_in } = replaced else { unreachable!() };
    assert!(reason.contains("registered again"), "{reason}");
    assert!(retry_in.as_secs() >= 30, "two desktops must not push each other out in turn");
    assert!(matches!(*newer.state().borrow(), RendezvousState::Registered { .. }));
}

#[tokio::test]
async fn agents_of_one_identity_do_not_push_each_other_out() {
    let (server, url) = server(config()).await;
    let agent = Identity::generate().unwrap();
    let mut first = Raw::register(&url, &agent, RendezvousRole::Agent).await;
    let _second = Raw::register(&url, &agent, RendezvousRole::Agent).await;
    assert_eq!(server.counts().agents, 2);
    let session = "a".parse().unwrap();
    let to = agent.fingerprint();
    first.say(&gatelodge_wire::ClientMessage::Knock { to, session, invitation: None }).await;
    assert!(matches!(first.hear().await, Some(ServerMessage::Unreachable { .. })));
}

#[tokio::test]
async fn settings_change_while_it_runs() {
    let (server, url) = server(config()).await;
    let identity = Identity::generate().unwrap();
    let before = RendezvousAgent::connect(&identity, &url, options()).await.unwrap();
    assert!(before.ice_servers().is_empty());
    let mut changed = config();
    changed.ice.stun = vec!["stun:meet.example.org:3478".to_owned()];
    changed.metrics = false;
    server.reload(changed).unwrap();
    let after = RendezvousAgent::connect(&identity, &url, options()).await.unwrap();
    assert_eq!(after.ice_servers()[0].urls, ["stun:meet.example.org:3478"]);
    assert!(get(server.local_addr(), "/metrics").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn health_and_metrics_are_served() {
    let (server, url) = server(config()).await;
    let desk = Identity::generate().unwrap();
    let _registered = desktop(&desk, &url).await;
    let health = get(server.local_addr(), "/healthz").await;
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("ok\n"), "{health}");
    let metrics = get(server.local_addr(), "/metrics").await;
    assert!(metrics.contains("\ngatelodge_rendezvous_desktops 1\n"), "{metrics}");
    assert!(!metrics.contains("127.0.0.1") && !metrics.contains(&desk.fingerprint().to_string()[..11]));
    assert!(get(server.local_addr(), "/").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn what_is_no_rendezvous_is_said_in_a_sentence() {
    let identity = Identity::generate().unwrap();
    let (server, url) = server(config()).await;
    let elsewhere = format!("http://{}/elsewhere", server.local_addr()).parse().unwrap();
    let error = RendezvousAgent::connect(&identity, &elsewhere, options()).await.unwrap_err();
    assert!(matches!(error, RendezvousError::NotARendezvous { .. }), "{error}");
    let encrypted = format!("https://{}", server.local_addr()).parse().unwrap();
    let error = RendezvousAgent::connect(&identity, &encrypted, options()).await.unwrap_err();
    assert!(matches!(error, RendezvousError::Tls { .. }), "{error}");
    server.shutdown().await;
    let error = RendezvousAgent::connect(&identity, &url, options()).await.unwrap_err();
    assert!(matches!(error, RendezvousError::Unreachable { .. }), "{error}");
    // A desktop tells the same as its state, and goes on trying.
    let absent = RendezvousDesktop::start(&identity, &url, RendezvousOptions::default());
    let trouble = state(&absent, |state| matches!(state, RendezvousState::Trouble { .. })).await;
    assert!(
        matches!(&trouble, RendezvousState::Trouble { reason, .. } if reason.contains("cannot be reached"))
    );
}
