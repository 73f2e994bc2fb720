//! The ways in: listens for signaling, or is registered at a rendezvous, and begins a session for everybody who comes.

mod door;
mod knocks;
mod places;
mod rendezvous;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mcp_webrtc::signaling::{Signaling, SignalingError, TcpSignalingListener, WebSocketSignalingListener};
use tokio_util::sync::CancellationToken;

use crate::desktop::{Desktop, OpenLink};
use crate::event::HostEvent;
use crate::link::{LinkDefinition, LinkId, LinkKind};
use crate::session;
pub(crate) use door::{Door, SettingUp};
use rendezvous::RendezvousLink;

/// The pause after a failed accept, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

enum Listener {
    Tcp(TcpSignalingListener),
    WebSocket(WebSocketSignalingListener),
}

impl Listener {
    async fn tcp(bind: &SocketAddr) -> Result<(Self, SocketAddr), SignalingError> {
        let listener = TcpSignalingListener::bind(bind).await?;
        let address = listener.local_addr()?;
        Ok((Self::Tcp(listener), address))
    }

    async fn web_socket(bind: &SocketAddr) -> Result<(Self, SocketAddr), SignalingError> {
        let listener = WebSocketSignalingListener::bind(bind).await?;
        let address = listener.local_addr()?;
        Ok((Self::WebSocket(listener), address))
    }

    fn accept(&self) -> BoxFuture<'_, Result<Box<dyn Signaling>, SignalingError>> {
        Box::pin(async move {
            Ok(match self {
                Self::Tcp(listener) => Box::new(listener.accept().await?) as Box<dyn Signaling>,
                Self::WebSocket(listener) => Box::new(listener.accept().await?),
            })
        })
    }
}

/// Opens what should be open and closes what should not: after the start, and whenever links were changed.
pub(crate) async fn reopen(desktop: &Arc<Desktop>) {
    let wanted = match desktop.links().await {
        Ok(links) => links,
        Err(error) => {
            tracing::error!(error = gatelodge_wire::with_causes(&error), "the links cannot be read");
            return;
        }
    };
    let stale: Vec<_> = {
        let mut open = desktop.open_links.lock().unwrap_or_else(PoisonError::into_inner);
        let stays = |link: &OpenLink| {
            wanted.iter().any(|definition| *definition == link.definition && definition.enabled)
        };
        open.extract_if(|_, link| !stays(link)).collect()
    };
    for (id, link) in &stale {
        link.cancel.cancel();
        let reason = "it was closed".to_owned();
        desktop.events.tell(HostEvent::LinkDown { link: id.clone(), reason });
    }
    let begins_anew = |id: &LinkId| stale.iter().any(|(closed, _)| closed == id);
    desktop.events.seen().know_links(&wanted, begins_anew);
    for definition in wanted {
        let is_open =
            desktop.open_links.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&definition.id);
        if definition.enabled && !is_open {
            open(desktop, definition).await;
        }
    }
}

async fn open(desktop: &Arc<Desktop>, definition: LinkDefinition) {
    let id = definition.id.clone();
    let (scheme, bound) = match &definition.kind {
        LinkKind::Tcp { bind } => ("tcp", Listener::tcp(bind).await),
        LinkKind::WebSocket { bind } => ("ws", Listener::web_socket(bind).await),
        LinkKind::Rendezvous { url } => {
            return register(desktop, definition.clone(), RendezvousLink::elsewhere(url.clone()));
        }
        LinkKind::Embedded { bind } => match RendezvousLink::embedded(*bind).await {
            Ok(link) => return register(desktop, definition, link),
            Err(error) => {
                let reason = gatelodge_wire::with_causes(&error);
                desktop.events.tell(HostEvent::LinkDown { link: id, reason });
                return;
            }
        },
    };
    let (listener, bound) = match bound {
        Ok(bound) => bound,
        Err(error) => {
            let reason = gatelodge_wire::with_causes(&error);
            desktop.events.tell(HostEvent::LinkDown { link: id, reason });
            return;
        }
    };
    let address = format!("{scheme}://{bound}");
    let cancel = keep_open(desktop, &definition, Some(address.clone()));
    desktop.events.tell(HostEvent::LinkUp { link: id, address });
    desktop.tasks.spawn(listen(Arc::clone(desktop), Arc::new(definition), listener, cancel));
}

/// Opens a link by way of a rendezvous. It tells by itself when it is registered.
fn register(desktop: &Arc<Desktop>, definition: LinkDefinition, link: RendezvousLink) {
    let cancel = keep_open(desktop, &definition, None);
    desktop.tasks.spawn(rendezvous::stay(Arc::clone(desktop), Arc::new(definition), link, cancel));
}

/// Notes that a link is open; returns what closes it.
fn keep_open(desktop: &Desktop, definition: &LinkDefinition, address: Option<String>) -> CancellationToken {
    let cancel = desktop.cancel.child_token();
    let link =
        OpenLink { definition: definition.clone(), address, places: Vec::new(), cancel: cancel.clone() };
    desktop.open_links.lock().unwrap_or_else(PoisonError::into_inner).insert(definition.id.clone(), link);
    cancel
}

/// Begins a session over a link, in a task of its own.
fn begin_session(
    desktop: &Arc<Desktop>,
    definition: &Arc<LinkDefinition>,
    signaling: Box<dyn Signaling>,
    door: &Door,
) {
    let serving = session::serve(Arc::clone(desktop), Arc::clone(definition), signaling, door.enter());
    let cancel = desktop.cancel.clone();
    desktop.tasks.spawn(async move {
        // The session ends itself on a shutdown; a set-up is simply given up.
        tokio::pin!(serving);
        tokio::select! {
            biased;
            () = &mut serving => {}
            () = async { cancel.cancelled().await; tokio::time::sleep(Duration::from_secs(3)).await } => {}
        }
    });
}

/// Accepts until the link is closed. Sessions that came by it go on after that.
async fn listen(
    desktop: Arc<Desktop>,
    definition: Arc<LinkDefinition>,
    listener: Listener,
    cancel: CancellationToken,
) {
    let door = Door::new();
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok(signaling) => begin_session(&desktop, &definition, signaling, &door),
                Err(error) => {
                    tracing::debug!(
                        error = gatelodge_wire::with_causes(&error),
                        "a peer's link was not accepted"
                    );
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    cancel.run_until_cancelled(accepting).await;
}
