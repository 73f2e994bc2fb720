//! Owns one child process from its start until nothing of its group is left.
//!
//! # The order of things at the end
//!
//! 1. Standard input is closed, the process has time to exit. (Left out if the end is wanted at once.)
//! 2. SIGTERM to the group, time again, SIGKILL to the group.
//! 3. The leader has exited and is reaped. What it left of its group gets SIGTERM, the same time, SIGKILL. The group's
//!    number can't be anybody else's while a member lives; where none does, the kernel's start times tell (see
//!    [`Group`]).
//! 4. The guard gets the group back, readers hear that nothing more comes, the reason is made known.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Weak};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::process::{Child, ChildStderr};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::end::{EndCause, EndReason, EndState, Ending};
use super::super::group::Group;
use super::super::guard::Guard;
use super::super::log::ServerLog;
use super::Stdin;
use super::stderr::{self, LastWords};

/// How long an end that is wanted at once leaves between SIGTERM and SIGKILL. Revoking has one second in all.
const NOW_GRACE: Duration = Duration::from_millis(400);

/// How long a killed process may take to be gone. The kernel needs longer only for one that hangs in a device or a
/// network file system, and nobody can end that.
const KILL_WAIT: Duration = Duration::from_millis(300);

/// How long the last lines of standard error may take, should a process outside the group hold it open.
const STDERR_WAIT: Duration = Duration::from_millis(100);

/// How often a group without leader is looked at: at first, and after growing.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const SLOWEST_LOOK: Duration = Duration::from_millis(50);

/// How long a server has at each step of a gentle end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Graces {
    /// After standard input was closed.
    pub(crate) stdin: Duration,
    /// After SIGTERM.
    pub(crate) term: Duration,
}

/// The owner of one child process. [`Supervisor::run`] has to be polled until it is ready.
pub(crate) struct Supervisor {
    pub(super) child: Child,
    pub(super) group: Group,
    pub(super) stderr: Option<ChildStderr>,
    pub(super) stdin: Weak<Mutex<Stdin>>,
    pub(super) state: Arc<EndState>,
    pub(super) guard: Guard,
    pub(super) log: Arc<ServerLog>,
    pub(super) graces: Graces,
    pub(super) process: u32,
    /// Whether the server's program may run by now. Before that the group is the one process.
    pub(super) begun: bool,
}

impl Supervisor {
    /// Returns what tells and hears of the end.
    pub(crate) fn state(&self) -> Arc<EndState> {
        Arc::clone(&self.state)
    }

    /// Watches over the process until nothing of it is left; returns the reason, which everybody else hears by then.
    pub(crate) async fn run(mut self) -> EndReason {
        let last_words = LastWords::default();
        let reading = self.stderr.take().map(|stderr| {
            tokio::spawn(stderr::drain(stderr, self.process, Arc::clone(&self.log), last_words.clone()))
        });
        let reading = reading.map(tokio_util::task::AbortOnDropHandle::new);
        let (status, died) = self.leader_ends().await;
        self.group_ends().await;
        self.guard.remove(self.group).await;
        self.state.set_gone();
        if let Some(reading) = reading {
            let _ = tokio::time::timeout(STDERR_WAIT, reading).await;
        }
        let cause = self.cause(status, died);
        self.log.note(self.process, &cause.to_string());
        let reason = EndReason { cause, last_words: last_words.take() };
        self.state.finish(reason.clone());
        reason
    }

    /// Waits until the process exits, and sees to it once somebody wants that. Also tells what it took.
    async fn leader_ends(&mut self) -> (Option<ExitStatus>, Died) {
        tokio::select! {
            status = self.child.wait() => return (status.ok(), Died::Alone),
            () = self.state.asked() => {}
        }
        if let Ok(Some(status)) = self.child.try_wait() {
            // It was over before anybody could have asked for it.
            return (Some(status), Died::Alone);
        }
        self.close_stdin().await;
        if let Some(status) = self.exits_within(self.graces.stdin, Duration::ZERO).await {
            return (Some(status), Died::Asked);
        }
        self.group.signal_with_leader(Signal::SIGTERM);
        let mut status = self.exits_within(self.graces.term, NOW_GRACE).await;
        if status.is_none() {
            self.group.signal_with_leader(Signal::SIGKILL);
            status = self.exits_within(KILL_WAIT, KILL_WAIT).await;
        }
        if status.is_none() {
            tracing::warn!(process = self.process, "a server's process is still there after SIGKILL");
        }
        (status, Died::Killed)
    }

    /// Closes standard input, also under a sender that waits for room.
    async fn close_stdin(&self) {
        if let Some(stdin) = self.stdin.upgrade() {
            stdin.lock().await.close();
        }
    }

    /// Waits for the exit, for `grace`, or for `hurried` only once the end is wanted at once.
    async fn exits_within(&mut self, grace: Duration, hurried: Duration) -> Option<ExitStatus> {
        let state = Arc::clone(&self.state);
        tokio::select! {
            biased;
            status = self.child.wait() => status.ok(),
            () = patience(&state, grace, hurried) => None,
        }
    }

    /// Ends what the leader has left behind in its group.
    async fn group_ends(&self) {
        for (signal, grace, hurried) in
            [(Signal::SIGTERM, self.graces.term, NOW_GRACE), (Signal::SIGKILL, KILL_WAIT, KILL_WAIT)]
        {
            if self.group.is_empty() {
                return;
            }
            self.group.signal(signal);
            tokio::select! {
                () = self.group_is_empty() => return,
                () = patience(&self.state, grace, hurried) => {}
            }
        }
        tracing::warn!(process = self.process, "processes of a server's group are still there after SIGKILL");
    }

    async fn group_is_empty(&self) {
        let mut pause = FIRST_LOOK;
        while !self.group.is_empty() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(SLOWEST_LOOK);
        }
    }

    /// Which of several causes is the one to tell.
    fn cause(&self, status: Option<ExitStatus>, died: Died) -> EndCause {
        let exit = match status.map(|status| (status.code(), status.signal())) {
            Some((Some(code), _)) => EndCause::Exited { code },
            Some((None, Some(signal))) => EndCause::Signaled { signal },
            _ => EndCause::Lost,
        };
        match (self.state.cause(), died) {
            (None | Some(EndCause::Ended | EndCause::StdoutClosed), Died::Alone) => exit,
            // It closed its output on the way out.
            (None | Some(EndCause::StdoutClosed), Died::Asked) => exit,
            (Some(cause), _) => cause.clone(),
            (None, Died::Killed) => EndCause::Lost,
        }
    }
}

/// What it took for the process to exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Died {
    /// Nothing.
    Alone,
    /// That standard input was closed.
    Asked,
    /// A signal.
    Killed,
}

/// Waits for `grace`; once the end is wanted at once, for `hurried` at most from then on.
async fn patience(state: &EndState, grace: Duration, hurried: Duration) {
    let deadline = Instant::now() + grace;
    tokio::select! {
        () = tokio::time::sleep_until(deadline) => {}
        () = state.hurried() => {
            tokio::time::sleep_until(deadline.min(Instant::now() + hurried)).await;
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // What the task itself has done stays done. If it was dropped before its end, nobody may wait for ever; the
        // process is killed with its handle, and the guard sees to the rest of its group.
        self.state.ask(EndCause::Lost, Ending::Now);
        self.state.finish(EndReason { cause: EndCause::Lost, last_words: Vec::new() });
        if !self.begun {
            self.guard.forget(self.group);
        }
    }
}
