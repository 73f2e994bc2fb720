//! A server that writes too much, or the wrong thing, costs neither memory nor other servers' time.

use std::process::Command;

use gatelodge_host::upstream::{EndCause, Ending, LogSource};
use gatelodge_host::{ServerDefinition, ServerKind};

use super::{FIXTURE, Lab, recv, within};

/// What a flood may cost, in bytes. The largest message in these tests has 1 MiB.
const FLAT: usize = 16 * 1024 * 1024;

/// Runs a server under a desktop of its own; returns why it ended, and how much memory the desktop took for that.
fn drained(server: &ServerDefinition) -> (String, usize) {
    let ServerKind::Stdio { command, args, .. } = &server.kind else { panic!("it is a program") };
    let output = Command::new(FIXTURE).arg("drain").arg(command).args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (cause, memory) = text.trim().split_once('\n').unwrap();
    (cause.to_owned(), memory.parse().unwrap())
}

#[tokio::test]
async fn a_hundred_megabytes_on_standard_error_neither_stop_nor_grow() {
    let lab = Lab::new();
    let server = lab.python(
        r#"
import os, sys
for _ in range(1600):
    sys.stderr.buffer.write((b"x" * 99 + b"\n") * 656)
sys.stderr.buffer.write(b"y" * 1000000 + b"\nlast\n")
sys.stderr.flush()
print("{}")
"#,
    );
    let mut upstream = lab.start(&server).await;
    assert_eq!(recv(&mut upstream).await.unwrap(), "{}", "it gets through its standard error");
    let reason = within(upstream.end(Ending::Gentle)).await;
    assert_eq!(reason.last_words.last().unwrap(), "last");
    assert!(reason.last_words.iter().map(String::len).sum::<usize>() <= 4096);
    let tail = lab.launcher.log(&server.id).tail();
    assert!(tail.iter().map(|line| line.text.len()).sum::<usize>() <= 256 * 1024);
    assert!(tail.iter().all(|line| line.text.len() <= 8 * 1024 + " [cut]".len()));
    let (cause, memory) = drained(&server);
    assert_eq!(cause, "the server exited by itself");
    assert!(memory < FLAT, "{memory} bytes");
}

#[tokio::test]
async fn noise_between_messages_is_dropped_and_noted() {
    let lab = Lab::new();
    let server = lab.sh(
        "echo 'Server v1 listening'; echo '{\"a\":1}'; echo '[INFO] hello'; printf '{\"\\377\"}\\n'; echo; echo '{\"a\":2}'",
    );
    let mut upstream = lab.start(&server).await;
    assert_eq!(recv(&mut upstream).await.unwrap(), "{\"a\":1}");
    assert_eq!(recv(&mut upstream).await.unwrap(), "{\"a\":2}");
    assert_eq!(recv(&mut upstream).await, None);
    let log = lab.launcher.log(&server.id).tail();
    let noise: Vec<_> =
        log.iter().filter(|line| line.source == LogSource::Stdout).map(|line| &*line.text).collect();
    assert_eq!(noise, ["Server v1 listening", "[INFO] hello", "{\"\u{fffd}\"}"]);
}

#[tokio::test]
async fn nothing_but_noise_ends_the_server() {
    let lab = Lab::impatient();
    let mut upstream = lab.start(&lab.sh("exec yes")).await;
    assert_eq!(recv(&mut upstream).await, None);
    let reason = within(upstream.end(Ending::Gentle)).await;
    assert_eq!(reason.cause, EndCause::Garbage { lines: 1000 });
}

#[tokio::test]
async fn a_line_over_the_limit_ends_the_server_and_memory_stays_flat() {
    let lab = Lab::new();
    let server = lab.python(
        r#"
import sys
print("{}")
for _ in range(100):
    sys.stdout.write("x" * (1 << 20))
print()
"#,
    );
    let (cause, memory) = drained(&server);
    assert_eq!(cause, "the server sent a message over the limit of 1048576 bytes");
    assert!(memory < FLAT, "{memory} bytes");
}

#[tokio::test]
async fn a_flood_of_output_does_not_delay_the_end() {
    let lab = Lab::new();
    for text in ["exec yes '{}'", "exec yes >&2"] {
        let upstream = lab.start(&lab.sh(text)).await;
        let reason = within(upstream.end(Ending::Now)).await;
        assert_eq!(reason.cause, EndCause::Ended);
    }
}
