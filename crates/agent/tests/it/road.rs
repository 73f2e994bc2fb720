//! A road between an agent and a desktop that can be closed: a relay for the signaling, which puts its own UDP addresses into the
//! descriptions, so that every packet comes by here.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::Value;

use crate::program::LIMIT;

/// A road to one desktop.
#[derive(Clone)]
pub(crate) struct Road {
    pub(crate) link: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Whether nothing at all gets through, new connections included.
    closed: AtomicBool,
    /// What goes from the desktop to the agent, in bytes.
    down: AtomicU64,
    /// Every connection there was.
    ways: Mutex<Vec<Arc<Way>>>,
    /// Told of each new one.
    another: Condvar,
}

/// The way of one connection.
struct Way {
    /// Whether packets get through.
    open: AtomicBool,
    agent: Mutex<TcpStream>,
    desktop: Mutex<TcpStream>,
}

/// Who is to hear that the other side has left.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    Agent,
    Desktop,
    Both,
}

impl Road {
    /// Opens a road to the desktop at this link.
    pub(crate) fn to(desktop: &str) -> Self {
        let desktop: SocketAddr = desktop.strip_prefix("tcp://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = format!("tcp://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let road = Self { link, state: Arc::clone(&state) };
        std::thread::spawn(move || {
            for agent in listener.incoming() {
                let agent = agent.unwrap();
                // A closed road swallows the connection without a word, as a dead network does.
                if state.closed.load(Ordering::SeqCst) {
                    std::mem::forget(agent);
                    continue;
                }
                let Ok(desktop) = TcpStream::connect(desktop) else { continue };
                join(&state, agent, desktop);
            }
        });
        road
    }

    /// Lets nothing through any more.
    pub(crate) fn close(&self) {
        self.state.closed.store(true, Ordering::SeqCst);
    }

    /// Lets everything through again, over the connections there were as well.
    pub(crate) fn open(&self) {
        self.state.closed.store(false, Ordering::SeqCst);
    }

    /// Cuts the latest connection for good; another one can be made.
    pub(crate) fn cut(&self) {
        if let Some(way) = self.state.ways.lock().unwrap().last() {
            way.open.store(false, Ordering::SeqCst);
        }
    }

    /// Has the latest connection end as if the other side had left without saying why.
    pub(crate) fn end(&self, side: Side) {
        if let Some(way) = self.state.ways.lock().unwrap().last() {
            let bye = b"{\"type\": \"bye\"}\n";
            if matches!(side, Side::Agent | Side::Both) {
                let _ = way.agent.lock().unwrap().write_all(bye);
            }
            if matches!(side, Side::Desktop | Side::Both) {
                let _ = way.desktop.lock().unwrap().write_all(bye);
            }
        }
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.state.ways.lock().unwrap().len()
    }

    /// Waits until there have been so many; says whether that came to pass.
    pub(crate) fn await_connections(&self, count: usize) -> bool {
        let ways = self.state.ways.lock().unwrap();
        let (ways, _) =
            self.state.another.wait_timeout_while(ways, LIMIT, |ways| ways.len() < count).unwrap();
        ways.len() >= count
    }

    /// How many bytes have come from the desktop.
    pub(crate) fn down(&self) -> u64 {
        self.state.down.load(Ordering::SeqCst)
    }
}

/// Joins an agent and the desktop.
fn join(state: &Arc<State>, agent: TcpStream, desktop: TcpStream) {
    let way = Arc::new(Way {
        open: AtomicBool::new(true),
        agent: Mutex::new(agent.try_clone().unwrap()),
        desktop: Mutex::new(desktop.try_clone().unwrap()),
    });
    state.ways.lock().unwrap().push(Arc::clone(&way));
    state.another.notify_all();
    // In front of either side stands an address that the other one takes for it.
    let (before_desktop, before_agent) = (port(), port());
    let carry = |near: &UdpSocket, far: &UdpSocket, down: bool| {
        let (near, far, state, way) =
            (near.try_clone().unwrap(), far.try_clone().unwrap(), Arc::clone(state), Arc::clone(&way));
        let (sender, receiver) = std::sync::mpsc::channel::<SocketAddr>();
        std::thread::spawn(move || {
            let Ok(to) = receiver.recv() else { return };
            let mut packet = [0; 65_536];
            while let Ok(length) = near.recv(&mut packet) {
                if way.open.load(Ordering::SeqCst) && !state.closed.load(Ordering::SeqCst) {
                    if down {
                        state.down.fetch_add(length as u64, Ordering::SeqCst);
                    }
                    let _ = far.send_to(&packet[..length], to);
                }
            }
        });
        sender
    };
    let to_desktop = carry(&before_desktop, &before_agent, false);
    let to_agent = carry(&before_agent, &before_desktop, true);
    let (shown_desktop, shown_agent) =
        (before_desktop.local_addr().unwrap(), before_agent.local_addr().unwrap());
    relay(Arc::clone(state), desktop, Arc::clone(&way), true, shown_desktop, to_desktop);
    relay(Arc::clone(state), agent, way, false, shown_agent, to_agent);
}

fn port() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

/// Passes one side's signaling on to the other.
fn relay(
    state: Arc<State>,
    from: TcpStream,
    way: Arc<Way>,
    from_desktop: bool,
    shown: SocketAddr,
    found: std::sync::mpsc::Sender<SocketAddr>,
) {
    std::thread::spawn(move || {
        let mut lines = BufReader::new(from).lines();
        while let Some(Ok(line)) = lines.next() {
            let mut object: Value = serde_json::from_str(&line).unwrap();
            if let Some(sdp) = object["sdp"].as_str() {
                object["sdp"] = disguised(sdp, shown, &found).into();
            }
            if state.closed.load(Ordering::SeqCst) || !way.open.load(Ordering::SeqCst) {
                continue;
            }
            let to = if from_desktop { &way.agent } else { &way.desktop };
            let _ = writeln!(to.lock().unwrap(), "{object}");
        }
        if state.closed.load(Ordering::SeqCst) || !way.open.load(Ordering::SeqCst) {
            return;
        }
        let to = if from_desktop { &way.agent } else { &way.desktop };
        let _ = to.lock().unwrap().shutdown(std::net::Shutdown::Write);
    });
}

/// Replaces the one loopback candidate by this road's address, and drops the others.
fn disguised(sdp: &str, shown: SocketAddr, found: &std::sync::mpsc::Sender<SocketAddr>) -> String {
    let line = |line: &str| {
        let Some(candidate) = line.strip_prefix("a=candidate:") else { return Some(line.to_owned()) };
        let mut words: Vec<String> = candidate.split(' ').map(str::to_owned).collect();
        if words[4] != "127.0.0.1" {
            return None;
        }
        let _ = found.send(format!("{}:{}", words[4], words[5]).parse().unwrap());
        words[5] = shown.port().to_string();
        Some(format!("a=candidate:{}", words.join(" ")))
    };
    sdp.lines().filter_map(line).map(|line| line + "\r\n").collect()
}
