//! One client's WebSocket, from the challenge to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::SinkExt;
use gatelodge_wire::{
    ClientMessage, Fingerprint, Nonce, RENDEZVOUS_VERSION, RendezvousErrorCode, RendezvousRole, ServerMessage,
};
use tokio::time::{sleep_until, timeout};

use crate::address::Place;
use crate::bucket::{Bucket, Rate};
use crate::config::{AuthorityRule, Config, Limits};
use crate::hub::MemberId;
use crate::outbox::{Farewell, Next, Outbox};
use crate::server::{Arrival, Shared};
use crate::{proof, turn};

/// How long sending may wait for a client that does not read.
const SEND_LIMIT: Duration = Duration::from_secs(10);

/// How long the last word and the close frame may take.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);

/// A client as it arrived.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// Its address, or the one that a trusted proxy says it has.
    pub(crate) address: SocketAddr,
    /// The address on which it came in.
    pub(crate) local: SocketAddr,
    /// Whether it came straight from this machine.
    pub(crate) loopback: bool,
    /// The `Host` header.
    pub(crate) host: Option<String>,
    /// Its place among those of its address, where a proxy had to say which that is.
    pub(crate) forwarded_place: Option<Place>,
    /// How it arrived.
    pub(crate) arrival: Arrival,
}

impl Visitor {
    /// Counts a knock; says whether its address may.
    fn may_knock(&self, limits: &Limits) -> bool {
        let place = self.forwarded_place.as_ref().or_else(|| self.arrival.place());
        place.is_none_or(|place| place.may_knock(limits))
    }
}

/// Serves a client until it or the server has had enough.
pub(crate) async fn serve(shared: Arc<Shared>, mut socket: WebSocket, visitor: Visitor) {
    let farewell = match Box::pin(register(&shared, &mut socket, &visitor)).await {
        Ok((member, outbox)) => {
            let stays = Stays { shared: &shared, member, visitor: &visitor };
            let farewell = stays.run(&mut socket, &outbox).await;
            shared.hub.leave(member);
            farewell
        }
        Err(farewell) => {
            shared.metrics.failed_registrations.one();
            farewell
        }
    };
    if let Some(farewell) = farewell {
        if farewell.code == RendezvousErrorCode::TooSlow {
            shared.metrics.too_slow.one();
        }
        let _ = timeout(FAREWELL_LIMIT, part(&mut socket, &farewell)).await;
    }
}

/// Says the last word and closes.
async fn part(socket: &mut WebSocket, farewell: &Farewell) {
    let text = Utf8Bytes::from(farewell.to_message().to_json());
    let code = match farewell.code {
        RendezvousErrorCode::Other => close_code::AWAY,
        _ => close_code::POLICY,
    };
    let close = CloseFrame { code, reason: Utf8Bytes::from_static(farewell.message) };
    if socket.send(Message::Text(text)).await.is_ok()
        && socket.send(Message::Close(Some(close))).await.is_ok()
    {
        // Until its close frame comes: a connection that is closed with unread bytes in it is reset, last word and all.
        while let Some(Ok(_)) = socket.recv().await {}
    }
}

/// Challenges the client and checks its proof. The error is its last word, or nothing for one that has gone.
async fn register(
    shared: &Shared,
    socket: &mut WebSocket,
    visitor: &Visitor,
) -> Result<(MemberId, Arc<Outbox>), Option<Farewell>> {
    let config = shared.config();
    let registering = async {
        let mut nonce = Nonce([0; 32]);
        // Without randomness there is no proof, and so no registration.
        getrandom::fill(&mut nonce.0).map_err(|_| None)?;
        let challenge = ServerMessage::Challenge { version: RENDEZVOUS_VERSION, nonce };
        socket.send(Message::Text(challenge.to_json().into())).await.map_err(|_| None)?;
        let text = loop {
            match socket.recv().await {
                Some(Ok(Message::Text(text))) => break text,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_))) => return Err(Some(UNREADABLE)),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(None),
            }
        };
        identify(&config, visitor, &nonce, text.as_bytes()).map_err(Some)
    };
    let (fingerprint, role) = timeout(config.limits.handshake_timeout, registering)
        .await
        .unwrap_or(Err(Some(Farewell::new(RendezvousErrorCode::Idle, "the registration took too long"))))?;
    let outbox = Arc::new(Outbox::new(config.limits.queue_bytes));
    let registered = ServerMessage::Registered {
        fingerprint,
        address: visitor.address.to_string(),
        ice_servers: turn::servers(&config.ice, &fingerprint, SystemTime::now()),
    };
    outbox.push(&registered);
    let member = shared.hub.register(fingerprint, role, Arc::clone(&outbox), visitor.loopback);
    if config.log_addresses {
        tracing::info!(address = %visitor.address, role = role.as_str(), "registered");
    } else {
        tracing::debug!(role = role.as_str(), "registered");
    }
    Ok((member, outbox))
}

const UNREADABLE: Farewell =
    Farewell::new(RendezvousErrorCode::BadMessage, "a message could not be read, or came out of turn");

/// Reads a registration and checks its proof.
fn identify(
    config: &Config,
    visitor: &Visitor,
    nonce: &Nonce,
    text: &[u8],
) -> Result<(Fingerprint, RendezvousRole), Farewell> {
    let Ok(ClientMessage::Register { role, authority, certificate, signature }) = ClientMessage::parse(text)
    else {
        return Err(UNREADABLE);
    };
    if !is_ours(config, visitor, &authority) {
        return Err(Farewell::new(
            RendezvousErrorCode::WrongAuthority,
            "this rendezvous goes by another name than the one that you came by; use its public URL",
        ));
    }
    proof::check(role, &authority, nonce, &certificate, &signature)
        .map(|fingerprint| (fingerprint, role))
        .ok_or(Farewell::new(RendezvousErrorCode::BadProof, "the certificate or the signature is not good"))
}

fn is_ours(config: &Config, visitor: &Visitor, authority: &str) -> bool {
    match &config.authority {
        AuthorityRule::Urls(urls) => urls.iter().any(|url| url.authority() == authority),
        AuthorityRule::SocketAddress => visitor.local.to_string() == authority,
        AuthorityRule::HostHeader => {
            let Some(host) = &visitor.host else { return false };
            let host = host.to_ascii_lowercase();
            // A header without a port stands for that of the scheme, which a proxy may have changed on the way.
            let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
            match has_port {
                true => host == authority,
                false => authority == format!("{host}:443") || authority == format!("{host}:80"),
            }
        }
    }
}

/// A registered client.
struct Stays<'a> {
    shared: &'a Shared,
    member: MemberId,
    visitor: &'a Visitor,
}

impl Stays<'_> {
    /// Serves it; returns its last word, or nothing for one that has gone.
    async fn run(&self, socket: &mut WebSocket, outbox: &Outbox) -> Option<Farewell> {
        let config = self.shared.config();
        let limits = &config.limits;
        let mut heard = Instant::now();
        let mut messages = Bucket::full(heard, Rate::per_minute(limits.messages_per_minute));
        let refresh = turn::refresh_after(&config.ice);
        let mut refresh_at = refresh.map(|after| heard + after);
        let mut ping_at = heard + limits.ping_interval;
        loop {
            let wake = refresh_at.map_or(ping_at, |at| at.min(ping_at));
            tokio::select! {
                biased;
                next = outbox.next() => match next {
                    Next::Messages(messages) => {
                        let sending = async {
                            for message in messages {
                                socket.feed(Message::Text(message.into())).await?;
                            }
                            socket.flush().await
                        };
                        match timeout(SEND_LIMIT, sending).await {
                            Ok(Ok(())) => {}
                            Ok(Err(_)) => return None,
                            Err(_) => return Some(TOO_SLOW),
                        }
                    }
                    Next::Farewell(farewell) => return Some(farewell),
                },
                message = socket.recv() => {
                    heard = Instant::now();
                    if !messages.take(heard, Rate::per_minute(limits.messages_per_minute)) {
                        return Some(Farewell::new(RendezvousErrorCode::TooMany, "too many messages"));
                    }
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            if let Err(farewell) = self.take(&config, text.as_bytes(), outbox) {
                                return Some(farewell);
                            }
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Binary(_))) => return Some(UNREADABLE),
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    }
                }
                () = sleep_until(wake.into()) => {
                    let now = Instant::now();
                    if now >= ping_at {
                        if now.saturating_duration_since(heard) >= limits.idle_timeout {
                            let silent = "nothing has come from you for too long";
                            return Some(Farewell::new(RendezvousErrorCode::Idle, silent));
                        }
                        ping_at = now + limits.ping_interval;
                        let ping = socket.send(Message::Ping(Default::default()));
                        match timeout(SEND_LIMIT, ping).await {
                            Ok(Ok(())) => {}
                            Ok(Err(_)) => return None,
                            Err(_) => return Some(TOO_SLOW),
                        }
                    }
                    if refresh_at.is_some_and(|at| now >= at) {
                        refresh_at = refresh.map(|after| now + after);
                        self.refresh(outbox);
                    }
                }
            }
        }
    }

    /// Gives it new credentials, by the configuration of now.
    fn refresh(&self, outbox: &Outbox) {
        let config = self.shared.config();
        if let Some(fingerprint) = self.shared.hub.fingerprint(self.member) {
            let ice_servers = turn::servers(&config.ice, &fingerprint, SystemTime::now());
            outbox.push(&ServerMessage::IceServers { ice_servers });
        }
    }

    /// Does what a message asks for.
    fn take(&self, config: &Config, text: &[u8], outbox: &Outbox) -> Result<(), Farewell> {
        let message = ClientMessage::parse(text).map_err(|_| UNREADABLE)?;
        let hub = &self.shared.hub;
        let (done, session) = match message {
            ClientMessage::Register { .. } => return Err(UNREADABLE),
            ClientMessage::Knock { to, session, invitation } => {
                let name = session.clone();
                if !self.visitor.may_knock(&config.limits) {
                    self.shared.metrics.knocks_limited.one();
                    let crowded = "too many knocks from your address; wait for half a minute";
                    (Err((RendezvousErrorCode::TooFast, crowded)), name)
                } else {
                    (hub.knock(self.member, to, session, invitation, &config.limits), name)
                }
            }
            ClientMessage::Forward { to, session, body } => {
                let name = session.clone();
                (hub.forward(self.member, to, session, body), name)
            }
            ClientMessage::Decline { to, session, code } => {
                hub.decline(self.member, to, session, code);
                return Ok(());
            }
            ClientMessage::Leave { to, session } => {
                hub.finish(self.member, to, session);
                return Ok(());
            }
            _ => return Ok(()),
        };
        match done {
            Ok(()) => Ok(()),
            Err((code @ (RendezvousErrorCode::TooFast | RendezvousErrorCode::NoKnock), message)) => {
                let message = message.to_owned();
                outbox.push(&ServerMessage::Error { code, message, session: Some(session) });
                Ok(())
            }
            Err((code, message)) => Err(Farewell::new(code, message)),
        }
    }
}

const TOO_SLOW: Farewell =
    Farewell::new(RendezvousErrorCode::TooSlow, "what is sent to you is not read fast enough");
