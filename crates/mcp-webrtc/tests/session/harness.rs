//! Two named peers: the desktop, which offers, and the agent, which answers.

use std::time::Duration;

use mcp_webrtc::signaling::memory;
use mcp_webrtc::{Channel, Identity, Session, SessionBuilder};

/// No test takes this long unless something hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Pair {
    pub(crate) desktop: Session,
    pub(crate) agent: Session,
}

pub(crate) fn builder() -> SessionBuilder {
    Session::builder(&Identity::generate().unwrap())
}

pub(crate) async fn connect(desktop: SessionBuilder, agent: SessionBuilder) -> Pair {
    let (left, right) = memory();
    let (desktop, agent) = tokio::join!(desktop.offer(left), agent.answer(right));
    Pair { desktop: desktop.unwrap(), agent: agent.unwrap() }
}

impl Pair {
    /// Returns both ends of the one channel that an offer opens by default.
    pub(crate) async fn channels(&self) -> (Channel, Channel) {
        let (desktop, agent) = tokio::join!(self.desktop.next_channel(), self.agent.next_channel());
        (desktop.unwrap(), agent.unwrap())
    }
}

/// Fails a test that hangs.
pub(crate) async fn within_limit<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("this should have ended long ago")
}
