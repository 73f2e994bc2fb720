//! The WebRTC engine, and the only place that names it.
//!
//! [`Engine`] is one peer connection with the settings that Gatelodge wants; [`RawChannel`] one of its data channels.
//! [`crate::session`] drives the first, [`crate::channel`] the second.

mod runtime;
mod socket;
mod streams;
mod stun;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use gatelodge_wire::IceServer;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::setting_engine::SctpMaxMessageSize;
use rtc::peer_connection::transport::{RTCDtlsRole, RTCDtlsTransportState, RTCSctpTransportState};
use rustls_pki_types::CertificateDer;
use tokio::sync::{Mutex, Notify, mpsc};
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::peer_connection::{
    CipherSuiteId, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCCertificate,
    RTCConfigurationBuilder, RTCIceCandidateInit, RTCIceCandidateType, RTCIceGatheringState, RTCIceServer,
    RTCIceTransportPolicy, RTCPeerConnectionState, RTCSessionDescription, RTCStatsReportEntry,
    SettingEngineBuilder, StatsSelector, crypto,
};

use crate::identity::Identity;
use crate::path::{CandidateKind, Path};
use runtime::SessionRuntime;
use streams::Streams;
pub(crate) use stun::{
    StunAnswer, StunRequest, TurnLogin, allocate_request, binding_request, release_request,
};

/// The largest message that one SCTP user message may hold, announced as `a=max-message-size` (RFC 8841, section 6).
/// Browsers and aiortc use the same; the engine clamps larger values.
pub(crate) const MAX_MESSAGE: u32 = 262_144;

/// Bytes that may wait for acknowledgement, whatever the path: the peer's receive window of 1 MiB, and half as much
/// behind it. The engine widens its own window only while something waits, which long paths need.
const SEND_LIMIT: usize = 1536 * 1024;

/// The same where the kernel's socket buffers are small: more in flight would overrun the peer's.
const SEND_LIMIT_SMALL_BUFFERS: usize = 128 * 1024;

/// AEAD suites only. ChaCha20 comes first since the engine draws AES-GCM nonces at random, which bounds how much one
/// key may encrypt; the RSA ones are for peers whose certificate is RSA.
const CIPHER_SUITES: [CipherSuiteId; 4] = [
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
];

/// How many DTLS records may be encrypted under one AES-GCM key. The engine draws the 64 explicit bits of the nonce at
/// random, so after this many records (about 80 GB) two are alike with a chance of 1 in 8,000; a nonce used twice gives
/// the key's secrets away (RFC 5288, section 3). ChaCha20 counts its nonces and needs no such end.
const MAX_GCM_RECORDS: u64 = 1 << 26;

/// No word from the peer for this long counts as an interruption (the ICE default of RFC 8445 is of this order).
const ICE_DISCONNECTED: Duration = Duration::from_secs(5);

/// No word from the peer for this long after an interruption ends the session.
const ICE_FAILED: Duration = Duration::from_secs(25);

/// How often a quiet path is kept open. NATs forget a UDP binding after 30 s at the earliest (RFC 4787, REQ-5 asks
/// for two minutes); two seconds also notices a dead path soon.
const ICE_KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Connectivity checks go out this often, and this many times per candidate pair, so that a pair is tried for eight
/// seconds: the engine's 1.4 s are too few for a peer that starts late.
const ICE_CHECK_INTERVAL: Duration = Duration::from_millis(200);
const ICE_CHECKS: u16 = 40;

/// How long both sides check the pairs that they know from the beginning. What has not been found by then is hardly found
/// any more.
pub(crate) const CHECKED_FOR: Duration = ICE_CHECK_INTERVAL.saturating_mul(ICE_CHECKS as u32);

/// Whoever waits for the association looks again after this long even if nothing said that there was progress.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Events that wait for the session: a handful of states, and channels up to the session's own limit.
const EVENT_QUEUE: usize = 256;

/// What a peer connection is built from.
#[derive(Debug)]
pub(crate) struct EngineConfig<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) ice_servers: &'a [IceServer],
    /// Whether relayed paths only are offered and used.
    pub(crate) relay_only: bool,
    /// Whether both peers are on this machine: loopback candidates are then offered.
    pub(crate) local: bool,
    /// Addresses to bind instead of those of all interfaces.
    pub(crate) bind: &'a [SocketAddr],
}

/// What the engine reports.
pub(crate) enum EngineEvent {
    Gathered,
    State(EngineState),
    Channel(RawChannel),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineState {
    Connected,
    /// Nothing comes from the peer at the moment.
    Interrupted,
    Failed,
    Closed,
}

/// The engine refused or failed.
#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct EngineError {
    action: &'static str,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl EngineError {
    pub(crate) fn at<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        action: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self { action, source: Some(source.into()) }
    }
}

/// One peer connection. Cheap to clone; all clones are the same connection.
#[derive(Clone)]
pub(crate) struct Engine {
    connection: Arc<dyn PeerConnection>,
    runtime: Arc<SessionRuntime>,
    streams: Arc<Mutex<Streams>>,
    /// Whether the SCTP association has ever been seen to be up.
    associated: Arc<AtomicBool>,
}

impl Engine {
    pub(crate) async fn new(
        config: EngineConfig<'_>,
    ) -> Result<(Self, mpsc::Receiver<EngineEvent>), EngineError> {
        let runtime = Arc::new(SessionRuntime::new());
        let (events, receiver) = mpsc::channel(EVENT_QUEUE);
        let settings = SettingEngineBuilder::new()
            .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(MAX_MESSAGE))
            // The default joins a multicast group and fails where there is no route for it.
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_include_loopback_candidate(config.local)
            .with_dtls_cipher_suites(CIPHER_SUITES.to_vec())
            // As DTLS server the engine leaves the beginning of the SCTP association to the peer. Offerers all begin
            // it, and two beginnings that cross have lost a first message.
            .with_answering_dtls_role(RTCDtlsRole::Server)
            .with_ice_timeouts(Some(ICE_DISCONNECTED), Some(ICE_FAILED), Some(ICE_KEEP_ALIVE))
            .with_ice_connection_attempts(Some(ICE_CHECK_INTERVAL), Some(ICE_CHECKS))
            .build();
        let servers = config.ice_servers.iter().map(|server| RTCIceServer {
            urls: server.urls.clone(),
            username: server.username.clone().unwrap_or_default(),
            credential: server.credential.clone().unwrap_or_default(),
        });
        let policy =
            if config.relay_only { RTCIceTransportPolicy::Relay } else { RTCIceTransportPolicy::All };
        let configuration = RTCConfigurationBuilder::new()
            .with_certificates(vec![certificate(config.identity)?])
            .with_ice_servers(servers.collect())
            .with_ice_transport_policy(policy)
            .build();
        let handler = Handler { events };
        let connection = PeerConnectionBuilder::new()
            .with_configuration(configuration)
            .with_setting_engine(settings)
            .with_runtime(Arc::clone(&runtime) as _)
            .with_handler(Arc::new(handler))
            .with_udp_addrs(bind_addresses(&config))
            .build()
            .await
            .map_err(EngineError::at("could not open UDP sockets for a connection"))?;
        let (streams, associated) = (Arc::default(), Arc::default());
        Ok((Self { connection: Arc::new(connection), runtime, streams, associated }, receiver))
    }

    /// Waits until the SCTP association is up, which takes two round trips more than the DTLS handshake whose end
    /// [`EngineState::Connected`] is. Returns at once if it has ever been up.
    pub(crate) async fn associated(&self) {
        while !self.associated.load(Ordering::Relaxed) {
            let progress = self.runtime.progress().notified();
            let sctp = self.connection.sctp().await;
            if let Some(sctp) = sctp
                && matches!(sctp.state().await, Ok(RTCSctpTransportState::Connected))
            {
                self.associated.store(true, Ordering::Relaxed);
                return;
            }
            // Both outcomes lead to the same look.
            let _ = tokio::time::timeout(LOOK_AGAIN, progress).await;
        }
    }

    /// Opens a data channel: reliable and ordered, as MCP needs it.
    ///
    /// To be called before the session is described, or once it is [associated](Engine::associated). In between the
    /// engine would lose the opening: it hands it to an association that still shakes hands and refuses it, and the channel
    /// is never heard of again.
    pub(crate) async fn open_channel(&self, label: &str) -> Result<RawChannel, EngineError> {
        let init = RTCDataChannelInit { ordered: true, ..Default::default() };
        let mut streams = self.streams.lock().await;
        streams.retire(&*self.connection).await;
        let channel = self
            .connection
            .create_data_channel(label, Some(init))
            .await
            .map_err(EngineError::at("could not open a data channel"))?;
        streams.opening(&*channel);
        Ok(RawChannel { channel, label: label.to_owned() })
    }

    /// Returns whether an own channel, which is open, can be relied upon: what is left of an earlier one on the same
    /// stream may close it otherwise.
    pub(crate) async fn is_sound(&self, channel: &RawChannel) -> bool {
        self.streams.lock().await.is_first(&*self.connection, &*channel.channel).await
    }

    /// Makes an offer and starts to gather candidates; [`EngineEvent::Gathered`] says when
    /// [`Engine::local_description`] holds them all.
    pub(crate) async fn start_offer(&self) -> Result<(), EngineError> {
        let failed = EngineError::at("could not make an offer");
        let offer = self.connection.create_offer(None).await.map_err(failed)?;
        let failed = EngineError::at("could not apply the own offer");
        self.connection.set_local_description(offer).await.map_err(failed)
    }

    /// Takes the peer's offer and starts to answer it, as [`Engine::start_offer`] does.
    pub(crate) async fn start_answer(&self, offer: &str) -> Result<(), EngineError> {
        let offer = RTCSessionDescription::offer(offer.to_owned())
            .map_err(EngineError::at("the peer's offer was not understood"))?;
        self.connection
            .set_remote_description(offer)
            .await
            .map_err(EngineError::at("the peer's offer could not be applied"))?;
        let answer =
            self.connection.create_answer(None).await.map_err(EngineError::at("could not make an answer"))?;
        self.connection
            .set_local_description(answer)
            .await
            .map_err(EngineError::at("could not apply the own answer"))
    }

    pub(crate) async fn local_description(&self) -> Option<String> {
        self.connection.local_description().await.map(|description| description.sdp)
    }

    pub(crate) async fn accept_answer(&self, answer: &str) -> Result<(), EngineError> {
        let answer = RTCSessionDescription::answer(answer.to_owned())
            .map_err(EngineError::at("the peer's answer was not understood"))?;
        self.connection
            .set_remote_description(answer)
            .await
            .map_err(EngineError::at("the peer's answer could not be applied"))
    }

    /// Adds one of the peer's candidates that came after its description.
    pub(crate) async fn add_candidate(
        &self,
        candidate: String,
        sdp_mid: Option<String>,
        sdp_mline_index: Option<u16>,
    ) -> Result<(), EngineError> {
        let candidate = RTCIceCandidateInit { candidate, sdp_mid, sdp_mline_index, ..Default::default() };
        self.connection
            .add_ice_candidate(candidate)
            .await
            .map_err(EngineError::at("a candidate of the peer could not be used"))
    }

    /// Says that what follows is to be done without delay, or that it has been. To be called before the engine gets
    /// its next work, since it learns of this at its next wait.
    pub(crate) fn set_connecting(&self, connecting: bool) {
        self.runtime.set_connecting(connecting);
    }

    /// Returns the peer's certificate, in DER form, as the DTLS handshake proved it.
    pub(crate) async fn peer_certificate(&self) -> Option<Vec<u8>> {
        let certificates = self.connection.sctp().await?.transport().get_remote_certificates().await.ok()?;
        certificates.into_iter().next()
    }

    /// Returns the addresses that the session uses.
    pub(crate) async fn path(&self) -> Option<Path> {
        let sctp = self.connection.sctp().await?;
        let pair = sctp.transport().ice_transport().get_selected_candidate_pair().await.ok()??;
        let (local, remote) = (pair.local(), pair.remote());
        Some(Path {
            local: SocketAddr::new(local.address.parse().ok()?, local.port),
            local_kind: candidate_kind(local.typ),
            remote: SocketAddr::new(remote.address.parse().ok()?, remote.port),
            remote_kind: candidate_kind(remote.typ),
        })
    }

    /// Returns what the engine has counted on the path in use: the last round trip, and bytes sent and received.
    pub(crate) async fn counts(&self) -> (Option<Duration>, u64, u64) {
        let report = self.connection.get_stats(Instant::now(), StatsSelector::None).await;
        let (mut round_trip, mut sent, mut received) = (None, 0, 0);
        for entry in report.iter() {
            match entry {
                RTCStatsReportEntry::IceCandidatePair(pair)
                    if pair.nominated && pair.current_round_trip_time > 0.0 =>
                {
                    // Pairs that were in use earlier stay nominated; the shortest one is that in use.
                    let measured = Duration::from_secs_f64(pair.current_round_trip_time.min(3600.0));
                    round_trip = Some(round_trip.map_or(measured, |known: Duration| known.min(measured)));
                }
                RTCStatsReportEntry::Transport(transport) => {
                    (sent, received) = (transport.bytes_sent, transport.bytes_received);
                }
                _ => {}
            }
        }
        (round_trip, sent, received)
    }

    /// Returns whether the peer has said goodbye on the secured path. The engine's connection state does not tell.
    pub(crate) async fn peer_closed(&self) -> bool {
        let Some(sctp) = self.connection.sctp().await else { return false };
        matches!(
            sctp.transport().state().await,
            Ok(RTCDtlsTransportState::Closed | RTCDtlsTransportState::Failed)
        )
    }

    /// Returns how many datagrams may be sent under the session's key; `None` if that needs no limit.
    pub(crate) async fn key_limit(&self) -> Option<u64> {
        let report = self.connection.get_stats(Instant::now(), StatsSelector::None).await;
        let counted = report.iter().any(|entry| match entry {
            RTCStatsReportEntry::Transport(transport) => transport.dtls_cipher.contains("CHACHA20"),
            _ => false,
        });
        (!counted).then_some(MAX_GCM_RECORDS)
    }

    /// Returns how many datagrams the session has sent.
    pub(crate) fn datagrams_sent(&self) -> u64 {
        self.runtime.datagrams_sent()
    }

    /// Is notified each time the engine has done what there was to do; acknowledgements may have come.
    pub(crate) fn progress(&self) -> &Notify {
        self.runtime.progress()
    }

    /// Is notified when [`Engine::peer_closed`] may have become true.
    pub(crate) fn goodbye(&self) -> &Notify {
        self.runtime.goodbye()
    }

    /// Returns how many bytes may wait for acknowledgement at most, whatever the path.
    pub(crate) fn send_limit(&self) -> usize {
        if self.runtime.has_ample_buffers() { SEND_LIMIT } else { SEND_LIMIT_SMALL_BUFFERS }
    }

    /// Ends the connection and waits for the engine's tasks. Idempotent.
    pub(crate) async fn close(&self) {
        self.runtime.set_connecting(false);
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "the engine closed with an error");
        }
        self.runtime.tasks_ended().await;
    }
}

fn certificate(identity: &Identity) -> Result<RTCCertificate, EngineError> {
    let provider = crypto::default_provider().map_err(EngineError::at("no cryptography to use"))?;
    // Identities do not expire (see `Identity::generate`); the engine only reports this date.
    let expires = SystemTime::now() + Duration::from_secs(30 * 365 * 24 * 3600);
    RTCCertificate::from_pkcs8(
        provider.crypto(),
        crypto::SignatureScheme::EcdsaP256Sha256,
        vec![CertificateDer::from(identity.certificate_der().to_vec())],
        identity.private_key_der(),
        expires,
    )
    .map_err(EngineError::at("the identity's key could not be used"))
}

/// Addresses of all interfaces that a peer could reach, and loopback where both peers are on this machine.
fn bind_addresses(config: &EngineConfig<'_>) -> Vec<SocketAddr> {
    if !config.bind.is_empty() {
        return config.bind.to_vec();
    }
    const ANY_V4: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
    const ANY_V6: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), 0);
    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
    let mut addresses = Vec::new();
    if config.local {
        addresses.push(LOOPBACK);
    }
    // The engine expands a wildcard to the interfaces' addresses, and offers a useless candidate for a family that
    // has none.
    let interfaces = rtc::shared::ifaces::ifaces().unwrap_or_default();
    let usable = |v4: bool| {
        interfaces.iter().filter_map(|interface| interface.addr).any(|address| match address {
            SocketAddr::V4(address) => v4 && !address.ip().is_loopback() && !address.ip().is_link_local(),
            SocketAddr::V6(address) => {
                !v4 && !address.ip().is_loopback() && !address.ip().is_unicast_link_local()
            }
        })
    };
    if usable(true) {
        addresses.push(ANY_V4);
    }
    if usable(false) {
        addresses.push(ANY_V6);
    }
    if addresses.is_empty() {
        // An offline machine: a session with a peer on this very machine is still possible.
        addresses.push(LOOPBACK);
    }
    addresses
}

fn candidate_kind(kind: RTCIceCandidateType) -> CandidateKind {
    match kind {
        RTCIceCandidateType::Relay => CandidateKind::Relayed,
        RTCIceCandidateType::Srflx | RTCIceCandidateType::Prflx => CandidateKind::Reflexive,
        _ => CandidateKind::Host,
    }
}

/// Takes the engine's callbacks, which run on its own task and must not wait.
struct Handler {
    events: mpsc::Sender<EngineEvent>,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.events.try_send(EngineEvent::Gathered);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let state = match state {
            RTCPeerConnectionState::Connected => EngineState::Connected,
            RTCPeerConnectionState::Disconnected => EngineState::Interrupted,
            RTCPeerConnectionState::Failed => EngineState::Failed,
            RTCPeerConnectionState::Closed => EngineState::Closed,
            _ => return,
        };
        let _ = self.events.try_send(EngineEvent::State(state));
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let Ok(label) = channel.label().await else { return };
        let channel = RawChannel { channel, label };
        if let Err(error) = self.events.try_send(EngineEvent::Channel(channel)) {
            // More channels than anybody takes: the peer gets it back closed.
            if let EngineEvent::Channel(channel) = error.into_inner() {
                channel.close().await;
            }
        }
    }
}

/// One data channel, as the engine has it. Cheap to clone; all clones are the same channel.
#[derive(Clone)]
pub(crate) struct RawChannel {
    channel: Arc<dyn DataChannel>,
    label: String,
}

/// What a data channel reports.
pub(crate) enum RawEvent {
    Open,
    Text(Bytes),
    Binary(Bytes),
    Closed,
}

impl RawChannel {
    pub(crate) fn downgrade(&self) -> WeakChannel {
        WeakChannel(Arc::downgrade(&self.channel))
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Waits for the next event. Cancel-safe.
    pub(crate) async fn next(&self) -> RawEvent {
        loop {
            match self.channel.poll().await {
                Some(DataChannelEvent::OnOpen) => return RawEvent::Open,
                Some(DataChannelEvent::OnMessage(message)) if message.is_string => {
                    return RawEvent::Text(message.data.freeze());
                }
                Some(DataChannelEvent::OnMessage(message)) => {
                    return RawEvent::Binary(message.data.freeze());
                }
                Some(DataChannelEvent::OnClose) | None => return RawEvent::Closed,
                // Errors are followed by a close; buffer levels are watched by other means.
                Some(_) => {}
            }
        }
    }

    pub(crate) async fn send_text(&self, text: &str) -> Result<(), EngineError> {
        self.channel.send_text(text).await.map_err(EngineError::at("the data channel did not take a message"))
    }

    pub(crate) async fn send_binary(&self, bytes: BytesMut) -> Result<(), EngineError> {
        self.channel.send(bytes).await.map_err(EngineError::at("the data channel did not take a fragment"))
    }

    pub(crate) async fn close(&self) {
        // An error says that it is closed already.
        let _ = self.channel.close().await;
    }
}

/// A data channel whose outstanding bytes are watched.
pub(crate) struct WeakChannel(Weak<dyn DataChannel>);

impl WeakChannel {
    /// Returns how many sent bytes the peer has not acknowledged; `None` once the channel is closed.
    pub(crate) async fn outstanding(&self) -> Option<usize> {
        self.0.upgrade()?.outstanding_bytes().await.ok()
    }

    /// Returns whether anybody still holds the channel.
    pub(crate) fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }
}
