//! The rendezvous server as it ships, with its clients on the same machine: what registered desktops cost that wait, and how
//! much it passes on.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mcp_webrtc::Identity;
use mcp_webrtc::signaling::rendezvous::{
    RendezvousAgent, RendezvousDesktop, RendezvousOptions, RendezvousState,
};
use mcp_webrtc::signaling::{Candidate, RendezvousUrl, Signal, Signaling};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::figures::figures;
use crate::peer::report_of;
use crate::plan::Stack;
use crate::product::{ENDING_WITH_STANDARD_INPUT, program, usage_of};

/// How many desktops wait; each row has those of the rows before it.
const DESKTOPS: [usize; 3] = [1_000, 5_000, 10_000];

/// How many register at once.
const AT_ONCE: usize = 64;

/// How long one registration may take while so many others are under way.
const REGISTRATION_LIMIT: Duration = Duration::from_secs(30);

/// How long memory may take to settle.
const SETTLING: Duration = Duration::from_secs(2);

/// Pairs of a desktop and an agent that forward at the same time.
const PAIRS: usize = 16;

/// How many objects each side sends within a knock. A link takes 128, and says `bye` in the end.
const OBJECTS: u64 = 120;

/// Descriptors beside those of the connections.
const SPARE: u64 = 200;

/// Measures and prints the figures.
pub(crate) async fn run(quick: bool) -> anyhow::Result<()> {
    let levels = if quick { &DESKTOPS[..1] } else { &DESKTOPS[..] };
    let most = *levels.last().context("there is a level")?;
    raise_descriptors(most as u64 + SPARE)?;
    let server = Server::start()?;
    let empty = usage_of(server.child.id())?;
    let mut waiting = Vec::with_capacity(most);
    for &level in levels {
        let before = usage_of(server.child.id())?.ticks;
        let more = level - waiting.len();
        register(&server.url, more, &mut waiting).await?;
        let ticks = usage_of(server.child.id())?.ticks - before;
        tokio::time::sleep(SETTLING).await;
        let (idle, seconds) = (usage_of(server.child.id())?, if quick { 2 } else { 10 });
        let kb_each = (idle.resident_kb - empty.resident_kb) / level as f64;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let cpu = usage_of(server.child.id())?.ticks - idle.ticks;
        let still_there = |desktop: &&RendezvousDesktop| {
            matches!(*desktop.state().borrow(), RendezvousState::Registered { .. })
        };
        ensure!(waiting.iter().filter(still_there).count() == level, "some desktops were lost");
        let forwards = forward(&server.url, Duration::from_secs(if quick { 1 } else { 5 })).await?;
        let told = figures([
            ("server_kb_each", kb_each),
            ("desktops_per_gib", f64::from(1 << 20) / kb_each),
            // A tick is a hundredth of a second.
            ("server_cpu_us_per_registration", ticks * 10_000.0 / more as f64),
            ("idle_server_cpu_percent", cpu / seconds as f64),
            ("forwards_per_s", forwards),
        ]);
        report_of(Stack::Rendezvous.argument(), &format!("{level} desktops wait"), &told)?;
    }
    Ok(())
}

/// Lets this process, and those that it starts, have so many descriptors.
fn raise_descriptors(wanted: u64) -> anyhow::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(
        hard >= wanted,
        "{wanted} descriptors are needed, and {hard} allowed; raise it: ulimit -Hn {wanted}"
    );
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    }
    Ok(())
}

/// The server, ended with this.
struct Server {
    child: Child,
    /// Its end tells the shell around the server that this process is gone, even where it was killed.
    _stdin: Option<ChildStdin>,
    url: RendezvousUrl,
}

impl Server {
    fn start() -> anyhow::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", ENDING_WITH_STANDARD_INPUT, "sh"]).arg(program("gatelodge-rendezvous")?);
        // All come from one address here, and do nothing else.
        command.args(["--listen", "127.0.0.1:0"]);
        for limit in [
            "--max-connections-per-address",
            "--connects-per-minute-per-address",
            "--knocks-per-minute-per-address",
            "--knocks-per-minute",
            "--messages-per-minute",
        ] {
            command.args([limit, "100000000"]);
        }
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut log = BufReader::new(child.stderr.take().context("no standard error")?);
        let _stdin = child.stdin.take();
        let url = loop {
            let mut line = String::new();
            ensure!(log.read_line(&mut line)? > 0, "the rendezvous ended before it listened");
            if let Some((_, address)) = line.split_once("listening on ") {
                break address.trim().parse()?;
            }
        };
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(Self { child, _stdin, url })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Registers so many more desktops.
async fn register(
    url: &RendezvousUrl,
    count: usize,
    waiting: &mut Vec<RendezvousDesktop>,
) -> anyhow::Result<()> {
    let mut under_way = JoinSet::new();
    for begun in 0..count + AT_ONCE {
        if begun < count {
            let url = url.clone();
            under_way.spawn(async move {
                let desktop =
                    RendezvousDesktop::start(&Identity::generate()?, &url, RendezvousOptions::default());
                let mut state = desktop.state();
                let registered = state.wait_for(|state| matches!(state, RendezvousState::Registered { .. }));
                timeout(REGISTRATION_LIMIT, registered).await.context("a registration took too long")??;
                anyhow::Ok(desktop)
            });
        }
        if begun >= AT_ONCE
            && let Some(registered) = under_way.join_next().await
        {
            waiting.push(registered??);
        }
    }
    while let Some(registered) = under_way.join_next().await {
        waiting.push(registered??);
    }
    Ok(())
}

/// Forwards both ways between some pairs for a while; returns how many objects a second arrived.
async fn forward(url: &RendezvousUrl, span: Duration) -> anyhow::Result<f64> {
    let arrived = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut pairs = JoinSet::new();
    for _ in 0..PAIRS {
        let (url, arrived) = (url.clone(), Arc::clone(&arrived));
        pairs.spawn(async move {
            let (desk, agent) = (Identity::generate()?, Identity::generate()?);
            let mut desktop = RendezvousDesktop::start(&desk, &url, RendezvousOptions::default());
            let mut state = desktop.state();
            state.wait_for(|state| matches!(state, RendezvousState::Registered { .. })).await?;
            let agent = RendezvousAgent::connect(&agent, &url, RendezvousOptions::default()).await?;
            while begun.elapsed() < span {
                let answering = async {
                    let mut link = desktop.next_knock().await.answer();
                    exchange(&mut *link, &arrived).await?;
                    anyhow::Ok(link)
                };
                let knocking = async {
                    let mut link = agent.knock(desk.fingerprint(), None).await?;
                    exchange(&mut link, &arrived).await?;
                    anyhow::Ok(link)
                };
                let (mut answered, mut knocked) = tokio::try_join!(answering, knocking)?;
                answered.close().await;
                knocked.close().await;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = pairs.join_next().await {
        ended??;
    }
    Ok(arrived.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64())
}

/// Sends and receives objects of a usual size, one for one.
async fn exchange(link: &mut dyn Signaling, arrived: &AtomicU64) -> anyhow::Result<()> {
    let candidate = Signal::Candidate(Candidate {
        candidate: "candidate:1 1 udp 2130706431 192.0.2.7 51234 typ host".to_owned(),
        sdp_mid: Some("0".to_owned()),
        sdp_mline_index: Some(0),
    });
    for _ in 0..OBJECTS {
        link.send(candidate.clone()).await?;
        link.receive().await?.context("the other side left")?;
        arrived.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
