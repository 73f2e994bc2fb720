//! A session whose connection is lost goes on over another one: no call is lost, none runs twice, and nobody is asked again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::agent::{Client, Machine, result};
use crate::desk::{Desk, Host, counting_server};
use crate::program::LIMIT;
use crate::road::{Road, Side};

const ALICE: &str = "alice";

/// A desktop that lends the counting server, a road to it, and an agent that has come by it.
struct Scene {
    host: Host,
    road: Road,
    client: Client,
    _machine: Machine,
    _servers: tempfile::NamedTempFile,
}

impl Scene {
    fn new(arguments: &[&str]) -> Self {
        let machine = Machine::new();
        let alice = machine.fingerprint(ALICE);
        let servers = tempfile::NamedTempFile::new().unwrap();
        let file = json!({"mcpServers": {"count": {"command": counting_server(), "args": []}}});
        std::fs::write(servers.path(), file.to_string()).unwrap();
        let mut all = vec!["--servers", servers.path().to_str().unwrap()];
        all.extend(arguments);
        let host = Host::ephemeral(&all, &[&alice]);
        let road = Road::to(&host.link);
        let mut client = machine.connect(ALICE, &road.link, &[]);
        assert_eq!(client.initialize()["name"], "counting");
        Self { host, road, client, _machine: machine, _servers: servers }
    }
}

/// The next message of the server.
#[track_caller]
fn next(client: &mut Client) -> Value {
    client.program.line(|line| Some(serde_json::from_str(line).unwrap()))
}

#[test]
fn a_thousand_calls_across_twenty_lost_connections_count_a_thousand() {
    const CALLS: usize = 1_000;
    const AT_A_TIME: usize = 16;
    const LOSSES: usize = 20;
    let mut scene = Scene::new(&[]);
    let mut counted: HashMap<u64, u64> = HashMap::new();
    let mut asked = 0;
    let mut losses = 0;
    while counted.len() < CALLS {
        while asked < CALLS && asked - counted.len() < AT_A_TIME {
            scene.client.begin("count", json!({}));
            asked += 1;
        }
        if counted.len() >= (losses + 1) * CALLS / (LOSSES + 1) && losses < LOSSES {
            losses += 1;
            match losses % 4 {
                0 => scene.road.end(Side::Agent),
                1 => scene.road.end(Side::Desktop),
                2 => scene.road.end(Side::Both),
                _ => {
                    // The agent tries another connection after some seconds of silence.
                    scene.road.cut();
                }
            }
        }
        let answer = next(&mut scene.client);
        let id = answer["id"].as_u64().unwrap();
        let count = answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let before = counted.insert(id, count.parse().unwrap());
        assert_eq!(before, None, "call {id} was answered twice");
    }
    let mut counts: Vec<u64> = counted.into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=CALLS as u64).collect::<Vec<_>>());
    assert_eq!(scene.client.call("count", json!({})), Ok((CALLS + 1).to_string()));
    assert_eq!(losses, LOSSES);
    assert!(scene.road.connections() > LOSSES, "{} connections", scene.road.connections());
    // Every one of them was back without a prompt, in the one session.
    let told = scene.host.program.said();
    let events = |kind: &str| {
        told.iter().filter(|line| serde_json::from_str::<Value>(line).unwrap()["event"] == kind).count()
    };
    assert_eq!(
        (events("connected"), events("admitted"), events("channel_opened"), events("ended")),
        (1, 1, 1, 0)
    );
    assert!(events("resumed") >= LOSSES, "{told:?}");
    scene.client.program.close_input();
    assert_eq!(scene.client.program.end().code, Some(0));
}

#[test]
fn wherever_a_connection_is_cut_the_count_is_right() {
    const CUTS: usize = 25;
    let mut scene = Scene::new(&[]);
    let road = scene.road.clone();
    let (answered_one, answer_came) = std::sync::mpsc::channel();
    let cutting = std::thread::spawn(move || {
        // Any sequence will do, as long as the moments fall into handshakes, resuming and calls alike.
        let mut random: u64 = 7;
        for cut in 1..=CUTS {
            // However long the agent pauses, each of its connections is cut, some of them before they are up.
            assert!(road.await_connections(cut), "the agent does not come back");
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (millis, side) = ((random >> 33) % 200, (random >> 60) % 3);
            // The agent pauses for longer after each failure in a row: every third connection comes to something first.
            if cut % 3 == 0 {
                while answer_came.try_recv().is_ok() {}
                answer_came.recv_timeout(LIMIT).expect("calls are answered again");
            }
            std::thread::sleep(Duration::from_millis(millis));
            road.end([Side::Agent, Side::Desktop, Side::Both][usize::try_from(side).unwrap()]);
        }
    });
    let mut calls = 0;
    while !cutting.is_finished() || calls < 100 {
        let ids = [(); 8].map(|()| scene.client.begin("count", json!({})));
        let mut counts: Vec<u64> = Vec::new();
        let mut answered: Vec<u64> = Vec::new();
        while answered.len() < ids.len() {
            let answer = next(&mut scene.client);
            // Nobody listens once all cuts are made.
            let _ = answered_one.send(());
            answered.push(answer["id"].as_u64().unwrap_or_else(|| panic!("{answer}")));
            counts.push(result(&answer).unwrap().parse().unwrap());
        }
        answered.sort_unstable();
        counts.sort_unstable();
        assert_eq!(answered, ids);
        assert_eq!(counts, (calls + 1..=calls + 8).collect::<Vec<_>>());
        calls += 8;
    }
    cutting.join().unwrap();
    assert!(scene.road.connections() >= CUTS, "{} connections", scene.road.connections());
}

#[test]
fn half_a_minute_without_a_network_in_the_middle_of_a_large_result_loses_nothing() {
    const BYTES: usize = 16 << 20;
    let mut scene = Scene::new(&[]);
    let call = scene.client.begin("fill", json!({"bytes": BYTES}));
    let deadline = Instant::now() + LIMIT;
    while scene.road.down() < (BYTES / 8) as u64 {
        assert!(Instant::now() < deadline, "the result does not come");
        std::thread::yield_now();
    }
    scene.road.close();
    let down = scene.road.down();
    assert!(down < BYTES as u64, "the result was through already");
    // The time is what is tested.
    std::thread::sleep(Duration::from_secs(30));
    assert_eq!(scene.road.down(), down, "the road is closed");
    scene.road.open();
    assert_eq!(result(&scene.client.answer(call)).unwrap().len(), BYTES);
    assert_eq!(scene.client.call("count", json!({})).unwrap(), "1");
}

#[test]
fn after_the_time_limit_calls_under_way_are_answered_with_an_error_and_the_server_ends() {
    let mut scene = Scene::new(&["--resume-seconds", "3"]);
    let call = scene.client.begin_waiting();
    scene.road.close();
    scene.road.end(Side::Both);
    scene.host.event("interrupted");
    let answer = scene.client.answer(call);
    let message = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(
        message.contains("lost for longer than 3 s") && message.contains("may or may not have run"),
        "{message}"
    );
    let ended = scene.client.program.end();
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(ended.errors.contains("connecting again, for up to 3 s"), "{ended:?}");
    scene.host.event("channel_closed");
    let reason = scene.host.event("ended")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("did not come back within 3 s"), "{reason}");
}

#[test]
fn an_agent_that_comes_back_too_late_is_told_so() {
    let mut scene = Scene::new(&["--resume-seconds", "1"]);
    let call = scene.client.begin_waiting();
    // Only the desktop hears of the end; the agent notices by its silence, some seconds later.
    scene.road.cut();
    scene.road.end(Side::Desktop);
    scene.host.event("ended");
    let answer = scene.client.answer(call);
    let message = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(message.contains("no such session to go on with"), "{message}");
    assert_eq!(scene.client.program.end().code, Some(7));
}

#[test]
fn a_session_in_which_nothing_was_said_is_replaced_by_another_one() {
    let scene = Scene::new(&["--resume-seconds", "1"]);
    let Scene { mut host, road, client, _machine: machine, _servers } = scene;
    drop(client);
    let mut client = machine.connect(ALICE, &road.link, &[]);
    client.program.error_line("ready: count");
    road.cut();
    road.end(Side::Desktop);
    host.event("ended");
    client.program.error_line("beginning another one");
    assert_eq!(client.initialize()["name"], "counting");
    assert_eq!(client.call("count", json!({})).unwrap(), "1");
}

#[test]
fn revoking_ends_a_session_that_is_interrupted_at_once() {
    let (desk, machine) = (Desk::new(), Machine::new());
    let lifeline = desk.add_counting("counting");
    let agent = machine.fingerprint(ALICE);
    desk.lend(&agent, "Notebook", &["counting"]);
    let mut host = desk.start();
    let road = Road::to(&host.link);
    let mut client = machine.connect(ALICE, &road.link, &[]);
    client.initialize();
    let call = client.begin_waiting();
    let server = lifeline.held();
    road.close();
    road.end(Side::Both);
    host.event("interrupted");
    let sessions = desk.done(&["sessions", "list"])["sessions"].clone();
    assert_eq!(
        (&sessions[0]["interrupted"], &sessions[0]["channels"][0]),
        (&json!(true), &json!("counting"))
    );
    let asked = desk.ask(&json!({"request": "block", "agent": agent}));
    assert!(server.gone() - asked < Duration::from_secs(1));
    host.event("ended");
    road.open();
    let answer = client.answer(call);
    assert!(answer["error"]["message"].is_string(), "{answer}");
    assert_ne!(client.program.end().code, Some(0));
}

mod by_hand {
    //! Agents with the library itself in their hands.

    use gatelodge_wire::{CONTROL_LABEL, Control, RefusalCode, ResumeToken, resumable_label};
    use mcp_webrtc::signaling::TcpSignaling;
    use mcp_webrtc::{Admission, Channel, Identity, Session};
    use tokio::time::timeout;

    use super::*;

    const LABEL: &str = "counting";

    fn host(agents: &[&Identity]) -> (Host, tempfile::NamedTempFile) {
        let servers = tempfile::NamedTempFile::new().unwrap();
        let file = json!({"mcpServers": {LABEL: {"command": counting_server(), "args": []}}});
        std::fs::write(servers.path(), file.to_string()).unwrap();
        let agents: Vec<_> = agents.iter().map(|agent| agent.fingerprint().to_string()).collect();
        let agents: Vec<_> = agents.iter().map(String::as_str).collect();
        (Host::ephemeral(&["--servers", servers.path().to_str().unwrap()], &agents), servers)
    }

    async fn connect(link: &str, identity: &Identity, resuming: bool) -> (Session, Channel) {
        let signaling = TcpSignaling::connect(link.strip_prefix("tcp://").unwrap()).await.unwrap();
        let builder = Session::builder(identity).admit(|_| async { Admission::Admit });
        let session = builder.answer(signaling).await.unwrap();
        let control = session.open_channel(CONTROL_LABEL).await.unwrap();
        let hello =
            json!({"type": "hello", "version": 1, "name": "by hand", "resume": 1, "resuming": resuming});
        control.send(hello.to_string()).await.unwrap();
        (session, control)
    }

    async fn heard<T>(control: &mut Channel, wanted: impl Fn(Control) -> Option<T>) -> T {
        let hearing = async {
            loop {
                let message = control.recv().await.expect("the session has ended without the word");
                if let Some(found) = wanted(Control::parse(&message).unwrap()) {
                    return found;
                }
            }
        };
        timeout(LIMIT, hearing).await.unwrap()
    }

    async fn offered(control: &mut Channel) -> ResumeToken {
        heard(control, |object| match object {
            Control::ResumeOffer { session, seconds: 120 } => Some(session),
            _ => None,
        })
        .await
    }

    async fn resume(control: &Channel, session: &ResumeToken, taken: u64) {
        let resume = Control::Resume { session: session.clone(), channels: vec![(1, taken)] };
        control.send(resume.to_json()).await.unwrap();
    }

    /// Calls the counter on a channel and returns its count.
    async fn count(channel: &mut Channel, id: u64) -> String {
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "count", "arguments": {}}});
        channel.send(call.to_string()).await.unwrap();
        let answer = timeout(LIMIT, channel.recv()).await.unwrap().unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["id"], id);
        result(&answer).unwrap()
    }

    fn run(work: impl Future<Output = ()>) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(work);
    }

    #[test]
    fn a_stolen_token_is_of_no_use_under_another_certificate() {
        let (alice, mallory) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let (host, _servers) = host(&[&alice, &mallory]);
        run(async {
            let (session, mut control) = connect(&host.link, &alice, false).await;
            let token = offered(&mut control).await;
            let mut channel = session.open_channel(&resumable_label(LABEL, 1)).await.unwrap();
            assert_eq!(count(&mut channel, 1).await, "1");
            for guess in [token.clone(), ResumeToken::from_bytes([0; 16])] {
                let (thief, mut theft) = connect(&host.link, &mallory, true).await;
                resume(&theft, &guess, 1).await;
                let code = heard(&mut theft, |object| match object {
                    Control::Refused { channel: None, code, .. } => Some(code),
                    Control::Resumed { .. } | Control::Servers { .. } => {
                        panic!("the thief is in: {object:?}")
                    }
                    _ => None,
                });
                assert_eq!(code.await, RefusalCode::Expired);
                timeout(LIMIT, thief.closed()).await.unwrap();
            }
            assert_eq!(count(&mut channel, 2).await, "2", "the session goes on as if nothing had been");
        });
    }

    #[test]
    fn of_two_that_resume_at_once_one_goes_on_and_the_other_is_closed() {
        let alice = Identity::generate().unwrap();
        let (host, _servers) = host(&[&alice]);
        run(async {
            let (first, mut control) = connect(&host.link, &alice, false).await;
            let token = offered(&mut control).await;
            let mut channel = first.open_channel(&resumable_label(LABEL, 1)).await.unwrap();
            assert_eq!(count(&mut channel, 1).await, "1");
            let (mut one, mut other) =
                tokio::join!(connect(&host.link, &alice, true), connect(&host.link, &alice, true));
            tokio::join!(resume(&one.1, &token, 1), resume(&other.1, &token, 1));
            // The one that was there is closed, and so is the slower of the two.
            timeout(LIMIT, first.closed()).await.unwrap();
            let (winner, control) = tokio::select! {
                _ = one.0.closed() => (&other.0, &mut other.1),
                _ = other.0.closed() => (&one.0, &mut one.1),
                () = tokio::time::sleep(LIMIT) => panic!("both are open"),
            };
            let taken = heard(control, |object| match object {
                Control::Resumed { channels } => Some(channels),
                _ => None,
            });
            assert_eq!(taken.await, [(1, 1)]);
            let mut channel = winner.open_channel(&resumable_label(LABEL, 1)).await.unwrap();
            assert_eq!(count(&mut channel, 2).await, "2");
        });
    }

    #[test]
    fn a_count_that_cannot_be_true_ends_the_session() {
        let alice = Identity::generate().unwrap();
        let (mut host, _servers) = host(&[&alice]);
        run(async {
            let (session, mut control) = connect(&host.link, &alice, false).await;
            let token = offered(&mut control).await;
            let mut channel = session.open_channel(&resumable_label(LABEL, 1)).await.unwrap();
            assert_eq!(count(&mut channel, 1).await, "1");
            let (_again, control) = connect(&host.link, &alice, true).await;
            resume(&control, &token, 2).await;
            timeout(LIMIT, session.closed()).await.unwrap();
        });
        let reason = host.event("ended")["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("counts 2 messages"), "{reason}");
    }
}
