//! The ways in: listens for signaling and begins a session for everybody who comes.

mod door;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mcp_webrtc::signaling::{Signaling, SignalingError, TcpSignalingListener, WebSocketSignalingListener};
use tokio_util::sync::CancellationToken;

use crate::desktop::{Desktop, OpenLink};
use crate::event::HostEvent;
use crate::link::{LinkDefinition, LinkKind};
use crate::session;
pub(crate) use door::{Door, SettingUp};

/// The pause after a failed accept, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

enum Listener {
    Tcp(TcpSignalingListener),
    WebSocket(WebSocketSignalingListener),
}

impl Listener {
    async fn bind(kind: &LinkKind) -> Result<(Self, String), SignalingError> {
        Ok(match kind {
            LinkKind::Tcp { bind } => {
                let listener = TcpSignalingListener::bind(bind).await?;
                let address = format!("tcp://{}", listener.local_addr()?);
                (Self::Tcp(listener), address)
            }
            LinkKind::WebSocket { bind } => {
                let listener = WebSocketSignalingListener::bind(bind).await?;
                let address = format!("ws://{}", listener.local_addr()?);
                (Self::WebSocket(listener), address)
            }
        })
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
            tracing::error!(error = crate::error::with_causes(&error), "the links cannot be read");
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
    for (id, link) in stale {
        link.cancel.cancel();
        desktop.events.tell(HostEvent::LinkDown { link: id, reason: "it was closed".to_owned() });
    }
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
    let (listener, address) = match Listener::bind(&definition.kind).await {
        Ok(bound) => bound,
        Err(error) => {
            let reason = crate::error::with_causes(&error);
            desktop.events.tell(HostEvent::LinkDown { link: id, reason });
            return;
        }
    };
    let cancel = desktop.cancel.child_token();
    let link = OpenLink { definition: definition.clone(), address: address.clone(), cancel: cancel.clone() };
    desktop.open_links.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), link);
    desktop.events.tell(HostEvent::LinkUp { link: id, address });
    desktop.tasks.spawn(listen(Arc::clone(desktop), Arc::new(definition), listener, cancel));
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
                Ok(signaling) => {
                    let (desktop_here, link) = (Arc::clone(&desktop), Arc::clone(&definition));
                    let serving = session::serve(desktop_here, link, signaling, door.enter());
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
                Err(error) => {
                    tracing::debug!(
                        error = crate::error::with_causes(&error),
                        "a peer's link was not accepted"
                    );
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    cancel.run_until_cancelled(accepting).await;
}
