//! What a window shows of a desktop that runs, and what it sets: the gate, the settings, what goes on, and requests that are
//! given up.

use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::poll;
use gatelodge_host::live::LinkState;
use gatelodge_host::manage::{FailureCause, Reply, Request};
use gatelodge_host::upstream::guard::GuardCommand;
use gatelodge_host::{
    GateChange, GateState, Host, HostConfig, HostEvent, HostEvents, IceServerSetting, KeychainState,
    LinkDefinition, LinkKind, LinkPolicy, RendezvousChoice, ServerDefinition, ServerKind, Settings,
};
use gatelodge_wire::{CONTROL_LABEL, CONTROL_VERSION, Control, RESUME_VERSION, RefusalCode, ResumeToken};
use mcp_webrtc::signaling::TcpSignaling;
use mcp_webrtc::{Admission, Channel, Identity, Session};
use tokio::time::timeout;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that answers what it is asked, and notes in its file that it runs until it ends.
const SERVER: &str = r#"
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    method, id = message.get("method"), message.get("id")
    if method == "initialize":
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": "look", "title": "Look", "description": "Looks\u202e.", "annotations": {"readOnlyHint": True}, "inputSchema": {"type": "object"}}]}
    elif method == "tools/call":
        result = {"content": []}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": id, "result": result}), flush=True)
"#;

fn link(id: &str, kind: LinkKind) -> LinkDefinition {
    let (id, name) = (id.parse().unwrap(), id.to_owned());
    LinkDefinition { id, name, kind, server: None, enabled: true, prompt: LinkPolicy::PairedOnly }
}

fn stdio(id: &str, command: &str, args: &[&str]) -> ServerDefinition {
    let args = args.iter().map(|&word| word.to_owned()).collect();
    let kind = ServerKind::Stdio { command: command.to_owned(), args, env: Default::default(), cwd: None };
    ServerDefinition { id: id.parse().unwrap(), name: id.to_owned(), kind, notes: String::new() }
}

/// A desktop that keeps nothing, and an agent that may do all with its one server.
struct Desk {
    host: Host,
    events: HostEvents,
    agent: Identity,
    address: String,
}

impl Desk {
    async fn new() -> Self {
        let agent = Identity::generate().unwrap();
        let mut config = HostConfig::new(None, GuardCommand::new(env!("CARGO_BIN_EXE_host-fixture")));
        config.transient.links = vec![link("home", LinkKind::Tcp { bind: ([127, 0, 0, 1], 0).into() })];
        config.transient.servers = vec![stdio("looking", "python3", &["-c", SERVER])];
        config.transient.approved.insert(agent.fingerprint());
        let (host, events) = Host::start(config).await.unwrap();
        let mut desk = Self { host, events, agent, address: String::new() };
        desk.address = desk
            .event(|event| match event {
                HostEvent::LinkUp { address, .. } => Some(address.strip_prefix("tcp://").unwrap().to_owned()),
                _ => None,
            })
            .await;
        desk
    }

    /// Waits for an event.
    async fn event<T>(&mut self, wanted: impl Fn(&HostEvent) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let event = self.events.recv().await.unwrap();
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, waiting).await.unwrap()
    }

    async fn set(&self, settings: Settings) {
        assert_eq!(self.host.perform(Request::PutSettings { settings }).await, Reply::Done);
    }

    /// The agent comes, and says hello.
    async fn come(&self, resuming: bool) -> (Session, Channel) {
        let signaling = TcpSignaling::connect(&self.address).await.unwrap();
        let session = Session::builder(&self.agent).admit(|_| async { Admission::Admit }).answer(signaling);
        let session = timeout(PATIENCE, session).await.unwrap().unwrap();
        let control = session.open_channel(CONTROL_LABEL).await.unwrap();
        let (name, software) = ("agent".to_owned(), String::new());
        let (version, resume) = (CONTROL_VERSION, RESUME_VERSION);
        let hello = Control::Hello { version, name, software, persistent: true, resume, resuming };
        control.send(hello.to_json()).await.unwrap();
        (session, control)
    }

    /// The agent comes, and is let in.
    async fn come_in(&self) -> (Session, Channel) {
        let (session, mut control) = self.come(false).await;
        while !matches!(said(&mut control).await, Control::Servers { .. }) {}
        (session, control)
    }
}

async fn said(control: &mut Channel) -> Control {
    let message = timeout(PATIENCE, control.recv()).await.unwrap().unwrap();
    Control::parse(&message).unwrap()
}

/// Waits for the desktop's no.
async fn refused(control: &mut Channel) -> (RefusalCode, String) {
    loop {
        if let Control::Refused { channel: None, code, message } = said(control).await {
            return (code, message);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_gate_ends_all_sessions_and_lets_nobody_in() {
    let mut desk = Desk::new().await;
    let (_session, mut control) = desk.come_in().await;
    assert_eq!(desk.host.live().sessions.len(), 1);
    let begun = Instant::now();
    desk.host.set_gate(GateChange::Closed { seconds: None }).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let closed = GateState::Closed { until: None };
    let live = desk.host.live();
    assert_eq!((live.gate, live.sessions.len()), (closed, 0));
    let (code, message) = refused(&mut control).await;
    assert_eq!(code, RefusalCode::Revoked);
    assert_eq!(message, "the desktop's user has closed the gate");
    desk.event(|event| (*event == HostEvent::GateChanged { state: closed }).then_some(())).await;

    // Neither a new session nor an old one.
    let (_session, mut control) = desk.come(false).await;
    assert_eq!(refused(&mut control).await.0, RefusalCode::GateClosed);
    let (_session, mut control) = desk.come(true).await;
    let resume = Control::Resume { session: ResumeToken::from_bytes([1; 16]), channels: Vec::new() };
    control.send(resume.to_json()).await.unwrap();
    assert_eq!(refused(&mut control).await.0, RefusalCode::GateClosed);
    assert_eq!(desk.host.live().sessions.len(), 0);

    desk.host.set_gate(GateChange::Open).await.unwrap();
    desk.come_in().await;
    desk.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_is_closed_for_a_time_opens_by_itself() {
    let mut desk = Desk::new().await;
    desk.host.set_gate(GateChange::Closed { seconds: Some(1) }).await.unwrap();
    assert!(matches!(desk.host.gate(), GateState::Closed { until: Some(_) }));
    desk.event(|event| (*event == HostEvent::GateChanged { state: GateState::Open }).then_some(())).await;
    assert_eq!(desk.host.gate(), GateState::Open);
    desk.come_in().await;
    desk.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_on_is_shown() {
    let mut desk = Desk::new().await;
    let live = desk.host.live();
    assert_eq!((live.gate, live.keychain), (GateState::Open, KeychainState::Open));
    assert!(live.sessions.is_empty() && live.agents.is_empty() && live.servers.is_empty());
    // A port that is taken, one that nobody answers at, and a link that is closed.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", taken.local_addr().unwrap());
    let put = async |link| assert_eq!(desk.host.perform(Request::PutLink { link }).await, Reply::Done);
    put(link("taken", LinkKind::Tcp { bind: taken.local_addr().unwrap() })).await;
    put(LinkDefinition { enabled: false, ..link("off", LinkKind::Tcp { bind: ([127, 0, 0, 1], 0).into() }) })
        .await;
    put(link("silent", LinkKind::Rendezvous { url: nobody.parse().unwrap() })).await;
    let state = |id: &str| {
        let links = desk.host.live().links;
        links.into_iter().find(|link| link.link.as_str() == id).unwrap().state
    };
    assert_eq!(state("home"), LinkState::Open { address: format!("tcp://{}", desk.address) });
    assert_eq!(state("off"), LinkState::Closed);
    assert!(matches!(state("taken"), LinkState::Down { .. }));
    assert_eq!(state("silent"), LinkState::Connecting);

    let (session, _control) = desk.come_in().await;
    let mut channel = session.open_channel("mcp:looking").await.unwrap();
    let begin = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    channel.send(begin).await.unwrap();
    timeout(PATIENCE, channel.recv()).await.unwrap().unwrap();
    channel.send(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"look"}}"#).await.unwrap();
    timeout(PATIENCE, channel.recv()).await.unwrap().unwrap();
    desk.event(|event| {
        matches!(event, HostEvent::Called { method, .. } if method == "tools/call").then_some(())
    })
    .await;
    let live = desk.host.live();
    let [shown] = &live.sessions[..] else { panic!("{live:?}") };
    assert_eq!(shown.words, desk.agent.fingerprint().words().to_string());
    assert_eq!((shown.recent.len(), shown.recent.iter().sum::<u32>()), (30, 2));
    assert_eq!(shown.session.calls, 2);
    let [agent] = &live.agents[..] else { panic!("{live:?}") };
    assert_eq!((agent.agent, agent.calls), (desk.agent.fingerprint(), 2));
    let [server] = &live.servers[..] else { panic!("{live:?}") };
    assert_eq!((server.server.as_str(), server.channels, &server.crash), ("looking", 1, &None));
    desk.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ended_by_itself_is_shown_until_it_is_another_one() {
    let mut desk = Desk::new().await;
    let server = stdio("weak", "sh", &["-c", "read line; exit 7"]);
    assert_eq!(desk.host.perform(Request::PutServer { server: server.clone() }).await, Reply::Done);
    let (session, _control) = desk.come_in().await;
    let channel = session.open_channel("mcp:weak").await.unwrap();
    channel.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await.unwrap();
    desk.event(|event| matches!(event, HostEvent::ChannelClosed { .. }).then_some(())).await;
    let live = desk.host.live();
    let [shown] = &live.servers[..] else { panic!("{live:?}") };
    let crash = shown.crash.clone().unwrap();
    assert!(crash.reason.contains("code 7"), "{}", crash.reason);
    assert_eq!(desk.host.perform(Request::PutServer { server }).await, Reply::Done);
    assert!(desk.host.live().servers.is_empty());
    desk.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_count_at_once_or_not_at_all() {
    let mut desk = Desk::new().await;
    let before = desk.host.settings();
    for settings in [
        Settings { activity_days: 0, ..before.clone() },
        Settings { rendezvous: RendezvousChoice::Url { url: "nowhere".to_owned() }, ..before.clone() },
    ] {
        match desk.host.perform(Request::PutSettings { settings }).await {
            Reply::Failed { message, cause: FailureCause::Other } => assert!(!message.is_empty()),
            other => panic!("{other:?}"),
        }
        assert_eq!(desk.host.settings(), before);
    }
    let (_server, url) = super::rendezvous::server(([127, 0, 0, 1], 0).into()).await;
    let rendezvous = RendezvousChoice::Url { url: url.to_string() };
    desk.set(Settings { rendezvous, ..before.clone() }).await;
    let address = desk
        .event(|event| match event {
            HostEvent::LinkUp { address, .. } => Some(address.clone()),
            _ => None,
        })
        .await;
    assert_eq!(address, format!("{url}/#{}", desk.host.fingerprint()));
    let Reply::Links { links, .. } = desk.host.perform(Request::Links).await else { panic!() };
    let from_settings = links.iter().find(|link| matches!(link.kind, LinkKind::Rendezvous { .. })).unwrap();
    let remove = Request::RemoveLink { link: from_settings.id.clone() };
    assert!(matches!(desk.host.perform(remove).await, Reply::Failed { .. }));
    desk.set(before.clone()).await;
    desk.event(|event| matches!(event, HostEvent::LinkDown { .. }).then_some(())).await;

    // A STUN server is asked for the next session.
    let stun = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("stun:{}", stun.local_addr().unwrap());
    let ice_servers = vec![IceServerSetting { url, ..IceServerSetting::default() }];
    desk.set(Settings { ice_servers, approval_timeout: Duration::from_secs(77), ..before.clone() }).await;
    assert_eq!(desk.host.settings().approval_timeout, Duration::from_secs(77));
    let asked = async {
        let mut request = [0; 64];
        stun.recv_from(&mut request).await.unwrap();
        request
    };
    let (request, _come) = tokio::join!(timeout(PATIENCE, asked), desk.come_in());
    // RFC 8489, section 5: a binding request, and the magic cookie.
    let request = request.unwrap();
    assert_eq!((&request[..2], &request[4..8]), (&[0, 1][..], &[0x21, 0x12, 0xa4, 0x42][..]));
    desk.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_tells_what_tools_say_about_themselves() {
    let desk = Desk::new().await;
    let folder = tempfile::tempdir().unwrap();
    let probed = async |id: &str| match desk
        .host
        .perform(Request::ProbeServer { server: id.parse().unwrap() })
        .await
    {
        Reply::Probed { tools, .. } => tools,
        other => panic!("{other:?}"),
    };
    let tools = probed("looking").await;
    let [tool] = &tools[..] else { panic!("{tools:?}") };
    assert_eq!(
        (tool.name.as_str(), tool.title.as_deref(), tool.read_only),
        ("look", Some("Look"), Some(true))
    );
    assert_eq!(tool.description.as_deref(), Some("Looks\\u202e."));
    // The built-in server too, in this process.
    let folders =
        vec![gatelodge_host::SharedFolder { path: folder.path().into(), access: Default::default() }];
    let server = ServerDefinition { kind: ServerKind::Files { folders }, ..stdio("files", "", &[]) };
    assert_eq!(desk.host.perform(Request::PutServer { server }).await, Reply::Done);
    assert!(probed("files").await.iter().any(|tool| tool.name == "read_text_file"));
    desk.host.shutdown().await;
}

/// Reads a FIFO that a process holds open for as long as it lives.
fn lifeline(path: &Path) -> tokio::task::JoinHandle<String> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || std::fs::read_to_string(path).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_is_given_up_leaves_no_process() {
    let desk = Desk::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (fifo, begun) = (folder.path().join("fifo"), folder.path().join("begun"));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let script = r#"exec 9>"$0"; echo here >&9; : >"$1"; exec sleep 600"#;
    let server = stdio("slow", "sh", &["-c", script, fifo.to_str().unwrap(), begun.to_str().unwrap()]);
    assert_eq!(desk.host.perform(Request::PutServer { server }).await, Reply::Done);
    let held = lifeline(&fifo);
    let mut probing = Box::pin(desk.host.perform(Request::ProbeServer { server: "slow".parse().unwrap() }));
    while !begun.exists() {
        assert!(timeout(Duration::from_millis(20), &mut probing).await.is_err(), "it answers nothing");
    }
    drop(probing);
    // The FIFO ends with the last process that has it.
    assert_eq!(timeout(PATIENCE, held).await.unwrap().unwrap(), "here\n");
    desk.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_is_given_up_leaves_no_file() {
    let desk = Desk::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("activity.jsonl");
    let export = || Request::ExportActivity { path: path.clone(), filter: Default::default() };
    {
        let mut exporting = pin!(desk.host.perform(export()));
        while !path.exists() {
            assert!(poll!(&mut exporting).is_pending(), "it is not done before it has begun");
            tokio::task::yield_now().await;
        }
    }
    assert!(!path.exists());
    assert_eq!(desk.host.perform(export()).await, Reply::Verified { entries: 0, broken: None });
    assert!(path.exists());
    // What is there already is left alone.
    std::fs::write(&path, "mine").unwrap();
    assert!(matches!(desk.host.perform(export()).await, Reply::Failed { .. }));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    desk.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_diagnosis_tells_each_check_as_soon_as_it_is_done() {
    let desk = Desk::new().await;
    let mut events = desk.host.events();
    desk.host.set_gate(GateChange::ClosedUntilRestart).await.unwrap();
    let Reply::Diagnosis { checks } = desk.host.perform(Request::Diagnose).await else { panic!() };
    let mut told = Vec::new();
    while told.len() < checks.len() {
        if let HostEvent::Checked { check } = timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
            told.push(check);
        }
    }
    let order = |check: &gatelodge_host::diagnosis::Check| check.id.clone();
    let (mut told, mut found) = (told, checks);
    assert!(found.iter().any(|check| check.id == "gate"));
    told.sort_by_key(order);
    found.sort_by_key(order);
    assert_eq!(told, found);
    desk.host.shutdown().await;
}
