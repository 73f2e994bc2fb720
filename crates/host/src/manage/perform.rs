//! Carries out requests, on what is kept and, where a desktop runs, on what is going on.

use std::sync::Arc;
use std::time::Duration;

use gatelodge_wire::{Fingerprint, RefusalCode, with_causes};

use super::effect::{Effect, take_back};
use super::kept::Kept;
use super::{AgentSummary, FailureCause, Reply, Request, SecretText, SessionSummary};
use crate::activity::{ActivityEntry, ActivityEvent, AgentChange, ChainVerdict};
use crate::desktop::Desktop;
use crate::diagnosis::{self, Check};
use crate::event::HostEvent;
use crate::front_gate::{self, GateChange};
use crate::grant::Grant;
use crate::housekeeping;
use crate::keychain::KeychainError;
use crate::link::LinkDefinition;
use crate::links;
use crate::pairing::{self, DEFAULT_INVITATION_TIME, Moment};
use crate::secret::{SecretError, SecretName};
use crate::session::ending::Refusal;
use crate::settings::{Settings, in_force};
use crate::store::{Store, StoreError};
use crate::trust::{AgentLabel, AgentState, GrantsVerdict, Origin, Pairing, TrustError};
use crate::upstream::LogSource;

/// The largest number of entries in one reply: what a line of JSON still carries with ease.
const MAX_ENTRIES: usize = 1000;

type Outcome = Result<Reply, Undone>;

/// Why a request was not carried out.
#[derive(Debug)]
pub(super) struct Undone {
    message: String,
    cause: FailureCause,
}

impl From<String> for Undone {
    fn from(message: String) -> Self {
        Self { message, cause: FailureCause::Other }
    }
}

impl From<Undone> for Reply {
    fn from(Undone { message, cause }: Undone) -> Self {
        Self::Failed { message, cause }
    }
}

/// Carries out a request on a desktop that runs.
pub(crate) async fn perform_running(desktop: &Arc<Desktop>, request: Request) -> Reply {
    let outcome = match request {
        Request::Status => Ok(Reply::Status {
            fingerprint: desktop.identity.fingerprint().to_string(),
            words: desktop.identity.fingerprint().words().to_string(),
            running: true,
            sessions: desktop.sessions.all().len(),
        }),
        Request::Servers => desktop.servers().await.map(|servers| Reply::Servers { servers }).map_err(said),
        Request::ServerLog { server } => {
            let lines = desktop.launcher.log(&server).tail();
            let line = |line: crate::upstream::LogLine| match line.source {
                LogSource::Stderr => format!("{} {}", line.time, line.text),
                LogSource::Stdout => format!("{} [stdout] {}", line.time, line.text),
                LogSource::Note => format!("{} [gatelodge] {}", line.time, line.text),
            };
            Ok(Reply::ServerLog { lines: lines.into_iter().map(line).collect() })
        }
        Request::ProbeServer { server } => match desktop.server(&server).await {
            Ok(Some(definition)) => super::probe::probe(desktop, &definition).await,
            Ok(None) => Err(format!("there is no server {server}").into()),
            Err(error) => Err(said(error)),
        },
        Request::Links => match desktop.links().await {
            Ok(links) => Ok(Reply::Links { links, open: desktop.open_links() }),
            Err(error) => Err(said(error)),
        },
        Request::Invite { seconds, places } => {
            let time = seconds.map_or(DEFAULT_INVITATION_TIME, Duration::from_secs);
            match pairing::invite(desktop, time, places) {
                Ok(ticket) => Ok(Reply::Invited {
                    invitation: ticket.summary,
                    text: SecretText(ticket.text.groups()),
                    link: SecretText(ticket.text.link()),
                }),
                Err(error) => Err(said(error)),
            }
        }
        Request::Invitations => {
            Ok(Reply::Invitations { invitations: desktop.invitations.list(Moment::now()) })
        }
        Request::CancelInvitation { invitation } => {
            pairing::cancel(desktop, &invitation).map(|()| Reply::Done).map_err(Undone::from)
        }
        Request::Sessions => {
            let sessions = desktop.sessions.all().iter().map(|live| SessionSummary::of(live)).collect();
            Ok(Reply::Sessions { sessions })
        }
        Request::Gate => Ok(Reply::Gate { state: desktop.front_gate.state() }),
        Request::SetGate { change } => match front_gate::set(desktop, change).await {
            Ok(()) => Ok(Reply::Gate { state: desktop.front_gate.state() }),
            Err(error) => Err(said(error)),
        },
        Request::Settings => Ok(Reply::Settings { settings: desktop.in_force.settings() }),
        Request::PutSettings { settings } => put_settings(desktop, settings).await,
        Request::Diagnose => {
            let progress = |check: &Check| desktop.events.tell(HostEvent::Checked { check: check.clone() });
            Ok(Reply::Diagnosis { checks: diagnosis::running(desktop, &progress).await })
        }
        Request::EndSession { session } => match desktop.sessions.get(session) {
            Some(live) => {
                live.ending.end(Refusal::new(RefusalCode::Revoked, "the desktop's user ended the session"));
                Ok(Reply::Done)
            }
            None => Err(format!("there is no session {session}").into()),
        },
        other => {
            let effect = Effect::of(&other);
            // What takes away comes into force before it is written down: whatever fails then, it is over.
            effect.before(desktop);
            let taken_back = take_back(desktop, &other);
            if reads_activity(&other) {
                // What has just happened is a part of it.
                let _ = desktop.activity.flush().await;
            }
            let outcome = perform_kept(&desktop.kept, other).await;
            effect.after(desktop).await;
            // What is lent until a session ends is kept nowhere.
            if taken_back { outcome.or(Ok(Reply::Done)) } else { outcome }
        }
    };
    outcome.unwrap_or_else(Reply::from)
}

/// Keeps settings, and has everybody go by them.
async fn put_settings(desktop: &Arc<Desktop>, settings: Settings) -> Outcome {
    let _changing = desktop.in_force.changing.lock().await;
    perform_kept(&desktop.kept, Request::PutSettings { settings: settings.clone() }).await?;
    desktop.activity.record_arguments(settings.record_arguments);
    desktop.in_force.put(settings);
    desktop.broker.set_time_limit(desktop.in_force.approval_limit());
    links::reopen(desktop).await;
    // The keychain may be slow, and nobody need wait for it.
    desktop.tasks.spawn(housekeeping::read_passwords(Arc::clone(desktop)));
    desktop.events.tell(HostEvent::Changed);
    Ok(Reply::Done)
}

/// Carries out a request while no desktop runs.
pub async fn perform_offline(kept: &Kept, request: Request) -> Reply {
    let outcome = match request {
        Request::Status => kept.identity().await.map_err(said).map(|identity| Reply::Status {
            fingerprint: identity.fingerprint().to_string(),
            words: identity.fingerprint().words().to_string(),
            running: false,
            sessions: 0,
        }),
        Request::Invitations => Ok(Reply::Invitations { invitations: Vec::new() }),
        Request::ServerLog { .. } | Request::ProbeServer { .. } | Request::EndSession { .. } => {
            Err("no desktop is running; start it with: gatelodge host".to_owned().into())
        }
        Request::Sessions => Ok(Reply::Sessions { sessions: Vec::new() }),
        other => perform_kept(kept, other).await,
    };
    outcome.unwrap_or_else(Reply::from)
}

fn reads_activity(request: &Request) -> bool {
    matches!(
        request,
        Request::Activity { .. }
            | Request::ActivityCounts { .. }
            | Request::VerifyActivity
            | Request::ExportActivity { .. }
            | Request::PruneActivity { .. }
    )
}

/// Carries out a request that is about what is kept.
async fn perform_kept(kept: &Kept, request: Request) -> Outcome {
    if let Request::ExportActivity { path, filter } = request {
        return super::export::export(&kept.store, path, filter).await;
    }
    let all = kept.clone();
    kept.store.run(move |store| kept_blocking(&all, store, request)).await
}

fn kept_blocking(kept: &Kept, store: &Store, request: Request) -> Outcome {
    let trust = &kept.trust;
    let changed = |agent: Fingerprint, change| {
        let entry = ActivityEntry::now(ActivityEvent::AgentChanged { change }).agent(agent);
        store.append_activity(&[entry]).map_err(said)?;
        Ok(Reply::Done)
    };
    match request {
        Request::Servers => store.servers().map(|servers| Reply::Servers { servers }).map_err(said),
        Request::PutServer { server } => store.put_server(&server).map(|()| Reply::Done).map_err(said),
        Request::RemoveServer { server } => match store.remove_server(&server).map_err(said)? {
            true => Ok(Reply::Done),
            false => Err(format!("there is no server {server}").into()),
        },
        Request::Agents => agents(kept),
        Request::Trust { agent, label } => {
            let label: AgentLabel = label.parse().map_err(said)?;
            let pairing = Pairing::now(Origin::Fingerprint);
            trust.trust(&agent, label, pairing, Vec::new()).map_err(said)?;
            changed(agent, AgentChange::Trusted)
        }
        Request::RenameAgent { agent, label } => {
            trust.rename(&agent, label.parse().map_err(said)?).map_err(said)?;
            changed(agent, AgentChange::Renamed)
        }
        Request::Block { agent } => {
            trust.block(&agent, None).map_err(said)?;
            changed(agent, AgentChange::Blocked)
        }
        Request::Forget { agent } => {
            trust.forget(&agent).map_err(said)?;
            changed(agent, AgentChange::Forgotten)
        }
        Request::Grants { agent } => grants(kept, agent),
        Request::PutGrant { grant } => {
            let agent = grant.agent;
            if store.server(&grant.server).map_err(said)?.is_none() {
                return Err(format!("there is no server {}; add it first", grant.server).into());
            }
            let mut grants = held(kept, &agent)?;
            // The definitions that were lent before stay lent.
            let old =
                grants.iter().position(|held| held.server == grant.server).map(|at| grants.swap_remove(at));
            let pins =
                old.map(|old| old.pins).filter(|_| grant.pins.is_empty()).unwrap_or(grant.pins.clone());
            grants.push(Grant { pins, ..grant });
            trust.set_grants(&agent, grants).map_err(said)?;
            changed(agent, AgentChange::Granted)
        }
        Request::RemoveGrant { agent, server } => {
            let mut grants = held(kept, &agent)?;
            let before = grants.len();
            grants.retain(|held| held.server != server);
            if grants.len() == before {
                return Err(format!("{server} is not granted to this agent").into());
            }
            trust.set_grants(&agent, grants).map_err(said)?;
            changed(agent, AgentChange::Granted)
        }
        Request::Gate => {
            let gate = store.settings().and_then(|settings| front_gate::at_start(store, &settings));
            gate.map(|state| Reply::Gate { state }).map_err(said)
        }
        Request::SetGate { change } => {
            let state = front_gate::set_offline(store, change).map_err(said)?;
            match state.is_closed() == (change != GateChange::Open) {
                true => Ok(Reply::Gate { state }),
                false => {
                    let hint = "the setting gate_at_start says how its gate is when it starts";
                    Err(format!("no desktop is running, and {hint}").into())
                }
            }
        }
        Request::Settings => store.settings().map(|settings| Reply::Settings { settings }).map_err(said),
        Request::PutSettings { settings } => {
            let secrets = kept.secrets.names().map_err(said)?;
            settings.check(&secrets).map_err(said)?;
            store.put_settings(&settings).map(|()| Reply::Done).map_err(said)
        }
        Request::Links => store.links().map(|links| Reply::Links { links, open: Vec::new() }).map_err(said),
        Request::PutLink { link: LinkDefinition { id, .. } } | Request::RemoveLink { link: id }
            if id == in_force::link_id() =>
        {
            Err("this link follows from the settings; change it there".to_owned().into())
        }
        Request::PutLink { link } => store.put_link(&link).map(|()| Reply::Done).map_err(said),
        Request::RemoveLink { link } => match store.remove_link(&link).map_err(said)? {
            true => Ok(Reply::Done),
            false => Err(format!("there is no link {link}").into()),
        },
        Request::Activity { limit, before, filter } => {
            let entries = store.activity(&filter, before, limit.min(MAX_ENTRIES)).map_err(said)?;
            Ok(Reply::Activity { entries })
        }
        Request::ActivityCounts { buckets, filter } => store
            .count_activity(&filter, buckets)
            .map(|counts| Reply::ActivityCounts { counts })
            .map_err(said),
        Request::VerifyActivity => match store.verify_activity().map_err(said)? {
            ChainVerdict::Whole { entries, .. } => Ok(Reply::Verified { entries, broken: None }),
            ChainVerdict::Changed { seq } => Ok(Reply::Verified {
                entries: seq,
                broken: Some(format!("entry {seq} is not what was written")),
            }),
            ChainVerdict::Missing { seq } => Ok(Reply::Verified {
                entries: seq,
                broken: Some(format!("entries are missing from {seq} on")),
            }),
        },
        Request::PruneActivity { days } => {
            let mut settings = store.settings().map_err(said)?;
            settings.activity_days = days.unwrap_or(settings.activity_days);
            let entries = crate::housekeeping::prune(store, &settings).map_err(said)?;
            Ok(Reply::Pruned { entries })
        }
        Request::PutSecret { name, value } => {
            let name: SecretName = name.parse().map_err(said)?;
            kept.secrets.set(&name, &value.0).map(|()| Reply::Done).map_err(said)
        }
        Request::RemoveSecret { name } => {
            let known: SecretName = name.parse().map_err(said)?;
            match kept.secrets.delete(&known).map_err(said)? {
                true => Ok(Reply::Done),
                false => Err(format!("there is no secret {name}").into()),
            }
        }
        Request::Secrets => {
            let names = kept.secrets.names().map_err(said)?;
            Ok(Reply::Secrets { names: names.iter().map(|name| name.as_str().to_owned()).collect() })
        }
        _ => Err("this needs a running desktop; start it with: gatelodge host".to_owned().into()),
    }
}

/// What an agent has now. Grants that count as none are replaced by what is set next.
fn held(kept: &Kept, agent: &Fingerprint) -> Result<Vec<Grant>, Undone> {
    match kept.trust.grants_of(agent) {
        GrantsVerdict::Valid(grants) => Ok(grants),
        GrantsVerdict::NoRecord => {
            let hint = "let it in first, with: gatelodge host agents trust FINGERPRINT LABEL";
            Err(format!("no agent is known by this fingerprint; {hint}").into())
        }
        GrantsVerdict::Blocked => Err("this agent is blocked; trust it first".to_owned().into()),
        GrantsVerdict::KeychainUnavailable(error) => Err(said(error)),
        GrantsVerdict::Unreadable(reason) => Err(reason.into()),
        _ => Ok(Vec::new()),
    }
}

fn agents(kept: &Kept) -> Outcome {
    let records = kept.trust.list().map_err(said)?;
    let summary = |record: crate::trust::AgentRecord| {
        let servers = match kept.trust.grants_of(&record.fingerprint) {
            GrantsVerdict::Valid(grants) => Some(grants.into_iter().map(|grant| grant.server).collect()),
            GrantsVerdict::Blocked | GrantsVerdict::NoRecord => Some(Vec::new()),
            _ => None,
        };
        AgentSummary {
            fingerprint: record.fingerprint.to_string(),
            words: record.fingerprint.words().to_string(),
            label: record.label.to_string(),
            state: match record.state {
                AgentState::Trusted => "trusted".to_owned(),
                AgentState::Blocked => "blocked".to_owned(),
            },
            since: record.pairing.map(|pairing| pairing.at),
            servers,
        }
    };
    Ok(Reply::Agents { agents: records.into_iter().map(summary).collect() })
}

fn grants(kept: &Kept, agent: Option<Fingerprint>) -> Outcome {
    let agents = match agent {
        Some(agent) => vec![agent],
        None => kept.trust.list().map_err(said)?.into_iter().map(|record| record.fingerprint).collect(),
    };
    let (mut all, mut altered) = (Vec::new(), Vec::new());
    for agent in agents {
        match kept.trust.grants_of(&agent) {
            GrantsVerdict::Valid(grants) => all.extend(grants),
            GrantsVerdict::Altered => altered.push(agent.to_string()),
            GrantsVerdict::KeychainUnavailable(error) => return Err(said(error)),
            _ => {}
        }
    }
    all.sort_by(|one, other| (one.agent, &one.server).cmp(&(other.agent, &other.server)));
    Ok(Reply::Grants { grants: all, altered })
}

fn said(error: impl std::error::Error + 'static) -> Undone {
    let message = with_causes(&error);
    let any: &(dyn std::error::Error + 'static) = &error;
    let storage = any.is::<KeychainError>()
        || any.is::<StoreError>()
        || matches!(any.downcast_ref(), Some(TrustError::Keychain(_) | TrustError::Store(_)))
        || matches!(any.downcast_ref(), Some(SecretError::Keychain(_) | SecretError::Store(_)));
    Undone { message, cause: if storage { FailureCause::Storage } else { FailureCause::Other } }
}
