//! Signaling over TCP, one JSON object a line: what aiortc's `TcpSocketSignaling` speaks.
//!
//! The side that makes the offer listens, as it does there; nothing in here depends on that.

use std::fmt;
use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::time::{Instant, timeout, timeout_at};

use super::intake::Intake;
use super::socket::{self, CLOSE_TIMEOUT, Connected};
use super::{Signal, Signaling, SignalingError, SignalingLimits};

/// How much room there is for each read: an offer or answer of usual size comes in one.
const READ_BYTES: usize = 4096;

/// One TCP connection that carries signaling objects.
///
/// A peer built on aiortc loops without a pause when the connection ends without `bye`, so `bye` is sent by
/// [`close`](Signaling::close) and, as far as that is possible without waiting, when this is dropped.
pub struct TcpSignaling {
    stream: TcpStream,
    peer: SocketAddr,
    is_local: bool,
    intake: Intake,
    /// What has been read and not been handed over.
    inbox: BytesMut,
    /// How many bytes at the beginning of `inbox` are known to have no line's end.
    searched: usize,
    /// When the unfinished line in `inbox` began.
    line_began: Option<Instant>,
    outgoing: Outgoing,
}

/// The sending half.
#[derive(Debug, Default)]
struct Outgoing {
    /// What is to be written. Whole lines are put in, so a `send` that is dropped halfway is finished by the next.
    outbox: BytesMut,
    said_bye: bool,
    /// Whether nothing can or will be sent any more.
    ended: bool,
}

impl TcpSignaling {
    /// Connects to the side that listens.
    ///
    /// # Errors
    ///
    /// [`SignalingError::Io`] where nobody listens, [`SignalingError::TimedOut`] after the limits' connect timeout.
    pub async fn connect(address: impl ToSocketAddrs) -> Result<Self, SignalingError> {
        Self::connect_with(address, SignalingLimits::default()).await
    }

    /// Connects to the side that listens, with other limits than the default ones.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(
        address: impl ToSocketAddrs,
        limits: SignalingLimits,
    ) -> Result<Self, SignalingError> {
        Ok(Self::over(socket::connect(address, &limits).await?, limits))
    }

    fn over(connected: Connected, limits: SignalingLimits) -> Self {
        Self {
            stream: connected.stream,
            peer: connected.peer,
            is_local: connected.is_local,
            intake: Intake::new(limits),
            inbox: BytesMut::new(),
            searched: 0,
            line_began: None,
            outgoing: Outgoing::default(),
        }
    }

    async fn next_object(&mut self) -> Result<Option<Signal>, SignalingError> {
        loop {
            while let Some(line) = self.take_line()? {
                if line.trim_ascii().is_empty() {
                    self.intake.keep_alive()?;
                } else if let Some(signal) = self.intake.object(&line)? {
                    return Ok(Some(signal));
                }
            }
            if self.read_more().await? == 0 {
                // An unfinished line is dropped, as aiortc does it.
                self.intake.end();
                return Ok(None);
            }
        }
    }

    /// Takes the first line off the inbox, without its end.
    fn take_line(&mut self) -> Result<Option<BytesMut>, SignalingError> {
        let limit = self.intake.limits.max_bytes_per_object;
        match self.inbox[self.searched..].iter().position(|&byte| byte == b'\n') {
            Some(at) => {
                let line = self.inbox.split_to(self.searched + at);
                self.inbox.advance(1);
                self.searched = 0;
                self.line_began = (!self.inbox.is_empty()).then(Instant::now);
                Ok(Some(line))
            }
            None if self.inbox.len() > limit => Err(SignalingError::TooLarge { limit }),
            None => {
                self.searched = self.inbox.len();
                Ok(None)
            }
        }
    }

    /// Waits for more bytes: for ever where no line has begun, else as long as a line may take. None is the end.
    async fn read_more(&mut self) -> Result<usize, SignalingError> {
        if self.line_began.is_none() {
            // A link may be up and silent for as long as its session: it holds no buffer meanwhile.
            self.inbox = BytesMut::new();
        }
        let (stream, inbox) = (&mut self.stream, &mut self.inbox);
        let read = async {
            stream.readable().await?;
            inbox.reserve(READ_BYTES);
            stream.read_buf(inbox).await
        };
        let outcome = match self.line_began {
            None => read.await,
            Some(began) => {
                let limit = self.intake.limits.object_timeout;
                timeout_at(began + limit, read)
                    .await
                    .map_err(|_| SignalingError::timed_out("read a whole signaling object", limit))?
            }
        };
        match outcome {
            Ok(bytes) => {
                self.line_began.get_or_insert_with(Instant::now);
                Ok(bytes)
            }
            Err(e) if socket::is_gone(&e) => Ok(0),
            Err(e) => Err(SignalingError::io("read from the signaling connection", e)),
        }
    }
}

impl Outgoing {
    fn push(&mut self, json: &str) {
        self.outbox.extend_from_slice(json.as_bytes());
        self.outbox.extend_from_slice(b"\n");
    }

    async fn flush(&mut self, stream: &mut TcpStream) -> std::io::Result<()> {
        while !self.outbox.is_empty() {
            stream.write_buf(&mut self.outbox).await?;
        }
        Ok(())
    }

    /// Notes the end; whether there is still somebody to take leave of, with `bye` then in the outbox.
    fn end(&mut self) -> bool {
        if std::mem::replace(&mut self.ended, true) {
            return false;
        }
        if !self.said_bye {
            self.push(&Signal::Bye.to_json());
        }
        true
    }
}

#[async_trait]
impl Signaling for TcpSignaling {
    /// Sends one object. The mark for "no more candidates" is left out, since aiortc peers fail on it.
    async fn send(&mut self, signal: Signal) -> Result<(), SignalingError> {
        if self.outgoing.ended || self.outgoing.said_bye {
            return Err(SignalingError::Closed);
        }
        if matches!(&signal, Signal::Candidate(candidate) if candidate.candidate.is_empty()) {
            return Ok(());
        }
        let limits = &self.intake.limits;
        let limit = limits.max_bytes_per_object;
        let json = signal.to_json();
        if json.len() > limit {
            return Err(SignalingError::TooLarge { limit });
        }
        let (outgoing, stream) = (&mut self.outgoing, &mut self.stream);
        let sending = async {
            // First what a dropped call has left, so that the outbox never holds more than two objects.
            outgoing.flush(stream).await?;
            outgoing.push(&json);
            outgoing.said_bye = signal == Signal::Bye;
            outgoing.flush(stream).await
        };
        let outcome = match timeout(limits.send_timeout, sending).await {
            Ok(outcome) => outcome.map_err(|e| SignalingError::io("write to the signaling connection", e)),
            Err(_) => Err(SignalingError::timed_out("send a signaling object", limits.send_timeout)),
        };
        self.outgoing.ended |= outcome.is_err();
        outcome
    }

    async fn receive(&mut self) -> Result<Option<Signal>, SignalingError> {
        if self.intake.is_over()? {
            return Ok(None);
        }
        let outcome = self.next_object().await;
        self.intake.outcome(outcome)
    }

    async fn close(&mut self) {
        self.intake.end();
        if self.outgoing.end() {
            let farewell = async {
                self.outgoing.flush(&mut self.stream).await?;
                self.stream.shutdown().await
            };
            if !matches!(timeout(CLOSE_TIMEOUT, farewell).await, Ok(Ok(()))) {
                tracing::debug!(peer = %self.peer, "the other side of the signaling link took no `bye`");
            }
            self.outgoing.outbox.clear();
        }
        socket::discard_unread(&self.stream);
    }

    fn is_local(&self) -> bool {
        self.is_local
    }

    /// This link is what aiortc peers use. Up to its release 1.15 an answering one never begins the SCTP association,
    /// and the engine does so only as DTLS client.
    fn prefers_active_offer(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("TCP {}", self.peer)
    }
}

impl Drop for TcpSignaling {
    fn drop(&mut self) {
        if self.outgoing.end() {
            // As much as the socket's buffer takes: nothing in here may wait.
            let _ = self.stream.try_write(&self.outgoing.outbox);
        }
        socket::discard_unread(&self.stream);
    }
}

impl fmt::Debug for TcpSignaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSignaling").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// A socket on which signaling connections come in.
///
/// Each connection is a link of its own, and so a session of its own: one that comes second takes nothing from the
/// first. How many there may be at a time is for the caller to say, by when it calls [`accept`](Self::accept).
#[derive(Debug)]
pub struct TcpSignalingListener {
    listener: TcpListener,
    limits: SignalingLimits,
}

impl TcpSignalingListener {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// [`SignalingError::Io`] where the address is not to be had.
    pub async fn bind(address: impl ToSocketAddrs) -> Result<Self, SignalingError> {
        Ok(Self { listener: socket::bind(address).await?, limits: SignalingLimits::default() })
    }

    /// Sets the limits of every link that is accepted from now on.
    #[must_use]
    pub fn with_limits(mut self, limits: SignalingLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// [`SignalingError::Io`] where the system does not say.
    pub fn local_addr(&self) -> Result<SocketAddr, SignalingError> {
        self.listener
            .local_addr()
            .map_err(|e| SignalingError::io("read the address of the signaling socket", e))
    }

    /// Waits for the next connection. A call that is dropped loses none.
    ///
    /// # Errors
    ///
    /// [`SignalingError::Io`] where accepting has failed for ten seconds; the caller may try again.
    pub async fn accept(&self) -> Result<TcpSignaling, SignalingError> {
        Ok(TcpSignaling::over(socket::accept(&self.listener).await?, self.limits.clone()))
    }
}
