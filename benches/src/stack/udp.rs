//! UDP, one datagram a message: the floor that no stack on top of it can get under.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::link::{Link, Sender, Stack};

/// The largest datagram.
const MAX_DATAGRAM: usize = 65_535;

pub(crate) struct Udp {
    host: IpAddr,
}

impl Udp {
    /// Tells the peer this side's port, learns the peer's and connects the socket to it.
    async fn meet(&self, mut stream: TcpStream) -> anyhow::Result<Connected> {
        let socket = UdpSocket::bind((self.host, 0)).await?;
        stream.write_u16(socket.local_addr()?.port()).await?;
        let port = stream.read_u16().await?;
        socket.connect((stream.peer_addr()?.ip(), port)).await?;
        Ok(Connected { socket: Arc::new(socket), datagram: vec![0; MAX_DATAGRAM], _signaling: stream })
    }
}

impl Stack for Udp {
    type Link = Connected;
    type Listener = TcpListener;
    type Arriving = TcpStream;

    fn new(host: IpAddr) -> anyhow::Result<Self> {
        Ok(Self { host })
    }

    async fn listen(&self) -> anyhow::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((self.host, 0)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    async fn accept(&self, listener: &TcpListener) -> anyhow::Result<TcpStream> {
        Ok(listener.accept().await?.0)
    }

    async fn establish(&self, stream: TcpStream) -> anyhow::Result<Connected> {
        self.meet(stream).await
    }

    async fn dial(&self, address: &str) -> anyhow::Result<(Connected, Duration)> {
        let stream = TcpStream::connect(address).await?;
        let started = Instant::now();
        Ok((self.meet(stream).await?, started.elapsed()))
    }
}

pub(crate) struct Connected {
    socket: Arc<UdpSocket>,
    datagram: Vec<u8>,
    _signaling: TcpStream,
}

impl Link for Connected {
    type Sender = Arc<UdpSocket>;

    fn sender(&self) -> Arc<UdpSocket> {
        Arc::clone(&self.socket)
    }

    async fn recv(&mut self) -> Option<Bytes> {
        let len = self.socket.recv(&mut self.datagram).await.ok()?;
        Some(Bytes::copy_from_slice(&self.datagram[..len]))
    }

    async fn close(self) {}
}

impl Sender for Arc<UdpSocket> {
    async fn send(&self, message: Bytes) -> anyhow::Result<()> {
        UdpSocket::send(self, &message).await?;
        Ok(())
    }
}
