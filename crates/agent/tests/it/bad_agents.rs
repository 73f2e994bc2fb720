//! Agents that behave badly, with the library itself in their hands: each harms its own session and nothing else.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use gatelodge_wire::{CONTROL_LABEL, Control, RefusalCode};
use mcp_webrtc::signaling::TcpSignaling;
use mcp_webrtc::{Admission, Channel, Identity, Session};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::agent::{Client, Machine};
use crate::desk::{Host, counting_server};
use crate::program::LIMIT;

/// How many channels of one session a desktop serves; the control channel and the unused one of its offer are among them.
const MOST_CHANNELS: usize = 17;

/// A desktop with a server, a good agent that uses it, and a bad one that is let in as well.
struct Scene {
    host: Host,
    machine: Machine,
    good: Client,
    bad: Identity,
    count: u32,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
        let file = folder.path().join("servers.json");
        let counting = json!({"command": counting_server(), "args": []});
        std::fs::write(&file, json!({"mcpServers": {"counting": counting}}).to_string()).unwrap();
        let bad = Identity::generate().unwrap();
        let agents = [machine.fingerprint("default"), bad.fingerprint().to_string()];
        let arguments = ["--servers", file.to_str().unwrap(), "--approval-seconds", "5"];
        let host = Host::ephemeral(&arguments, &[&agents[0], &agents[1]]);
        let mut good = machine.connect("default", &host.link, &[]);
        good.initialize();
        Self { host, machine, good, bad, count: 0, _folder: folder }
    }

    /// The good agent is served, and so is another one that comes only now.
    #[track_caller]
    fn others_are_served(&mut self) {
        self.count += 1;
        assert_eq!(self.good.call("count", json!({})).unwrap(), self.count.to_string());
        let mut late = self.machine.connect("default", &self.host.link, &[]);
        late.initialize();
        assert_eq!(late.call("count", json!({})).unwrap(), "1");
    }

    /// A session of the bad agent, without a word on the control channel yet.
    async fn session(&self) -> Session {
        session(&self.host.link, &self.bad).await
    }
}

async fn session(link: &str, identity: &Identity) -> Session {
    let signaling = TcpSignaling::connect(link.strip_prefix("tcp://").unwrap()).await.unwrap();
    Session::builder(identity).admit(|_| async { Admission::Admit }).answer(signaling).await.unwrap()
}

/// Says hello, and waits until the agent is let in.
async fn introduce(session: &Session) -> Channel {
    let mut control = session.open_channel(CONTROL_LABEL).await.unwrap();
    control.send(hello(1)).await.unwrap();
    while !matches!(next(&mut control).await, Control::Servers { .. }) {}
    control
}

fn hello(version: u32) -> Bytes {
    let text = json!({"type": "hello", "version": version, "name": "bad", "persistent": true});
    text.to_string().into()
}

async fn next(control: &mut Channel) -> Control {
    let message =
        timeout(LIMIT, control.recv()).await.unwrap().expect("the session has ended without a word");
    Control::parse(&message).unwrap()
}

/// Waits for a refusal on the control channel.
async fn refusal(control: &mut Channel) -> (Option<String>, RefusalCode) {
    loop {
        if let Control::Refused { channel, code, .. } = next(control).await {
            return (channel, code);
        }
    }
}

fn run(work: impl AsyncFnOnce(&mut Scene)) {
    let mut scene = Scene::new();
    let before = scene.host.program.memory();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(work(&mut scene));
    let after = scene.host.program.memory();
    assert!(after < before + 32 * 1024, "the desktop went from {before} to {after} KiB");
    scene.others_are_served();
}

#[test]
fn some_garbage_on_the_control_channel_is_skipped_and_more_ends_the_session() {
    run(async |scene| {
        let session = scene.session().await;
        let control = introduce(&session).await;
        for text in
            ["", "{", "[]", "null", r#"{"type":"unheard-of"}"#, r#"{"type":"servers","servers":7}"#, "\u{0}"]
        {
            let _ = control.send(text.to_owned()).await;
        }
        tokio::task::block_in_place(|| scene.others_are_served());
        let garbage: Bytes = "x".repeat(60_000).into();
        let flooding = async { while control.send(garbage.clone()).await.is_ok() {} };
        timeout(LIMIT, flooding).await.unwrap();
        timeout(LIMIT, session.closed()).await.unwrap();
        tokio::task::block_in_place(|| scene.others_are_served());
    });
}

#[test]
fn a_flood_of_small_messages_slows_down_who_sends_it() {
    run(async |scene| {
        let session = scene.session().await;
        let control = introduce(&session).await;
        let mcp = session.open_channel("mcp:counting").await.unwrap();
        let flood = |channel: Channel, message: &'static str| async move {
            let mut sent = 0_u64;
            let sending = async {
                while channel.send(message).await.is_ok() {
                    sent += 1;
                }
            };
            let _ = timeout(Duration::from_secs(4), sending).await;
            sent
        };
        let floods = [
            tokio::spawn(flood(control, r#"{"type":"ping","nonce":1}"#)),
            tokio::spawn(flood(mcp, r#"{"jsonrpc":"2.0","method":"notifications/x"}"#)),
        ];
        for _ in 0..3 {
            tokio::task::block_in_place(|| scene.others_are_served());
        }
        for flood in floods {
            assert!(flood.await.unwrap() > 1_000, "it was no flood");
        }
    });
}

#[test]
fn channels_beyond_the_limit_and_to_what_is_not_lent_are_refused() {
    run(async |scene| {
        for label in ["mcp:files", "mcp:", "mcp:../counting", "mcp:COUNTING", "mcp:counting\n"] {
            let session = scene.session().await;
            let mut control = introduce(&session).await;
            let mut channel = session.open_channel(label).await.unwrap();
            channel.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await.unwrap();
            assert_eq!(
                refusal(&mut control).await,
                (Some(label.to_owned()), RefusalCode::NotLent),
                "{label:?}"
            );
            assert_eq!(timeout(LIMIT, channel.recv()).await.unwrap(), None, "{label:?}");
        }
        // Many channels that say nothing cost no process; too many of them are closed at once.
        let session = scene.session().await;
        let _control = introduce(&session).await;
        let mut open = Vec::new();
        for _ in 0..100 {
            match timeout(Duration::from_secs(2), session.open_channel("mcp:counting")).await {
                Ok(Ok(channel)) => open.push(channel),
                _ => break,
            }
        }
        let opened = open.len();
        let mut ends: FuturesUnordered<_> = open.iter_mut().map(Channel::recv).collect();
        for _ in MOST_CHANNELS..opened {
            assert_eq!(timeout(LIMIT, ends.next()).await.unwrap(), Some(None), "of {opened} channels");
        }
        tokio::task::block_in_place(|| scene.others_are_served());
    });
}

#[test]
fn one_of_another_version_is_told_so() {
    run(async |scene| {
        let session = scene.session().await;
        let mut control = session.open_channel(CONTROL_LABEL).await.unwrap();
        control.send(hello(2)).await.unwrap();
        assert_eq!(refusal(&mut control).await, (None, RefusalCode::Version));
        timeout(LIMIT, session.closed()).await.unwrap();
        tokio::task::block_in_place(|| scene.others_are_served());
    });
}

#[test]
fn those_that_come_and_say_nothing_do_not_keep_others_out() {
    run(async |scene| {
        let address = scene.host.link.strip_prefix("tcp://").unwrap().to_owned();
        // Connections over which no session is ever set up.
        let mut silent = Vec::new();
        for _ in 0..40 {
            silent.push(TcpStream::connect(&address).await.unwrap());
        }
        tokio::task::block_in_place(|| scene.others_are_served());
        // Sessions that never say hello: they wait for a verdict about somebody whom nobody knows.
        let mut waiting = Vec::new();
        for _ in 0..12 {
            let stranger = Identity::generate().unwrap();
            let signaling = TcpSignaling::connect(address.as_str()).await.unwrap();
            let builder = Session::builder(&stranger).admit(|_| async { Admission::Admit });
            if let Ok(Ok(session)) = timeout(LIMIT, builder.answer(signaling)).await {
                waiting.push(session);
            }
        }
        tokio::task::block_in_place(|| scene.others_are_served());
        // What they were answered with ends with them.
        for session in waiting {
            timeout(LIMIT, session.closed()).await.unwrap();
        }
        for mut connection in silent {
            let mut offer = Vec::new();
            let _ = timeout(LIMIT, connection.read_to_end(&mut offer)).await.unwrap();
        }
    });
}
