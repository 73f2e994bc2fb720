//! Our library against peers that nobody here wrote, each in a process of its own. A module a kind of peer.
//!
//! `tests/peers/setup` installs the peers; without it each test fails and says so.
#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod browser;
mod examples;
mod files;
mod plain_client;
mod python_client;
mod python_server;
mod simple_peer;
mod transparency;

/// A result over what a plain peer takes, in bytes.
const OVERSIZED: usize = 300_000;

/// What the error that stands in for a message of too many bytes must say: its size, which is a bit more than that of the
/// text in it, and the peer's limit.
fn assert_names_both_sizes(error: &serde_json::Value, text_bytes: usize, limit: usize) {
    assert_eq!(error["code"], -32013, "{error}");
    assert_eq!(error["data"]["limit"], limit, "{error}");
    let size = error["data"]["size"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
    assert!((text_bytes + 1..text_bytes + 500).contains(&size), "{error}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains(&size.to_string()) && message.contains(&limit.to_string()), "{error}");
}
