//! A diagnosis against servers that work, and against each thing that can be wrong with them.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use gatelodge_rendezvous::{Config, Rendezvous, TlsFiles, TurnSecret};
use gatelodge_wire::{DeclineCode, Fingerprint};
use mcp_webrtc::diagnosis::{Check, CheckState, Mapping, Network, mapping, network};
use mcp_webrtc::signaling::RendezvousUrl;
use mcp_webrtc::signaling::rendezvous::{RendezvousDesktop, RendezvousOptions};
use mcp_webrtc::{Identity, Session};
use tokio::net::{TcpListener, UdpSocket};

use crate::desks::{config, desktop, options, server};
use crate::relayed::turn;

/// What the parts of a diagnosis have to keep to together.
const LIMIT: Duration = Duration::from_secs(18);

async fn diagnose(
    url: &RendezvousUrl,
    options: RendezvousOptions,
    desktop: Option<Fingerprint>,
    stun: &[String],
) -> Vec<Check> {
    let identity = Identity::generate().unwrap();
    let rendezvous = vec![("rendezvous".to_owned(), url.clone(), desktop)];
    let begun = Instant::now();
    let (stun, ice_servers) = (stun.to_vec(), Vec::new());
    let checks = network(Network { identity: &identity, rendezvous, options, stun, ice_servers }).await;
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    checks
}

#[track_caller]
fn find<'a>(checks: &'a [Check], id: &str) -> &'a Check {
    checks.iter().find(|check| check.id == id).unwrap_or_else(|| panic!("no {id} in {checks:#?}"))
}

/// Checks that a finding is a failure that says this, with this as what to do.
#[track_caller]
fn failed(checks: &[Check], id: &str, found: &str, advice: &str) {
    let check = find(checks, id);
    assert_eq!(check.state, CheckState::Failed, "{check:?}");
    assert!(check.found.contains(found) && check.advice.contains(advice), "{check:?}");
}

fn states(checks: &[Check]) -> Vec<(&str, CheckState)> {
    checks.iter().map(|check| (check.id.as_str(), check.state)).collect()
}

/// A desktop that begins a session with everybody, or turns everybody away.
fn answers(
    mut registered: RendezvousDesktop,
    identity: Identity,
    welcome: bool,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let knock = registered.next_knock().await;
            if welcome {
                // The other side leaves before it is up.
                let _ = Session::builder(&identity).offer(knock.answer()).await;
            } else {
                knock.decline(DeclineCode::NotKnown).await;
            }
        }
    })
}

/// A rendezvous that recommends a relay.
async fn recommending(port: u16, secret: &str) -> (Rendezvous, RendezvousUrl) {
    let mut recommending = config();
    recommending.ice.turn = vec![format!("turn:127.0.0.1:{port}?transport=udp")];
    recommending.ice.turn_secret = Some(TurnSecret::new(secret));
    server(recommending).await
}

#[tokio::test]
async fn where_all_is_well_nothing_is_to_be_done() {
    let turn = turn("north").await;
    let (_server, url) = recommending(turn.port, "north").await;
    let desk = Identity::generate().unwrap();
    let fingerprint = desk.fingerprint();
    let _answering = answers(desktop(&desk, &url).await, desk, true);
    let checks = diagnose(&url, options(), Some(fingerprint), &[]).await;
    use CheckState::{Ok, Skipped};
    let wanted = [
        ("rendezvous.dns", Ok),
        ("rendezvous.tcp", Ok),
        ("rendezvous.tls", Skipped),
        ("rendezvous.registration", Ok),
        ("rendezvous.desktop", Ok),
        ("udp", Ok),
        ("stun", Ok),
        ("turn", Ok),
        ("candidates", Ok),
    ];
    assert_eq!(states(&checks), wanted, "{checks:#?}");
    assert!(checks.iter().all(|check| check.advice.is_empty()), "{checks:#?}");
    let stun = find(&checks, "stun");
    assert!(stun.found.contains("sees 127.0.0.1:") && stun.found.contains("no NAT"), "{stun:?}");
    assert!(find(&checks, "turn").found.contains("gave the address 127.0.0.1:"));
    assert!(find(&checks, "candidates").found.contains("at a relay (IPv4)"), "{checks:#?}");
}

#[tokio::test]
async fn a_relay_with_another_secret_is_named_with_the_setting_to_correct() {
    let turn = turn("south").await;
    let (_server, url) = recommending(turn.port, "north").await;
    let checks = diagnose(&url, options(), None, &[]).await;
    failed(&checks, "turn", "does not accept the credentials", "static-auth-secret");
    // It is a STUN server all the same.
    assert_eq!(find(&checks, "udp").state, CheckState::Ok);
    assert_eq!(find(&checks, "stun").state, CheckState::Ok);
    assert!(!format!("{checks:?}").contains("north"));
}

#[tokio::test]
async fn servers_that_say_nothing_are_told_from_a_rendezvous_that_works() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let (_server, url) = recommending(port, "north").await;
    let checks = diagnose(&url, options(), None, &[format!("stun:127.0.0.1:{port}")]).await;
    assert_eq!(find(&checks, "rendezvous.registration").state, CheckState::Ok);
    failed(&checks, "udp", "not one UDP packet came back", "the network blocks UDP");
    failed(&checks, "stun", "no answer from 127.0.0.1:", "another one");
    failed(&checks, "turn", "no answer from 127.0.0.1:", "the TURN server is down");
    assert_eq!(find(&checks, "candidates").state, CheckState::Warning, "{checks:#?}");
}

#[tokio::test]
async fn a_rendezvous_that_is_down_is_told_at_the_step_where_the_way_ends() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let url = format!("http://{free}").parse().unwrap();
    let checks = diagnose(&url, options(), Some(Fingerprint::of_certificate(b"desktop")), &[]).await;
    assert_eq!(find(&checks, "rendezvous.dns").state, CheckState::Ok);
    failed(&checks, "rendezvous.tcp", "nothing listens", "the rendezvous is down");
    assert_eq!(find(&checks, "rendezvous.registration").state, CheckState::Skipped);
    assert_eq!(find(&checks, "rendezvous.desktop").state, CheckState::Skipped);

    let unknown = "https://nobody.invalid".parse().unwrap();
    let checks = diagnose(&unknown, options(), None, &[]).await;
    failed(&checks, "rendezvous.dns", "nobody.invalid is not found", "check how it is written");
    assert_eq!(find(&checks, "rendezvous.tls").state, CheckState::Skipped);
}

#[tokio::test]
async fn a_rendezvous_that_hangs_does_not_hang_the_diagnosis() {
    let hanging = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", hanging.local_addr().unwrap()).parse().unwrap();
    let checks = diagnose(&url, options(), None, &[]).await;
    failed(&checks, "rendezvous.tcp", "did not accept a connection within", "another network");
}

#[tokio::test]
async fn a_desktop_that_is_not_there_is_told_from_one_that_does_not_know_the_agent() {
    let (_server, url) = server(config()).await;
    let desk = Identity::generate().unwrap();
    let fingerprint = desk.fingerprint();
    let checks = diagnose(&url, options(), Some(fingerprint), &[]).await;
    failed(&checks, "rendezvous.desktop", "not registered there", "switched on");
    let _answering = answers(desktop(&desk, &url).await, desk, false);
    let checks = diagnose(&url, options(), Some(fingerprint), &[]).await;
    failed(&checks, "rendezvous.desktop", "does not know this agent", "gatelodge pair");
}

/// Starts a rendezvous whose certificate is its own authority, changed by the test.
async fn with_certificate(
    folder: &Path,
    name: &str,
    change: impl FnOnce(&mut rcgen::CertificateParams),
) -> (Rendezvous, RendezvousUrl, RendezvousOptions) {
    let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut parameters);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = folder.join("cert.pem");
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    fs::write(&certificate, parameters.self_signed(&key).unwrap().pem()).unwrap();
    let tls = Some(TlsFiles { certificate: certificate.clone(), key: folder.join("key.pem") });
    let (server, _) = server(Config { tls, ..config() }).await;
    let url = format!("https://{}", server.local_addr()).parse().unwrap();
    (server, url, options().ca_file(certificate))
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, url, trusting) = with_certificate(folder.path(), "127.0.0.1", |_| {}).await;
    let checks = diagnose(&url, trusting, None, &[]).await;
    assert_eq!(find(&checks, "rendezvous.tls").state, CheckState::Ok, "{checks:#?}");
    let checks = diagnose(&url, options(), None, &[]).await;
    failed(&checks, "rendezvous.tls", "an authority that is not known", "GATELODGE_CA_FILE");

    let (_server, url, trusting) = with_certificate(folder.path(), "meet.example.org", |_| {}).await;
    let checks = diagnose(&url, trusting, None, &[]).await;
    failed(&checks, "rendezvous.tls", "for another name than 127.0.0.1", "name that the certificate is for");
    assert_eq!(find(&checks, "rendezvous.tcp").state, CheckState::Ok);
    assert_eq!(find(&checks, "rendezvous.registration").state, CheckState::Skipped);

    let later =
        |parameters: &mut rcgen::CertificateParams| parameters.not_before = rcgen::date_time_ymd(2999, 1, 1);
    let (_server, url, trusting) = with_certificate(folder.path(), "127.0.0.1", later).await;
    let checks = diagnose(&url, trusting, None, &[]).await;
    failed(&checks, "rendezvous.tls", "not valid yet, by this machine's clock", "clock and time zone right");

    let earlier =
        |parameters: &mut rcgen::CertificateParams| parameters.not_after = rcgen::date_time_ymd(1999, 1, 1);
    let (_server, url, trusting) = with_certificate(folder.path(), "127.0.0.1", earlier).await;
    let checks = diagnose(&url, trusting, None, &[]).await;
    failed(&checks, "rendezvous.tls", "has expired", "renew");
}

#[tokio::test]
async fn something_that_is_no_rendezvous_is_called_so() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", other.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = other.accept().await.unwrap();
            let _ = stream.writable().await;
            let _ = stream.try_write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
            // Read, so that what was written is not lost with a reset.
            let mut scrap = [0; 4096];
            let _ = stream.readable().await;
            let _ = stream.try_read(&mut scrap);
        }
    });
    let checks = diagnose(&url, options(), None, &[]).await;
    failed(&checks, "rendezvous.registration", "is no rendezvous", "reverse proxy");
}

/// A STUN server that claims to see everybody at this port.
async fn claiming(port: u16) -> String {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("stun:{}", socket.local_addr().unwrap());
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        loop {
            let (_, from) = socket.recv_from(&mut buffer).await.unwrap();
            // Success Response with XOR-MAPPED-ADDRESS 198.51.100.1 (RFC 8489, sections 5 and 14.2).
            let mut answer = vec![1, 1, 0, 12];
            answer.extend_from_slice(&buffer[4..20]);
            answer.extend_from_slice(&[0, 0x20, 0, 8, 0, 1]);
            answer.extend_from_slice(&(port ^ 0x2112).to_be_bytes());
            let masked = u32::from_be_bytes([198, 51, 100, 1]) ^ 0x2112_a442;
            answer.extend_from_slice(&masked.to_be_bytes());
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_symmetric_nat_is_told_from_one_that_keeps_its_mapping() {
    let [one, same, other] = [claiming(6000).await, claiming(6000).await, claiming(6001).await];
    let cone = mapping(&[one.clone(), same]).await;
    assert_eq!(cone.mapping, Some(Mapping::EndpointIndependent), "{cone:?}");
    let symmetric = mapping(&[one.clone(), other.clone()]).await;
    assert_eq!(symmetric.mapping, Some(Mapping::Symmetric), "{symmetric:?}");
    assert_eq!(mapping(std::slice::from_ref(&one)).await.mapping, None);

    let (_server, url) = server(config()).await;
    let checks = diagnose(&url, options(), None, &[one, other]).await;
    assert!(find(&checks, "stun").found.contains("symmetric"), "{checks:#?}");
    let turn = find(&checks, "turn");
    assert_eq!(turn.state, CheckState::Warning, "{turn:?}");
    assert!(turn.found.contains("symmetric") && turn.advice.contains("TURN"), "{turn:?}");
}
