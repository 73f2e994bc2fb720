//! What the end-to-end tests are written with: foreign peers as child processes, and our own side of a connection.
//!
//! A [`Foreign`] peer is a program or a page in a browser that reports its steps; the tests in `e2e/` wait for them.
//! [`our`] is the other side: rmcp servers and clients over the library. See `peers/README.md` for the peers themselves.
//!
//! [`transparency`] compares a server that a [`Desktop`] lends with the same server beside the client: it records the
//! messages of both and tells where they differ.

mod desktop;
mod foreign;
mod installation;
pub mod our;
mod page;
mod process;
mod programs;
mod steps;
mod terminal;
pub mod transparency;

use std::future::Future;
use std::time::Duration;

pub use desktop::{Agent, Desktop};
pub use foreign::{Aiortc, Foreign};
pub use installation::node_module;
pub use page::Site;
pub use programs::{Programs, TrayApp};
pub use steps::Step;
pub use terminal::Terminal;

/// No single wait takes this long unless something hangs; a browser that starts on a busy machine takes a tenth of it.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Awaits a future, and fails the test when it takes longer than [`LIMIT`].
///
/// # Panics
///
/// When the limit is reached; the message says what was waited for.
pub async fn within_limit<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} took longer than {LIMIT:?}"),
    }
}
