//! A peer that speaks WebRTC well and everything above it badly. It is built on the engine directly.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use mcp_webrtc::signaling::{MemorySignaling, Signal, Signaling, memory};
use mcp_webrtc::{ChannelEnd, FragmentLimits, Identity, SendError, Session};
use rtc::peer_connection::configuration::setting_engine::SctpMaxMessageSize;
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCSessionDescription, SettingEngineBuilder,
};

use crate::harness::within_limit;

struct Handler {
    gathered: mpsc::Sender<()>,
    channels: mpsc::Sender<Arc<dyn DataChannel>>,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.gathered.try_send(());
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let _ = self.channels.try_send(channel);
    }
}

struct Hostile {
    connection: Arc<dyn PeerConnection>,
    channel: Arc<dyn DataChannel>,
    _link: MemorySignaling,
}

/// Answers an offer, with `extra` among the session's lines.
async fn hostile(mut link: MemorySignaling, extra: &str) -> Hostile {
    let (gathered, mut wait_gathered) = mpsc::channel(1);
    let (channels, mut wait_channel) = mpsc::channel(4);
    let settings = SettingEngineBuilder::new()
        .with_include_loopback_candidate(true)
        .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(262_144))
        .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
        .build();
    let connection: Arc<dyn PeerConnection> = Arc::new(
        PeerConnectionBuilder::new()
            .with_setting_engine(settings)
            .with_handler(Arc::new(Handler { gathered, channels }))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build()
            .await
            .unwrap(),
    );
    let Ok(Some(Signal::Offer { sdp })) = link.receive().await else { panic!("no offer") };
    connection.set_remote_description(RTCSessionDescription::offer(sdp).unwrap()).await.unwrap();
    let answer = connection.create_answer(None).await.unwrap();
    connection.set_local_description(answer).await.unwrap();
    wait_gathered.recv().await.unwrap();
    let sdp = connection.local_description().await.unwrap().sdp;
    let sdp = sdp.replacen("m=", &format!("{extra}m="), 1);
    let sdp = sdp.replace("a=max-message-size:262144", "a=max-message-size:65536");
    link.send(Signal::Answer { sdp }).await.unwrap();
    let channel = wait_channel.recv().await.unwrap();
    while !matches!(channel.poll().await, Some(DataChannelEvent::OnOpen)) {}
    Hostile { connection, channel, _link: link }
}

const FRAGMENTS: &str = "a=x-mcp-fragments:1 67108864\r\n";

async fn meet(extra: &str, limits: FragmentLimits) -> (Session, Hostile) {
    let (left, right) = memory();
    let identity = Identity::generate().unwrap();
    let (session, hostile) =
        tokio::join!(Session::builder(&identity).fragments(limits).offer(left), hostile(right, extra));
    (session.unwrap(), hostile)
}

#[tokio::test]
async fn broken_fragments_close_the_channel_with_a_reason_and_leave_the_session() {
    within_limit(async {
        let truncated: &[u8] = &[1, 1, 0];
        let unknown_version: &[u8] = &[9, 1, 0, 0, 0, 0, b'x'];
        let not_utf8: &[u8] = &[1, 1, 0, 0, 0, 0, 0xff];
        for frame in [truncated, unknown_version, not_utf8] {
            let (session, peer) = meet(FRAGMENTS, FragmentLimits::default()).await;
            let mut channel = session.next_channel().await.unwrap();
            peer.channel.send(BytesMut::from(frame)).await.unwrap();
            assert_eq!(channel.recv().await, None);
            let end = channel.end().unwrap();
            assert!(matches!(end, ChannelEnd::Fragment(_) | ChannelEnd::NotUtf8), "{end}");
            // The hostile side sees its channel closed; the session itself is still there for others.
            while !matches!(peer.channel.poll().await, None | Some(DataChannelEvent::OnClose)) {}
            let other = peer.connection.create_data_channel("other", None).await.unwrap();
            let mut channel = session.next_channel().await.unwrap();
            while !matches!(other.poll().await, Some(DataChannelEvent::OnOpen)) {}
            other.send_text("{}").await.unwrap();
            assert_eq!(channel.recv().await.unwrap(), "{}");
            session.close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn fragments_that_never_end_close_the_channel_at_the_limit() {
    within_limit(async {
        let limits = FragmentLimits { max_bytes: 1 << 20, ..FragmentLimits::default() };
        let (session, peer) = meet(FRAGMENTS, limits).await;
        let mut channel = session.next_channel().await.unwrap();
        let flood = tokio::spawn({
            let channel = Arc::clone(&peer.channel);
            async move {
                let mut frame = BytesMut::from(&[1, 0, 0, 0, 0, 0][..]);
                frame.resize(16 * 1024, b'x');
                // More than the limit by far; it ends when the channel is closed under it.
                for _ in 0..1024 {
                    if channel.send(frame.clone()).await.is_err() {
                        return;
                    }
                }
            }
        });
        assert_eq!(channel.recv().await, None);
        assert!(matches!(channel.end(), Some(ChannelEnd::Fragment(_))));
        flood.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_plain_peer_may_send_its_message_as_bytes() {
    within_limit(async {
        let (session, peer) = meet("", FragmentLimits::default()).await;
        assert!(!session.speaks_fragments());
        let mut channel = session.next_channel().await.unwrap();
        peer.channel.send(BytesMut::from(&b"{}"[..])).await.unwrap();
        assert_eq!(channel.recv().await.unwrap(), "{}");
    })
    .await;
}

#[tokio::test]
async fn more_channels_than_allowed_are_closed() {
    within_limit(async {
        let (left, right) = memory();
        let identity = Identity::generate().unwrap();
        let (session, peer) =
            tokio::join!(Session::builder(&identity).max_channels(2).offer(left), hostile(right, ""));
        let session = session.unwrap();
        let _first = session.next_channel().await.unwrap();
        let second = peer.connection.create_data_channel("second", None).await.unwrap();
        let _second = session.next_channel().await.unwrap();
        let third = peer.connection.create_data_channel("third", None).await.unwrap();
        let refused = async {
            let _ = session.next_channel().await;
        };
        tokio::select! {
            () = refused => panic!("a third channel was handed over"),
            () = async {
                while !matches!(third.poll().await, None | Some(DataChannelEvent::OnClose)) {}
            } => {}
        }
        second.send_text("{}").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_takes_little_may_still_send_much() {
    within_limit(async {
        // As aiortc up to 1.15: it announces 65,536 and sends what its peer takes.
        let (session, peer) = meet("", FragmentLimits::default()).await;
        assert_eq!(session.max_message_size(), 65_536);
        let mut channel = session.next_channel().await.unwrap();
        let message = "x".repeat(200_000);
        peer.channel.send_text(&message).await.unwrap();
        assert_eq!(channel.recv().await.unwrap(), message);
        assert!(matches!(channel.send(message).await, Err(SendError::TooLarge { limit: 65_536, .. })));
    })
    .await;
}
