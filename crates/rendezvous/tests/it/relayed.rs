//! A relay that the rendezvous recommends is used, with the credentials that it mints.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gatelodge_rendezvous::TurnSecret;
use mcp_webrtc::signaling::rendezvous::RendezvousAgent;
use mcp_webrtc::{CandidateKind, Identity, Session, SessionError};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::desks::{PATIENCE, config, desktop, options, server};

/// coturn, ended with this.
pub(crate) struct Turn {
    process: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a TURN server on loopback and waits until it listens.
pub(crate) async fn turn(secret: &str) -> Turn {
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let process = Command::new("turnserver")
        .args(["-n", "--no-tls", "--no-dtls", "--no-cli", "--use-auth-secret", "--allow-loopback-peers"])
        .args([
            "--listening-ip=127.0.0.1",
            "--relay-ip=127.0.0.1",
            "--realm=meet.example.org",
            "--log-file=stdout",
        ])
        .arg(format!("--listening-port={port}"))
        .arg(format!("--static-auth-secret={secret}"))
        .arg(format!("--pidfile={}", folder.path().join("pid").display()))
        .arg(format!("--userdb={}", folder.path().join("users").display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("coturn's turnserver is installed by scripts/prepare");
    let turn = Turn { process, port, _folder: folder };
    timeout(PATIENCE, async {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    turn
}

/// Sets up a session in which both sides may use a relay only; returns the path that it took.
async fn path(minted_with: &str, checked_with: &str) -> Result<mcp_webrtc::Path, SessionError> {
    let turn = turn(checked_with).await;
    let mut recommending = config();
    recommending.ice.turn = vec![format!("turn:127.0.0.1:{}?transport=udp", turn.port)];
    recommending.ice.turn_secret = Some(TurnSecret::new(minted_with));
    let (_server, url) = server(recommending).await;
    let (desk, agent) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let desk_fingerprint = desk.fingerprint();
    let mut registered = desktop(&desk, &url).await;
    let limit = Duration::from_secs(8);
    let offering = tokio::spawn(async move {
        let knock = registered.next_knock().await;
        let builder = Session::builder(&desk).relay_only(true).handshake_deadline(limit);
        let session = builder.offer(knock.answer()).await?;
        let channel = session.next_channel().await.unwrap();
        channel.send("{}").await.unwrap();
        session.closed().await;
        Ok::<_, SessionError>(())
    });
    let connected = RendezvousAgent::connect(&agent, &url, options()).await.unwrap();
    let link = connected.knock(desk_fingerprint, None).await.unwrap();
    let builder = Session::builder(&agent).relay_only(true).handshake_deadline(limit);
    let session = builder.answer(link).await?;
    let mut channel = session.next_channel().await.unwrap();
    assert_eq!(&timeout(PATIENCE, channel.recv()).await.unwrap().unwrap()[..], b"{}");
    let path = session.path().await.unwrap();
    session.close().await;
    timeout(PATIENCE, offering).await.unwrap().unwrap()?;
    Ok(path)
}

#[tokio::test]
async fn a_session_takes_the_relay_that_the_rendezvous_recommends() {
    let path = path("north", "north").await.unwrap();
    assert_eq!(path.local_kind, CandidateKind::Relayed);
    assert!(path.is_relayed());
}

#[tokio::test]
async fn without_good_credentials_there_is_no_relay() {
    assert!(path("north", "south").await.is_err());
}
