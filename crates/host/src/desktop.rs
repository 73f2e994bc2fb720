//! What the parts of a running desktop share.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatelodge_wire::Fingerprint;
use mcp_webrtc::Identity;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::{Activity, ActivityEntry, ActivityEvent, Answer, DecidedBy};
use crate::approval::{Broker, Denial, Request, Subject, Verdict};
use crate::event::{EventSender, HostEvent, SessionId};
use crate::front_gate::FrontGate;
use crate::grant::{EntryRule, Grant, ToolRule, ToolRules};
use crate::link::{LinkDefinition, LinkId};
use crate::manage::Kept;
use crate::pairing::Invitations;
use crate::server::{FolderAccess, ServerDefinition, ServerId, ServerKind, SharedFolder};
use crate::session::live::{Live, LiveSessions};
use crate::settings::in_force::InForce;
use crate::store::{Store, StoreError};
use crate::trust::{GrantsVerdict, TrustStore};
use crate::upstream::ServerLauncher;

/// What the parts of a running desktop share.
pub(crate) struct Desktop {
    pub(crate) identity: Identity,
    pub(crate) name: String,
    pub(crate) stun: Vec<String>,
    /// Certification authorities of private rendezvous, as files.
    pub(crate) ca_files: Vec<PathBuf>,
    pub(crate) kept: Kept,
    pub(crate) activity: Activity,
    pub(crate) broker: Broker,
    pub(crate) front_gate: FrontGate,
    pub(crate) in_force: InForce,
    /// How long a session is kept whose connection is lost.
    pub(crate) resume_limit: Duration,
    pub(crate) launcher: ServerLauncher,
    pub(crate) events: EventSender,
    pub(crate) sessions: LiveSessions,
    /// Definitions of this run only, before those of the store.
    pub(crate) transient: Transient,
    /// Links that are open, with their addresses.
    pub(crate) open_links: Mutex<HashMap<LinkId, OpenLink>>,
    pub(crate) invitations: Invitations,
    pub(crate) cancel: CancellationToken,
    pub(crate) tasks: TaskTracker,
    numbers: AtomicU64,
}

/// What counts for this run of the desktop only.
#[derive(Debug, Clone, Default)]
pub struct Transient {
    /// Servers beside the stored ones; one of the same id takes the stored one's place.
    pub servers: Vec<ServerDefinition>,
    /// Links beside the stored ones.
    pub links: Vec<LinkDefinition>,
    /// Agents that come in unasked, with every server and every tool.
    pub approved: HashSet<Fingerprint>,
}

/// A link that is open.
#[derive(Debug)]
pub(crate) struct OpenLink {
    pub(crate) definition: LinkDefinition,
    /// What is shown; nothing while a rendezvous cannot be reached.
    pub(crate) address: Option<String>,
    /// The URLs of the rendezvous at which agents find it at the moment.
    pub(crate) places: Vec<String>,
    pub(crate) cancel: CancellationToken,
}

/// What a desktop is made of, before it runs.
pub(crate) struct Parts {
    pub(crate) identity: Identity,
    pub(crate) name: String,
    pub(crate) stun: Vec<String>,
    /// Certification authorities of private rendezvous, as files.
    pub(crate) ca_files: Vec<PathBuf>,
    pub(crate) kept: Kept,
    pub(crate) activity: Activity,
    pub(crate) broker: Broker,
    pub(crate) front_gate: FrontGate,
    pub(crate) in_force: InForce,
    pub(crate) resume_limit: Duration,
    pub(crate) launcher: ServerLauncher,
    pub(crate) transient: Transient,
}

impl Desktop {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { identity, name, stun, ca_files, kept, activity, broker, .. } = parts;
        let Parts { front_gate, in_force, resume_limit, launcher, transient, .. } = parts;
        Self {
            identity,
            name,
            stun,
            ca_files,
            kept,
            activity,
            broker,
            front_gate,
            in_force,
            resume_limit,
            launcher,
            events: EventSender::new(),
            sessions: LiveSessions::default(),
            transient,
            open_links: Mutex::default(),
            invitations: Invitations::default(),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
            numbers: AtomicU64::new(1),
        }
    }

    pub(crate) fn trust(&self) -> &TrustStore {
        &self.kept.trust
    }

    /// How long a prompt waits, as agents are told.
    pub(crate) fn approval_seconds(&self) -> u32 {
        u32::try_from(self.in_force.approval_limit().as_secs()).unwrap_or(u32::MAX)
    }

    /// Numbers sessions and channels within the run.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn next_session(&self) -> SessionId {
        SessionId(self.next_number())
    }

    /// Returns all servers in the order of their ids.
    pub(crate) async fn servers(&self) -> Result<Vec<ServerDefinition>, StoreError> {
        let mut servers = self.kept.store.run(Store::servers).await?;
        servers.retain(|stored| self.transient.servers.iter().all(|server| server.id != stored.id));
        servers.extend(self.transient.servers.iter().cloned());
        servers.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(servers)
    }

    /// Returns one server.
    pub(crate) async fn server(&self, id: &ServerId) -> Result<Option<ServerDefinition>, StoreError> {
        if let Some(server) = self.transient.servers.iter().find(|server| server.id == *id) {
            return Ok(Some(server.clone()));
        }
        let id = id.clone();
        self.kept.store.run(move |store| store.server(&id)).await
    }

    /// Returns those of these servers that there are.
    pub(crate) async fn definitions(&self, ids: &[ServerId]) -> Vec<ServerDefinition> {
        let mut servers = self.servers().await.unwrap_or_else(|error| {
            tracing::error!(%error, "the servers cannot be read");
            Vec::new()
        });
        servers.retain(|server| ids.contains(&server.id));
        servers
    }

    /// Returns all links in the order of their ids.
    pub(crate) async fn links(&self) -> Result<Vec<LinkDefinition>, StoreError> {
        let mut links = self.kept.store.run(Store::links).await?;
        links.retain(|stored| self.transient.links.iter().all(|link| link.id != stored.id));
        links.extend(self.transient.links.iter().cloned());
        links.extend(self.in_force.link(&links));
        links.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(links)
    }

    /// Returns where the open links are reached.
    pub(crate) fn open_links(&self) -> Vec<(LinkId, String)> {
        let open = self.open_links.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open: Vec<_> =
            open.iter().filter_map(|(id, link)| Some((id.clone(), link.address.clone()?))).collect();
        open.sort();
        open
    }

    /// Asks the person, and writes question and answer down.
    pub(crate) async fn ask(&self, request: Request) -> Verdict {
        let (agent, session) = (request.agent, request.session);
        let entry = |event| {
            let entry = ActivityEntry::now(event).agent(agent);
            match session {
                Some(session) => entry.session(session.0),
                None => entry,
            }
        };
        let subject = subject_in_short(&request.subject);
        self.activity.record(entry(ActivityEvent::ApprovalAsked { subject: subject.as_str().into() })).await;
        let verdict = self.broker.ask(request).await;
        let (answer, by) = match &verdict {
            Verdict::Once => (Answer::Once, DecidedBy::Person),
            Verdict::Session(_) => (Answer::Session, DecidedBy::Person),
            Verdict::Always(_) => (Answer::Always, DecidedBy::Person),
            Verdict::Denied(Denial::Declined) => (Answer::Denied, DecidedBy::Person),
            Verdict::Denied(Denial::Ended) => (Answer::Ended, DecidedBy::Person),
            Verdict::Denied(Denial::Blocked) => (Answer::Blocked, DecidedBy::Person),
            Verdict::Denied(Denial::TimedOut) => (Answer::Denied, DecidedBy::Timeout),
            Verdict::Denied(_) => (Answer::Denied, DecidedBy::Policy),
        };
        let answered = ActivityEvent::ApprovalAnswered { subject: subject.as_str().into(), answer, by };
        self.activity.record(entry(answered)).await;
        verdict
    }

    /// Lets an agent use a server without a question from now on: for good if it is known, else for its sessions.
    pub(crate) async fn open_entry(&self, agent: Fingerprint, server: &ServerId) {
        self.sessions.of(&agent).iter().for_each(|live| live.open_entry(server));
        self.change_grant(agent, server.clone(), |grant| grant.entry = EntryRule::Open).await;
    }

    /// Lets an agent call a tool without a question from now on: for good if it is known, else for its sessions.
    pub(crate) async fn allow_tool(&self, live: &Live, server: &ServerId, tool: &str) {
        self.sessions.of(&live.agent).iter().for_each(|live| live.allow_tool(server, tool));
        let tool = tool.to_owned();
        self.change_grant(live.agent, server.clone(), move |grant| {
            grant.tools.tools.insert(tool, ToolRule::Allow);
        })
        .await;
    }

    /// Changes a grant that is kept; one of a single session is not.
    async fn change_grant(
        &self,
        agent: Fingerprint,
        server: ServerId,
        change: impl FnOnce(&mut Grant) + Send + 'static,
    ) {
        let changed = self
            .trust()
            .run(move |trust| {
                let GrantsVerdict::Valid(mut grants) = trust.grants_of(&agent) else { return Ok(()) };
                let Some(held) = grants.iter_mut().find(|held| held.server == server) else { return Ok(()) };
                change(held);
                trust.set_grants(&agent, grants).map(|_| ())
            })
            .await;
        if let Err(error) = changed {
            let reason = gatelodge_wire::with_causes(&error);
            tracing::warn!(reason, "a grant was not changed");
            self.events.tell(HostEvent::KeychainUnavailable { reason });
        }
        self.events.tell(HostEvent::Changed);
    }

    /// Keeps the definitions that an agent was lent for the first time.
    pub(crate) async fn keep_pins(&self, grant: Grant) {
        let Grant { agent, server, pins, .. } = grant;
        self.change_grant(agent, server, |held| held.pins = pins).await;
    }
}

/// What was asked, for the log.
fn subject_in_short(subject: &Subject) -> String {
    match subject {
        Subject::Pairing { .. } => "pairing".to_owned(),
        Subject::UnknownAgent { link, .. } => format!("unknown agent by {link}"),
        Subject::Session { server } => format!("use of {server}"),
        Subject::ToolCall { server, tool, .. } => format!("{} of {server}", tool.text()),
        Subject::ChangedTool { server, tool, .. } => format!("changed {} of {server}", tool.text()),
    }
}

/// The least that makes a server of use to an agent: everything of the built-in file server (whose folders say what may
/// be done), and nothing without a question of anything else.
pub fn least_grant(agent: Fingerprint, server: &ServerDefinition) -> Grant {
    let default = match server.kind {
        ServerKind::Files { .. } => ToolRule::Allow,
        _ => ToolRule::Ask,
    };
    Grant {
        agent,
        server: server.id.clone(),
        entry: EntryRule::Open,
        folders: None,
        tools: ToolRules { default, ..ToolRules::default() },
        sampling: false,
        elicitation: false,
        expires: None,
        pins: Default::default(),
    }
}

/// The least for an agent that was invited: like [`least_grant`], with folders to read only.
pub(crate) fn least_shared_grant(agent: Fingerprint, server: &ServerDefinition) -> Grant {
    let folders = match &server.kind {
        ServerKind::Files { folders } => Some(
            folders
                .iter()
                .map(|folder| SharedFolder { path: folder.path.clone(), access: FolderAccess::ReadOnly })
                .collect(),
        ),
        _ => None,
    };
    Grant { folders, ..least_grant(agent, server) }
}

/// Everything that a server has.
pub(crate) fn full_grant(agent: Fingerprint, server: &ServerDefinition) -> Grant {
    let tools = ToolRules { default: ToolRule::Allow, ..ToolRules::default() };
    Grant { tools, sampling: true, elicitation: true, ..least_grant(agent, server) }
}

/// How long ending a server may take when its channel is closed by the agent.
pub(crate) const GENTLE_END: Duration = Duration::from_secs(5);
