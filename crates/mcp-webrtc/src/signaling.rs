//! Signaling: how offer and answer cross an untrusted link.
//!
//! A session takes any [`Signaling`] and knows nothing of what is under it. The links in here bound what the
//! other side can make them hold and how long it can make them wait; whom to trust is decided later, by the
//! certificate of the handshake, never by anything that came this way.

mod error;
mod intake;
mod limits;
mod memory;
mod paste;
pub mod rendezvous;
mod socket;
mod tcp;
mod websocket;

use async_trait::async_trait;

pub use error::SignalingError;
pub use gatelodge_wire::{
    Candidate, DeclineCode, IceServer, InvitationId, PasteError, RendezvousUrl, RendezvousUrlError, Signal,
    SignalError,
};
pub use limits::SignalingLimits;
pub use memory::{MemorySignaling, memory};
pub use paste::PasteSignaling;
pub use tcp::{TcpSignaling, TcpSignalingListener};
pub use websocket::{WebSocketSignaling, WebSocketSignalingListener};

/// A link that carries signaling objects in both directions, in order.
#[async_trait]
pub trait Signaling: Send + 'static {
    /// Sends one object.
    ///
    /// # Errors
    ///
    /// [`SignalingError::TimedOut`] where the other side does not read; the link is of no use after any error.
    async fn send(&mut self, signal: Signal) -> Result<(), SignalingError>;

    /// Receives the next object; `None` once nothing more can come: the other side has said [`Signal::Bye`] (which
    /// is handed over first) or has closed the link without it.
    ///
    /// Waits as long as the link is silent, so the caller sets the limit. A call that is dropped loses nothing.
    ///
    /// # Errors
    ///
    /// Anything that is not an object within the limits. The link reads nothing after that; the caller closes it.
    async fn receive(&mut self) -> Result<Option<Signal>, SignalingError>;

    /// Ends the link, with `bye` first where it is still up. A second call does nothing, and none takes longer than
    /// a second.
    async fn close(&mut self);

    /// Whether both ends are known to be on this machine; candidates on loopback addresses are then of use.
    fn is_local(&self) -> bool {
        false
    }

    /// Whether an offer on this link should begin the DTLS handshake itself (`a=setup:active`), for the sake of peers
    /// that are usual on it. Otherwise the answerer begins, as usual.
    fn prefers_active_offer(&self) -> bool {
        false
    }

    /// STUN and TURN servers that come with the link: those that a rendezvous recommends. The session uses them beside its
    /// own.
    fn ice_servers(&self) -> Vec<IceServer> {
        Vec::new()
    }

    /// A short description for people, such as `TCP 192.0.2.7:5123`.
    fn describe(&self) -> String;
}

#[async_trait]
impl Signaling for Box<dyn Signaling> {
    async fn send(&mut self, signal: Signal) -> Result<(), SignalingError> {
        (**self).send(signal).await
    }

    async fn receive(&mut self) -> Result<Option<Signal>, SignalingError> {
        (**self).receive().await
    }

    async fn close(&mut self) {
        (**self).close().await;
    }

    fn is_local(&self) -> bool {
        (**self).is_local()
    }

    fn prefers_active_offer(&self) -> bool {
        (**self).prefers_active_offer()
    }

    fn ice_servers(&self) -> Vec<IceServer> {
        (**self).ice_servers()
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}
