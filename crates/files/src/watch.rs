//! Change notifications. The system's events are hints, by names, about directories that others may have replaced; a
//! client is told of a change only when the file, looked up beneath its folder, is not what it was.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cap_std::fs::MetadataExt as _;
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{Peer, RoleServer, SubscriptionContext, SubscriptionSink};
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::listing::{Kind, Next, walk};
use crate::resources;
use crate::server::Served;

/// Files that one client is told about.
pub(crate) const SUBSCRIPTIONS_LIMIT: usize = 1000;

/// Linux has a watch per directory; half of the 8,192 that an old kernel grants to a user.
const DIRECTORIES_LIMIT: usize = 4096;

/// What happens within this time is told together: saving a file is several events.
const SETTLE: Duration = Duration::from_millis(50);

/// The watches of one connection in the protocol's earlier revisions, where subscriptions are the connection's.
#[derive(Debug, Default)]
pub(crate) struct Watches(AsyncMutex<Option<Running>>);

#[derive(Debug)]
struct Running {
    commands: mpsc::Sender<Command>,
    subscribed: std::collections::BTreeSet<String>,
    /// Ends with the connection.
    _task: JoinSet<()>,
}

enum Command {
    Watch(String),
    Forget(String),
    Lists,
}

/// Whom to tell.
enum Client {
    Connection(Peer<RoleServer>),
    Subscription(SubscriptionSink),
}

impl Watches {
    pub(crate) async fn subscribe(
        &self,
        served: &Arc<Served>,
        peer: &Peer<RoleServer>,
        uri: String,
    ) -> Result<(), Failure> {
        let mut running = self.0.lock().await;
        let running = running.get_or_insert_with(|| Running::start(served, peer));
        if running.subscribed.len() >= SUBSCRIPTIONS_LIMIT && !running.subscribed.contains(&uri) {
            return Err(Failure::TooMany {
                what: "the number of subscriptions".to_owned(),
                limit: SUBSCRIPTIONS_LIMIT as u64,
                unit: "files",
                instead: "unsubscribe from one first",
            });
        }
        if running.subscribed.insert(uri.clone()) {
            // The task ends before the connection only when nobody can be told any more.
            let _ = running.commands.send(Command::Watch(uri)).await;
        }
        Ok(())
    }

    pub(crate) async fn unsubscribe(&self, uri: String) {
        if let Some(running) = self.0.lock().await.as_mut()
            && running.subscribed.remove(&uri)
        {
            let _ = running.commands.send(Command::Forget(uri)).await;
        }
    }

    pub(crate) async fn watch_lists(&self, served: &Arc<Served>, peer: &Peer<RoleServer>) {
        let mut running = self.0.lock().await;
        let running = running.get_or_insert_with(|| Running::start(served, peer));
        let _ = running.commands.send(Command::Lists).await;
    }
}

impl Running {
    fn start(served: &Arc<Served>, peer: &Peer<RoleServer>) -> Self {
        let (commands, received) = mpsc::channel(16);
        let mut task = JoinSet::new();
        task.spawn(run(Arc::clone(served), Client::Connection(peer.clone()), received));
        Self { commands, subscribed: std::collections::BTreeSet::new(), _task: task }
    }
}

/// Tells of what a `subscriptions/listen` request asks for, until it is cancelled.
pub(crate) async fn listen(served: &Arc<Served>, context: &SubscriptionContext) {
    let accepted = context.accepted();
    let (commands, received) = mpsc::channel(16);
    let feed = async {
        if accepted.resources_list_changed == Some(true) {
            let _ = commands.send(Command::Lists).await;
        }
        for uri in accepted.resource_subscriptions.iter().flatten() {
            let _ = commands.send(Command::Watch(uri.clone())).await;
        }
        context.cancelled().await;
    };
    tokio::select! {
        () = feed => {}
        () = run(Arc::clone(served), Client::Subscription(context.sink().clone()), received) => {}
    }
}

async fn run(served: Arc<Served>, client: Client, mut commands: mpsc::Receiver<Command>) {
    let hints = Arc::new(Hints::default());
    let watched = match Watched::new(served, Arc::clone(&hints)) {
        Ok(watched) => Arc::new(Mutex::new(watched)),
        Err(error) => {
            tracing::warn!(%error, "changes can't be watched");
            return;
        }
    };
    let blocking = |work: fn(&mut Watched, Option<Command>) -> Changes, command| {
        let watched = Arc::clone(&watched);
        tokio::task::spawn_blocking(move || {
            work(&mut watched.lock().unwrap_or_else(PoisonError::into_inner), command)
        })
    };
    loop {
        let changes = tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(command) => blocking(Watched::command, Some(command)).await,
                None => return,
            },
            () = hints.any.notified() => {
                tokio::time::sleep(SETTLE).await;
                blocking(Watched::changes, None).await
            }
        };
        let Ok(changes) = changes else { return };
        if client.tell(changes).await.is_err() {
            return;
        }
    }
}

impl Client {
    async fn tell(&self, changes: Changes) -> Result<(), ()> {
        if changes.lists {
            match self {
                Self::Connection(peer) => peer.notify_resource_list_changed().await.map_err(|_| ())?,
                Self::Subscription(sink) => sink.notify_resource_list_changed().await.map_err(|_| ())?,
            }
        }
        for uri in changes.updated {
            match self {
                Self::Connection(peer) => {
                    let update = ResourceUpdatedNotificationParam::new(uri);
                    peer.notify_resource_updated(update).await.map_err(|_| ())?;
                }
                Self::Subscription(sink) => sink.notify_resource_updated(uri).await.map_err(|_| ())?,
            }
        }
        Ok(())
    }
}

/// What the watcher's thread leaves behind.
#[derive(Default)]
struct Hints {
    any: Notify,
    /// Something came, went, or has another name.
    names: AtomicBool,
}

/// What a client is to be told.
#[derive(Default)]
struct Changes {
    lists: bool,
    updated: Vec<String>,
}

/// How a file looks from outside: device, inode, size and time of change. `None` where there is none.
type Looks = Option<(u64, u64, u64, i64, i64)>;

struct Watched {
    served: Arc<Served>,
    watcher: RecommendedWatcher,
    hints: Arc<Hints>,
    files: BTreeMap<String, (Looks, PathBuf)>,
    lists: bool,
}

impl Watched {
    fn new(served: Arc<Served>, hints: Arc<Hints>) -> notify::Result<Self> {
        let told = Arc::clone(&hints);
        let watcher = RecommendedWatcher::new(
            move |event: notify::Result<Event>| {
                let kind = event.map_or(EventKind::Any, |event| event.kind);
                if matches!(kind, EventKind::Access(_)) {
                    return;
                }
                let content = matches!(
                    kind,
                    EventKind::Modify(
                        notify::event::ModifyKind::Data(_) | notify::event::ModifyKind::Metadata(_)
                    )
                );
                if !content {
                    told.names.store(true, Ordering::Relaxed);
                }
                told.any.notify_one();
            },
            Config::default().with_follow_symlinks(false),
        )?;
        Ok(Self { served, watcher, hints, files: BTreeMap::new(), lists: false })
    }

    fn command(&mut self, command: Option<Command>) -> Changes {
        match command {
            Some(Command::Watch(uri)) => self.watch(uri),
            Some(Command::Forget(uri)) => {
                if let Some((_, directory)) = self.files.remove(&uri)
                    && !self.lists
                    && !self.files.values().any(|(_, other)| *other == directory)
                {
                    let _ = self.watcher.unwatch(&directory);
                }
            }
            Some(Command::Lists) if !self.lists => {
                self.lists = true;
                self.watch_folders();
            }
            Some(Command::Lists) | None => {}
        }
        Changes::default()
    }

    fn watch(&mut self, uri: String) {
        let directory = match resources::locate(&self.served.folders, &uri) {
            Ok(place) => {
                let place = place.canonical();
                let is_dir = place.metadata().is_ok_and(|metadata| metadata.is_dir());
                let path = place.absolute();
                if is_dir { path } else { path.parent().unwrap_or(&path).to_owned() }
            }
            Err(_) => return,
        };
        let known = self.files.values().any(|(_, other)| *other == directory);
        if !known && !self.lists {
            self.start(&directory);
        }
        let looks = self.looks(&uri);
        self.files.insert(uri, (looks, directory));
    }

    /// Watches all folders, with what is beneath them, as far as the system has watches for that.
    fn watch_folders(&mut self) {
        let served = Arc::clone(&self.served);
        let mut directories = 0;
        for folder in served.folders.iter() {
            self.start(&folder.name);
            let counted = walk(&folder.dir, None, &CancellationToken::new(), &mut |entry| {
                if entry.kind == Kind::Directory {
                    if directories >= DIRECTORIES_LIMIT {
                        return Ok(Next::Stop);
                    }
                    directories += 1;
                    self.start(
                        &folder.name.join(std::ffi::OsStr::from_bytes(entry.path.as_os_str().as_bytes())),
                    );
                }
                Ok(Next::Descend)
            });
            if directories >= DIRECTORIES_LIMIT || counted.is_err() {
                tracing::warn!(
                    limit = DIRECTORIES_LIMIT,
                    "some directories are not watched for changes of the list"
                );
            }
        }
    }

    fn start(&mut self, directory: &Path) {
        if let Err(error) = self.watcher.watch(directory, RecursiveMode::NonRecursive) {
            tracing::warn!(%error, "a directory can't be watched");
        }
    }

    fn changes(&mut self, _: Option<Command>) -> Changes {
        let names = self.hints.names.swap(false, Ordering::Relaxed);
        let now: Vec<(String, Looks)> = self.files.keys().map(|uri| (uri.clone(), self.looks(uri))).collect();
        let mut changes = Changes { lists: names && self.lists, updated: Vec::new() };
        for (uri, looks) in now {
            if let Some((before, _)) = self.files.get_mut(&uri)
                && *before != looks
            {
                *before = looks;
                changes.updated.push(uri);
            }
        }
        if changes.lists {
            // Directories that are new have no watch yet.
            self.watch_folders();
        }
        changes
    }

    fn looks(&self, uri: &str) -> Looks {
        let metadata =
            resources::locate(&self.served.folders, uri).and_then(|place| place.metadata()).ok()?;
        Some((metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
    }
}
