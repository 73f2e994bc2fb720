//! Desktops and agents behind NATs: real routers (netfilter's), a real relay (coturn), real processes.
//!
//! The networks are namespaces, which need root. Without it these tests are skipped and say so; in continuous integration
//! they fail instead.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

#[expect(dead_code, reason = "these tests need less of it than others")]
#[path = "../../crates/host/tests/it/desktop_session.rs"]
mod desktop_session;
mod network;
mod paths;
mod people;
#[expect(dead_code, reason = "these tests need less of it than others")]
#[path = "../../crates/agent/tests/it/program.rs"]
mod program;
mod restarts;
mod servers;
#[path = "../../crates/agent/tests/it/terminal.rs"]
mod terminal;
