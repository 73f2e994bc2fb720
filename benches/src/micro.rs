//! Times the pure functions that every message or every session goes through.

use std::time::Instant;

use anyhow::{Context, ensure};
use gatelodge_wire::{FragmentLimits, Reassembler, Sdp, SdpRules, split};

use crate::figures::{Figures, figures, median};

/// The message that is split and put together: the largest the benchmarks send.
const MESSAGE: usize = 16 << 20;

/// The frame that the transport uses.
const FRAME: usize = 60 * 1024;

/// Medians of this many.
const ROUNDS: usize = 9;

/// Descriptions in one round, so that it is long against the clock.
const DESCRIPTIONS: usize = 2000;

/// An offer of the usual form, with four candidates and without the certificate's digest.
const OFFER: &str = "v=0\r\no=- 4215775240449105457 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
a=x-mcp-fragments:1 67108864\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n\
a=candidate:1 1 udp 2130706431 192.0.2.10 50001 typ host generation 0\r\n\
a=candidate:2 1 udp 2130706175 198.51.100.7 50002 typ host generation 0\r\n\
a=candidate:3 1 udp 2130705919 2001:db8::7 50003 typ host generation 0\r\n\
a=candidate:4 1 udp 1694498815 203.0.113.9 50004 typ srflx raddr 192.0.2.10 rport 50001\r\n\
a=end-of-candidates\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n\
a=sctp-port:5000\r\na=max-message-size:262144\r\n";

/// Prints one line for each, as the dialing ends do.
pub(crate) fn run() -> anyhow::Result<()> {
    for (title, timed) in
        [("fragments of a 16 MiB message", fragments()?), ("an offer of usual size", descriptions()?)]
    {
        println!("{}", serde_json::json!({ "scenario": title, "figures": timed }));
    }
    Ok(())
}

fn fragments() -> anyhow::Result<Figures> {
    let message = vec![b'x'; MESSAGE];
    let (mut splitting, mut joining) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let frames: Vec<_> = split(1, &message, FRAME).collect();
        splitting.push(MESSAGE as f64 / 1e6 / started.elapsed().as_secs_f64());
        let mut reassembler = Reassembler::new(FragmentLimits::default());
        let started = Instant::now();
        let mut whole = None;
        for frame in &frames {
            whole = reassembler.push(frame)?;
        }
        joining.push(MESSAGE as f64 / 1e6 / started.elapsed().as_secs_f64());
        ensure!(whole.is_some_and(|whole| whole.len() == MESSAGE), "the message was not put together");
    }
    let rate = |values: &[f64]| median(values).context("no rounds");
    Ok(figures([("split_mb_s", rate(&splitting)?), ("reassemble_mb_s", rate(&joining)?)]))
}

fn descriptions() -> anyhow::Result<Figures> {
    let digest = vec!["AB"; 32].join(":");
    let offer = format!("{OFFER}a=fingerprint:sha-256 {digest}\r\n");
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for _ in 0..DESCRIPTIONS {
            let parsed = Sdp::parse(std::hint::black_box(&offer), &SdpRules::default())?;
            ensure!(std::hint::black_box(parsed).candidates() == 4, "candidates were dropped");
        }
        times.push(started.elapsed().as_secs_f64() * 1e6 / DESCRIPTIONS as f64);
    }
    Ok(figures([("parse_us", median(&times).context("no rounds")?)]))
}
