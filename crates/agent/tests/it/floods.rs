//! An agent that is let in and sends as fast as it can: what is refused, what is notified, what cannot be read. Others are
//! served meanwhile, and neither memory nor the activity log grows with the number of messages.

use std::time::{Duration, Instant};

use gatelodge_wire::{CONTROL_LABEL, Control};
use mcp_webrtc::signaling::TcpSignaling;
use mcp_webrtc::{Admission, Channel, Identity, Session};
use serde_json::json;
use tokio::time::timeout;

use crate::agent::{Client, Machine};
use crate::desk::{Desk, Host, Lifeline};
use crate::program::LIMIT;

/// How long a flood lasts.
const FLOOD: Duration = Duration::from_secs(6);

/// How many messages are at least a flood: that many the desktop takes in that time even where it is built for debugging,
/// on a machine that is busy.
const MANY: u64 = 10_000;

/// How long a good agent's call may take meanwhile. All share two processors here, and none waits for the flood's end.
const SERVED: Duration = Duration::from_secs(3);

/// How much memory a flood may take, in KiB: what a session's queues hold, and what its channels' servers leave behind.
const MEMORY: u64 = 32 * 1024;

struct Scene {
    desk: Desk,
    host: Host,
    good: Client,
    count: u32,
    bad: Identity,
    _lifeline: Lifeline,
}

impl Scene {
    /// Two agents are lent the same server; one of them may not count.
    fn new() -> Self {
        let (desk, machine, bad) = (Desk::new(), Machine::new(), Identity::generate().unwrap());
        let lifeline = desk.add_counting("counting");
        desk.lend(&machine.fingerprint("good"), "good", &["counting"]);
        desk.lend(&bad.fingerprint().to_string(), "bad", &[]);
        desk.done(&["grants", "set", "bad", "counting", "--tools", "allow", "--tool", "count=deny"]);
        let host = desk.start();
        let mut good = machine.connect("good", &host.link, &[]);
        good.initialize();
        Self { desk, host, good, count: 0, bad, _lifeline: lifeline }
    }

    /// Calls of the good agent until the flood is over; returns the longest that one took.
    fn good_calls(&mut self, until: Instant) -> Duration {
        let mut longest = Duration::ZERO;
        while Instant::now() < until {
            let begun = Instant::now();
            self.count += 1;
            assert_eq!(self.good.call("count", json!({})).unwrap(), self.count.to_string());
            longest = longest.max(begun.elapsed());
        }
        longest
    }

    /// How many entries the log has of the bad agent.
    fn entries(&self) -> u64 {
        let database = rusqlite::Connection::open(self.desk.database()).unwrap();
        let agent = self.bad.fingerprint().to_string();
        let count = "SELECT count(*) FROM activity WHERE agent = ?1";
        database.query_row(count, [agent], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
    }

    /// How many refused requests the log has only in numbers.
    fn summed(&self) -> u64 {
        let database = rusqlite::Connection::open(self.desk.database()).unwrap();
        let sum = "SELECT coalesce(sum(json_extract(entry, '$.calls')), 0) FROM activity WHERE kind = 'more-refused'";
        database.query_row(sum, [], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
    }
}

/// Sends messages one after the other, and reads what comes back so that it does not slow itself down. Returns how many the
/// desktop took.
async fn flood(channel: Channel, message: impl Fn(u64) -> String, until: Instant) -> u64 {
    let (sender, mut receiver) = channel.split();
    let mut sent = 0;
    let sending = async {
        while Instant::now() < until && sender.send(message(sent)).await.is_ok() {
            sent += 1;
        }
    };
    let reading = async { while receiver.recv().await.is_some() {} };
    tokio::select! {
        _ = timeout(FLOOD + LIMIT, sending) => {}
        () = reading => {}
    }
    sender.close().await;
    sent
}

/// A session of the bad agent that is let in.
async fn enter(link: &str, identity: &Identity) -> (Session, Channel) {
    let signaling = TcpSignaling::connect(link.strip_prefix("tcp://").unwrap()).await.unwrap();
    let builder = Session::builder(identity).admit(|_| async { Admission::Admit });
    let session = builder.answer(signaling).await.unwrap();
    let mut control = session.open_channel(CONTROL_LABEL).await.unwrap();
    let hello = json!({"type": "hello", "version": 1, "name": "bad", "persistent": true});
    control.send(hello.to_string()).await.unwrap();
    loop {
        let message = timeout(LIMIT, control.recv()).await.unwrap().unwrap();
        if let Control::Servers { .. } = Control::parse(&message).unwrap() {
            return (session, control);
        }
    }
}

/// Lets the bad agent do something while the good one makes calls. Returns what came of it, and the scene.
fn under<T: Send + 'static>(work: impl AsyncFnOnce(Session, Instant) -> T + Send + 'static) -> (T, Scene) {
    let mut scene = Scene::new();
    scene.good_calls(Instant::now() + Duration::from_millis(100));
    let before = scene.host.program.memory();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (session, _control) = runtime.block_on(enter(&scene.host.link, &scene.bad));
    let until = Instant::now() + FLOOD;
    let done = std::thread::scope(|scope| {
        let working = scope.spawn(|| runtime.block_on(work(session.clone(), until)));
        let longest = scene.good_calls(until);
        assert!(longest < SERVED, "a good agent's call took {longest:?}");
        let after = scene.host.program.memory();
        assert!(after < before + MEMORY, "the desktop went from {before} to {after} KiB");
        working.join().unwrap()
    });
    runtime.block_on(session.close());
    scene.host.event("ended");
    (done, scene)
}

#[test]
fn requests_that_are_refused_leave_a_few_entries_and_a_number() {
    let (sent, scene) = under(async |session, until| {
        let channel = session.open_channel("mcp:counting").await.unwrap();
        let request = |id| {
            let params = json!({"name": "count", "arguments": {}});
            json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
        };
        flood(channel, request, until).await
    });
    assert!(sent > MANY, "{sent} are no flood");
    let (entries, summed) = (scene.entries(), scene.summed());
    assert!(entries < 200, "{entries} entries of {sent} requests");
    assert!(summed > MANY - 200 && summed <= sent, "{summed} are counted of {sent}");
    scene.desk.done(&["activity", "verify"]);
}

#[test]
fn notifications_leave_nothing() {
    let (sent, scene) = under(async |session, until| {
        let channel = session.open_channel("mcp:counting").await.unwrap();
        flood(channel, |_| r#"{"jsonrpc":"2.0","method":"notifications/x"}"#.to_owned(), until).await
    });
    assert!(sent > MANY, "{sent} are no flood");
    assert!(scene.entries() < 20, "{} entries", scene.entries());
}

#[test]
fn what_cannot_be_read_ends_its_channel() {
    let (early, scene) = under(async |session, until| {
        let channel = session.open_channel("mcp:counting").await.unwrap();
        flood(channel, |_| "{ this is nothing".to_owned(), until).await;
        Instant::now() < until
    });
    assert!(early, "the channel was not ended");
    assert!(scene.entries() < 20, "{} entries", scene.entries());
}
