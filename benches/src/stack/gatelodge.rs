//! The transport, in raw mode: messages are bytes.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use mcp_webrtc::signaling::{TcpSignaling, TcpSignalingListener};
use mcp_webrtc::{Channel, ChannelSender, Identity, Session, SessionBuilder};

use crate::link::{Link, Sender, Stack};

pub(crate) struct Gatelodge {
    identity: Identity,
    host: IpAddr,
}

impl Gatelodge {
    /// One address, as the other stacks have it, so that nobody gathers more candidates than the rest.
    fn session(&self) -> SessionBuilder {
        Session::builder(&self.identity).bind(SocketAddr::new(self.host, 0)).local(self.host.is_loopback())
    }

    pub(crate) async fn channel(session: &Session) -> anyhow::Result<Channel> {
        session.next_channel().await.context("the session ended before its channel was open")
    }
}

impl Stack for Gatelodge {
    type Link = Open;
    type Listener = TcpSignalingListener;
    type Arriving = TcpSignaling;

    fn new(host: IpAddr) -> anyhow::Result<Self> {
        Ok(Self { identity: Identity::generate()?, host })
    }

    async fn listen(&self) -> anyhow::Result<(TcpSignalingListener, SocketAddr)> {
        let listener = TcpSignalingListener::bind((self.host, 0)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    async fn accept(&self, listener: &TcpSignalingListener) -> anyhow::Result<TcpSignaling> {
        Ok(listener.accept().await?)
    }

    async fn establish(&self, signaling: TcpSignaling) -> anyhow::Result<Open> {
        let session = self.session().answer(signaling).await?;
        Ok(Open { channel: Self::channel(&session).await?, session })
    }

    async fn dial(&self, address: &str) -> anyhow::Result<(Open, Duration)> {
        let signaling = TcpSignaling::connect(address).await?;
        let started = Instant::now();
        let session = self.session().offer(signaling).await?;
        let channel = Self::channel(&session).await?;
        Ok((Open { session, channel }, started.elapsed()))
    }
}

/// A session and its one channel.
pub(crate) struct Open {
    session: Session,
    channel: Channel,
}

impl Open {
    /// Gives the channel to rmcp. The session lives as long as it.
    pub(crate) fn into_channel(self) -> Channel {
        self.channel
    }
}

impl Link for Open {
    type Sender = ChannelSender;

    fn sender(&self) -> ChannelSender {
        self.channel.sender()
    }

    async fn recv(&mut self) -> Option<Bytes> {
        self.channel.recv().await
    }

    async fn close(self) {
        self.session.close().await;
    }
}

impl Sender for ChannelSender {
    async fn send(&self, message: Bytes) -> anyhow::Result<()> {
        ChannelSender::send(self, message).await?;
        Ok(())
    }
}
