//! Who comes in: the verdict on an agent whose certificate the handshake has proved.

use std::time::Duration;

use gatelodge_wire::{CONTROL_VERSION, Control, Fingerprint, RefusalCode};
use tokio::sync::OwnedSemaphorePermit;

use super::control::{ControlChannel, Hello};
use super::ending::Refusal;
use super::live::Live;
use crate::approval::{ClaimedName, Denial, Request, Subject, Verdict};
use crate::desktop::{Desktop, full_grant, least_grant};
use crate::event::HostEvent;
use crate::grant::Grant;
use crate::link::{LinkDefinition, LinkPolicy};
use crate::links::Door;
use crate::pairing::Moment;
use crate::trust::{AgentLabel, GrantsVerdict, Origin, Pairing};

/// How long a blocked agent's sessions wait for the record of it: they are to be over within a second.
const RECORD_LIMIT: Duration = Duration::from_millis(500);

/// An agent that was let in.
#[derive(Debug)]
pub(super) struct Admitted {
    /// What the person calls it, or what it calls itself.
    pub(super) label: String,
    /// Whether the person calls it so.
    pub(super) known: bool,
    /// What is lent to it.
    pub(super) grants: Vec<Grant>,
    /// Whether that ends with the session, and is written down nowhere.
    pub(super) session_only: bool,
}

impl Admitted {
    /// An agent that the person has not named, and that is lent something until its session ends.
    fn for_now(label: String, grants: Vec<Grant>) -> Self {
        Self { label, known: false, grants, session_only: true }
    }
}

/// Turns away whom nobody will be asked about, before a channel opens. An error is the reason. An unknown agent gets one of
/// the places of those who wait for a verdict.
pub(super) async fn at_the_door(
    desktop: &Desktop,
    link: &LinkDefinition,
    agent: &Fingerprint,
    door: &Door,
) -> Result<Option<OwnedSemaphorePermit>, String> {
    // Whoever has been let in, even if for once, may come back to go on with its session.
    if desktop.transient.approved.contains(agent) || desktop.sessions.may_resume(agent) {
        return Ok(None);
    }
    let agent = *agent;
    let reason = match desktop.trust().run(move |trust| trust.grants_of(&agent)).await {
        // With an invitation open, anybody may be the one who has it; the verdict finds out.
        GrantsVerdict::NoRecord
            if link.prompt == LinkPolicy::AskUnknown || desktop.invitations.any_open(Moment::now()) =>
        {
            match door.undecided() {
                Some(place) => {
                    if desktop.front_gate.refusal().is_none() {
                        desktop.broker.expect();
                    }
                    return Ok(Some(place));
                }
                None => "too many unknown agents wait for a verdict already".to_owned(),
            }
        }
        GrantsVerdict::NoRecord => "the agent is not known, and this link takes known agents only".to_owned(),
        GrantsVerdict::Blocked => "the agent is blocked".to_owned(),
        GrantsVerdict::KeychainUnavailable(error) => {
            // An agent that is known by the database is told why it is refused, once there is a way to tell it.
            if desktop
                .kept
                .store
                .run(move |store| store.agent_marks(&agent))
                .await
                .is_ok_and(|marks| marks.is_some())
            {
                return Ok(None);
            }
            let reason = gatelodge_wire::with_causes(&error);
            desktop.events.tell(HostEvent::KeychainUnavailable { reason: reason.clone() });
            reason
        }
        _ => return Ok(None),
    };
    desktop.events.tell(HostEvent::Refused {
        link: link.id.clone(),
        agent: Some(agent),
        reason: reason.clone(),
    });
    Err(reason)
}

/// Decides about an agent, with a question to the person where it is not known.
pub(super) async fn verdict(
    desktop: &Desktop,
    live: &Live,
    link: &LinkDefinition,
    control: &ControlChannel,
) -> Result<Admitted, Refusal> {
    let hello = understood(control.known())?;
    let agent = live.agent;
    let claimed = hello.as_ref().and_then(|hello| hello.name.parse::<AgentLabel>().ok());
    let shown =
        || claimed.as_ref().map_or_else(|| AgentLabel::of_fingerprint(&agent), Clone::clone).to_string();
    if desktop.transient.approved.contains(&agent) {
        let servers = desktop.servers().await.map_err(|error| unreadable(&error))?;
        let grants = servers.iter().map(|server| full_grant(agent, server)).collect();
        return Ok(Admitted::for_now(shown(), grants));
    }
    let (judged, record) = desktop
        .trust()
        .run(move |trust| {
            let judged = trust.grants_of(&agent);
            let known = !matches!(judged, GrantsVerdict::NoRecord);
            let record = if known { trust.record(&agent).ok().flatten() } else { None };
            (judged, record)
        })
        .await;
    let label = record.map_or_else(shown, |record| record.label.to_string());
    match judged {
        GrantsVerdict::Valid(grants) => Ok(Admitted { label, known: true, grants, session_only: false }),
        GrantsVerdict::NoRecord => {
            super::pairing::stranger(desktop, live, link, control, hello, claimed).await
        }
        GrantsVerdict::Blocked => {
            Err(Refusal::new(RefusalCode::Denied, "this desktop does not let this agent in"))
        }
        GrantsVerdict::KeychainUnavailable(error) => {
            let reason = gatelodge_wire::with_causes(&error);
            desktop.events.tell(HostEvent::KeychainUnavailable { reason });
            let message = "the desktop cannot look up whom it trusts at the moment; its user has been told";
            Err(Refusal::new(RefusalCode::KeychainUnavailable, message))
        }
        trouble => {
            // The agent is known but what it may do is not: it is in, and nothing is lent to it.
            desktop.events.tell(HostEvent::GrantsAltered { agent });
            tracing::warn!(%agent, trouble = trouble.trouble(), "an agent's grants count as none");
            Ok(Admitted { label, known: true, grants: Vec::new(), session_only: false })
        }
    }
}

/// Refuses an agent that speaks another version than this desktop. A peer that has said no hello is none of Gatelodge's.
fn understood(hello: Option<Hello>) -> Result<Option<Hello>, Refusal> {
    match hello {
        Some(hello) if hello.version != CONTROL_VERSION => Err(Refusal::new(
            RefusalCode::Version,
            format!(
                "the agent speaks version {} of the control channel and this desktop {CONTROL_VERSION}; update the older one",
                hello.version
            ),
        )),
        hello => Ok(hello),
    }
}

/// Asks the person about an agent that nobody here knows.
pub(super) async fn ask(
    desktop: &Desktop,
    live: &Live,
    link: &LinkDefinition,
    control: &ControlChannel,
    hello: Option<Hello>,
    claimed: Option<AgentLabel>,
) -> Result<Admitted, Refusal> {
    let agent = live.agent;
    let offered = match &link.server {
        Some(server) => desktop.definitions(std::slice::from_ref(server)).await,
        // A Gatelodge agent can name what it wants, so that everything there is may be offered to it.
        None if hello.is_some() => desktop.servers().await.map_err(|error| unreadable(&error))?,
        None => Vec::new(),
    };
    let namesake = match claimed.clone() {
        Some(claimed) => {
            desktop.trust().run(move |trust| trust.record_with_label(&claimed).ok().flatten()).await
        }
        None => None,
    };
    let stable = hello.as_ref().is_some_and(|hello| hello.persistent);
    let subject = Subject::UnknownAgent {
        link: link.name.clone(),
        servers: offered.iter().map(|server| server.id.clone()).collect(),
        stable,
        namesake: namesake.map(|record| record.fingerprint),
    };
    let label = claimed.unwrap_or_else(|| AgentLabel::of_fingerprint(&agent));
    let request = Request {
        agent,
        name: ClaimedName::new(label.as_str()),
        known: false,
        session: Some(live.id),
        offered: offered.clone(),
        subject,
    };
    let message = "the desktop is asking its user whether to let this agent in".to_owned();
    control.say(&Control::Pending { channel: None, message, seconds: desktop.approval_seconds() }).await;
    let least = || offered.iter().map(|server| least_grant(agent, server)).collect::<Vec<_>>();
    match desktop.ask(request).await {
        Verdict::Once => Ok(Admitted::for_now(label.to_string(), least())),
        Verdict::Session(terms) => {
            Ok(Admitted::for_now(terms.label.unwrap_or(label).to_string(), terms.grants))
        }
        Verdict::Always(terms) => {
            let label = terms.label.unwrap_or(label);
            keep(desktop, agent, label, Origin::Link(link.id.clone()), terms.grants).await
        }
        Verdict::Denied(denial) => {
            if denial == Denial::Blocked {
                block(desktop, agent, Some(label)).await;
            }
            Err(refusal_of(denial))
        }
    }
}

/// Writes an approval down, and lets the agent in by it.
pub(super) async fn keep(
    desktop: &Desktop,
    agent: Fingerprint,
    label: AgentLabel,
    origin: Origin,
    grants: Vec<Grant>,
) -> Result<Admitted, Refusal> {
    let (lent, pairing) = (grants.clone(), Pairing::now(origin));
    let record = desktop.trust().run(move |trust| trust.trust(&agent, label, pairing, grants)).await;
    let record = record.map_err(|error| {
        desktop.events.tell(HostEvent::KeychainUnavailable { reason: gatelodge_wire::with_causes(&error) });
        let message = "the approval could not be kept on the desktop; its user has been told why";
        Refusal::new(RefusalCode::KeychainUnavailable, message)
    })?;
    desktop.events.tell(HostEvent::Changed);
    Ok(Admitted { label: record.label.to_string(), known: true, grants: lent, session_only: false })
}

/// Writes down that the person does not want to be asked about an agent again, and ends all of its sessions: after that is
/// written, or before it where the keychain is slow. `label` is what an agent without a record is called.
pub(super) async fn block(desktop: &Desktop, agent: Fingerprint, label: Option<AgentLabel>) {
    let events = desktop.events.clone();
    let writing = desktop.trust().run(move |trust| {
        let blocked = trust.block(&agent, label).map(|_| ());
        // From here, since whoever waits for it may be gone by then.
        events.tell(HostEvent::Changed);
        blocked
    });
    tokio::pin!(writing);
    let blocked = match tokio::time::timeout(RECORD_LIMIT, &mut writing).await {
        Ok(blocked) => blocked,
        Err(_) => {
            // This may be the end of who waits here as well; what has begun to be written is written all the same.
            end_sessions(desktop, &agent);
            writing.await
        }
    };
    if let Err(error) = blocked {
        tracing::warn!(error = gatelodge_wire::with_causes(&error), "the agent is not blocked for good");
    }
    end_sessions(desktop, &agent);
}

fn end_sessions(desktop: &Desktop, agent: &Fingerprint) {
    for live in desktop.sessions.of(agent) {
        live.ending.end(match live.admitted() {
            true => Refusal::new(RefusalCode::Revoked, "the desktop's user has blocked this agent"),
            false => refusal_of(Denial::Blocked),
        });
    }
}

/// What an agent is told of a no.
pub(super) fn refusal_of(denial: Denial) -> Refusal {
    match denial {
        Denial::TimedOut => Refusal::new(RefusalCode::TimedOut, "the desktop's user did not answer in time"),
        Denial::Busy | Denial::TooSoon => {
            Refusal::new(RefusalCode::TooMany, "this agent has asked too often; wait before the next try")
        }
        Denial::Ended => {
            Refusal::new(RefusalCode::Denied, "the desktop's user said no and ended this session")
        }
        _ => Refusal::new(RefusalCode::Denied, "the desktop's user said no"),
    }
}

pub(super) fn unreadable(error: &crate::store::StoreError) -> Refusal {
    tracing::error!(error = gatelodge_wire::with_causes(error), "the database cannot be read");
    Refusal::new(RefusalCode::ServerFailed, "the desktop cannot read its database; its user has been told")
}
