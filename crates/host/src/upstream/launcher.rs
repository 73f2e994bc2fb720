//! Starts servers and keeps account of them: limits, crash loops, logs, and the end of all.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatelodge_wire::Fingerprint;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::secret::SecretError;
use crate::server::{ServerDefinition, ServerId, ServerKind};

use super::child::{self, Graces, Program};
use super::crashes::Crashes;
use super::end::{EndCause, Ending};
use super::guard::{Guard, GuardCommand};
use super::log::{Logs, ServerLog};
use super::login_shell::{LoginEnvironment, LoginShell};
use super::probe::{self, ProbeError, ServerReport};
use super::program::{ProgramError, ResolveSecrets, resolved};
use super::{MESSAGE_LIMIT, Upstream};

/// How many processes there may be in all. A Node.js server takes about 75 MB.
const CHILDREN: usize = 64;

/// How many of them one agent may have: a few servers over a few connections each.
const CHILDREN_PER_AGENT: usize = 16;

/// How long a server has at each step of a gentle end. Servers that finish write a file or close a browser.
const GRACE: Duration = Duration::from_secs(2);

/// Who a process runs for, as far as crash loops are concerned. By agent, so that one that crashes its servers takes
/// them away from nobody else.
type CrashKey = (Fingerprint, ServerId);

/// How many processes each agent has.
type Agents = Arc<Mutex<HashMap<Fingerprint, usize>>>;

/// The limits that servers are started under.
#[derive(Debug, Clone)]
pub struct LaunchOptions {
    /// The largest message in either direction, in bytes. Defaults to 64 MiB.
    pub message_limit: usize,
    /// How long a server has to exit after its standard input was closed. Defaults to 2 s.
    pub stdin_grace: Duration,
    /// How long it has after SIGTERM. Defaults to 2 s.
    pub term_grace: Duration,
    /// How many processes there may be in all. Defaults to 64.
    pub children: usize,
    /// How many there may be for one agent. Defaults to 16.
    pub children_per_agent: usize,
}

impl Default for LaunchOptions {
    fn default() -> Self {
        Self {
            message_limit: MESSAGE_LIMIT,
            stdin_grace: GRACE,
            term_grace: GRACE,
            children: CHILDREN,
            children_per_agent: CHILDREN_PER_AGENT,
        }
    }
}

/// Why a server was not started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The server is a built-in one; its upstream is made with [`Upstream::in_process`].
    #[error("this server is built in and has no program to start")]
    BuiltIn,
    /// There is no program to start, or something that it needs is missing.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A secret in its variables can't be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It has crashed again and again.
    #[error(
        "the server has crashed several times in a row; it can be started again in {} s. Its log says why it crashed",
        .retry_after.as_secs() + 1
    )]
    CrashLoop {
        /// How long it will not be started.
        retry_after: Duration,
    },
    /// There are as many processes as there may be.
    #[error("{limit} servers are running, which is the limit; close a connection first")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The agent has as many processes as it may have.
    #[error("this agent has {limit} servers running, which is its limit; close a connection first")]
    TooManyForAgent {
        /// The limit.
        limit: usize,
    },
    /// The process, or the guard over it, could not be started.
    #[error("the server's process could not be started")]
    Spawn(#[from] io::Error),
    /// The launcher is shutting down.
    #[error("Gatelodge is shutting down")]
    ShuttingDown,
}

/// Starts local MCP servers as child processes, and owns all that run. Cheap to clone.
///
/// One process per call: nothing is shared between two channels.
#[derive(Debug, Clone)]
pub struct ServerLauncher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: LaunchOptions,
    command: GuardCommand,
    guard: Guard,
    /// Holds the guard's pipe. Every process's task holds the launcher, so none is left when it ends.
    _keeping: AbortOnDropHandle<()>,
    shell: LoginShell,
    logs: Logs,
    room: Arc<Semaphore>,
    agents: Agents,
    crashes: Mutex<Crashes<CrashKey>>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl ServerLauncher {
    /// Makes a launcher. `guard` is the executable that ends the servers should this process die, see
    /// [`super::guard`]; nothing is started before the first server.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(guard: GuardCommand, shell: LoginShell, options: LaunchOptions) -> Self {
        let (guard_end, keeping) = Guard::new(guard.clone());
        let inner = Inner {
            _keeping: AbortOnDropHandle::new(tokio::spawn(keeping)),
            room: Arc::new(Semaphore::new(options.children)),
            options,
            command: guard,
            guard: guard_end,
            shell,
            logs: Logs::default(),
            agents: Agents::default(),
            crashes: Mutex::new(Crashes::new()),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Starts a server for one channel of an agent.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; each says what can be done.
    pub async fn start(
        &self,
        definition: &ServerDefinition,
        agent: &Fingerprint,
        secrets: &impl ResolveSecrets,
    ) -> Result<Upstream, StartError> {
        let key = (*agent, definition.id.clone());
        let wait = self.inner.crashes().wait(&key, Instant::now());
        if let Some(retry_after) = wait {
            return Err(StartError::CrashLoop { retry_after });
        }
        self.launch(definition, Some(key), secrets).await
    }

    /// Starts a server in processes of its own, asks it what it has, and ends it.
    ///
    /// # Errors
    ///
    /// See [`ProbeError`].
    pub async fn probe(
        &self,
        definition: &ServerDefinition,
        secrets: &impl ResolveSecrets,
    ) -> Result<ServerReport, ProbeError> {
        probe::probe_upstream(|| self.launch(definition, None, secrets)).await
    }

    /// Returns the log of a server, over all of its processes.
    pub fn log(&self, server: &ServerId) -> Arc<ServerLog> {
        self.inner.logs.of(server)
    }

    /// Forgets the log of a server that has been deleted.
    pub fn forget_log(&self, server: &ServerId) {
        self.inner.logs.forget(server);
    }

    /// Returns the environment that servers are started in, before their own variables.
    pub async fn environment(&self) -> Arc<LoginEnvironment> {
        self.inner.shell.environment().await
    }

    /// Asks the login shell again, for instance after a program was installed.
    pub async fn refresh_environment(&self) -> Arc<LoginEnvironment> {
        self.inner.shell.refresh().await
    }

    /// Returns how many processes run.
    pub fn running(&self) -> usize {
        self.inner.tasks.len()
    }

    /// Ends all servers gently and waits until nothing of them is left. No server can be started afterwards.
    pub async fn shutdown(&self) {
        self.inner.stopping.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// Starts a process; `key` is `None` for a probe, which counts for nobody.
    async fn launch(
        &self,
        definition: &ServerDefinition,
        key: Option<CrashKey>,
        secrets: &impl ResolveSecrets,
    ) -> Result<Upstream, StartError> {
        let inner = &self.inner;
        let ServerKind::Stdio { command, args, env, cwd } = &definition.kind else {
            return Err(StartError::BuiltIn);
        };
        if inner.stopping.is_cancelled() {
            return Err(StartError::ShuttingDown);
        }
        let slot = inner.slot(key.as_ref().map(|(agent, _)| agent))?;
        let environment = inner.shell.environment().await;
        let env = resolved(env, secrets).await?;
        let program = Program::find(command, args, &env, cwd.as_deref(), &environment)?;
        let graces = Graces { stdin: inner.options.stdin_grace, term: inner.options.term_grace };
        let log = inner.logs.of(&definition.id);
        let begun = Instant::now();
        let guard = (&inner.guard, &inner.command);
        let started = child::start(&program, guard, log, inner.options.message_limit, graces).await?;
        let (state, stopping) = (started.supervisor.state(), inner.stopping.clone());
        let launcher = Arc::clone(inner);
        inner.tasks.spawn(async move {
            let run = started.supervisor.run();
            tokio::pin!(run);
            let reason = tokio::select! {
                reason = &mut run => reason,
                () = stopping.cancelled() => {
                    state.ask(EndCause::Ended, Ending::Gentle);
                    run.await
                }
            };
            if let Some(key) = key {
                launcher.account(key, &reason.cause, begun);
            }
            drop(slot);
        });
        Ok(Upstream::of_child(started.sender, started.receiver))
    }
}

impl Inner {
    fn crashes(&self) -> std::sync::MutexGuard<'_, Crashes<CrashKey>> {
        self.crashes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn account(&self, key: CrashKey, cause: &EndCause, begun: Instant) {
        let mut crashes = self.crashes();
        if cause.is_crash() {
            crashes.crashed(key, begun, Instant::now());
        } else {
            crashes.worked(&key);
        }
    }

    /// Takes the room of one process.
    fn slot(&self, agent: Option<&Fingerprint>) -> Result<Slot, StartError> {
        let room = Arc::clone(&self.room).try_acquire_owned();
        let room = room.map_err(|_| StartError::TooMany { limit: self.options.children })?;
        let agent = match agent {
            None => None,
            Some(&agent) => {
                let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
                let count = agents.entry(agent).or_default();
                if *count >= self.options.children_per_agent {
                    return Err(StartError::TooManyForAgent { limit: self.options.children_per_agent });
                }
                *count += 1;
                Some((agent, Arc::clone(&self.agents)))
            }
        };
        Ok(Slot { _room: room, agent })
    }
}

/// The room of one process in the limits; given back when dropped.
#[derive(Debug)]
struct Slot {
    _room: OwnedSemaphorePermit,
    agent: Option<(Fingerprint, Agents)>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some((agent, agents)) = &self.agent else { return };
        let mut agents = agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = agents.get_mut(agent) {
            *count -= 1;
            if *count == 0 {
                agents.remove(agent);
            }
        }
    }
}
