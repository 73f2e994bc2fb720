//! A session whose connection is lost goes on over another one: no call is lost, none runs twice, and nobody is asked again.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::agent::{Client, Machine};
use crate::desk::{Host, counting_server};
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
