//! Links by way of a rendezvous, one elsewhere or one in this process: stays registered, and answers whom the person trusts.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use gatelodge_rendezvous::{AuthorityRule, Config, Rendezvous, StartError};
use gatelodge_wire::{DeclineCode, RendezvousUrl};
use mcp_webrtc::signaling::rendezvous::{Knock, RendezvousDesktop, RendezvousOptions, RendezvousState};
use tokio_util::sync::CancellationToken;

use super::door::Door;
use super::knocks::{KnockJudge, Standing};
use super::{begin_session, places};
use crate::desktop::{Desktop, OpenLink};
use crate::event::HostEvent;
use crate::link::{EMBEDDED_PORT, LinkDefinition};

/// How often the person may hear that strangers knock.
const STRANGERS_TOLD_EVERY: Duration = Duration::from_secs(60);

/// A rendezvous link that is about to open.
pub(super) struct RendezvousLink {
    /// Where this desktop registers.
    url: RendezvousUrl,
    /// Where agents find it.
    places: Vec<RendezvousUrl>,
    /// The server, where it is in this process.
    server: Option<Rendezvous>,
}

impl RendezvousLink {
    /// Uses a rendezvous that is elsewhere.
    pub(super) fn elsewhere(url: RendezvousUrl) -> Self {
        Self { places: vec![url.clone()], url, server: None }
    }

    /// Starts one in this process. Where the usual port is taken, as by another desktop of this machine, it is a free one.
    pub(super) async fn embedded(bind: SocketAddr) -> Result<Self, StartError> {
        let config = |address| {
            let mut config = Config::new(address);
            // Clients come by numbers, and nobody can bring in another connection's.
            config.authority = AuthorityRule::SocketAddress;
            config
        };
        let server = match Rendezvous::bind(config(bind)).await {
            Err(StartError::Listen { .. }) if bind.port() == EMBEDDED_PORT => {
                Rendezvous::bind(config(SocketAddr::new(bind.ip(), 0))).await?
            }
            started => started?,
        };
        let address = server.local_addr();
        let near = match address.ip().is_unspecified() {
            true if address.is_ipv6() => SocketAddr::new([0, 0, 0, 0, 0, 0, 0, 1].into(), address.port()),
            true => SocketAddr::new([127, 0, 0, 1].into(), address.port()),
            false => address,
        };
        let url = |address: SocketAddr| -> RendezvousUrl {
            format!("http://{address}").parse().expect("a socket address is a host and a port")
        };
        let places = places::reached(address).into_iter().map(url).collect();
        Ok(Self { url: url(near), places, server: Some(server) })
    }
}

/// Registers and answers until the link is closed. Sessions that came by it go on after that.
pub(super) async fn stay(
    desktop: Arc<Desktop>,
    definition: Arc<LinkDefinition>,
    link: RendezvousLink,
    cancel: CancellationToken,
) {
    let mut options = RendezvousOptions::default();
    for path in &desktop.ca_files {
        options = options.ca_file(path);
    }
    let mut registered = RendezvousDesktop::start(&desktop.identity, &link.url, options);
    let mut state = registered.state();
    let mut told =
        Told { desktop: &desktop, definition: &definition, places: &link.places, down: None, up: false };
    let mut judge = KnockJudge::new();
    let mut strangers = Strangers { count: 0, told: None };
    let door = Door::new();
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            changed = state.changed() => match changed {
                Ok(()) => told.tell(&state.borrow_and_update().clone()),
                Err(_) => {
                    let reason = "its task has failed".to_owned();
                    desktop.events.tell(HostEvent::LinkDown { link: definition.id.clone(), reason });
                    break;
                }
            },
            knock = registered.next_knock() => {
                let standing = judge.judge(&desktop, knock.from(), knock.invitation()).await;
                match standing {
                    // Strangers hear nothing about the gate.
                    Standing::Welcome | Standing::Perhaps if desktop.front_gate.state().is_closed() => {
                        knock.decline(DeclineCode::GateClosed).await;
                    }
                    Standing::Welcome => begin_session(&desktop, &definition, knock.answer(), &door),
                    Standing::Perhaps => look_up(&desktop, &definition, knock, &door),
                    Standing::Stranger => {
                        knock.decline(DeclineCode::NotKnown).await;
                        strangers.came(&desktop, &definition);
                    }
                }
            }
        }
    }
    drop(registered);
    if let Some(server) = link.server {
        server.shutdown().await;
    }
}

/// Asks the keychain about an agent that the index does not know, beside the other knocks.
fn look_up(desktop: &Arc<Desktop>, definition: &Arc<LinkDefinition>, knock: Knock, door: &Door) {
    let (desktop, definition, door) = (Arc::clone(desktop), Arc::clone(definition), door.clone());
    let tasks = desktop.tasks.clone();
    tasks.spawn(async move {
        let agent = knock.from();
        match desktop.trust().run(move |trust| trust.record(&agent)).await {
            Ok(Some(_)) => begin_session(&desktop, &definition, knock.answer(), &door),
            Ok(None) => knock.decline(DeclineCode::NotKnown).await,
            Err(_) => knock.decline(DeclineCode::Unavailable).await,
        }
    });
}

/// What the person has been told of a link's state.
struct Told<'a> {
    desktop: &'a Desktop,
    definition: &'a LinkDefinition,
    places: &'a [RendezvousUrl],
    /// The trouble that was told last, while there is trouble.
    down: Option<String>,
    up: bool,
}

impl Told<'_> {
    fn tell(&mut self, state: &RendezvousState) {
        let link = self.definition.id.clone();
        match state {
            RendezvousState::Registered { .. } => {
                self.down = None;
                self.up = true;
                let places: Vec<_> = self.places.iter().map(ToString::to_string).collect();
                // The fingerprint behind the URL is what makes the desktop the expected one.
                let fingerprint = self.desktop.identity.fingerprint();
                let address = format!("{}/#{fingerprint}", places.first().map_or("", String::as_str));
                self.put(Some(address.clone()), places);
                self.desktop.events.tell(HostEvent::LinkUp { link, address });
            }
            RendezvousState::Trouble { reason, .. } => {
                self.put(None, Vec::new());
                if self.up || self.down.as_ref() != Some(reason) {
                    self.up = false;
                    self.down = Some(reason.clone());
                    self.desktop.events.tell(HostEvent::LinkDown { link, reason: reason.clone() });
                }
            }
            _ => {}
        }
    }

    /// Notes where the link is reached, as long as it is still this one.
    fn put(&self, address: Option<String>, places: Vec<String>) {
        let mut open = self.desktop.open_links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(OpenLink { definition, address: shown, places: reached, .. }) =
            open.get_mut(&self.definition.id)
            && definition == self.definition
        {
            *shown = address;
            *reached = places;
        }
    }
}

/// Strangers that were turned away; a flood of them is one event a minute.
struct Strangers {
    count: u64,
    told: Option<Instant>,
}

impl Strangers {
    fn came(&mut self, desktop: &Desktop, definition: &LinkDefinition) {
        self.count += 1;
        if self.told.is_some_and(|told| told.elapsed() < STRANGERS_TOLD_EVERY) {
            return;
        }
        self.told = Some(Instant::now());
        let reason = match std::mem::take(&mut self.count) {
            1 => "an agent that is not known knocked and was turned away".to_owned(),
            count => format!("{count} knocks of agents that are not known were turned away"),
        };
        desktop.events.tell(HostEvent::Refused { link: definition.id.clone(), agent: None, reason });
    }
}
