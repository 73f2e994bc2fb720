//! An emulated network: two network namespaces with a TUN device each, and this process as the path between them,
//! with a delay, random loss, and a rate with a drop-tail queue in front of it.
//!
//! `gatelodge-bench network` is a process of its own, started by [`crate::pair`]. The namespaces belong to its threads
//! and have no name, so nothing of them is left when it ends, however that is.

use std::fmt;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sched::{CloneFlags, unshare};
use serde_json::json;
use tappers::{Interface, Tun};

/// The two ends' addresses.
pub(crate) const LEFT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// See [`LEFT`].
pub(crate) const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// The device in each namespace; the names do not meet.
const DEVICE: &str = "emulated0";

/// Ethernet's.
const MTU: usize = 1500;

/// Packets that the kernel keeps until this process reads them: more than any sender's burst, so that only the
/// emulated queue drops.
const KERNEL_QUEUE: &str = "10000";

/// Packets on their way: 100 ms at a gigabit are 8,000.
const UNDER_WAY: usize = 65_536;

/// What the path is like, the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conditions {
    /// One way.
    pub(crate) delay: Duration,
    /// Of 1000 packets, at random.
    pub(crate) lost: u64,
    /// 0 is no limit.
    pub(crate) bits_per_second: u64,
    /// How much may wait for the rate; more is dropped.
    pub(crate) queue_bytes: usize,
}

impl Conditions {
    pub(crate) fn arguments(&self) -> [String; 4] {
        [
            self.delay.as_micros().to_string(),
            self.lost.to_string(),
            self.bits_per_second.to_string(),
            self.queue_bytes.to_string(),
        ]
    }

    pub(crate) fn from_arguments(arguments: &[String]) -> anyhow::Result<Self> {
        let numbers: Vec<u64> = arguments.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
        let &[delay, lost, bits_per_second, queue_bytes] = numbers.as_slice() else {
            anyhow::bail!("four numbers are needed");
        };
        let queue_bytes = usize::try_from(queue_bytes)?;
        Ok(Self { delay: Duration::from_micros(delay), lost, bits_per_second, queue_bytes })
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ms round trip", (self.delay * 2).as_millis())?;
        if self.lost > 0 {
            write!(formatter, ", {} % lost", self.lost as f64 / 10.0)?;
        }
        if self.bits_per_second > 0 {
            let (rate, queue) = (self.bits_per_second / 1_000_000, self.queue_bytes / 1000);
            write!(formatter, ", {rate} Mbit/s, queue of {queue} kB")?;
        }
        Ok(())
    }
}

/// Returns why no network can be emulated on this machine, if so.
pub(crate) fn why_not() -> Option<String> {
    let found = |program: &str, argument: &str| Command::new(program).arg(argument).output().is_ok();
    if !nix::unistd::geteuid().is_root() {
        Some("an emulated network needs root".to_owned())
    } else if std::fs::File::options().read(true).write(true).open("/dev/net/tun").is_err() {
        Some("an emulated network needs /dev/net/tun".to_owned())
    } else if !found("ip", "-V") || !found("nsenter", "-V") {
        Some("an emulated network needs the programs ip (iproute2) and nsenter (util-linux)".to_owned())
    } else {
        unshare_in_thread().err().map(|error| format!("no network namespace can be made here: {error:#}"))
    }
}

fn unshare_in_thread() -> anyhow::Result<()> {
    let attempt = std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET));
    Ok(attempt.join().map_err(|_| anyhow::anyhow!("the attempt failed"))??)
}

/// Emulates until the process is ended. Prints where the two namespaces are.
pub(crate) fn run(conditions: &Conditions) -> anyhow::Result<()> {
    let (ready, devices) = sync_channel(2);
    let (to_left, for_left) = sync_channel(UNDER_WAY);
    let (to_right, for_right) = sync_channel(UNDER_WAY);
    let both_up = Arc::new(Barrier::new(3));
    for (address, out) in [(LEFT, to_right), (RIGHT, to_left)] {
        let (ready, both_up, path) = (ready.clone(), Arc::clone(&both_up), Path::new(*conditions, address));
        std::thread::spawn(move || match device(address) {
            Ok((tun, namespace)) => {
                if ready.send((address, Ok((Arc::clone(&tun), namespace)))).is_ok() {
                    both_up.wait();
                    path.forward(&tun, &out);
                }
            }
            Err(error) => drop(ready.send((address, Err(error)))),
        });
    }
    let mut namespaces = Vec::new();
    let mut tuns = Vec::new();
    for _ in 0..2 {
        let (address, made) = devices.recv()?;
        let (tun, namespace) = made.with_context(|| format!("could not make the side of {address}"))?;
        namespaces.push((address, namespace));
        tuns.push((address, tun));
    }
    namespaces.sort();
    tuns.sort_by_key(|(address, _)| *address);
    for ((_, tun), arriving) in tuns.into_iter().zip([for_left, for_right]) {
        std::thread::spawn(move || deliver(&tun, &arriving));
    }
    both_up.wait();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", json!({ "left": namespaces[0].1, "right": namespaces[1].1 }))?;
    out.flush()?;
    drop(out);
    // The threads forward; the end of the standard input ends the process.
    loop {
        std::thread::park();
    }
}

/// Moves this thread into a namespace of its own and makes a device there.
fn device(address: Ipv4Addr) -> anyhow::Result<(Arc<Tun>, String)> {
    unshare(CloneFlags::CLONE_NEWNET).context("could not make a network namespace")?;
    // Less than the time between two packets at the rates that are emulated; the default is 50 us.
    nix::sys::prctl::set_timerslack(1)?;
    let tun = Tun::new_named(Interface::new(DEVICE)?).context("could not make a TUN device")?;
    let (cidr, mtu) = (format!("{address}/24"), MTU.to_string());
    for arguments in [
        &["link", "set", "lo", "up"][..],
        &["address", "add", &cidr, "dev", DEVICE],
        &["link", "set", DEVICE, "mtu", &mtu, "txqueuelen", KERNEL_QUEUE, "up"],
    ] {
        let status = Command::new("ip").args(arguments).status()?;
        ensure!(status.success(), "ip {} failed", arguments.join(" "));
    }
    let namespace = format!("/proc/{}/task/{}/ns/net", std::process::id(), nix::unistd::gettid());
    Ok((Arc::new(tun), namespace))
}

/// A packet and when it is due on the other side.
type UnderWay = (Instant, Vec<u8>);

/// One direction.
struct Path {
    conditions: Conditions,
    /// When the packets that wait for the rate will all have gone.
    busy_until: Instant,
    random: u64,
}

impl Path {
    fn new(conditions: Conditions, from: Ipv4Addr) -> Self {
        // The same losses in every run, and not the same in both directions.
        let random = 0x9E37_79B9_7F4A_7C15 ^ u64::from(from.to_bits());
        Self { conditions, busy_until: Instant::now(), random }
    }

    fn forward(mut self, tun: &Tun, out: &SyncSender<UnderWay>) {
        let mut packet = vec![0; MTU];
        loop {
            let Ok(len) = tun.recv(&mut packet) else { return };
            let packet = &packet[..len];
            let is_ipv4 = packet.first().is_some_and(|byte| byte >> 4 == 4);
            if is_ipv4
                && let Some(due) = self.due(Instant::now(), len)
                && out.send((due, packet.to_vec())).is_err()
            {
                return;
            }
        }
    }

    /// Returns when a packet arrives that comes in now; `None` if it is lost or the queue is full.
    fn due(&mut self, now: Instant, len: usize) -> Option<Instant> {
        if self.draw() % 1000 < self.conditions.lost {
            return None;
        }
        let mut sent = now;
        let bits_per_second = self.conditions.bits_per_second;
        if bits_per_second > 0 {
            let bytes_per_second = bits_per_second as f64 / 8.0;
            let waiting = self.busy_until.saturating_duration_since(now).as_secs_f64() * bytes_per_second;
            if waiting + len as f64 > self.conditions.queue_bytes as f64 {
                return None;
            }
            let takes = Duration::from_secs_f64(len as f64 / bytes_per_second);
            self.busy_until = self.busy_until.max(now) + takes;
            sent = self.busy_until;
        }
        Some(sent + self.conditions.delay)
    }

    /// Draws a number by xorshift (Marsaglia): losses need no better.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 20
    }
}

/// Hands packets over when they are due. They come in the order in which they are.
fn deliver(tun: &Tun, arriving: &Receiver<UnderWay>) {
    if let Err(error) = nix::sys::prctl::set_timerslack(1) {
        eprintln!("packets may arrive 50 us late: {error}");
    }
    while let Ok((due, packet)) = arriving.recv() {
        let early = due.saturating_duration_since(Instant::now());
        if !early.is_zero() {
            std::thread::sleep(early);
        }
        // A device that is going down takes nothing, and neither does a full one; both is loss.
        let _ = tun.send(&packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(lost: u64, bits_per_second: u64, queue_bytes: usize) -> Path {
        let delay = Duration::from_millis(10);
        Path::new(Conditions { delay, lost, bits_per_second, queue_bytes }, LEFT)
    }

    #[test]
    fn packets_leave_at_the_rate_and_a_full_queue_drops() {
        // A thousand bytes take a millisecond.
        let mut path = path(0, 8_000_000, 3000);
        let now = path.busy_until;
        let due: Vec<_> = (0..4).map(|_| path.due(now, 1000)).collect();
        let after = |millis| Some(now + Duration::from_millis(millis));
        assert_eq!(due, [after(11), after(12), after(13), None]);
        assert_eq!(path.due(now + Duration::from_millis(1), 1000), after(14));
    }

    #[test]
    fn losses_are_as_frequent_as_asked() {
        let mut path = path(10, 0, 0);
        let now = Instant::now();
        let lost = (0..100_000).filter(|_| path.due(now, 1000).is_none()).count();
        assert!((800..1200).contains(&lost), "{lost} of 100,000");
    }
}
