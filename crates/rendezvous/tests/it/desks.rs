//! What the tests share: a server on loopback, and clients of it.

use std::time::Duration;

use gatelodge_rendezvous::{AuthorityRule, Config, Rendezvous};
use gatelodge_wire::RendezvousUrl;
use mcp_webrtc::Identity;
use mcp_webrtc::signaling::rendezvous::{RendezvousDesktop, RendezvousOptions, RendezvousState};

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn config() -> Config {
    let mut config = Config::new(([127, 0, 0, 1], 0).into());
    config.authority = AuthorityRule::SocketAddress;
    config
}

pub(crate) async fn server(config: Config) -> (Rendezvous, RendezvousUrl) {
    let server = Rendezvous::bind(config).await.unwrap();
    let url = format!("http://{}", server.local_addr()).parse().unwrap();
    (server, url)
}

/// A client that tries again soon, so that no test waits.
pub(crate) fn options() -> RendezvousOptions {
    RendezvousOptions::default().retry(Duration::from_millis(20), Duration::from_millis(200))
}

pub(crate) async fn desktop(identity: &Identity, url: &RendezvousUrl) -> RendezvousDesktop {
    let desktop = RendezvousDesktop::start(identity, url, options());
    state(&desktop, |state| matches!(state, RendezvousState::Registered { .. })).await;
    desktop
}

/// Waits for a state.
pub(crate) async fn state(
    desktop: &RendezvousDesktop,
    wanted: impl FnMut(&RendezvousState) -> bool,
) -> RendezvousState {
    let mut states = desktop.state();
    tokio::time::timeout(PATIENCE, states.wait_for(wanted)).await.unwrap().unwrap().clone()
}
