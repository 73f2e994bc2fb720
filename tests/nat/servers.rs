//! The servers in the small internet: coturn, and a rendezvous that recommends it.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gatelodge_tests::Programs;
use tempfile::TempDir;

use crate::network::{MEET, Namespace, Network, STUN, TURN};
use crate::program::LIMIT;

/// What coturn and the rendezvous share.
const SECRET: &str = "north";

/// The URL of the rendezvous.
pub(crate) fn meet() -> String {
    format!("http://{MEET}:7424")
}

/// A server that ends with the test.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    _folder: TempDir,
}

impl Server {
    /// Starts a program, and waits until it listens.
    fn start(namespace: &Namespace, command: &Command, folder: TempDir, listens: &[SocketAddr]) -> Self {
        let mut command = namespace.wrap(command);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut server = Self { process: process.unwrap(), _folder: folder };
        let deadline = Instant::now() + LIMIT;
        for address in listens {
            while namespace.visit(|| TcpStream::connect(address).is_err()) {
                if server.process.try_wait().unwrap().is_some() || Instant::now() > deadline {
                    let mut said = String::new();
                    let _ = server.process.stderr.take().unwrap().read_to_string(&mut said);
                    panic!("{command:?} does not listen at {address}: {said}");
                }
                // Nothing tells when another process listens.
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether relaying is part of what the servers offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relay {
    Offered,
    None,
}

/// Starts coturn at both of its addresses: STUN at each, TURN at the first.
pub(crate) fn coturn(network: &Network) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("turnserver");
    command
        .args(["-n", "--no-tls", "--no-dtls", "--no-cli", "--use-auth-secret", "--realm=meet.example.org"])
        .args(["--listening-port=3478", "--log-file=stdout"])
        .arg(format!("--static-auth-secret={SECRET}"))
        .arg(format!("--listening-ip={TURN}"))
        .arg(format!("--listening-ip={STUN}"))
        .arg(format!("--relay-ip={TURN}"))
        .arg(format!("--pidfile={}", folder.path().join("pid").display()))
        .arg(format!("--userdb={}", folder.path().join("users").display()));
    let listens = [TURN, STUN].map(|address: Ipv4Addr| SocketAddr::from((address, 3478)));
    Server::start(&network.internet, &command, folder, &listens)
}

/// Starts the rendezvous. It tells its clients of both STUN servers, and of the relay if there is one.
pub(crate) fn rendezvous(network: &Network, relay: Relay) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(&Programs::get().rendezvous);
    command.args(["--public-url", &meet()]).arg(format!("--listen={MEET}:7424"));
    command.arg(format!("--stun-url=stun:{TURN}:3478,stun:{STUN}:3478"));
    if relay == Relay::Offered {
        let secret = folder.path().join("secret");
        std::fs::write(&secret, SECRET).unwrap();
        command.arg(format!("--turn-url=turn:{TURN}:3478?transport=udp"));
        command.arg("--turn-secret-file").arg(secret);
    }
    Server::start(&network.internet, &command, folder, &[SocketAddr::from((MEET, 7424))])
}
