//! A session that is up, as everybody else sees it: who it is, what is lent, and how to end it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gatelodge_wire::{Fingerprint, RefusalCode, ResumeToken};
use mcp_webrtc::{Measurement, Measurements, PathKind};
use tokio::sync::{mpsc, watch};

use super::connection::Arrival;
use super::ending::{Ending, Refusal};
use super::entrance::Admitted;
use super::lent::Lent;
use crate::approval::bucket::{Bucket, Rate};
use crate::approval::view::Way;
use crate::event::{EventSender, HostEvent, SessionId};
use crate::grant::{EntryRule, Grant, ToolRule};
use crate::link::LinkId;
use crate::live::recent::Recent;
use crate::server::ServerId;
use crate::time::Timestamp;

mod sessions;

pub(crate) use sessions::LiveSessions;

/// How many connections wait to take a session's earlier one's place. Only an agent that has the token gets so far.
const ARRIVALS: usize = 4;

/// Refused requests of a session that get an entry of their own in the log. A model that tries what it may not do is far
/// below this; one that does nothing else adds some 10 MB a day, which the log's bound takes.
const REFUSALS: Rate = Rate { burst: 64, every: Duration::from_secs(3) };

/// A session that is up.
pub(crate) struct Live {
    pub(crate) id: SessionId,
    pub(crate) agent: Fingerprint,
    pub(crate) link: LinkId,
    pub(crate) since: Timestamp,
    pub(crate) ending: Ending,
    /// Told when a grant becomes larger, so that open channels go by it.
    widened: watch::Sender<()>,
    refusals: Mutex<Bucket>,
    recent: Mutex<Recent>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The addresses between which packets travel, or did before the connection was lost.
    path: String,
    interrupted: bool,
    /// The last measurement of the connection, and what went over it and those before it.
    measured: Option<Measurement>,
    bytes: (u64, u64),
    calls: u64,
    /// By what the agent may resume the session, and where it comes in then.
    resumption: Option<(ResumeToken, mpsc::Sender<Arrival>)>,
    /// The kind of path that the session began with.
    kind: Option<PathKind>,
    label: String,
    known: bool,
    admitted: bool,
    /// The grants were changed before the agent was let in: they are newer than what the verdict was made of.
    regranted: bool,
    lent: Lent,
    channels: HashMap<u64, (ServerId, Ending)>,
}

impl Live {
    pub(crate) fn new(id: SessionId, agent: Fingerprint, link: LinkId, path: String) -> Self {
        let (since, ending) = (Timestamp::now(), Ending::default());
        let state = Mutex::new(State { path, ..State::default() });
        let now = Instant::now();
        let refusals = Mutex::new(Bucket::full(REFUSALS, now));
        let (widened, recent) = (watch::Sender::new(()), Mutex::new(Recent::new(now)));
        Self { id, agent, link, since, ending, widened, refusals, recent, state }
    }

    /// Says whether one more refused request gets an entry of its own in the log.
    pub(super) fn tells_of_refusal(&self, now: Instant) -> bool {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).take(REFUSALS, now)
    }

    /// Returns the addresses between which packets travel.
    pub(crate) fn path(&self) -> String {
        self.lock().path.clone()
    }

    /// Returns how the connection was when it was last measured, the bytes received and sent over all connections, and the
    /// number of calls.
    pub(crate) fn traffic(&self) -> (Option<Measurement>, (u64, u64), u64) {
        let state = self.lock();
        (state.measured, state.bytes, state.calls)
    }

    /// Counts a call of the agent.
    pub(crate) fn called(&self) {
        self.lock().calls += 1;
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).count(Instant::now());
    }

    /// Returns the calls in each of the last spans of time, the oldest first.
    pub(crate) fn recent(&self, now: Instant) -> Vec<u32> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).spans(now)
    }

    /// Measures a connection for as long as it lives, and tells of another path.
    pub(super) async fn measure(self: Arc<Self>, mut measurements: Measurements, events: EventSender) {
        let mut last: Option<Measurement> = None;
        while let Some(measured) = measurements.next().await {
            let (received, sent) = last.map_or((0, 0), |last| (last.bytes_received, last.bytes_sent));
            let moved = last.is_some_and(|last| last.path != measured.path);
            {
                let mut state = self.lock();
                state.bytes.0 += measured.bytes_received.saturating_sub(received);
                state.bytes.1 += measured.bytes_sent.saturating_sub(sent);
                state.measured = Some(measured);
                state.path = measured.path.to_string();
            }
            if moved {
                let (path, kind) = (measured.path.to_string(), measured.path.kind().to_string());
                events.tell(HostEvent::PathChanged { session: self.id, path, kind });
            }
            last = Some(measured);
        }
    }

    /// Returns whether the connection is lost, and the agent waited for.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.lock().interrupted
    }

    pub(super) fn set_interrupted(&self) {
        self.lock().interrupted = true;
    }

    /// Notes that the session goes on over another connection.
    pub(super) fn set_path(&self, path: String) {
        let mut state = self.lock();
        (state.path, state.interrupted) = (path, false);
    }

    /// Lets the agent resume the session by this token, and returns where it comes in.
    pub(super) fn resumable(&self, token: ResumeToken) -> mpsc::Receiver<Arrival> {
        let (sender, arrivals) = mpsc::channel(ARRIVALS);
        self.lock().resumption = Some((token, sender));
        arrivals
    }

    /// Lets nobody resume the session any more.
    pub(super) fn close_arrivals(&self) {
        self.lock().resumption = None;
    }

    /// Goes on over this connection. It is given back if the session is over.
    pub(super) async fn take_over(&self, arrival: Arrival) -> Result<(), Arrival> {
        let place = self.lock().resumption.as_ref().map(|(_, arrivals)| arrivals.clone());
        match place {
            Some(place) if !self.ending.has_ended() => {
                place.try_send(arrival).map_err(mpsc::error::TrySendError::into_inner)
            }
            _ => Err(arrival),
        }
    }

    /// Notes the verdict: the agent is in, under this name and with these grants.
    pub(super) fn admit(&self, admitted: Admitted) {
        let mut state = self.lock();
        (state.label, state.known, state.admitted) = (admitted.label, admitted.known, true);
        if admitted.session_only {
            state.lent.lend(admitted.grants);
        } else if !state.regranted {
            state.lent.keep(admitted.grants);
        }
    }

    pub(crate) fn label(&self) -> String {
        self.lock().label.clone()
    }

    pub(crate) fn admitted(&self) -> bool {
        self.lock().admitted
    }

    /// Returns whether it is the person who calls the agent by its label.
    pub(crate) fn known(&self) -> bool {
        self.lock().known
    }

    /// Returns how the agent came.
    pub(crate) fn way(&self) -> Way {
        let state = self.lock();
        let kind = state.measured.map(|measured| measured.path.kind()).or(state.kind);
        let kind = kind.map_or_else(String::new, |kind| kind.to_string());
        Way { link: self.link.to_string(), kind, path: state.path.clone() }
    }

    /// Notes the kind of the path, for as long as it was not measured.
    pub(super) fn set_kind(&self, kind: Option<PathKind>) {
        self.lock().kind = kind;
    }

    /// Returns the grant for a server, unless it has expired.
    pub(crate) fn grant(&self, server: &ServerId, now: Timestamp) -> Option<Grant> {
        self.lock().lent.grant(server).filter(|grant| !expired(grant, now))
    }

    /// Returns the servers with a grant that has not expired.
    pub(crate) fn servers(&self, now: Timestamp) -> Vec<ServerId> {
        let state = self.lock();
        let mut servers: Vec<_> =
            state.lent.all().filter(|grant| !expired(grant, now)).map(|grant| grant.server.clone()).collect();
        servers.sort();
        servers
    }

    /// Puts other grants into force. Channels whose grant is gone or another one are ended: what they were opened under
    /// does not hold any more. What is lent for this session only stays, unless there is a grant for the same server now.
    pub(crate) fn regrant(&self, grants: Vec<Grant>) {
        let mut state = self.lock();
        let changed = state.lent.keep(grants);
        for (server, ending) in state.channels.values() {
            if changed.contains(server) {
                ending.end(Refusal::new(
                    RefusalCode::Revoked,
                    format!("what this agent may do with {server} was changed on the desktop"),
                ));
            }
        }
        state.regranted = !state.admitted;
    }

    /// Takes back what is lent of a server for this session only; returns whether anything was.
    pub(crate) fn take_back(&self, server: &ServerId) -> bool {
        let mut state = self.lock();
        let taken = state.lent.take_back(server);
        for (used, ending) in state.channels.values() {
            if taken && used == server {
                ending.end(Refusal::new(
                    RefusalCode::Revoked,
                    format!("{server} is not lent to this agent any more"),
                ));
            }
        }
        taken
    }

    /// Replaces one grant by the same with more pins.
    pub(crate) fn pinned(&self, grant: Grant) {
        if let Some(held) = self.lock().lent.get_mut(&grant.server) {
            held.pins = grant.pins;
        }
    }

    /// Lets the agent call a tool unasked, as its grant that is kept says from now on.
    pub(crate) fn allow_tool(&self, server: &ServerId, tool: &str) {
        if let Some(held) = self.lock().lent.get_mut(server) {
            held.tools.tools.insert(tool.to_owned(), ToolRule::Allow);
        }
        self.widened.send_replace(());
    }

    /// Lets the agent use a server unasked, as its grant that is kept says from now on.
    pub(crate) fn open_entry(&self, server: &ServerId) {
        if let Some(held) = self.lock().lent.get_mut(server) {
            held.entry = EntryRule::Open;
        }
    }

    /// Lets the agent call a tool unasked until the session ends.
    pub(crate) fn allow_tool_here(&self, server: &ServerId, tool: &str) {
        self.lock().lent.leave(server).tools.insert(tool.to_owned());
        self.widened.send_replace(());
    }

    /// Lets the agent use a server unasked until the session ends.
    pub(crate) fn open_entry_here(&self, server: &ServerId) {
        self.lock().lent.leave(server).entry = true;
    }

    /// Subscribes to grants becoming larger.
    pub(crate) fn widened(&self) -> watch::Receiver<()> {
        self.widened.subscribe()
    }

    pub(crate) fn channel_opened(&self, channel: u64, server: ServerId) -> Ending {
        let ending = Ending::default();
        self.lock().channels.insert(channel, (server, ending.clone()));
        ending
    }

    pub(crate) fn channel_closed(&self, channel: u64) {
        self.lock().channels.remove(&channel);
    }

    /// Lists the open channels.
    pub(crate) fn channels(&self) -> Vec<(u64, ServerId)> {
        let state = self.lock();
        let mut channels: Vec<_> =
            state.channels.iter().map(|(number, (server, _))| (*number, server.clone())).collect();
        channels.sort();
        channels
    }

    /// Ends the channels to a server that is not lent any more, whoever's grant says otherwise.
    pub(crate) fn server_gone(&self, server: &ServerId) {
        for (used, ending) in self.lock().channels.values() {
            if used == server {
                ending.end(Refusal::new(
                    RefusalCode::NotLent,
                    format!("{server} was changed or removed on the desktop"),
                ));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn expired(grant: &Grant, now: Timestamp) -> bool {
    grant.expires.is_some_and(|expires| expires <= now)
}

impl std::fmt::Debug for Live {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Live")
            .field("id", &self.id)
            .field("agent", &self.agent)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
