//! What is run: which stack, which scenarios, over which network, in which table.

use std::fmt;
use std::time::Duration;

use crate::network::Conditions;
use crate::pair::Language;
use crate::scenario::Scenario;

/// The rows of what the program itself is measured by.
pub(crate) const LENT_SMALL: &str = "read of 200 B";
pub(crate) const LENT_READ: &str = "read of 1 MiB";
pub(crate) const LENT_CALLS: &str = "64 reads of 200 B in flight";
pub(crate) const HOST_ALONE: &str = "idle desktop";
pub(crate) const HOST_SESSIONS: &str = "idle desktop with 50 sessions";

/// The rows of the tray app.
pub(crate) const DESKTOP_TRAY: &str = "start to tray icon";
pub(crate) const DESKTOP_WINDOW: &str = "start to main window painted";
pub(crate) const DESKTOP_PROMPT: &str = "knock to prompt painted";
pub(crate) const DESKTOP_MEMORY: &str = "memory of all its processes";

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;
const MB: usize = 1_000_000;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stack {
    /// The transport, as raw bytes.
    Gatelodge,
    Udp,
    Tcp,
    /// libdatachannel under Node.
    NodeDatachannel,
    /// libwebrtc under Node.
    Wrtc,
    Aiortc,
    /// rmcp on both ends of the transport.
    Rmcp,
    /// The TypeScript SDK on both ends of simple-peer.
    TypeScript,
    /// The Python package `mcp-webrtc` on both ends.
    Python,
    /// The built-in file server.
    Files,
    /// The reference file server, under Node.
    ServerFilesystem,
    /// `gatelodge files` as its client's child.
    Beside,
    /// The same server through `gatelodge connect` and `gatelodge host`.
    Lent,
    /// `gatelodge-rendezvous`.
    Rendezvous,
    /// `gatelodge-desktop`.
    Desktop,
    /// The least Tauri app.
    Minimal,
}

impl Stack {
    /// The name that its peer's command line takes.
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Self::Gatelodge => "gatelodge",
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::NodeDatachannel => "node-datachannel",
            Self::Wrtc => "wrtc",
            Self::Aiortc => "aiortc",
            Self::Rmcp => "rmcp",
            Self::TypeScript => "typescript",
            Self::Python => "python",
            Self::Files => "files",
            Self::ServerFilesystem => "server-filesystem",
            Self::Beside => "beside",
            Self::Lent => "lent",
            Self::Rendezvous => "rendezvous",
            Self::Desktop => "desktop",
            Self::Minimal => "minimal-desktop",
        }
    }

    pub(crate) fn written_in(self) -> Language {
        match self {
            Self::Gatelodge
            | Self::Udp
            | Self::Tcp
            | Self::Rmcp
            | Self::Files
            | Self::Beside
            | Self::Lent
            | Self::Rendezvous
            | Self::Desktop
            | Self::Minimal => Language::Rust,
            Self::ServerFilesystem => Language::JavaScript("index.js"),
            Self::NodeDatachannel | Self::Wrtc => Language::JavaScript("channel.mjs"),
            Self::TypeScript => Language::JavaScript("tools.mjs"),
            Self::Aiortc => Language::Python("channel.py"),
            Self::Python => Language::Python("tools.py"),
        }
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Gatelodge => "Gatelodge",
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::NodeDatachannel => "node-datachannel",
            Self::Wrtc => "@roamhq/wrtc",
            Self::Aiortc => "aiortc",
            Self::Rmcp => "Gatelodge + rmcp",
            Self::TypeScript => "TypeScript",
            Self::Python => "Python",
            Self::Files => "gatelodge files",
            Self::ServerFilesystem => "server-filesystem",
            Self::Beside => "beside the client",
            Self::Lent => "lent",
            Self::Rendezvous => "gatelodge-rendezvous",
            Self::Desktop => "gatelodge-desktop",
            Self::Minimal => "least Tauri app",
        })
    }
}

/// One of the tables of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    Loopback,
    Tools,
    Product,
    Desktop,
    Rendezvous,
    Networks,
    Functions,
    Files,
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Loopback => "Two processes on loopback",
            Self::Tools => "MCP tools/call, one after the other",
            Self::Product => "The file server of the program itself",
            Self::Desktop => "The tray app beside the least Tauri app",
            Self::Rendezvous => "The rendezvous, with its clients on the same machine",
            Self::Networks => "Emulated networks",
            Self::Functions => "Pure functions",
            Self::Files => "File servers over standard input and output",
        })
    }
}

/// Where the two processes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On whatever processors the system gives them.
    Loopback,
    /// On a processor each. A scheduler that puts both on one saves the wake-up of the other one, which more than
    /// halves the time of a bare echo, and it changes its mind from run to run. Two programs that have work to do do
    /// not share one, so this is where a floor is compared with.
    Apart,
    /// At the ends of an emulated path.
    Network(Conditions),
}

/// Scenarios that share two processes of a stack.
#[derive(Debug, Clone)]
pub(crate) struct Suite {
    /// For `--only`.
    pub(crate) name: &'static str,
    pub(crate) table: Table,
    pub(crate) stack: Stack,
    pub(crate) place: Place,
    pub(crate) scenarios: Vec<Scenario>,
}

/// Another continent.
pub(crate) const FAR: Conditions =
    Conditions { delay: Duration::from_millis(50), lost: 0, bits_per_second: 0, queue_bytes: 0 };
/// The uplink of a home with fast access.
pub(crate) const HOME: Conditions = Conditions {
    delay: Duration::from_millis(10),
    lost: 0,
    bits_per_second: 50_000_000,
    queue_bytes: 250_000,
};
/// The same with slow access.
pub(crate) const SLOW: Conditions = Conditions {
    delay: Duration::from_millis(10),
    lost: 0,
    bits_per_second: 10_000_000,
    queue_bytes: 100_000,
};
/// A bad radio link.
pub(crate) const LOSSY: Conditions =
    Conditions { delay: Duration::from_millis(10), lost: 10, bits_per_second: 0, queue_bytes: 0 };

/// Returns the title of a scenario's row: the same for every stack, whatever the number of repetitions.
pub(crate) fn title(scenario: Scenario, place: Place) -> String {
    let size = |bytes: usize| match bytes {
        _ if bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        _ if bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} B"),
    };
    let title = match scenario {
        Scenario::Connect { .. } => "new session".to_owned(),
        Scenario::RoundTrip { size: bytes, .. } => format!("round trip of {}", size(bytes)),
        Scenario::InFlight { size: bytes, window, .. } => format!("{window} x {} in flight", size(bytes)),
        Scenario::OneWay { size: bytes, .. } => format!("one way, {} each", size(bytes)),
        Scenario::Pieces { total, .. } | Scenario::Large { total, .. } => {
            format!("{} there and back", size(total))
        }
        Scenario::Pings { total, .. } => format!("200 B beside {}", size(total)),
        Scenario::Idle { sessions, .. } => format!("{sessions} idle sessions"),
        Scenario::SlowReader { total } => format!("{} to a slow reader", size(total)),
        Scenario::Calls { .. } => "tools/call".to_owned(),
    };
    match place {
        Place::Loopback => title,
        Place::Apart => format!("{title}, a processor each"),
        Place::Network(conditions) => format!("{conditions}: {title}"),
    }
}

/// Returns the figures of a scenario that the report shows, with what they are.
pub(crate) fn shown(scenario: Scenario) -> &'static [(&'static str, &'static str)] {
    match scenario {
        Scenario::Connect { .. } | Scenario::Pieces { .. } | Scenario::Large { .. } => &[("p50_ms", "ms")],
        Scenario::RoundTrip { .. } => &[("p50_us", "us, p50"), ("p99_us", "us, p99")],
        Scenario::InFlight { .. } | Scenario::Calls { .. } => &[("per_s", "per s")],
        Scenario::OneWay { .. } => &[("mb_s", "MB/s")],
        Scenario::Pings { .. } => &[
            ("p50_us", "us, p50"),
            ("p99_us", "us, p99"),
            ("slower_p50_x", "times the quiet p50, p50"),
            ("slower_p99_x", "times the quiet p50, p99"),
        ],
        Scenario::Idle { .. } => &[("kb_per_session", "kB each"), ("cpu_percent", "% of a core in all")],
        Scenario::SlowReader { .. } => &[("sender_growth_mib", "MiB more in the sender")],
    }
}

/// Returns all suites in the order of one round.
pub(crate) fn suites(quick: bool) -> Vec<Suite> {
    let mut suites = loopback(quick);
    suites.extend(tools(quick));
    suites.extend(networks(quick));
    suites
}

/// Returns how much is offered to a slow reader.
pub(crate) fn slow_reader_bytes(quick: bool) -> usize {
    if quick { 256 * MIB } else { 1024 * MIB }
}

fn loopback(quick: bool) -> Vec<Suite> {
    // A tenth of everything is enough to see that it works.
    let some = |count: usize| if quick { (count / 10).max(1) } else { count };
    let round_trip = |count| Scenario::RoundTrip { size: 200, count: some(count) };
    let in_flight = |count| Scenario::InFlight { size: KIB, window: 64, count: some(count) };
    let one_way = |size, megabytes: usize| Scenario::OneWay { size, total: some(megabytes * MB) };
    let pieces = Scenario::Pieces { piece: 60 * KIB, total: 16 * MIB, repeats: some(5) };
    let connect = |count| Scenario::Connect { count: some(count) };
    let suite = |name, stack, scenarios| Suite {
        name,
        table: Table::Loopback,
        stack,
        place: Place::Loopback,
        scenarios,
    };
    let apart = |stack| Suite { place: Place::Apart, ..suite("apart", stack, vec![round_trip(10_000)]) };
    let gatelodge = |name, scenarios| suite(name, Stack::Gatelodge, scenarios);
    vec![
        gatelodge(
            "loopback",
            vec![
                connect(30),
                round_trip(10_000),
                in_flight(100_000),
                one_way(KIB, 300),
                one_way(16 * KIB, 500),
                one_way(64 * KIB, 500),
                Scenario::Large { total: 16 * MIB, repeats: some(5) },
                Scenario::Pings { total: 16 * MIB, repeats: some(10) },
            ],
        ),
        suite("loopback", Stack::Udp, vec![round_trip(10_000)]),
        suite(
            "loopback",
            Stack::NodeDatachannel,
            vec![
                connect(20),
                round_trip(5_000),
                in_flight(30_000),
                one_way(KIB, 60),
                one_way(16 * KIB, 100),
                one_way(64 * KIB, 100),
                pieces,
            ],
        ),
        suite("loopback", Stack::Aiortc, vec![connect(20), round_trip(2_000), in_flight(6_000)]),
        suite("loopback", Stack::Wrtc, vec![connect(15), round_trip(3_000), in_flight(10_000), pieces]),
        suite(
            "loopback",
            Stack::Tcp,
            vec![round_trip(10_000), in_flight(100_000), one_way(KIB, 300), one_way(64 * KIB, 1000)],
        ),
        apart(Stack::Udp),
        apart(Stack::Tcp),
        apart(Stack::Gatelodge),
        gatelodge("idle", vec![Scenario::Idle { sessions: 100, seconds: if quick { 3 } else { 10 } }]),
        gatelodge("slow-reader", vec![Scenario::SlowReader { total: slow_reader_bytes(quick) }]),
    ]
}

fn tools(quick: bool) -> Vec<Suite> {
    let suite = |stack, count: usize| {
        let scenarios = vec![Scenario::Calls { count: if quick { count / 10 } else { count } }];
        Suite { name: "tools", table: Table::Tools, stack, place: Place::Loopback, scenarios }
    };
    vec![suite(Stack::Rmcp, 10_000), suite(Stack::TypeScript, 3_000), suite(Stack::Python, 2_000)]
}

fn networks(quick: bool) -> Vec<Suite> {
    use Stack::{Aiortc, Gatelodge, NodeDatachannel, Tcp};
    let mut suites = Vec::new();
    // So much that the start is a small part of it, even for the fastest.
    for (name, conditions, megabytes, stacks) in [
        ("far", FAR, 24, &[Gatelodge, Tcp, NodeDatachannel][..]),
        ("home", HOME, 40, &[Gatelodge, Tcp, NodeDatachannel, Aiortc]),
        ("slow", SLOW, 10, &[Gatelodge, Tcp, NodeDatachannel]),
        ("lossy", LOSSY, 6, &[Gatelodge, Tcp, NodeDatachannel]),
    ] {
        let total = if quick { megabytes * MB / 4 } else { megabytes * MB };
        let scenarios = vec![Scenario::OneWay { size: 16 * KIB, total }];
        for &stack in stacks {
            let scenarios = scenarios.clone();
            suites.push(Suite {
                name,
                table: Table::Networks,
                stack,
                place: Place::Network(conditions),
                scenarios,
            });
        }
    }
    suites
}
