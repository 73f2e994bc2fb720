//! A desktop at a rendezvous: who gets in, what strangers cost, and what it tells.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use gatelodge_host::manage::{Reply, Request};
use gatelodge_host::upstream::guard::GuardCommand;
use gatelodge_host::{
    Host, HostConfig, HostEvent, HostEvents, LinkDefinition, LinkKind, LinkPolicy, RendezvousUrl, Transient,
};
use gatelodge_rendezvous::{AuthorityRule, Config, Rendezvous};
use gatelodge_wire::{CONTROL_LABEL, CONTROL_VERSION, Control, DeclineCode};
use mcp_webrtc::signaling::rendezvous::{RendezvousAgent, RendezvousError, RendezvousOptions};
use mcp_webrtc::{Identity, Session};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many knock at once in the flood, and how often each identity.
const FLOODING: usize = 64;
const STRANGERS: usize = 512;
const KNOCKS: u32 = 10_000;

pub(crate) async fn server(listen: std::net::SocketAddr) -> (Rendezvous, RendezvousUrl) {
    let mut config = Config::new(listen);
    config.authority = AuthorityRule::SocketAddress;
    // All come from one address here, and faster than anybody may.
    let limits = &mut config.limits;
    limits.max_connections_per_address = 10_000;
    limits.connects_per_minute_per_address = 1_000_000;
    limits.knocks_per_minute_per_address = 1_000_000;
    limits.knocks_per_minute = 1_000_000;
    limits.messages_per_minute = 1_000_000;
    let server = Rendezvous::bind(config).await.unwrap();
    let url = format!("http://{}", server.local_addr()).parse().unwrap();
    (server, url)
}

/// Starts a desktop that keeps nothing.
async fn host(kind: LinkKind, approved: HashSet<gatelodge_host::Fingerprint>) -> (Host, HostEvents) {
    let guard = GuardCommand::new(env!("CARGO_BIN_EXE_host-fixture"));
    let link = LinkDefinition {
        id: "meet".parse().unwrap(),
        name: "meet".to_owned(),
        kind,
        server: None,
        enabled: true,
        prompt: LinkPolicy::PairedOnly,
    };
    let mut config = HostConfig::new(None, guard);
    config.transient = Transient { links: vec![link], approved, ..Transient::default() };
    Host::start(config).await.unwrap()
}

/// Waits for an event.
async fn event(events: &mut HostEvents, wanted: impl Fn(&HostEvent) -> bool) -> HostEvent {
    let waiting = async {
        loop {
            let event = events.recv().await.unwrap();
            if wanted(&event) {
                return event;
            }
        }
    };
    timeout(PATIENCE, waiting).await.unwrap()
}

async fn up(events: &mut HostEvents) -> String {
    match event(events, |event| matches!(event, HostEvent::LinkUp { .. })).await {
        HostEvent::LinkUp { address, .. } => address,
        _ => unreachable!(),
    }
}

/// Comes in as an agent, as far as being told what is lent.
async fn come_in(agent: &Identity, url: &RendezvousUrl, host: &Host) -> Session {
    let connected = RendezvousAgent::connect(agent, url, RendezvousOptions::default()).await.unwrap();
    let link = connected.knock(host.fingerprint(), None).await.unwrap();
    let session = Session::builder(agent).expect(host.fingerprint()).answer(link).await.unwrap();
    let mut control = session.open_channel(CONTROL_LABEL).await.unwrap();
    let hello = Control::Hello {
        version: CONTROL_VERSION,
        name: "test".to_owned(),
        software: String::new(),
        persistent: true,
        resume: 0,
        resuming: false,
    };
    control.send(hello.to_json()).await.unwrap();
    loop {
        let message = control.recv().await.unwrap();
        if let Control::Servers { .. } = Control::parse(&message).unwrap() {
            return session;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_agents_come_in_and_strangers_are_declined() {
    let (_server, url) = server(([127, 0, 0, 1], 0).into()).await;
    let (approved, trusted, stranger) =
        (Identity::generate().unwrap(), Identity::generate().unwrap(), Identity::generate().unwrap());
    let kind = LinkKind::Rendezvous { url: url.clone() };
    let (host, mut events) = host(kind, HashSet::from([approved.fingerprint()])).await;
    let address = up(&mut events).await;
    assert_eq!(address, format!("{url}/#{}", host.fingerprint()));
    assert_eq!(host.places(), [url.to_string().parse().unwrap()]);
    let trust = Request::Trust { agent: trusted.fingerprint(), label: "laptop".to_owned() };
    assert_eq!(host.perform(trust).await, Reply::Done);
    for agent in [&approved, &trusted] {
        let session = timeout(PATIENCE, come_in(agent, &url, &host)).await.unwrap();
        session.close().await;
    }
    let declined = async |agent: &Identity| {
        let agent = RendezvousAgent::connect(agent, &url, RendezvousOptions::default()).await.unwrap();
        let declined = agent.knock(host.fingerprint(), None).await.unwrap_err();
        matches!(declined, RendezvousError::Declined { code: DeclineCode::NotKnown })
    };
    assert!(declined(&stranger).await);
    assert!(declined(&stranger).await);
    assert_eq!(host.perform(Request::Block { agent: trusted.fingerprint() }).await, Reply::Done);
    assert!(declined(&trusted).await);
    assert_eq!(host.perform(Request::Forget { agent: trusted.fingerprint() }).await, Reply::Done);
    assert!(declined(&trusted).await);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_of_a_rendezvous_is_told_and_it_comes_back() {
    let (first, url) = server(([127, 0, 0, 1], 0).into()).await;
    let listen = first.local_addr();
    let (host, mut events) = host(LinkKind::Rendezvous { url: url.clone() }, HashSet::new()).await;
    up(&mut events).await;
    first.shutdown().await;
    let down = event(&mut events, |event| matches!(event, HostEvent::LinkDown { .. })).await;
    assert!(
        matches!(&down, HostEvent::LinkDown { reason, .. } if reason.contains("about to end")),
        "{down:?}"
    );
    assert!(host.places().is_empty());
    let Reply::Links { open, .. } = host.perform(Request::Links).await else {
        panic!("links were asked for")
    };
    assert!(open.is_empty());
    let (_second, _) = server(listen).await;
    up(&mut events).await;
    assert_eq!(host.places(), [url.to_string().parse().unwrap()]);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_embedded_rendezvous_is_reached_by_its_places() {
    let agent = Identity::generate().unwrap();
    let kind = LinkKind::Embedded { bind: ([0, 0, 0, 0], 0).into() };
    let (host, mut events) = host(kind, HashSet::from([agent.fingerprint()])).await;
    let address = up(&mut events).await;
    let places = host.places();
    assert_eq!(address, format!("{}/#{}", places[0], host.fingerprint()));
    for place in places {
        let url = place.as_str().parse().unwrap();
        let session = timeout(PATIENCE, come_in(&agent, &url, &host)).await.unwrap();
        session.close().await;
    }
    host.shutdown().await;
}

/// Bytes of memory that this process has in use.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Ten thousand knocks of hundreds of strangers, as fast as the machine can.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_strangers_costs_next_to_nothing() {
    let (server, url) = server(([127, 0, 0, 1], 0).into()).await;
    let trusted = Identity::generate().unwrap();
    let (host, mut events) = host(LinkKind::Rendezvous { url: url.clone() }, HashSet::new()).await;
    up(&mut events).await;
    let trust = Request::Trust { agent: trusted.fingerprint(), label: "laptop".to_owned() };
    assert_eq!(host.perform(trust).await, Reply::Done);
    let prompts = host.approvals().prompts();

    let declined = Arc::new(AtomicU32::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let before = resident();
    let mut flood = JoinSet::new();
    for _ in 0..FLOODING {
        let (url, declined, stop) = (url.clone(), Arc::clone(&declined), Arc::clone(&stop));
        let desktop = host.fingerprint();
        flood.spawn(async move {
            // Strangers change their names.
            while !stop.load(Ordering::Relaxed) {
                let stranger = Identity::generate().unwrap();
                let options = RendezvousOptions::default();
                let agent = RendezvousAgent::connect(&stranger, &url, options).await.unwrap();
                for _ in 0..(KNOCKS as usize / STRANGERS) {
                    match agent.knock(desktop, None).await {
                        Err(RendezvousError::Declined { .. }) => declined.fetch_add(1, Ordering::Relaxed),
                        other => panic!("a stranger was not declined: {other:?}"),
                    };
                }
            }
        });
    }
    let reached = async |number| {
        while declined.load(Ordering::Relaxed) < number {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // While the flood is at its height a trusted agent comes in, three times.
    timeout(PATIENCE, reached(KNOCKS / 10)).await.unwrap();
    for _ in 0..3 {
        let begun = Instant::now();
        let session = timeout(Duration::from_secs(5), come_in(&trusted, &url, &host)).await;
        let session = session.expect("a trusted agent gets in within 5 s");
        println!("a trusted agent came in after {:?}", begun.elapsed());
        session.close().await;
    }
    timeout(PATIENCE * 2, reached(KNOCKS)).await.unwrap();
    let counts = server.counts();
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = flood.join_next().await {
        ended.unwrap();
    }
    assert!(counts.knocks <= 256, "{counts:?}");
    let grown = resident().saturating_sub(before);
    // The flood's own clients are in this as well, with their sockets.
    assert!(grown < 96 << 20, "{grown} bytes more than before");
    assert!(prompts.borrow().is_none() && !prompts.has_changed().unwrap(), "nobody was asked anything");
    // Sessions were set up for the trusted agent only, and the person heard of strangers in a line or two.
    host.shutdown().await;
    drop(host);
    let (mut connected, mut refused) = (0, 0);
    while let Ok(Some(event)) = timeout(Duration::from_millis(100), events.recv()).await {
        match event {
            HostEvent::Connected { agent, .. } => {
                assert_eq!(agent, trusted.fingerprint());
                connected += 1;
            }
            HostEvent::Refused { agent: None, .. } => refused += 1,
            HostEvent::Missed { .. } => panic!("there were too many events"),
            _ => {}
        }
    }
    assert_eq!(connected, 3);
    assert!(refused <= 3, "{refused}");
}
