//! The channels of a session that outlive the connection which carries them, with their counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatelodge_wire::{ChannelCount, ImpossibleCount};
use mcp_webrtc::{Acknowledgements, Channel, ResumableChannel, ResumableReceiver};

use super::MAX_CHANNELS;

/// The resumable channels of one session. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct ResumableChannels {
    channels: Arc<Mutex<Channels>>,
    acknowledgements: Acknowledgements,
}

#[derive(Debug, Default)]
struct Channels {
    open: BTreeMap<u32, ResumableChannel>,
    /// Numbers up to this one were used.
    used: u32,
}

/// What becomes of a channel that the agent has opened.
pub(super) enum Opened {
    /// It is a new one.
    New(ResumableChannel, ResumableReceiver),
    /// It goes on with an earlier one.
    Again,
    /// There was one of that number, and it has ended; or it is in use.
    Over,
    /// There are as many as there may be, those included that wait for their agent to come back to them.
    TooMany,
}

impl ResumableChannels {
    /// Takes a channel of this number.
    pub(super) fn take(&self, number: u32, channel: Channel) -> Opened {
        let mut channels = self.lock();
        if let Some(known) = channels.open.get(&number) {
            if known.is_attached() {
                return Opened::Over;
            }
            known.attach(channel);
            return Opened::Again;
        }
        if number <= channels.used {
            return Opened::Over;
        }
        if channels.open.len() >= MAX_CHANNELS {
            return Opened::TooMany;
        }
        channels.used = number;
        let (resumable, receiver) = ResumableChannel::new(&self.acknowledgements);
        channels.open.insert(number, resumable.clone());
        resumable.attach(channel);
        Opened::New(resumable, receiver)
    }

    /// Forgets a channel that has ended, and closes it.
    pub(super) fn close(&self, number: u32) {
        let closed = self.lock().open.remove(&number);
        if let Some(closed) = closed {
            closed.detach();
        }
    }

    /// Takes nothing more from any channel, and returns how many messages were taken from each.
    pub(super) fn detach(&self) -> Vec<ChannelCount> {
        self.lock().open.iter().map(|(&number, channel)| (number, channel.detach())).collect()
    }

    /// Ends all of them once they have brought what is on its way.
    pub(super) fn finish(&self) {
        self.lock().open.values().for_each(ResumableChannel::finish);
    }

    /// The agent closes a channel for good.
    pub(super) fn done(&self, number: u32) {
        if let Some(channel) = self.lock().open.get(&number) {
            channel.finish();
        }
    }

    /// Notes what the agent has taken. Channels that have ended are skipped.
    pub(super) fn acknowledge(&self, counts: &[ChannelCount]) -> Result<(), ImpossibleCount> {
        self.with(counts, ResumableChannel::acknowledge)
    }

    /// Prepares to send again what the agent has not taken.
    pub(super) fn rewind(&self, counts: &[ChannelCount]) -> Result<(), ImpossibleCount> {
        self.with(counts, ResumableChannel::rewind)
    }

    fn with(
        &self,
        counts: &[ChannelCount],
        note: impl Fn(&ResumableChannel, u64) -> Result<(), ImpossibleCount>,
    ) -> Result<(), ImpossibleCount> {
        let channels = self.lock();
        for (number, received) in counts {
            if let Some(channel) = channels.open.get(number) {
                note(channel, *received)?;
            }
        }
        Ok(())
    }

    /// Waits until the agent is to be told of what was taken, and returns that.
    pub(super) async fn news(&self) -> Vec<ChannelCount> {
        self.acknowledgements.due().await;
        let channels = self.lock();
        let news = channels.open.iter().filter_map(|(&number, channel)| Some((number, channel.news()?)));
        news.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
