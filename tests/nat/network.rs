//! A small internet in network namespaces: two homes behind NATs, and servers between them.
//!
//! ```text
//!   home A 192.168.1.10 ── router A 203.0.113.2 ──┐
//!                                                 ├── internet, with servers at 192.0.2.1, 192.0.2.2 and 192.0.2.10
//!   home B 192.168.1.20 ── router B 198.51.100.2 ─┘
//! ```
//!
//! Both homes have the same private addresses, as most homes do. A namespace lives for as long as the process in it that
//! the test holds by a pipe; the kernel removes it, with its interfaces and rules, however the test ends. Nothing has a
//! name that another test, or what an earlier one left behind, could have too.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

/// The address of the first STUN server, which is the TURN server too.
pub(crate) const TURN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The address of the second STUN server.
pub(crate) const STUN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// The address of the rendezvous.
pub(crate) const MEET: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

/// The public address of home A.
pub(crate) const ROUTER_A: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

/// The public address of home B.
pub(crate) const ROUTER_B: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

/// How a router translates addresses, in the words of RFC 4787.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nat {
    /// Endpoint-independent mapping, address- and port-dependent filtering: a *port-restricted cone*. It is what Linux
    /// routers do: masquerading keeps the source port, so that all destinations see the same one, and a packet from
    /// outside comes in only from where one has been sent to.
    Cone,
    /// Address- and port-dependent mapping and filtering: *symmetric*. Each destination sees another, random port.
    Symmetric,
}

/// A network namespace. It ends with this, and so do the processes that the test has started in it.
#[derive(Debug)]
pub(crate) struct Namespace(Child);

impl Namespace {
    fn new() -> Result<Self, String> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "echo there; exec cat"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = command.spawn().map_err(|error| format!("unshare cannot be run: {error}"))?;
        let mut said = String::new();
        let out = holder.stdout.take().expect("stdout is a pipe");
        let _ = BufReader::new(out).read_line(&mut said);
        if said.trim() == "there" {
            return Ok(Self(holder));
        }
        let mut reason = String::new();
        let _ = holder.stderr.take().expect("stderr is a pipe").read_to_string(&mut reason);
        let _ = holder.wait();
        Err(format!("no network namespace can be made: {}", reason.trim()))
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }

    /// The same command, inside. The kernel ends it if the test does not.
    pub(crate) fn wrap(&self, command: &Command) -> Command {
        let mut inside = Command::new("setpriv");
        inside.args(["--pdeathsig", "KILL", "--", "nsenter", &format!("--net={}", self.path()), "--"]);
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    /// Runs a script of the shell inside.
    fn run(&self, script: &str) -> Result<(), String> {
        let mut command = Command::new("sh");
        command.args(["-e", "-c", script]);
        let output = self.wrap(&command).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("setpriv cannot be run: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    /// Does something in a thread that is inside.
    pub(crate) fn visit<T: Send>(&self, visit: impl FnOnce() -> T + Send) -> T {
        let namespace = std::fs::File::open(self.path()).unwrap();
        std::thread::scope(|scope| {
            let visitor = scope.spawn(|| {
                setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
                visit()
            });
            visitor.join().unwrap()
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The whole of it.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) home_a: Namespace,
    pub(crate) home_b: Namespace,
    pub(crate) internet: Namespace,
    router_a: Namespace,
    router_b: Namespace,
}

impl Network {
    /// Builds it; `None`, after saying why, where this user or this machine cannot.
    ///
    /// In continuous integration nothing is skipped: there it fails instead.
    pub(crate) fn new(a: Nat, b: Nat) -> Option<Self> {
        match Self::build(a, b) {
            Ok(network) => Some(network),
            Err(reason) if std::env::var_os("CI").is_some() => panic!("{reason}"),
            Err(reason) => {
                let name = std::thread::current().name().unwrap_or_default().to_owned();
                // Not by a macro, since the test harness would keep that to itself.
                let _ =
                    writeln!(std::io::stderr(), "skipped: {name}, since it needs root and Linux: {reason}");
                None
            }
        }
    }

    fn build(a: Nat, b: Nat) -> Result<Self, String> {
        let network = Self {
            home_a: Namespace::new()?,
            home_b: Namespace::new()?,
            internet: Namespace::new()?,
            router_a: Namespace::new()?,
            router_b: Namespace::new()?,
        };
        let Self { home_a, home_b, internet, router_a, router_b } = &network;
        let mut servers = String::from("ip link set lo up\n");
        for address in [TURN, STUN, MEET] {
            let _ = writeln!(servers, "ip addr add {address}/32 dev lo");
        }
        // What is for nowhere, such as a relayed packet for a private address, gets lost there without an error.
        servers.push_str(
            "ip link add out type veth peer name nowhere\nip addr add 100.64.0.1/30 dev out\n\
             ip link set out up\nip link set nowhere up\n\
             ip neigh add 100.64.0.2 lladdr 02:00:00:00:00:01 dev out nud permanent\n\
             ip route add default via 100.64.0.2\n",
        );
        internet.run(&servers)?;
        forward(internet)?;
        for (home, router, nat, inside, outside, name) in [
            (home_a, router_a, a, Ipv4Addr::new(192, 168, 1, 10), ROUTER_A, "to_a"),
            (home_b, router_b, b, Ipv4Addr::new(192, 168, 1, 20), ROUTER_B, "to_b"),
        ] {
            let provider = Ipv4Addr::from(u32::from(outside) - 1);
            internet.run(&format!(
                "ip link add {name} type veth peer name wan netns {router}\n\
                 ip addr add {provider}/30 dev {name}\nip link set {name} up",
                router = router.0.id()
            ))?;
            router.run(&format!(
                "ip link add lan type veth peer name eth0 netns {home}\n\
                 ip link set lo up\nip addr add 192.168.1.1/24 dev lan\nip link set lan up\n\
                 ip addr add {outside}/30 dev wan\nip link set wan up\nip route add default via {provider}",
                home = home.0.id()
            ))?;
            forward(router)?;
            router.run(&format!("nft -f - <<'END'\n{}\nEND", rules(nat)))?;
            home.run(&format!(
                "ip link set lo up\nip addr add {inside}/24 dev eth0\nip link set eth0 up\n\
                 ip route add default via 192.168.1.1"
            ))?;
        }
        Ok(network)
    }

    /// Makes router A forget every mapping, as one that was restarted has.
    pub(crate) fn forget_mappings(&self) {
        // Changing the rules does not touch what is being tracked already; taking the address away does: masquerading
        // drops the mappings of an interface that goes down.
        self.router_a
            .run("ip link set wan down\nip link set wan up\nip route add default via 203.0.113.1")
            .unwrap();
    }

    /// Asks both STUN servers, from one socket in a home, which address they see.
    pub(crate) fn mappings(home: &Namespace) -> [SocketAddr; 2] {
        home.visit(|| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            [TURN, STUN].map(|server| mapped(&socket, SocketAddr::from((server, 3478))))
        })
    }
}

fn forward(router: &Namespace) -> Result<(), String> {
    // Containers may have it mounted without a right to write.
    router.run(
        "cd /proc/sys/net/ipv4\n[ -w ip_forward ] || { echo 'packets cannot be forwarded: /proc/sys is read-only' >&2; exit 1; }\n\
         echo 1 > ip_forward",
    )
}

/// A router's rules: translate what goes out, let in what belongs to it. Packets that nobody asked for are dropped before
/// they are tracked, as routers do; otherwise one that comes early would take the port of the mapping to come.
fn rules(nat: Nat) -> String {
    let how = match nat {
        Nat::Cone => "masquerade",
        Nat::Symmetric => "masquerade fully-random",
    };
    format!(
        "table ip home {{
           chain out {{ type nat hook postrouting priority srcnat; oifname wan {how}; }}
           chain input {{ type filter hook input priority filter; iifname wan ct state != established drop; }}
           chain forward {{ type filter hook forward priority filter; iifname wan ct state != established drop; }}
         }}"
    )
}

/// Asks a STUN server for the address that it sees (RFC 8489).
fn mapped(socket: &UdpSocket, server: SocketAddr) -> SocketAddr {
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
    let mut request = vec![0, 1, 0, 0];
    request.extend(COOKIE);
    request.extend(*b"gatelodge-st");
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    // The first packets of a new network wait for neighbours to be found.
    for _ in 0..10 {
        socket.send_to(&request, server).unwrap();
        let mut answer = [0; 512];
        let Ok((length, _)) = socket.recv_from(&mut answer) else { continue };
        let mut attributes = &answer[20..length];
        while let [kind @ .., _, _] = attributes.get(..4).unwrap_or_default() {
            let size = usize::from(u16::from_be_bytes([attributes[2], attributes[3]]));
            if *kind == [0x00, 0x20] {
                let port = u16::from_be_bytes([attributes[6] ^ COOKIE[0], attributes[7] ^ COOKIE[1]]);
                let address: [u8; 4] = std::array::from_fn(|at| attributes[8 + at] ^ COOKIE[at]);
                return SocketAddr::new(IpAddr::from(address), port);
            }
            attributes = &attributes[(4 + size.next_multiple_of(4)).min(attributes.len())..];
        }
    }
    panic!("the STUN server {server} does not answer");
}
