//! Who is registered, and who knocks at whom: the state of the server, behind one lock that is never held while waiting.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use gatelodge_wire::{
    DeclineCode, Fingerprint, InvitationId, KnockId, Opaque, RendezvousErrorCode, RendezvousRole,
    ServerMessage,
};

use crate::bucket::{Bucket, Rate};
use crate::config::Limits;
use crate::metrics::Metrics;
use crate::outbox::{Farewell, Outbox};

/// How many connections one agent identity may have: several commands on one machine share it, and each needs its own for
/// a few seconds. (A desktop has one: two of the same identity are the same desktop, of which the older has lost its way.)
const AGENT_CONNECTIONS: usize = 16;

/// How many knocks may wait for one desktop's answer. It answers those whom it does not know within milliseconds, so that
/// this many wait only at one that has stopped; the oldest then make room.
const WAITING_KNOCKS: usize = 128;

/// How many knocks one connection of an agent may have going on.
const AGENT_KNOCKS: usize = 8;

/// How many signaling objects each side may send within a knock: what `mcp-webrtc` takes from one link.
const MAX_FORWARDS: u16 = 128;

/// How many identities' knocks are counted at once; a few MB.
const MAX_COUNTED: usize = 50_000;

/// Names a registered connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MemberId(u64);

/// The registered clients and their knocks.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    members: HashMap<MemberId, Member>,
    /// The connections of an identity in a role, the oldest first.
    by_identity: HashMap<(Fingerprint, RendezvousRole), Vec<MemberId>>,
    knocks: HashMap<KnockKey, Knock>,
    /// In the order of their ends; some of them may be over already.
    ends: VecDeque<(Instant, KnockKey, u64)>,
    /// How often identities have knocked lately.
    knocking: HashMap<Fingerprint, Bucket>,
    desktops: usize,
}

#[derive(Debug)]
struct Member {
    fingerprint: Fingerprint,
    role: RendezvousRole,
    outbox: Arc<Outbox>,
    loopback: bool,
    /// The knocks that it takes part in, the oldest first.
    knocks: Vec<KnockKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct KnockKey {
    agent: Fingerprint,
    desktop: Fingerprint,
    name: KnockId,
}

#[derive(Debug)]
struct Knock {
    number: u64,
    agent: MemberId,
    desktop: MemberId,
    /// Whether the desktop has sent something. Before that the agent may not: strangers can knock, and no more.
    answered: bool,
    forwards: [u16; 2],
}

/// Why something was not done; what the client is told.
pub(crate) type Refusal = (RendezvousErrorCode, &'static str);

impl Hub {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { state: Mutex::default(), metrics }
    }

    /// Registers a connection. An older one gives way where there may be no more.
    pub(crate) fn register(
        &self,
        fingerprint: Fingerprint,
        role: RendezvousRole,
        outbox: Arc<Outbox>,
        loopback: bool,
    ) -> MemberId {
        let mut state = self.state();
        let most = if role == RendezvousRole::Desktop { 1 } else { AGENT_CONNECTIONS };
        let held = state.by_identity.get(&(fingerprint, role)).map_or(0, Vec::len);
        if held >= most
            && let Some(oldest) =
                state.by_identity.get(&(fingerprint, role)).and_then(|ids| ids.first().copied())
        {
            if let Some(member) = state.members.get(&oldest) {
                member.outbox.part(Farewell::new(
                    RendezvousErrorCode::Replaced,
                    "the same identity has registered again, from elsewhere or after a lost connection",
                ));
            }
            self.metrics.replaced.one();
            state.remove(oldest);
        }
        state.last += 1;
        let id = MemberId(state.last);
        state.members.insert(id, Member { fingerprint, role, outbox, loopback, knocks: Vec::new() });
        state.by_identity.entry((fingerprint, role)).or_default().push(id);
        state.desktops += usize::from(role == RendezvousRole::Desktop);
        self.metrics.registrations.one();
        id
    }

    /// Takes a connection out, and tells those whom it had to do with.
    pub(crate) fn leave(&self, id: MemberId) {
        self.state().remove(id);
    }

    /// Returns who a connection is.
    pub(crate) fn fingerprint(&self, id: MemberId) -> Option<Fingerprint> {
        self.state().members.get(&id).map(|member| member.fingerprint)
    }

    /// An agent knocks at a desktop.
    pub(crate) fn knock(
        &self,
        id: MemberId,
        to: Fingerprint,
        name: KnockId,
        invitation: Option<InvitationId>,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        let now = Instant::now();
        let mut guard = self.state();
        let state = &mut *guard;
        let Some(member) = state.members.get(&id) else { return Ok(()) };
        if member.role != RendezvousRole::Agent {
            return Err((RendezvousErrorCode::BadMessage, "only agents knock"));
        }
        let (from, loopback, outbox) = (member.fingerprint, member.loopback, Arc::clone(&member.outbox));
        if !state.may_knock(from, now, limits) || member_knocks(state, id) >= AGENT_KNOCKS {
            self.metrics.knocks_limited.one();
            return Err((RendezvousErrorCode::TooFast, "you knock too often; wait for half a minute"));
        }
        let key = KnockKey { agent: from, desktop: to, name };
        if state.knocks.contains_key(&key) {
            return Err((RendezvousErrorCode::BadMessage, "a knock of this name is going on already"));
        }
        let desktop =
            state.by_identity.get(&(to, RendezvousRole::Desktop)).and_then(|ids| ids.last().copied());
        let Some((desktop, there)) =
            desktop.and_then(|desktop| Some((desktop, state.members.get(&desktop)?)))
        else {
            self.metrics.knocks_unreachable.one();
            outbox.push(&ServerMessage::Unreachable { to, session: key.name });
            return Ok(());
        };
        let local = loopback && there.loopback;
        let knocked = ServerMessage::Knocked { from, session: key.name.clone(), invitation, local };
        if !there.outbox.push_of_stranger(&knocked) {
            self.metrics.knocks_limited.one();
            outbox.push(&ServerMessage::Declined { from: to, session: key.name, code: DeclineCode::Busy });
            return Ok(());
        }
        self.metrics.knocks.one();
        outbox.push(&ServerMessage::Knocking { to, session: key.name.clone(), local });
        state.make_room(desktop);
        state.last += 1;
        let number = state.last;
        let knock = Knock { number, agent: id, desktop, answered: false, forwards: [0; 2] };
        state.knocks.insert(key.clone(), knock);
        state.ends.push_back((now + limits.knock_lifetime, key.clone(), number));
        for member in [id, desktop] {
            if let Some(member) = state.members.get_mut(&member) {
                member.knocks.push(key.clone());
            }
        }
        Ok(())
    }

    /// Passes a signaling object on, within a knock.
    pub(crate) fn forward(
        &self,
        id: MemberId,
        to: Fingerprint,
        name: KnockId,
        body: Opaque,
    ) -> Result<(), Refusal> {
        let mut guard = self.state();
        let state = &mut *guard;
        let Some((key, from, role)) = state.key(id, to, name) else { return Ok(()) };
        let knock = state.knocks.get_mut(&key).filter(|knock| knock.member(role) == id);
        let knock = knock.ok_or((RendezvousErrorCode::NoKnock, "there is no such knock, or no longer"))?;
        if role == RendezvousRole::Agent && !knock.answered {
            return Err((RendezvousErrorCode::NoKnock, "the desktop has not answered this knock yet"));
        }
        knock.answered = true;
        let count = &mut knock.forwards[usize::from(role == RendezvousRole::Agent)];
        *count += 1;
        if *count > MAX_FORWARDS {
            return Err((RendezvousErrorCode::TooMany, "too many objects in one knock"));
        }
        let other = knock.other(role);
        self.metrics.forwards.one();
        self.metrics.forwarded_bytes.add(body.get().len() as u64);
        if let Some(other) = state.members.get(&other) {
            other.outbox.push(&ServerMessage::Forwarded { from, session: key.name, body });
        }
        Ok(())
    }

    /// A desktop does not answer a knock.
    pub(crate) fn decline(&self, id: MemberId, to: Fingerprint, name: KnockId, code: DeclineCode) {
        let declined = |desktop, session| ServerMessage::Declined { from: desktop, session, code };
        if self.end(id, to, name, Some(RendezvousRole::Desktop), declined) {
            self.metrics.declined.one();
        }
    }

    /// One side is done with a knock.
    pub(crate) fn finish(&self, id: MemberId, to: Fingerprint, name: KnockId) {
        self.end(id, to, name, None, |peer, session| ServerMessage::Gone { peer, session });
    }

    /// Ends a knock and tells the other side. Says whether there was one.
    fn end(
        &self,
        id: MemberId,
        to: Fingerprint,
        name: KnockId,
        only: Option<RendezvousRole>,
        tell: impl FnOnce(Fingerprint, KnockId) -> ServerMessage,
    ) -> bool {
        let mut guard = self.state();
        let state = &mut *guard;
        let Some((key, from, role)) = state.key(id, to, name) else { return false };
        let is_its = state.knocks.get(&key).is_some_and(|knock| knock.member(role) == id);
        if !is_its || only.is_some_and(|only| only != role) {
            return false;
        }
        let Some(knock) = state.remove_knock(&key) else { return false };
        if let Some(other) = state.members.get(&knock.other(role)) {
            other.outbox.push(&tell(from, key.name));
        }
        true
    }

    /// Ends what has had its time.
    pub(crate) fn sweep(&self, now: Instant, limits: &Limits) {
        let mut guard = self.state();
        let state = &mut *guard;
        while let Some((end, key, number)) = state.ends.front() {
            let is_over = state.knocks.get(key).is_none_or(|knock| knock.number != *number);
            if !is_over && *end > now {
                break;
            }
            let key = key.clone();
            state.ends.pop_front();
            if !is_over {
                state.expire(&key);
            }
        }
        let rate = Rate::per_minute(limits.knocks_per_minute);
        state.knocking.retain(|_, bucket| !bucket.is_full(now, rate));
    }

    /// Tells everybody something.
    pub(crate) fn tell_all(&self, message: &ServerMessage) {
        self.state().members.values().for_each(|member| member.outbox.push(message));
    }

    /// Parts with everybody.
    pub(crate) fn part_all(&self, farewell: &Farewell) {
        self.state().members.values().for_each(|member| member.outbox.part(farewell.clone()));
    }

    /// Returns how many desktops, agents and knocks there are.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let state = self.state();
        (state.desktops, state.members.len() - state.desktops, state.knocks.len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn member_knocks(state: &State, id: MemberId) -> usize {
    state.members.get(&id).map_or(0, |member| member.knocks.len())
}

impl Knock {
    fn member(&self, role: RendezvousRole) -> MemberId {
        if role == RendezvousRole::Desktop { self.desktop } else { self.agent }
    }

    fn other(&self, role: RendezvousRole) -> MemberId {
        if role == RendezvousRole::Desktop { self.agent } else { self.desktop }
    }
}

impl State {
    /// Returns what a knock between this member and another identity is filed under, and who the member is.
    fn key(
        &self,
        id: MemberId,
        to: Fingerprint,
        name: KnockId,
    ) -> Option<(KnockKey, Fingerprint, RendezvousRole)> {
        let member = self.members.get(&id)?;
        let (agent, desktop) = match member.role {
            RendezvousRole::Agent => (member.fingerprint, to),
            RendezvousRole::Desktop => (to, member.fingerprint),
        };
        Some((KnockKey { agent, desktop, name }, member.fingerprint, member.role))
    }

    fn may_knock(&mut self, agent: Fingerprint, now: Instant, limits: &Limits) -> bool {
        let rate = Rate::per_minute(limits.knocks_per_minute);
        if self.knocking.len() >= MAX_COUNTED && !self.knocking.contains_key(&agent) {
            // Identities cost nothing, so that a flood of them must not be remembered for ever; addresses count as well.
            self.knocking.retain(|_, bucket| !bucket.is_full(now, rate));
            if self.knocking.len() >= MAX_COUNTED {
                return false;
            }
        }
        self.knocking.entry(agent).or_insert_with(|| Bucket::full(now, rate)).take(now, rate)
    }

    /// Lets the oldest knocks go that a desktop has not answered, so that there is room for one more.
    fn make_room(&mut self, desktop: MemberId) {
        let Some(member) = self.members.get(&desktop) else { return };
        let waits = |key: &&KnockKey| self.knocks.get(*key).is_some_and(|knock| !knock.answered);
        if member.knocks.len() < WAITING_KNOCKS {
            return;
        }
        let waiting: Vec<_> = member.knocks.iter().filter(waits).cloned().collect();
        let surplus = (waiting.len() + 1).saturating_sub(WAITING_KNOCKS);
        for key in &waiting[..surplus] {
            self.expire(key);
        }
    }

    /// Ends a knock and tells both sides.
    fn expire(&mut self, key: &KnockKey) {
        let Some(knock) = self.remove_knock(key) else { return };
        for (member, peer) in [(knock.agent, key.desktop), (knock.desktop, key.agent)] {
            if let Some(member) = self.members.get(&member) {
                let gone = ServerMessage::Gone { peer, session: key.name.clone() };
                // Nobody is parted with because of a stranger's knock that ran out.
                member.outbox.push_of_stranger(&gone);
            }
        }
    }

    fn remove_knock(&mut self, key: &KnockKey) -> Option<Knock> {
        let knock = self.knocks.remove(key)?;
        for member in [knock.agent, knock.desktop] {
            if let Some(member) = self.members.get_mut(&member) {
                member.knocks.retain(|held| held != key);
            }
        }
        Some(knock)
    }

    fn remove(&mut self, id: MemberId) {
        let Some(member) = self.members.remove(&id) else { return };
        let identity = (member.fingerprint, member.role);
        if let Some(ids) = self.by_identity.get_mut(&identity) {
            ids.retain(|held| *held != id);
            if ids.is_empty() {
                self.by_identity.remove(&identity);
            }
        }
        self.desktops -= usize::from(member.role == RendezvousRole::Desktop);
        for key in member.knocks {
            let Some(knock) = self.remove_knock(&key) else { continue };
            if let Some(other) = self.members.get(&knock.other(member.role)) {
                let gone = ServerMessage::Gone { peer: member.fingerprint, session: key.name };
                other.outbox.push_of_stranger(&gone);
            }
        }
    }
}

#[cfg(test)]
mod tests;
