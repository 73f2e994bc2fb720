//! The invitations that are open: made for the person, used by the exchange on a control channel
//! ([`session::pairing`](crate::session)), gone when they are used, cancelled or too old.
//!
//! They are in memory only: whoever restarts the desktop takes them all back. Time comes in as an argument.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gatelodge_wire::{
    Fingerprint, Invitation, InvitationId, InvitationSecret, InvitationText, PairFailure, PlaceUrl,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::desktop::Desktop;
use crate::event::HostEvent;
use crate::time::Timestamp;

mod places;
mod wrong;

pub(crate) use places::{own_addresses, places};
use wrong::WrongProofs;

/// How many invitations are open at once. More are forgotten by their own person.
const MAX_OPEN: usize = 16;

/// How many ended invitations are remembered, to say what became of them instead of "unknown".
const MAX_ENDED: usize = 64;

/// How long an invitation counts unless the person says otherwise.
pub const DEFAULT_INVITATION_TIME: Duration = Duration::from_secs(600);

/// The least and the most time: enough to read it out, and no more than a day, since a secret that lies around is found.
const TIMES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);

/// The invitations of a desktop.
#[derive(Debug, Default)]
pub(crate) struct Invitations(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    open: Vec<Open>,
    /// What became of the last ones, the newest last.
    ended: Vec<(InvitationId, PairFailure)>,
    wrong: WrongProofs,
}

/// An invitation that is open.
#[derive(Debug)]
struct Open {
    invitation: Invitation,
    created: Timestamp,
    expires: Timestamp,
    /// By the clock that nobody sets.
    until: Instant,
    /// The agent that has proved the secret. The invitation is nobody else's from then on.
    taken_by: Option<Fingerprint>,
    /// Ends whatever goes on with the invitation when the person takes it back.
    taken_back: CancellationToken,
    /// Ends the wait for its expiry.
    gone: CancellationToken,
}

/// An invitation as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct InvitationSummary {
    /// Its public id.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it counts.
    pub expires: Timestamp,
    /// Where agents reach the desktop by it.
    pub places: Vec<PlaceUrl>,
    /// The fingerprint of the agent that has proved to have it and waits for the person's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<String>,
}

/// Why an invitation was not made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum InviteError {
    /// There are as many as there may be.
    #[error("{MAX_OPEN} invitations are open; cancel one of them first")]
    TooMany,
    /// Nobody could come.
    #[error(
        "no link is open by which an agent could reach this desktop; open one that it can reach, such as: gatelodge host \
         links add lan tcp://0.0.0.0:7420"
    )]
    NoPlace,
    /// Too short or too long.
    #[error("an invitation counts from 1 second to 24 hours")]
    Time,
    /// The places are not ones that an invitation can name.
    #[error(transparent)]
    Invitation(#[from] gatelodge_wire::InvitationError),
}

/// What an agent with an invitation has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed(pub(crate) PairFailure);

impl Failed {
    /// Returns the reason for the people on both sides.
    pub(crate) fn message(self) -> &'static str {
        match self.0 {
            PairFailure::Expired => "the invitation has expired; ask for a new one",
            PairFailure::Cancelled => "the invitation was cancelled on the desktop; ask for a new one",
            PairFailure::Used => {
                "the invitation was used already, and each is good for one agent; ask for a new one"
            }
            PairFailure::WrongProof => {
                "the proof is wrong: the invitation is another one, or somebody is in between the two sides"
            }
            PairFailure::TooMany => "there were too many wrong proofs; ask for a new invitation",
            PairFailure::OutOfOrder => "an object of the pairing exchange came when another one was due",
            _ => "the desktop has no such invitation open, or was restarted since; ask for a new one",
        }
    }
}

/// A moment, on both clocks: the one that people see, and the one that nobody sets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    pub(crate) instant: Instant,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { at: Timestamp::now(), instant: tokio::time::Instant::now().into_std() }
    }
}

impl Invitations {
    /// Makes an invitation. Returns it with what ends the wait for its expiry.
    fn open(
        &self,
        now: Moment,
        desktop: Fingerprint,
        time: Duration,
        places: Vec<PlaceUrl>,
        secret: InvitationSecret,
    ) -> Result<(Invitation, CancellationToken), InviteError> {
        if !TIMES.contains(&time) {
            return Err(InviteError::Time);
        }
        if places.is_empty() {
            return Err(InviteError::NoPlace);
        }
        let mut state = self.lock();
        state.expire(now);
        if state.open.len() >= MAX_OPEN {
            return Err(InviteError::TooMany);
        }
        let expires = now.at.after(time);
        let seconds = u32::try_from(expires.as_millis() / 1000).unwrap_or(u32::MAX);
        let invitation = Invitation::new(seconds, desktop, secret, places)?;
        let gone = CancellationToken::new();
        state.open.push(Open {
            invitation: invitation.clone(),
            created: now.at,
            expires,
            until: now.instant + time,
            taken_by: None,
            taken_back: CancellationToken::new(),
            gone: gone.clone(),
        });
        Ok((invitation, gone))
    }

    /// Lists the open ones, the oldest first.
    pub(crate) fn list(&self, now: Moment) -> Vec<InvitationSummary> {
        let mut state = self.lock();
        state.expire(now);
        state.open.iter().map(Open::summary).collect()
    }

    /// Whether an invitation is open, taken or not.
    #[allow(dead_code, reason = "links that hear of an invitation before there is a session ask this")]
    pub(crate) fn is_open(&self, now: Moment, id: &InvitationId) -> bool {
        let mut state = self.lock();
        state.expire(now);
        state.find(id).is_some()
    }

    /// Whether any is open.
    pub(crate) fn any_open(&self, now: Moment) -> bool {
        let mut state = self.lock();
        state.expire(now);
        !state.open.is_empty()
    }

    /// Whether there was any in this run that somebody may still have in hand.
    pub(crate) fn any_known(&self) -> bool {
        let state = self.lock();
        !state.open.is_empty() || !state.ended.is_empty()
    }

    /// Returns the secret of an invitation for an exchange with an agent.
    pub(crate) fn secret(
        &self,
        now: Moment,
        id: &InvitationId,
        agent: &Fingerprint,
    ) -> Result<InvitationSecret, Failed> {
        let mut state = self.lock();
        state.expire(now);
        if state.wrong.too_many(agent) {
            return Err(Failed(PairFailure::TooMany));
        }
        match state.find(id) {
            Some(open) if open.is_for(agent) => Ok(open.invitation.secret.clone()),
            Some(_) => Err(Failed(PairFailure::Used)),
            None => Err(state.became_of(id)),
        }
    }

    /// Notes that an agent has proved the secret: the invitation is nobody else's from now on. Returns what ends the
    /// pairing if the person takes the invitation back.
    pub(crate) fn take(
        &self,
        now: Moment,
        id: &InvitationId,
        agent: &Fingerprint,
    ) -> Result<CancellationToken, Failed> {
        let mut state = self.lock();
        state.expire(now);
        match state.open.iter_mut().find(|open| open.invitation.id() == *id) {
            Some(open) if open.is_for(agent) => {
                open.taken_by = Some(*agent);
                Ok(open.taken_back.clone())
            }
            Some(_) => Err(Failed(PairFailure::Used)),
            None => Err(state.became_of(id)),
        }
    }

    /// Counts a wrong proof. Returns how long its answer has to wait, or that the agent has had its last try.
    pub(crate) fn wrong_proof(&self, id: &InvitationId, agent: &Fingerprint) -> (Duration, bool) {
        self.lock().wrong.count(id, agent)
    }

    /// Ends an invitation; returns whether it was open.
    fn end(&self, id: &InvitationId, why: PairFailure) -> bool {
        let mut state = self.lock();
        let Some(at) = state.open.iter().position(|open| open.invitation.id() == *id) else { return false };
        state.end_at(at, why);
        true
    }

    /// Finds an open one by its id or the beginning of it.
    fn named(&self, text: &str) -> Result<InvitationId, String> {
        let state = self.lock();
        let mut found =
            state.open.iter().map(|open| open.invitation.id()).filter(|id| id.to_string().starts_with(text));
        match (found.next(), found.next()) {
            (Some(id), None) if !text.is_empty() => Ok(id),
            (Some(_), _) => Err(format!("several invitations begin with {text:?}; give more of the id")),
            (None, _) => Err(format!("no invitation is open with the id {text:?}")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock leaves the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&self, id: &InvitationId) -> Option<&Open> {
        self.open.iter().find(|open| open.invitation.id() == *id)
    }

    fn became_of(&self, id: &InvitationId) -> Failed {
        let known = self.ended.iter().find(|(ended, _)| ended == id);
        Failed(known.map_or(PairFailure::Unknown, |(_, why)| *why))
    }

    fn expire(&mut self, now: Moment) {
        while let Some(at) =
            self.open.iter().position(|open| open.until <= now.instant || open.expires <= now.at)
        {
            self.end_at(at, PairFailure::Expired);
        }
    }

    fn end_at(&mut self, at: usize, why: PairFailure) {
        let open = self.open.remove(at);
        open.gone.cancel();
        if why == PairFailure::Cancelled {
            open.taken_back.cancel();
        }
        if self.ended.len() == MAX_ENDED {
            self.ended.remove(0);
        }
        let id = open.invitation.id();
        self.ended.push((id, why));
        self.wrong.forget(&id, self.open.is_empty());
    }
}

impl Open {
    fn is_for(&self, agent: &Fingerprint) -> bool {
        self.taken_by.is_none_or(|taker| taker == *agent)
    }

    fn summary(&self) -> InvitationSummary {
        InvitationSummary {
            id: self.invitation.id().to_string(),
            created: self.created,
            expires: self.expires,
            places: self.invitation.places().to_vec(),
            taken_by: self.taken_by.map(|agent| agent.to_string()),
        }
    }
}

/// A new invitation, as it is shown once.
pub(crate) struct Ticket {
    pub(crate) summary: InvitationSummary,
    pub(crate) text: InvitationText,
}

/// Makes an invitation to this desktop and sees to its end. Without `places` it names those that the open links have.
pub(crate) fn invite(
    desktop: &Arc<Desktop>,
    time: Duration,
    wanted: Vec<PlaceUrl>,
) -> Result<Ticket, InviteError> {
    let mut secret = Zeroizing::new([0; 16]);
    // A system without randomness has no identity and no desktop.
    getrandom::fill(&mut *secret).expect("the operating system has random bytes");
    let secret = InvitationSecret::from_bytes(*secret);
    let named = if wanted.is_empty() { places(desktop) } else { wanted };
    let now = Moment::now();
    let fingerprint = desktop.identity.fingerprint();
    let (invitation, gone) = desktop.invitations.open(now, fingerprint, time, named, secret)?;
    let id = invitation.id();
    let summary = desktop.invitations.list(now).into_iter().find(|one| one.id == id.to_string());
    // It was opened a moment ago, with at least a second to go.
    let summary = summary.ok_or(InviteError::Time)?;
    let text = InvitationText::of(&invitation);
    desktop
        .events
        .tell(HostEvent::InvitationOpened { invitation: summary.id.clone(), expires: summary.expires });
    desktop.tasks.spawn(expire(Arc::clone(desktop), id, time, gone));
    Ok(Ticket { summary, text })
}

/// Waits for an invitation's expiry, and tells of it.
async fn expire(desktop: Arc<Desktop>, id: InvitationId, time: Duration, gone: CancellationToken) {
    tokio::select! {
        biased;
        () = desktop.cancel.cancelled() => {}
        // Expiry by the other clock is noticed by whoever looks next.
        () = gone.cancelled() => {
            if desktop.invitations.lock().became_of(&id).0 == PairFailure::Expired {
                told_ended(&desktop, &id, PairFailure::Expired);
            }
        }
        () = tokio::time::sleep(time) => {
            if desktop.invitations.end(&id, PairFailure::Expired) {
                told_ended(&desktop, &id, PairFailure::Expired);
            }
        }
    }
}

/// Takes an invitation back, by its id or the beginning of it.
pub(crate) fn cancel(desktop: &Desktop, text: &str) -> Result<(), String> {
    let id = desktop.invitations.named(text)?;
    if desktop.invitations.end(&id, PairFailure::Cancelled) {
        told_ended(desktop, &id, PairFailure::Cancelled);
    }
    Ok(())
}

/// Uses an invitation up.
pub(crate) fn use_up(desktop: &Desktop, id: &InvitationId) {
    if desktop.invitations.end(id, PairFailure::Used) {
        told_ended(desktop, id, PairFailure::Used);
    }
}

fn told_ended(desktop: &Desktop, id: &InvitationId, why: PairFailure) {
    let reason = match why {
        PairFailure::Expired => "it has expired",
        PairFailure::Cancelled => "it was cancelled",
        _ => "it was used",
    };
    desktop.events.tell(HostEvent::InvitationEnded { invitation: id.to_string(), reason: reason.to_owned() });
}

impl Desktop {
    /// Whether an invitation with this id is open, so that whoever names it may come as far as the exchange.
    pub(crate) fn invitation_open(&self, id: &InvitationId) -> bool {
        self.invitations.is_open(Moment::now(), id)
    }
}

/// Tells everything but the secret.
impl std::fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ticket").field("summary", &self.summary).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
