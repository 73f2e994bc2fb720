//! What a stack has to offer so that the scenarios can be run over it.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

/// A stack: WebRTC or something below it, to compare with.
pub(crate) trait Stack: Send + Sync + 'static {
    /// One end of an open connection.
    type Link: Link;
    /// A socket on which peers knock.
    type Listener: Send + Sync + 'static;
    /// A peer that has knocked.
    type Arriving: Send + 'static;

    /// Prepares what all connections share. Sockets are bound to `host`.
    fn new(host: IpAddr) -> anyhow::Result<Self>
    where
        Self: Sized;
    /// Listens on a free port.
    fn listen(&self) -> impl Future<Output = anyhow::Result<(Self::Listener, SocketAddr)>> + Send;
    /// Waits for the next peer.
    fn accept(&self, listener: &Self::Listener) -> impl Future<Output = anyhow::Result<Self::Arriving>>;
    /// Connects to a peer that has knocked.
    fn establish(&self, arriving: Self::Arriving) -> impl Future<Output = anyhow::Result<Self::Link>> + Send;
    /// Connects to a listening peer. The time begins when the signaling connection is there.
    fn dial(&self, address: &str) -> impl Future<Output = anyhow::Result<(Self::Link, Duration)>> + Send;
}

/// One end of an open connection.
pub(crate) trait Link: Send + 'static {
    /// Its sending half.
    type Sender: Sender;

    /// Returns another sender.
    fn sender(&self) -> Self::Sender;
    /// Receives the next message, `None` at the end.
    fn recv(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
    /// Closes it on both sides.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// The sending half of a link.
pub(crate) trait Sender: Clone + Send + Sync + 'static {
    /// Sends one message; waits while there is no room.
    fn send(&self, message: Bytes) -> impl Future<Output = anyhow::Result<()>> + Send;
}
