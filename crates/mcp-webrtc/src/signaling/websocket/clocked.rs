//! A TCP stream that remembers when the message began that is on its way, since a WebSocket tells only of whole ones.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// The stream under a WebSocket link.
#[derive(Debug)]
pub(super) struct Clocked {
    stream: TcpStream,
    message_began: Option<Instant>,
}

impl Clocked {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, message_began: None }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// When the first bytes came after the last whole message.
    pub(super) fn message_began(&self) -> Option<Instant> {
        self.message_began
    }

    /// Notes that a whole message has come.
    pub(super) fn message_ended(&mut self) {
        self.message_began = None;
    }
}

impl AsyncRead for Clocked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.message_began.get_or_insert_with(Instant::now);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Clocked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
