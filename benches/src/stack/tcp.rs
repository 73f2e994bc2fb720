//! TCP with a length in front of each message: what an application without encryption would use.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use crate::link::{Link, Sender, Stack};

/// Enough for several of the largest messages that are sent whole, so that small ones share a system call.
const READ_BUFFER: usize = 256 * 1024;

pub(crate) struct Tcp {
    host: IpAddr,
}

impl Stack for Tcp {
    type Link = Stream;
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

    async fn establish(&self, stream: TcpStream) -> anyhow::Result<Stream> {
        Stream::new(stream)
    }

    async fn dial(&self, address: &str) -> anyhow::Result<(Stream, Duration)> {
        let started = Instant::now();
        let stream = Stream::new(TcpStream::connect(address).await?)?;
        Ok((stream, started.elapsed()))
    }
}

pub(crate) struct Stream {
    reader: BufReader<OwnedReadHalf>,
    writer: Arc<Mutex<OwnedWriteHalf>>,
}

impl Stream {
    fn new(stream: TcpStream) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let reader = BufReader::with_capacity(READ_BUFFER, reader);
        Ok(Self { reader, writer: Arc::new(Mutex::new(writer)) })
    }
}

impl Link for Stream {
    type Sender = Arc<Mutex<OwnedWriteHalf>>;

    fn sender(&self) -> Self::Sender {
        Arc::clone(&self.writer)
    }

    async fn recv(&mut self) -> Option<Bytes> {
        let len = self.reader.read_u32().await.ok()?;
        let mut message = BytesMut::zeroed(usize::try_from(len).ok()?);
        self.reader.read_exact(&mut message).await.ok()?;
        Some(message.freeze())
    }

    async fn close(self) {}
}

impl Sender for Arc<Mutex<OwnedWriteHalf>> {
    async fn send(&self, message: Bytes) -> anyhow::Result<()> {
        let mut framed = BytesMut::with_capacity(4 + message.len());
        framed.extend_from_slice(&u32::try_from(message.len())?.to_be_bytes());
        framed.extend_from_slice(&message);
        self.lock().await.write_all(&framed).await?;
        Ok(())
    }
}
