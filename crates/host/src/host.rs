//! A running desktop, as the terminal and the tray app hold it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatelodge_wire::{Fingerprint, PlaceUrl};
use mcp_webrtc::IdentityError;
use thiserror::Error;

use crate::activity::{Activity, ActivityRecorder, ChainHead};
use crate::approval::view::{PromptEvents, PromptView};
use crate::approval::{Broker, Prompt, QueueConfig};
use crate::desktop::{Desktop, Parts, Transient};
use crate::desktop_identity::IdentityEntryError;
use crate::diagnosis::{self, Check};
use crate::event::HostEvents;
use crate::front_gate::{self, FrontGate, GateChange, GateState};
use crate::home::Home;
use crate::housekeeping;
use crate::keychain::KeychainState;
use crate::links;
use crate::live::{self, Live};
use crate::manage::{self, Reply, Request};
use crate::server::ServerDefinition;
use crate::settings::Settings;
use crate::settings::in_force::InForce;
use crate::store::{Store, StoreError};
use crate::upstream::guard::GuardCommand;
use crate::upstream::{LaunchOptions, LoginShell, ServerLauncher};

/// How long a shutdown waits for sessions and servers to end; what is left then is ended by force.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(6);

/// What a desktop runs with.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Where everything is kept. `None` keeps it in memory: identity, trust and log are gone with the process.
    pub home: Option<Home>,
    /// What the desktop calls itself towards agents.
    pub name: String,
    /// STUN servers, such as `stun:stun.example.org:3478`. There is none by default: asking one tells it where this
    /// desktop is.
    pub stun: Vec<String>,
    /// Files with certification authorities (PEM) that are trusted for rendezvous beside the public ones.
    pub ca_files: Vec<PathBuf>,
    /// How long a prompt waits for an answer in this run. No answer is a no. Defaults to what the settings say.
    pub approval_limit: Option<Duration>,
    /// How long a session is kept whose connection is lost, so that its agent can go on with it. Defaults to two minutes.
    pub resume_limit: Duration,
    /// What counts for this run only.
    pub transient: Transient,
    /// The executable that ends servers when this process dies.
    pub guard: GuardCommand,
}

impl HostConfig {
    /// Makes a configuration with the defaults.
    pub fn new(home: Option<Home>, guard: GuardCommand) -> Self {
        let transient = Transient::default();
        Self {
            home,
            name: "a Gatelodge desktop".to_owned(),
            stun: Vec::new(),
            ca_files: Vec::new(),
            approval_limit: None,
            resume_limit: Duration::from_secs(120),
            transient,
            guard,
        }
    }
}

/// A running desktop. Cheap to clone; the last handle's drop does not end it, [`Host::shutdown`] does.
#[derive(Clone)]
pub struct Host {
    desktop: Arc<Desktop>,
    /// Writes the log; taken by the shutdown.
    recorder: Arc<Mutex<Option<ActivityRecorder>>>,
}

/// Why a desktop did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The database, or another instance that has it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The identity can't be had from the keychain.
    #[error("the desktop's identity is not available")]
    Identity(#[from] IdentityEntryError),
    /// The identity in the keychain can't be used.
    #[error("the desktop's identity cannot be used")]
    Certificate(#[from] IdentityError),
}

impl Host {
    /// Starts the desktop: opens the store, loads or makes the identity, opens the links.
    ///
    /// Links that can't be opened are told as events, since they may work later.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub async fn start(config: HostConfig) -> Result<(Self, HostEvents), StartError> {
        let kept = manage::Kept::open(config.home.as_ref()).await?;
        let identity = kept.identity().await?;
        let (settings, gate, log) = kept.store.run(kept_at_start).await?;
        let (activity, recorder) = Activity::start(kept.store.clone(), settings.record_arguments);
        let shell = LoginShell::of_user(config.guard.clone());
        let launcher = ServerLauncher::new(config.guard, shell, LaunchOptions::default());
        let in_force = InForce::new(settings, config.approval_limit);
        let limit = in_force.approval_limit();
        let desktop = Arc::new(Desktop::new(Parts {
            identity,
            name: config.name,
            stun: config.stun,
            ca_files: config.ca_files,
            kept,
            activity,
            broker: Broker::new(QueueConfig { time_limit: limit, ..QueueConfig::default() }),
            front_gate: FrontGate::new(gate),
            in_force,
            resume_limit: config.resume_limit,
            launcher,
            transient: config.transient,
        }));
        let events = desktop.events.subscribe();
        if let Some(home) = &config.home {
            let (folder, asked) = (home.desktop(), Arc::clone(&desktop));
            let perform = move |request| {
                let desktop = Arc::clone(&asked);
                async move { manage::perform_running(&desktop, request).await }
            };
            let cancel = desktop.cancel.clone();
            desktop.tasks.spawn(async move {
                let serving = cancel.run_until_cancelled(manage::serve(&folder, perform)).await;
                if let Some(Err(error)) = serving {
                    tracing::warn!(%error, "other processes cannot manage this desktop");
                }
            });
        }
        desktop.tasks.spawn(housekeeping::keep(Arc::clone(&desktop)));
        desktop.tasks.spawn(housekeeping::remember_agents(Arc::clone(&desktop), log));
        desktop.tasks.spawn(front_gate::keep(Arc::clone(&desktop)));
        desktop.tasks.spawn(housekeeping::watch_keychain(Arc::clone(&desktop)));
        links::reopen(&desktop).await;
        let recorder = Arc::new(Mutex::new(Some(recorder)));
        Ok((Self { desktop, recorder }, events))
    }

    /// Returns the desktop's fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        self.desktop.identity.fingerprint()
    }

    /// Returns where prompts are shown and answered.
    pub fn approvals(&self) -> &Broker {
        &self.desktop.broker
    }

    /// Returns what a window that shows prompts is told, from its beginning on: the visible prompt gets a new nonce.
    pub fn prompt_events(&self) -> PromptEvents {
        PromptEvents::new(Arc::clone(&self.desktop))
    }

    /// Returns a prompt as a window shows it, with the way that its agent came.
    pub async fn prompt_view(&self, prompt: &Prompt) -> PromptView {
        PromptView::of(&self.desktop, prompt).await
    }

    /// Subscribes to what happens from now on.
    pub fn events(&self) -> HostEvents {
        self.desktop.events.subscribe()
    }

    /// Returns what changes from second to second. Touches neither disk nor keychain.
    pub fn live(&self) -> Live {
        live::of(&self.desktop)
    }

    /// Returns how the gate is.
    pub fn gate(&self) -> GateState {
        self.desktop.front_gate.state()
    }

    /// Opens or closes the gate. Closing ends all sessions, and returns when they have ended, in well under a second.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it can't be kept for the next start; for this run it is done nevertheless.
    pub async fn set_gate(&self, change: GateChange) -> Result<(), StoreError> {
        front_gate::set(&self.desktop, change).await
    }

    /// Returns the settings.
    pub fn settings(&self) -> Settings {
        self.desktop.in_force.settings()
    }

    /// Returns whether the keychain can be used, as far as is known.
    pub fn keychain(&self) -> KeychainState {
        self.desktop.kept.watched.state()
    }

    /// Tries to use the keychain, which may ask the person for its password, and returns what came of it.
    pub async fn retry_keychain(&self) -> KeychainState {
        housekeeping::retry_keychain(&self.desktop).await
    }

    /// Carries out a request. Dropping the future cancels it: what it had begun is ended or removed.
    pub async fn perform(&self, request: Request) -> Reply {
        manage::perform_running(&self.desktop, request).await
    }

    /// Returns all servers, those of this run among them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database can't be read.
    pub async fn servers(&self) -> Result<Vec<ServerDefinition>, StoreError> {
        self.desktop.servers().await
    }

    /// Returns the URLs under which agents reach this desktop at the moment, the most useful ones first.
    pub fn places(&self) -> Vec<PlaceUrl> {
        crate::pairing::places(&self.desktop)
    }

    /// Looks for what keeps agents out, or from what they are lent. Takes up to 20 s.
    pub async fn diagnose(&self) -> Vec<Check> {
        self.diagnose_with(|_| {}).await
    }

    /// Like [`Host::diagnose`], and tells each finding as soon as there is one.
    pub async fn diagnose_with(&self, progress: impl Fn(&Check) + Send + Sync) -> Vec<Check> {
        diagnosis::running(&self.desktop, &progress).await
    }

    /// Ends all sessions and servers, writes the log out, and waits for it. Idempotent.
    pub async fn shutdown(&self) {
        self.desktop.cancel.cancel();
        self.desktop.tasks.close();
        if tokio::time::timeout(SHUTDOWN_LIMIT, self.desktop.tasks.wait()).await.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
        self.desktop.launcher.shutdown().await;
        let recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(recorder) = recorder {
            recorder.shutdown().await;
        }
    }
}

/// What is kept of the run before: the settings, how the gate is to be, and how far the log goes.
fn kept_at_start(store: &Store) -> Result<(Settings, GateState, ChainHead), StoreError> {
    let settings = store.settings()?;
    let gate = front_gate::at_start(store, &settings)?;
    Ok((settings, gate, store.activity_head()?))
}

impl std::fmt::Debug for Host {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Host").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}
