//! The end of a link that measures. [`crate::answering`] is the other one.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::{Bytes, BytesMut};
use tokio::time::sleep;

use crate::answering::Statistics;
use crate::figures::{Figures, figures, percentile};
use crate::link::{Link, Sender, Stack};
use crate::machine;
use crate::scenario::{Scenario, kind};

/// Sessions that are opened one after the other are this far apart, so that the end of one is not in the next's time.
const BETWEEN_SESSIONS: Duration = Duration::from_millis(20);

/// The size of a ping: a small request of a tool.
const PING: usize = 200;

/// Pings follow each other at this distance, so that they are samples of the wait and not a load of their own.
const BETWEEN_PINGS: Duration = Duration::from_millis(1);

/// The receiver stops after so many bytes, for so long: a second is far more than the path's buffers hold.
const PAUSE_EVERY: usize = 256 << 20;
const PAUSE_MILLIS: u64 = 1000;

/// What is offered to a slow reader in one message.
const OFFERED: usize = 64 * 1024;

/// Runs one scenario, on `link` if it needs one; a scenario of its own sessions leaves `link` alone.
pub(crate) async fn measure<S: Stack>(
    stack: &S,
    address: &str,
    link: &mut Option<S::Link>,
    scenario: Scenario,
) -> anyhow::Result<Figures> {
    match scenario {
        Scenario::Connect { count } => return connect(stack, address, count).await,
        Scenario::Idle { sessions, seconds } => return idle(stack, address, sessions, seconds).await,
        _ => {}
    }
    let link = match link {
        Some(link) => link,
        None => link.insert(stack.dial(address).await?.0),
    };
    match scenario {
        Scenario::RoundTrip { size, count } => round_trip(link, size, count).await,
        Scenario::InFlight { size, window, count } => in_flight(link, size, window, count).await,
        Scenario::OneWay { size, total } => one_way(link, size, total).await,
        Scenario::Pieces { piece, total, repeats } => pieces(link, piece, total, repeats).await,
        Scenario::Large { total, repeats } => large(link, total, repeats).await,
        Scenario::Pings { total, repeats } => pings(link, total, repeats).await,
        Scenario::SlowReader { total } => slow_reader(link, total).await,
        other => anyhow::bail!("{other} is not for this stack"),
    }
}

/// Makes a message of printable text, since MCP messages are text.
fn message(kind: u8, size: usize) -> Bytes {
    let mut message = BytesMut::zeroed(size);
    message.fill(b'x');
    message[0] = kind;
    message.freeze()
}

async fn next<L: Link>(link: &mut L) -> anyhow::Result<Bytes> {
    link.recv().await.context("the link ended")
}

async fn query<L: Link>(link: &mut L) -> anyhow::Result<Statistics> {
    link.sender().send(Bytes::from_static(&[kind::QUERY])).await?;
    loop {
        let answer = next(link).await?;
        if answer.first() == Some(&kind::STATISTICS) {
            return Ok(serde_json::from_slice(&answer[1..])?);
        }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

async fn connect<S: Stack>(stack: &S, address: &str, count: usize) -> anyhow::Result<Figures> {
    let mut times = Vec::new();
    for _ in 0..count {
        let (mut link, took) = stack.dial(address).await?;
        times.push(millis(took));
        query(&mut link).await?;
        link.close().await;
        sleep(BETWEEN_SESSIONS).await;
    }
    Ok(figures([("p50_ms", percentile(&mut times, 0.5)), ("p99_ms", percentile(&mut times, 0.99))]))
}

async fn echo_times<L: Link>(link: &mut L, size: usize, count: usize) -> anyhow::Result<Vec<f64>> {
    let sender = link.sender();
    let ping = message(kind::ECHO, size);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        sender.send(ping.clone()).await?;
        next(link).await?;
        times.push(micros(started.elapsed()));
    }
    Ok(times)
}

async fn round_trip<L: Link>(link: &mut L, size: usize, count: usize) -> anyhow::Result<Figures> {
    // The first ones fill caches.
    echo_times(link, size, count / 10).await?;
    let cpu = machine::cpu_seconds();
    let mut times = echo_times(link, size, count).await?;
    let cpu = (machine::cpu_seconds() - cpu) / count as f64 * 1e6;
    let (p50, p99) = (percentile(&mut times, 0.5), percentile(&mut times, 0.99));
    Ok(figures([("p50_us", p50), ("p99_us", p99), ("cpu_us", cpu)]))
}

async fn in_flight<L: Link>(
    link: &mut L,
    size: usize,
    window: usize,
    count: usize,
) -> anyhow::Result<Figures> {
    let sender = link.sender();
    let request = message(kind::ECHO, size);
    let started = Instant::now();
    for _ in 0..window.min(count) {
        sender.send(request.clone()).await?;
    }
    for answered in 0..count {
        next(link).await?;
        if answered + window < count {
            sender.send(request.clone()).await?;
        }
    }
    Ok(figures([("per_s", count as f64 / started.elapsed().as_secs_f64())]))
}

async fn one_way<L: Link>(link: &mut L, size: usize, total: usize) -> anyhow::Result<Figures> {
    let sender = link.sender();
    let data = message(kind::COUNT, size);
    let before = query(link).await?;
    let (started, cpu) = (Instant::now(), machine::cpu_seconds());
    let count = total.div_ceil(size);
    for _ in 0..count {
        sender.send(data.clone()).await?;
    }
    let after = query(link).await?;
    let seconds = started.elapsed().as_secs_f64();
    let bytes = (count * size) as f64;
    ensure!(after.bytes == (count * size) as u64, "{} bytes sent, {} arrived", count * size, after.bytes);
    Ok(figures([
        ("mb_s", bytes / 1e6 / seconds),
        ("send_cpu_s_gb", (machine::cpu_seconds() - cpu) / bytes * 1e9),
        ("receive_cpu_s_gb", (after.cpu - before.cpu) / bytes * 1e9),
    ]))
}

async fn pieces<L: Link>(
    link: &mut L,
    piece: usize,
    total: usize,
    repeats: usize,
) -> anyhow::Result<Figures> {
    let sender = link.sender();
    let count = total.div_ceil(piece);
    let mut times = Vec::new();
    for _ in 0..repeats {
        let started = Instant::now();
        for number in 0..count {
            let mut data = BytesMut::from(message(kind::PIECE, piece.min(total - number * piece).max(2)));
            if number + 1 == count {
                data[1] = kind::LAST;
            }
            sender.send(data.freeze()).await?;
        }
        for _ in 0..count {
            next(link).await?;
        }
        times.push(millis(started.elapsed()));
    }
    Ok(figures([("p50_ms", percentile(&mut times, 0.5))]))
}

async fn large<L: Link>(link: &mut L, total: usize, repeats: usize) -> anyhow::Result<Figures> {
    let sender = link.sender();
    let data = message(kind::ECHO, total);
    let mut times = Vec::new();
    for _ in 0..repeats {
        let started = Instant::now();
        sender.send(data.clone()).await?;
        ensure!(next(link).await?.len() == total, "another message came back");
        times.push(millis(started.elapsed()));
    }
    Ok(figures([("p50_ms", percentile(&mut times, 0.5))]))
}

async fn pings<L: Link>(link: &mut L, total: usize, repeats: usize) -> anyhow::Result<Figures> {
    let sender = link.sender();
    let (ping, data) = (message(kind::ECHO, PING), message(kind::ECHO, total));
    echo_times(link, PING, 200).await?;
    let mut quiet = echo_times(link, PING, 2000).await?;
    let mut busy = Vec::new();
    for _ in 0..repeats {
        let sending = tokio::spawn({
            let (sender, data) = (sender.clone(), data.clone());
            async move { sender.send(data).await }
        });
        // The transfer ends when its echo is whole; until then one ping follows the other.
        'transfer: loop {
            sleep(BETWEEN_PINGS).await;
            let started = Instant::now();
            sender.send(ping.clone()).await?;
            let mut ended = false;
            loop {
                if next(link).await?.len() == PING {
                    busy.push(micros(started.elapsed()));
                    if ended {
                        break 'transfer;
                    }
                    break;
                }
                ended = true;
            }
        }
        sending.await??;
    }
    let quiet = percentile(&mut quiet, 0.5);
    let (p50, p99) = (percentile(&mut busy, 0.5), percentile(&mut busy, 0.99));
    Ok(figures([
        ("p50_us", p50),
        ("p99_us", p99),
        ("quiet_p50_us", quiet),
        ("slower_p50_x", p50 / quiet),
        ("slower_p99_x", p99 / quiet),
        ("pings", busy.len() as f64),
    ]))
}

async fn slow_reader<L: Link>(link: &mut L, total: usize) -> anyhow::Result<Figures> {
    let sender = link.sender();
    let data = message(kind::COUNT, OFFERED);
    query(link).await?;
    let before = machine::resident_kb();
    machine::reset_peak()?;
    for number in 0..total / OFFERED {
        if (number * OFFERED).is_multiple_of(PAUSE_EVERY) {
            sender.send(format!("{}{PAUSE_MILLIS}", kind::PAUSE as char).into()).await?;
        }
        sender.send(data.clone()).await?;
    }
    let after = query(link).await?;
    ensure!(after.bytes == (total / OFFERED * OFFERED) as u64, "{} of {total} bytes arrived", after.bytes);
    Ok(figures([("sender_growth_mib", (machine::peak_kb() - before) / 1024.0)]))
}

async fn idle<S: Stack>(
    stack: &S,
    address: &str,
    sessions: usize,
    seconds: usize,
) -> anyhow::Result<Figures> {
    // One session stays out of the count, for what is allocated once.
    let mut first = stack.dial(address).await?.0;
    let (mine, theirs) = (machine::resident_kb(), query(&mut first).await?.rss);
    let mut links = Vec::new();
    for _ in 0..sessions {
        let mut link = stack.dial(address).await?.0;
        query(&mut link).await?;
        links.push(link);
    }
    let per_session = 1.0 / sessions as f64;
    let before = query(&mut first).await?;
    let (mine, theirs) = ((machine::resident_kb() - mine) * per_session, (before.rss - theirs) * per_session);
    let cpu = machine::cpu_seconds();
    sleep(Duration::from_secs(seconds as u64)).await;
    let cpu = (machine::cpu_seconds() - cpu) / seconds as f64 * 100.0;
    let their_cpu = (query(&mut first).await?.cpu - before.cpu) / seconds as f64 * 100.0;
    Ok(figures([
        ("kb_per_session", mine.max(theirs)),
        ("cpu_percent", cpu.max(their_cpu)),
        ("dialing_kb_per_session", mine),
        ("answering_kb_per_session", theirs),
    ]))
}
