//! The sessions that are up, as everybody else sees them: who it is, what is lent, and how to end it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use gatelodge_wire::{Fingerprint, RefusalCode, ResumeToken};
use mcp_webrtc::{Measurement, Measurements, PathKind};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::connection::Arrival;
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

/// Why a session or a channel ends, in words for the agent's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: RefusalCode,
    /// What the agent is told.
    pub(crate) message: String,
    /// What the person is told instead, where that is more than the agent may know.
    cause: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), cause: None }
    }

    /// Adds what only the person is told.
    pub(crate) fn because(self, cause: String) -> Self {
        Self { cause: Some(cause), ..self }
    }

    /// Returns what the person is told.
    pub(crate) fn for_person(&self) -> &str {
        self.cause.as_ref().unwrap_or(&self.message)
    }
}

/// A way to end something once, with a reason that whoever runs it passes on.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ending {
    token: CancellationToken,
    reason: Arc<OnceLock<Refusal>>,
}

impl Ending {
    /// Ends it; the first reason counts.
    pub(crate) fn end(&self, refusal: Refusal) {
        let _ = self.reason.set(refusal);
        self.token.cancel();
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) -> Refusal {
        self.token.cancelled().await;
        let unsaid = || Refusal::new(RefusalCode::Revoked, "the desktop ended it");
        self.reason.get().cloned().unwrap_or_else(unsaid)
    }
}

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
            Some(place) if !self.ending.token.is_cancelled() => {
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

/// All sessions that are up.
#[derive(Debug, Default)]
pub(crate) struct LiveSessions {
    sessions: Mutex<HashMap<SessionId, Arc<Live>>>,
    /// Told when one has ended.
    ended: watch::Sender<()>,
}

impl LiveSessions {
    pub(crate) fn add(&self, live: Arc<Live>) {
        self.lock().insert(live.id, live);
    }

    pub(crate) fn remove(&self, id: SessionId) {
        self.lock().remove(&id);
        self.ended.send_replace(());
    }

    /// Waits until the sessions have ended that are up now.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        let mut waited_for: Vec<_> = self.lock().keys().copied().collect();
        loop {
            waited_for.retain(|id| self.lock().contains_key(id));
            if waited_for.is_empty() {
                return;
            }
            // The sender is held here.
            let _ = ended.changed().await;
        }
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<Arc<Live>> {
        self.lock().get(&id).cloned()
    }

    /// Returns the sessions in the order in which they came.
    pub(crate) fn all(&self) -> Vec<Arc<Live>> {
        let mut all: Vec<_> = self.lock().values().cloned().collect();
        all.sort_by_key(|live| live.id);
        all
    }

    /// Returns the session that this agent resumes by this token.
    pub(super) fn resumable(&self, agent: &Fingerprint, token: &ResumeToken) -> Option<Arc<Live>> {
        let is_it =
            |live: &Arc<Live>| live.lock().resumption.as_ref().is_some_and(|(known, _)| known == token);
        self.of(agent).into_iter().find(is_it)
    }

    /// Returns whether the agent may have a session to resume.
    pub(super) fn may_resume(&self, agent: &Fingerprint) -> bool {
        let resumable =
            |live: &Arc<Live>| !live.ending.token.is_cancelled() && live.lock().resumption.is_some();
        self.of(agent).iter().any(resumable)
    }

    /// Returns an agent's sessions.
    pub(crate) fn of(&self, agent: &Fingerprint) -> Vec<Arc<Live>> {
        self.all().into_iter().filter(|live| live.agent == *agent).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Live>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::{ToolPin, ToolRules};

    fn grant(server: &str) -> Grant {
        Grant {
            agent: Fingerprint::of_certificate(b"agent"),
            server: server.parse().unwrap(),
            entry: EntryRule::Open,
            folders: None,
            tools: ToolRules::default(),
            sampling: false,
            elicitation: false,
            expires: None,
            pins: Default::default(),
        }
    }

    fn live(grants: Vec<Grant>) -> Live {
        let agent = Fingerprint::of_certificate(b"agent");
        let live = Live::new(SessionId(1), agent, "home".parse().unwrap(), String::new());
        live.admit(admitted(grants, false));
        live
    }

    fn admitted(grants: Vec<Grant>, session_only: bool) -> Admitted {
        Admitted { label: "agent".to_owned(), known: true, grants, session_only }
    }

    fn has_ended(ending: &Ending) -> bool {
        ending.token.is_cancelled()
    }

    #[test]
    fn another_grant_ends_the_channels_under_the_old_one() {
        let live = live(vec![grant("a"), grant("b"), grant("c")]);
        let endings: Vec<_> = (1..)
            .zip(["a", "b", "c"])
            .map(|(number, id)| live.channel_opened(number, id.parse().unwrap()))
            .collect();
        let pinned = Grant { pins: [("t".to_owned(), ToolPin([1; 32]))].into(), ..grant("a") };
        live.regrant(vec![pinned, Grant { sampling: true, ..grant("b") }]);
        assert_eq!(endings.iter().map(has_ended).collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn a_grant_that_is_taken_back_while_the_verdict_is_made_stays_away() {
        let agent = Fingerprint::of_certificate(b"agent");
        let live = Live::new(SessionId(1), agent, "home".parse().unwrap(), String::new());
        live.regrant(vec![grant("b")]);
        live.admit(admitted(vec![grant("a"), grant("b")], false));
        assert_eq!(live.servers(Timestamp::from_millis(0)), ["b".parse().unwrap()]);
    }

    #[test]
    fn what_is_lent_for_a_session_outlives_other_changes_and_can_be_taken_back() {
        let agent = Fingerprint::of_certificate(b"agent");
        let (a, b, c): (ServerId, ServerId, ServerId) =
            ("a".parse().unwrap(), "b".parse().unwrap(), "c".parse().unwrap());
        let now = Timestamp::from_millis(0);
        let live = Live::new(SessionId(1), agent, "home".parse().unwrap(), String::new());
        live.admit(admitted(vec![grant("a"), grant("b")], true));
        let endings = [&a, &b].map(|server| live.channel_opened(1, server.clone()));
        let second = live.channel_opened(2, b.clone());
        live.regrant(vec![grant("c")]);
        assert_eq!(live.servers(now), [a.clone(), b.clone(), c.clone()]);
        assert_eq!(endings.each_ref().map(has_ended), [false, false]);
        // A grant for the same server is newer than what was lent in the prompt.
        live.regrant(vec![grant("c"), Grant { sampling: true, ..grant("b") }]);
        assert!(live.grant(&b, now).unwrap().sampling);
        assert!(has_ended(&second));
        assert!(!live.take_back(&b), "that one is kept");
        assert!(live.take_back(&a));
        assert_eq!(live.servers(now), [b, c]);
    }

    #[test]
    fn what_is_allowed_until_the_session_ends_is_not_a_change_of_the_grant() {
        let now = Timestamp::from_millis(0);
        let asking = Grant { entry: EntryRule::Ask, ..grant("a") };
        let live = live(vec![asking.clone()]);
        let a = "a".parse().unwrap();
        let ending = live.channel_opened(1, "a".parse().unwrap());
        live.allow_tool_here(&a, "t");
        live.open_entry_here(&a);
        live.allow_tool_here(&"b".parse().unwrap(), "t");
        assert_eq!(live.grant(&"b".parse().unwrap(), now), None, "nothing is lent by it");
        let allowed = |live: &Live| {
            let held = live.grant(&a, now).unwrap();
            (held.tools.of("t"), held.tools.of("u"), held.entry)
        };
        assert_eq!(allowed(&live), (ToolRule::Allow, ToolRule::Ask, EntryRule::Open));
        live.regrant(vec![asking.clone(), grant("c")]);
        assert!(!has_ended(&ending));
        assert_eq!(allowed(&live), (ToolRule::Allow, ToolRule::Ask, EntryRule::Open));
        // Another grant is another decision.
        live.regrant(vec![Grant { sampling: true, ..asking }]);
        assert!(has_ended(&ending));
        assert_eq!(allowed(&live), (ToolRule::Ask, ToolRule::Ask, EntryRule::Ask));
    }

    #[test]
    fn an_expired_grant_is_none() {
        let now = Timestamp::from_millis(1_000);
        let live = live(vec![Grant { expires: Some(now), ..grant("a") }, grant("b")]);
        assert_eq!(live.grant(&"a".parse().unwrap(), now), None);
        assert_eq!(live.servers(now), ["b".parse().unwrap()]);
        assert!(live.grant(&"a".parse().unwrap(), Timestamp::from_millis(999)).is_some());
    }
}
