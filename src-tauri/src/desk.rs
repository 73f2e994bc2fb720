//! The desktop behind the windows: starts the host, waits for a keychain that is not there yet, and ends everything.
//!
//! The tray app lives longer than its host: without a keychain there is no host, and the person is told so and can try
//! again. Whoever needs the host asks [`Desk::host`]; whoever shows the state follows [`Desk::stages`].

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatelodge_host::Settings;
use gatelodge_host::live::Live;
use gatelodge_host::upstream::guard::GuardCommand;
use gatelodge_host::{CA_FILE_VARIABLE, Home, Host, HostConfig, KeychainState, StartError, machine_name};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// How long the end may take. People wait for it; what is left then is ended by the guard.
const END_LIMIT: Duration = Duration::from_millis(2500);

/// How often a keychain that cannot be used is looked at. It is a look that asks nobody anything.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// How long "try again" waits for its outcome: the keychain's own prompt and a password.
const RETRY_LIMIT: Duration = Duration::from_secs(60);

/// Where the desktop stands.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// The host is being started.
    Starting,
    /// There is no host, and why.
    Unusable(KeychainState),
    /// The host runs.
    Up(Host),
    /// The app is about to end.
    Ending,
}

/// The desktop behind the windows.
#[derive(Debug)]
pub(crate) struct Desk {
    home: Home,
    guard: GuardCommand,
    stage: watch::Sender<Stage>,
    retry: Notify,
    operations: Mutex<HashMap<u64, CancellationToken>>,
}

impl Desk {
    pub(crate) fn new(home: Home, guard: GuardCommand) -> Self {
        Self {
            home,
            guard,
            stage: watch::Sender::new(Stage::Starting),
            retry: Notify::new(),
            operations: Mutex::default(),
        }
    }

    /// Returns the host, if it runs.
    pub(crate) fn host(&self) -> Result<Host, Failure> {
        match &*self.stage.borrow() {
            Stage::Up(host) => Ok(host.clone()),
            _ => Err(Failure::not_running()),
        }
    }

    /// Waits until the host runs; `None` once the app ends.
    pub(crate) async fn when_up(&self) -> Option<Host> {
        let mut stages = self.stages();
        let stage = stages.wait_for(|stage| matches!(stage, Stage::Up(_) | Stage::Ending)).await.ok()?;
        match &*stage {
            Stage::Up(host) => Some(host.clone()),
            _ => None,
        }
    }

    /// Follows where the desktop stands.
    pub(crate) fn stages(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Returns what changes from second to second.
    pub(crate) fn live(&self) -> Live {
        match &*self.stage.borrow() {
            Stage::Up(host) => host.live(),
            Stage::Unusable(state) => Live::without_host(state.clone()),
            Stage::Starting | Stage::Ending => Live::without_host(KeychainState::Open),
        }
    }

    /// Returns the settings; the defaults while there is no host.
    pub(crate) fn settings(&self) -> Settings {
        self.host().map(|host| host.settings()).unwrap_or_default()
    }

    /// Starts the host, again and again until that works.
    pub(crate) async fn run(&self) {
        loop {
            let error = match Host::start(self.config()).await {
                Ok((host, _)) => {
                    if !self.advance(Stage::Up(host.clone())) {
                        host.shutdown().await;
                    }
                    return;
                }
                Err(error) => error,
            };
            tracing::warn!(error = gatelodge_wire::with_causes(&error), "the desktop is not started");
            let state = self.state_of(&error).await;
            if !self.advance(Stage::Unusable(state.clone())) {
                return;
            }
            if !self.worth_another_try(state).await {
                return;
            }
        }
    }

    /// Waits until the person asks for another try, or the keychain can be used. `false` once the app ends.
    async fn worth_another_try(&self, mut state: KeychainState) -> bool {
        let mut stages = self.stages();
        let ending = async {
            // The sender is ours.
            let _ = stages.wait_for(|stage| matches!(stage, Stage::Ending)).await;
        };
        tokio::pin!(ending);
        loop {
            tokio::select! {
                biased;
                () = &mut ending => return false,
                () = self.retry.notified() => return true,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
            let now = KeychainState::look(&self.home).await;
            // What failed although the keychain is open is tried again as it is: another instance may have ended.
            if matches!(now, KeychainState::Open) {
                return true;
            }
            if now != state {
                state = now;
                if !self.advance(Stage::Unusable(state.clone())) {
                    return false;
                }
            }
        }
    }

    /// Tries the keychain again now, and waits for what comes of it.
    pub(crate) async fn try_again(&self) -> Result<(), Failure> {
        if let Ok(host) = self.host() {
            return match host.retry_keychain().await.reason() {
                None => Ok(()),
                Some(reason) => Err(Failure::new("storage", reason)),
            };
        }
        let mut stages = self.stages();
        if !matches!(&*stages.borrow_and_update(), Stage::Unusable(_)) {
            return Ok(());
        }
        self.retry.notify_one();
        let outcome = tokio::time::timeout(RETRY_LIMIT, stages.changed()).await;
        match (outcome, &*self.stage.borrow()) {
            (_, Stage::Up(_)) => Ok(()),
            (_, Stage::Unusable(state)) => Err(Failure::new("storage", state.reason().unwrap_or_default())),
            _ => Err(Failure::new("storage", "the keychain has not answered yet")),
        }
    }

    /// Ends the host, its sessions and servers. Idempotent.
    pub(crate) async fn end(&self) {
        let stage = self.stage.send_replace(Stage::Ending);
        if let Stage::Up(host) = stage
            && tokio::time::timeout(END_LIMIT, host.shutdown()).await.is_err()
        {
            tracing::warn!("the desktop did not end in time");
        }
    }

    /// Goes on to another stage, unless the app is about to end.
    fn advance(&self, next: Stage) -> bool {
        self.stage.send_if_modified(|stage| {
            if matches!(stage, Stage::Ending) {
                return false;
            }
            *stage = next;
            true
        })
    }

    async fn state_of(&self, error: &StartError) -> KeychainState {
        let reason = gatelodge_wire::with_causes(error);
        match error {
            StartError::Identity(_) => match KeychainState::look(&self.home).await {
                KeychainState::Open => KeychainState::Failed { reason },
                state => state,
            },
            _ => KeychainState::Failed { reason },
        }
    }

    fn config(&self) -> HostConfig {
        let mut config = HostConfig::new(Some(self.home.clone()), self.guard.clone());
        if let Some(name) = machine_name() {
            config.name = name;
        }
        config.ca_files.extend(std::env::var_os(CA_FILE_VARIABLE).map(PathBuf::from));
        config
    }

    /// Runs an operation that the page can cancel by its number.
    pub(crate) async fn cancellable<T>(
        &self,
        operation: u64,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let token = CancellationToken::new();
        self.operations().insert(operation, token.clone());
        let outcome = token.run_until_cancelled(work).await;
        self.operations().remove(&operation);
        outcome.unwrap_or_else(|| Err(Failure::cancelled()))
    }

    /// Cancels an operation; one that is over is no error.
    pub(crate) fn cancel(&self, operation: u64) {
        if let Some(token) = self.operations().remove(&operation) {
            token.cancel();
        }
    }

    fn operations(&self) -> std::sync::MutexGuard<'_, HashMap<u64, CancellationToken>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
