//! Signaling over WebSockets, one JSON object a text message: for browsers and for peers built on simple-peer.
//!
//! `wss://` is not spoken here. What crosses the link need not be secret, since the handshake of the session checks
//! who is there; a page that was itself loaded over TLS, however, may only open `ws://` to its own machine.

mod clocked;
mod listener;

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::task::unconstrained;
use tokio::time::{Sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{Error as WsError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use self::clocked::Clocked;
pub use self::listener::WebSocketSignalingListener;
use super::intake::Intake;
use super::socket::{self, CLOSE_TIMEOUT, Connected};
use super::{Signal, Signaling, SignalingError, SignalingLimits};

/// One WebSocket that carries signaling objects.
///
/// Dropping it sends `bye` as far as that is possible without waiting, as [`close`](Signaling::close) does.
pub struct WebSocketSignaling {
    socket: WebSocketStream<Clocked>,
    peer: SocketAddr,
    is_local: bool,
    intake: Intake,
    said_bye: bool,
    /// Whether nothing can or will be sent any more.
    ended: bool,
    /// What the close frame will give as the reason.
    close_code: CloseCode,
}

impl WebSocketSignaling {
    /// Connects to a `ws://` URL.
    ///
    /// # Errors
    ///
    /// [`SignalingError::TlsNotSupported`] for `wss://` URLs, [`SignalingError::InvalidUrl`] for what is none,
    /// [`SignalingError::Refused`] where the server answers with an HTTP error or a redirection; redirections are not
    /// followed.
    pub async fn connect(url: &str) -> Result<Self, SignalingError> {
        Self::connect_with(url, SignalingLimits::default()).await
    }

    /// Connects to a `ws://` URL, with other limits than the default ones.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, limits: SignalingLimits) -> Result<Self, SignalingError> {
        let invalid = || SignalingError::InvalidUrl { url: url.to_owned() };
        let request = url.into_client_request().map_err(|_| invalid())?;
        let uri = request.uri();
        match uri.scheme_str() {
            Some("ws") => {}
            Some("wss") => return Err(SignalingError::TlsNotSupported),
            _ => return Err(invalid()),
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(invalid)?;
        // A URL has brackets around an IPv6 address, and name resolution wants none.
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host).to_owned();
        let port = uri.port_u16().unwrap_or(80);

        let limit = limits.connect_timeout;
        let connecting = async {
            let Connected { stream, peer, is_local } = socket::connect((host, port), &limits).await?;
            let upgrade = client_async_with_config(request, Clocked::new(stream), Some(config(&limits)));
            let (socket, _) = upgrade.await.map_err(failure)?;
            Ok(Self::over(socket, peer, is_local, limits.clone()))
        };
        let late = |_| SignalingError::timed_out(format!("open a WebSocket to {url}"), limit);
        timeout(limit, connecting).await.map_err(late)?
    }

    fn over(
        mut socket: WebSocketStream<Clocked>,
        peer: SocketAddr,
        is_local: bool,
        limits: SignalingLimits,
    ) -> Self {
        // The bytes of the upgrade belong to no message.
        socket.get_mut().message_ended();
        let intake = Intake::new(limits);
        let close_code = CloseCode::Normal;
        Self { socket, peer, is_local, intake, said_bye: false, ended: false, close_code }
    }

    async fn next_object(&mut self) -> Result<Option<Signal>, SignalingError> {
        loop {
            match self.next_message().await? {
                Some(Message::Text(json)) => {
                    if let Some(signal) = self.intake.object(json.as_bytes())? {
                        return Ok(Some(signal));
                    }
                }
                Some(Message::Binary(_)) => return Err(SignalingError::NotText),
                // Pings are answered by the protocol's implementation.
                Some(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => self.intake.keep_alive()?,
                Some(Message::Close(_)) | None => {
                    self.intake.end();
                    return Ok(None);
                }
            }
        }
    }

    /// Waits for the next message: for ever where none has begun, else as long as an object may take.
    async fn next_message(&mut self) -> Result<Option<Message>, SignalingError> {
        let limit = self.intake.limits.object_timeout;
        let socket = &mut self.socket;
        let mut deadline: Option<Pin<Box<Sleep>>> = None;
        let message = poll_fn(|cx| {
            if let Poll::Ready(message) = socket.poll_next_unpin(cx) {
                return Poll::Ready(Ok(message));
            }
            let Some(began) = socket.get_ref().message_began() else { return Poll::Pending };
            let deadline = deadline.get_or_insert_with(|| Box::pin(sleep_until(began + limit)));
            deadline.as_mut().poll(cx).map(|()| Err(limit))
        });
        let message = message
            .await
            .map_err(|limit: Duration| SignalingError::timed_out("read a whole signaling object", limit))?;
        self.socket.get_mut().message_ended();
        match message {
            Some(Err(WsError::Io(e))) if socket::is_gone(&e) => Ok(None),
            Some(Err(WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => Ok(None),
            Some(Err(WsError::Capacity(_))) => {
                Err(SignalingError::TooLarge { limit: self.intake.limits.max_bytes_per_object })
            }
            Some(Err(e)) => Err(failure(e)),
            Some(Ok(message)) => Ok(Some(message)),
            None => Ok(None),
        }
    }

    fn close_frame(&self) -> Message {
        Message::Close(Some(CloseFrame { code: self.close_code, reason: "".into() }))
    }
}

/// Bounds what the WebSocket itself holds in memory.
fn config(limits: &SignalingLimits) -> WebSocketConfig {
    let bytes = limits.max_bytes_per_object;
    WebSocketConfig::default()
        .max_message_size(Some(bytes))
        .max_frame_size(Some(bytes))
        // Enough for an offer of usual size; the default of 128 KiB is allocated for each link at once.
        .read_buffer_size(4096)
        // Every object is waited for, so none is held back to be sent together with others.
        .write_buffer_size(0)
        // One object that the other side has not taken yet, and the next, with room for the answers to pings.
        .max_write_buffer_size(2 * bytes + 4096)
}

/// Says what a WebSocket's error means for the link.
fn failure(error: WsError) -> SignalingError {
    match error {
        WsError::Io(e) => SignalingError::io("use the signaling connection", e),
        WsError::Http(response) => SignalingError::Refused { status: response.status().as_u16() },
        WsError::Utf8(_) => SignalingError::NotText,
        WsError::ConnectionClosed | WsError::AlreadyClosed => SignalingError::Closed,
        other => SignalingError::NotWebSocket(Box::new(other)),
    }
}

#[async_trait]
impl Signaling for WebSocketSignaling {
    async fn send(&mut self, signal: Signal) -> Result<(), SignalingError> {
        if self.ended || self.said_bye {
            return Err(SignalingError::Closed);
        }
        let limit = self.intake.limits.max_bytes_per_object;
        let json = signal.to_json();
        if json.len() > limit {
            return Err(SignalingError::TooLarge { limit });
        }
        let limit = self.intake.limits.send_timeout;
        let outcome = match timeout(limit, self.socket.send(Message::text(json))).await {
            Ok(outcome) => outcome.map_err(failure),
            Err(_) => Err(SignalingError::timed_out("send a signaling object", limit)),
        };
        self.ended |= outcome.is_err();
        self.said_bye = signal == Signal::Bye;
        outcome
    }

    async fn receive(&mut self) -> Result<Option<Signal>, SignalingError> {
        if self.intake.is_over()? {
            return Ok(None);
        }
        let outcome = self.next_object().await;
        self.close_code = match &outcome {
            Ok(_) => self.close_code,
            Err(SignalingError::NotText) => CloseCode::Unsupported,
            Err(SignalingError::TooLarge { .. }) => CloseCode::Size,
            Err(SignalingError::NotWebSocket(_)) => CloseCode::Protocol,
            Err(_) => CloseCode::Policy,
        };
        self.intake.outcome(outcome)
    }

    async fn close(&mut self) {
        self.intake.end();
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let close_frame = self.close_frame();
        let farewell = async {
            if !self.said_bye {
                let _ = self.socket.send(Message::text(Signal::Bye.to_json())).await;
            }
            let _ = self.socket.send(close_frame).await;
            // Where the other side was first, this sends the answer to its close frame.
            let _ = self.socket.flush().await;
            // Until its close frame comes; the TCP connection may end only then (RFC 6455 section 7.1.1).
            while let Some(Ok(_)) = self.socket.next().await {}
            let _ = self.socket.get_mut().shutdown().await;
        };
        if timeout(CLOSE_TIMEOUT, farewell).await.is_err() {
            tracing::debug!(peer = %self.peer, "the other side of the signaling link did not answer the close frame");
        }
    }

    fn is_local(&self) -> bool {
        self.is_local
    }

    fn describe(&self) -> String {
        format!("WebSocket {}", self.peer)
    }
}

impl Drop for WebSocketSignaling {
    fn drop(&mut self) {
        if !self.ended {
            let close_frame = self.close_frame();
            let farewell = async {
                if !self.said_bye {
                    let _ = self.socket.send(Message::text(Signal::Bye.to_json())).await;
                }
                let _ = self.socket.send(close_frame).await;
            };
            // As much as the socket's buffer takes: nothing in here may wait.
            let _ = unconstrained(farewell).now_or_never();
        }
        socket::discard_unread(self.socket.get_ref().stream());
    }
}

impl fmt::Debug for WebSocketSignaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketSignaling").field("peer", &self.peer).finish_non_exhaustive()
    }
}
