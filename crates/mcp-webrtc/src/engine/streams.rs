//! Which SCTP streams a session's channels use, so that none is used twice.
//!
//! The engine gives a new channel the lowest stream that is free, and counts a stream as free as soon as its channel is
//! closed. By then the other side need not be through with the reset of the stream (RFC 6525): what it still has to do
//! about the old channel, perhaps after a lost packet, it would do to the new one, which is then closed at once or
//! never opens. RFC 8831, section 6.7, wants both directions reset before a stream is used again.
//!
//! So streams that a channel of this side has had are kept from further use by channels that are known to this side
//! alone. [`super::Engine`] asks before it opens a channel, and once it is open.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use webrtc::data_channel::{DataChannel, RTCDataChannelInit, RTCDataChannelState};
use webrtc::peer_connection::{PeerConnection, RTCStatsReportEntry, StatsSelector};

/// How many streams are kept from further use. Browsers take 1,024 streams, of which each side has half, and the engine
/// looks at each channel for every datagram. Sessions that close more channels than this use streams again.
const MAX_RETIRED: usize = 256;

/// How many of them are looked after: the reset of an earlier one was over long ago, so that nothing frees it any more.
const WATCHED: usize = 64;

/// What the engine calls a channel, which is not its stream.
type Handle = usize;

/// The streams of one connection.
#[derive(Default)]
pub(super) struct Streams {
    /// The channels of this side that are not known to be closed, with their streams once they have any.
    open: HashMap<Handle, Option<u16>>,
    used: HashSet<u16>,
    /// What keeps the latest streams from further use.
    kept: VecDeque<(u16, Arc<dyn DataChannel>)>,
    retired: usize,
}

/// One channel, as the engine's statistics show it.
struct Seen {
    stream: u16,
    closed: bool,
}

impl Streams {
    /// Notes a channel that this side opens.
    pub(super) fn opening(&mut self, channel: &dyn DataChannel) {
        self.open.insert(channel.id(), None);
    }

    /// Keeps the streams of closed channels from further use. To be called before a channel is opened.
    pub(super) async fn retire(&mut self, connection: &dyn PeerConnection) {
        if self.open.is_empty() || self.retired >= MAX_RETIRED {
            return;
        }
        let seen = seen(connection).await;
        let closed: Vec<_> = self.open.keys().filter(|handle| is_closed(&seen, handle)).copied().collect();
        for handle in closed {
            let known = self.open.remove(&handle).flatten();
            if let Some(stream) = known.or_else(|| seen.get(&handle).map(|channel| channel.stream)) {
                self.used.insert(stream);
                self.keep(connection, stream).await;
                self.retired += 1;
            }
        }
        // The peer's side of a reset frees the stream once more, and with it what keeps it.
        for _ in 0..self.kept.len() {
            let Some((stream, keeper)) = self.kept.pop_front() else { break };
            match keeper.ready_state().await {
                Ok(_) => self.kept.push_back((stream, keeper)),
                Err(_) => self.keep(connection, stream).await,
            }
        }
    }

    /// Returns whether an open channel of this side is the first one on its stream. It is not if a stream was freed
    /// just when the channel was made.
    pub(super) async fn is_first(
        &mut self,
        connection: &dyn PeerConnection,
        channel: &dyn DataChannel,
    ) -> bool {
        if self.retired >= MAX_RETIRED {
            return true;
        }
        let Some(stream) = seen(connection).await.get(&channel.id()).map(|channel| channel.stream) else {
            return true;
        };
        self.open.insert(channel.id(), Some(stream));
        self.used.insert(stream)
    }

    /// Puts a channel on the stream of which the peer never hears: no opening is sent for one that counts as agreed upon.
    async fn keep(&mut self, connection: &dyn PeerConnection, stream: u16) {
        let init = RTCDataChannelInit { negotiated: Some(stream), ordered: true, ..Default::default() };
        match connection.create_data_channel("", Some(init)).await {
            Ok(keeper) => self.kept.push_back((stream, keeper)),
            Err(error) => tracing::debug!(%error, stream, "a stream may be used again"),
        }
        if self.kept.len() > WATCHED {
            self.kept.pop_front();
        }
    }
}

fn is_closed(seen: &HashMap<Handle, Seen>, handle: &Handle) -> bool {
    seen.get(handle).is_some_and(|channel| channel.closed)
}

/// Returns all channels that have ever been open. The engine tells of streams nowhere else.
async fn seen(connection: &dyn PeerConnection) -> HashMap<Handle, Seen> {
    let report = connection.get_stats(Instant::now(), StatsSelector::None).await;
    let channels = report.iter().filter_map(|entry| match entry {
        RTCStatsReportEntry::DataChannel(channel) => {
            let handle = channel.stats.id.rsplit_once('_')?.1.parse().ok()?;
            let closed = channel.state == RTCDataChannelState::Closed;
            Some((handle, Seen { stream: channel.data_channel_identifier, closed }))
        }
        _ => None,
    });
    channels.collect()
}
