//! The guard: a process of its own that ends the servers when Gatelodge itself dies, however it dies.
//!
//! The host starts its own executable a second time ([`GuardCommand`]) and holds a pipe to it. It names each process
//! group before it lets the group's program begin; when the pipe closes without all of them having been taken back, the
//! guard ends what is left and exits. [`process`](run) is what runs there; `Guard` is the host's end.
//!
//! # Why servers are started through the same executable
//!
//! Between the start of a process and the guard's knowing of it, the host may die. So what the host starts is first a
//! small stage of its own ([`run`] again, in another role): it makes a session and process group of its own, writes a
//! byte to say so, waits for one that comes after the guard has been told, and only then becomes the server's program.
//! Without that byte it exits. The stage needs no memory or time worth mentioning: it *is* the later process.

mod process;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

use super::group::Group;

pub use process::run;

/// The first argument of an executable that is to call [`run`].
pub const GUARD_ARGUMENT: &str = "__guard";

/// The roles of [`run`], as the argument after [`GUARD_ARGUMENT`].
const WATCH: &str = "watch";
const START: &str = "start";

/// What a stage writes to its standard output when it has made its process group.
pub(crate) const READY: u8 = b'\n';

/// How many groups may wait to be named to the guard. Each start waits for its own, so there are as many as starts at
/// the same time.
const QUEUE: usize = 64;

/// What to start for a process that calls [`run`]: Gatelodge's own executable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardCommand {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl GuardCommand {
    /// Names the running executable, whose `main` must call [`run`] if its first argument is [`GUARD_ARGUMENT`].
    ///
    /// On Linux that is the very file that runs, also after an upgrade has put another one in its place.
    ///
    /// # Errors
    ///
    /// If the system doesn't tell where the executable is.
    pub fn current_exe() -> io::Result<Self> {
        let own = Path::new("/proc/self/exe");
        let program = if own.exists() { own.to_owned() } else { std::env::current_exe()? };
        Ok(Self::new(program))
    }

    /// Names another executable that does the same.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: vec![GUARD_ARGUMENT.into()] }
    }

    /// Makes the command that becomes `program`, in a session and process group of its own: it writes [`READY`], and
    /// waits for a byte through its standard input.
    pub(crate) fn start(&self, program: &Path, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(START).arg(program).args(arguments);
        command
    }

    /// Makes the command that watches over the groups named in `names`.
    fn watch(&self, names: impl Into<Stdio>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(WATCH);
        // In a group of its own: what a terminal sends to Gatelodge's group, or somebody kills it with, must not hit.
        command.process_group(0).current_dir("/");
        command.stdin(names).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// The host's end of the guard. The guard's process is started with the first group.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
enum Order {
    Add(Group, oneshot::Sender<io::Result<()>>),
    Remove(Group),
}

impl Guard {
    /// Makes the host's end and the task behind it, which holds the guard's pipe.
    pub(crate) fn new(command: GuardCommand) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (orders, queue) = mpsc::channel(QUEUE);
        let keeper = Keeper { command, process: None, groups: BTreeMap::new() };
        (Self { orders }, keeper.keep(queue))
    }

    /// Puts a group under guard. When this returns, the group ends with Gatelodge.
    pub(crate) async fn add(&self, group: Group) -> io::Result<()> {
        let (answer, answered) = oneshot::channel();
        let gone = || io::Error::other("the task that keeps the guard has ended");
        self.orders.send(Order::Add(group, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Takes a group back whose program has never begun, from where nothing can be waited for.
    pub(crate) fn forget(&self, group: Group) {
        // Should the queue be full, the guard compares start times before it ends anything.
        let _ = self.orders.try_send(Order::Remove(group));
    }

    /// Takes a group back that has no process any more.
    pub(crate) async fn remove(&self, group: Group) {
        let _ = self.orders.send(Order::Remove(group)).await;
    }
}

/// Owns the guard's process, and starts another one if somebody ends it.
struct Keeper {
    command: GuardCommand,
    process: Option<(Child, pipe::Sender)>,
    groups: BTreeMap<i32, Group>,
}

impl Keeper {
    async fn keep(mut self, mut queue: mpsc::Receiver<Order>) {
        loop {
            tokio::select! {
                order = queue.recv() => match order {
                    Some(Order::Add(group, answer)) => {
                        let _ = answer.send(self.add(group).await);
                    }
                    Some(Order::Remove(group)) => {
                        self.groups.remove(&group.leader());
                        self.tell(&format!("-{}\n", group.to_text())).await;
                    }
                    None => break,
                },
                () = died(&mut self.process) => {
                    tracing::warn!("the guard of the servers' processes was ended; starting another");
                    self.process = None;
                    if let Err(error) = self.renew().await {
                        tracing::error!(%error, "no guard: servers would outlive a crash of Gatelodge");
                    }
                }
            }
        }
    }

    async fn add(&mut self, group: Group) -> io::Result<()> {
        self.groups.insert(group.leader(), group);
        let named =
            if self.tell(&format!("+{}\n", group.to_text())).await { Ok(()) } else { self.renew().await };
        if named.is_err() {
            self.groups.remove(&group.leader());
        }
        named
    }

    /// Starts a guard and names all groups to it, unless there are none.
    async fn renew(&mut self) -> io::Result<()> {
        if self.groups.is_empty() {
            return Ok(());
        }
        let (mut names, read_end) = pipe::pipe()?;
        let all: String = self.groups.values().map(|group| format!("+{}\n", group.to_text())).collect();
        // Before there is a process: from its first moment on it knows all groups, though the host may die in the next.
        // The launcher allows few enough groups for their names to fit into an empty pipe (4 KiB at least).
        names.write_all(all.as_bytes()).await?;
        let child = self.command.watch(read_end.into_blocking_fd()?).spawn()?;
        self.process = Some((child, names));
        Ok(())
    }

    /// Tells the guard something; `false` if there is none, or no longer.
    async fn tell(&mut self, line: &str) -> bool {
        let Some((_, names)) = &mut self.process else { return false };
        names.write_all(line.as_bytes()).await.is_ok()
    }
}

/// Waits until the guard has exited, which it does not do by itself.
async fn died(process: &mut Option<(Child, pipe::Sender)>) {
    match process {
        Some((child, _)) => {
            let _ = child.wait().await;
        }
        None => std::future::pending().await,
    }
}
