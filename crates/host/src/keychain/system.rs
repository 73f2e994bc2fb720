//! The system's keychain behind a thread of its own.
//!
//! A locked keychain holds a call until the person has answered its prompt, so each call has a time limit and waits
//! where nothing else does. Calls are carried out one after the other, in the order in which they were made: a late
//! one can never undo a newer one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sha2::{Digest, Sha256};

#[cfg(any(windows, target_os = "macos"))]
use super::native::{connect, look};
#[cfg(all(unix, not(target_os = "macos")))]
use super::secret_service::{connect, look};
use super::{Keychain, KeychainError, SecretBytes, check_size};
use crate::home::Home;

/// Long enough to type a password into the keychain's prompt.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Calls that wait for the one before them. More than this many agents at once are not served faster by waiting.
const WAITING: usize = 32;

/// Which entries of the keychain are this installation's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeychainScope(String);

impl KeychainScope {
    /// The entries of an installation. One that is kept in a folder of its own (`GATELODGE_HOME`) has entries of its own,
    /// the same ones however that folder's path is written.
    pub fn of(home: &Home) -> Self {
        let standard = "gatelodge".to_owned();
        let Some(name) = home.name() else { return Self(standard) };
        let path = Path::new(name).canonicalize().unwrap_or_else(|_| PathBuf::from(name));
        let digest: [u8; 32] = Sha256::digest(path.as_os_str().as_encoded_bytes()).into();
        // 64 bits tell the few homes of one person apart.
        Self(digest[..8].iter().fold(standard + "-", |text, byte| format!("{text}{byte:02x}")))
    }

    /// Returns the service name under which the entries are kept.
    pub fn service(&self) -> &str {
        &self.0
    }
}

/// A keychain as the platform has it, used from one thread.
pub(super) trait Backend {
    fn get(&mut self, name: &str) -> Result<Option<SecretBytes>, Failure>;
    /// Asks `wanted` once whatever may take long (the keychain's prompt) is over.
    fn set(&mut self, name: &str, value: &SecretBytes, wanted: &dyn Fn() -> bool) -> Result<(), Failure>;
    fn delete(&mut self, name: &str, wanted: &dyn Fn() -> bool) -> Result<bool, Failure>;
}

/// Why a backend's call failed.
pub(super) enum Failure {
    /// As the caller shall see it.
    Keychain(KeychainError),
    /// The connection to the keychain is of no use any more; a new one may be.
    Lost(KeychainError),
}

impl From<KeychainError> for Failure {
    fn from(error: KeychainError) -> Self {
        Self::Keychain(error)
    }
}

type Connect = Box<dyn Fn() -> Result<Box<dyn Backend>, KeychainError> + Send>;

/// The operating system's keychain: the Secret Service on Linux, the login keychain on macOS, the credential manager
/// on Windows. One that appears, is restarted or unlocked later is found by the next call.
pub struct SystemKeychain {
    connect: std::sync::Mutex<Option<Connect>>,
    calls: OnceLock<SyncSender<Call>>,
    stuck: Arc<AtomicBool>,
    time_limit: Duration,
}

struct Call {
    operation: Operation,
    name: String,
    /// Nobody waits for the answer any more.
    abandoned: Arc<AtomicBool>,
    answer: SyncSender<Result<Answer, KeychainError>>,
}

enum Operation {
    Get,
    Set(SecretBytes),
    Delete,
}

enum Answer {
    Value(Option<SecretBytes>),
    Done,
    Deleted(bool),
}

impl SystemKeychain {
    /// Makes a handle; the keychain is looked for when it is first needed.
    pub fn new(scope: &KeychainScope) -> Self {
        let service = scope.service().to_owned();
        Self::over(Box::new(move || connect(&service)))
    }

    /// Sets how long a call may take. Defaults to 30 s.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    pub(super) fn over(connect: Connect) -> Self {
        Self {
            connect: std::sync::Mutex::new(Some(connect)),
            calls: OnceLock::new(),
            stuck: Arc::default(),
            time_limit: TIME_LIMIT,
        }
    }

    fn calls(&self) -> &SyncSender<Call> {
        self.calls.get_or_init(|| {
            let (sender, receiver) = sync_channel(WAITING);
            let connect = self.connect.lock().ok().and_then(|mut connect| connect.take());
            let stuck = self.stuck.clone();
            if let Some(connect) = connect {
                let thread = std::thread::Builder::new().name("keychain".to_owned());
                if let Err(error) = thread.spawn(move || serve(&receiver, &connect, &stuck)) {
                    // The receiver is gone with the closure, so that every call says so.
                    tracing::error!(%error, "the keychain's thread can't be started");
                }
            }
            sender
        })
    }

    fn call(&self, operation: Operation, name: &str) -> Result<Answer, KeychainError> {
        // A call that is over its time still holds the thread; who waited for it too would only be late as well.
        if self.stuck.load(Ordering::Acquire) {
            return Err(KeychainError::TimedOut(self.time_limit));
        }
        let (answer, answered) = sync_channel(1);
        let abandoned = Arc::new(AtomicBool::new(false));
        let call = Call { operation, name: name.to_owned(), abandoned: abandoned.clone(), answer };
        self.calls().try_send(call).map_err(|error| match error {
            TrySendError::Full(_) => KeychainError::TimedOut(self.time_limit),
            TrySendError::Disconnected(_) => KeychainError::Other("its thread has ended".to_owned()),
        })?;
        match answered.recv_timeout(self.time_limit) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => {
                abandoned.store(true, Ordering::Release);
                self.stuck.store(true, Ordering::Release);
                // Between the two lines above the thread may have finished: then it is not stuck.
                if let Ok(result) = answered.try_recv() {
                    self.stuck.store(false, Ordering::Release);
                    return result;
                }
                Err(KeychainError::TimedOut(self.time_limit))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(KeychainError::Other("its thread has ended".to_owned()))
            }
        }
    }
}

impl Keychain for SystemKeychain {
    fn get(&self, name: &str) -> Result<Option<SecretBytes>, KeychainError> {
        match self.call(Operation::Get, name)? {
            Answer::Value(value) => Ok(value),
            Answer::Done | Answer::Deleted(_) => unreachable!("a get is answered with a value"),
        }
    }

    fn set(&self, name: &str, value: &SecretBytes) -> Result<(), KeychainError> {
        check_size(value)?;
        self.call(Operation::Set(value.clone()), name).map(|_| ())
    }

    fn delete(&self, name: &str) -> Result<bool, KeychainError> {
        match self.call(Operation::Delete, name)? {
            Answer::Deleted(was_there) => Ok(was_there),
            Answer::Done | Answer::Value(_) => unreachable!("a delete is answered with what was there"),
        }
    }

    /// Beside the thread of the calls, which may be waiting for the person.
    fn look(&self) -> Option<Result<(), KeychainError>> {
        look()
    }
}

/// Carries out calls until every handle is gone.
fn serve(calls: &Receiver<Call>, connect: &Connect, stuck: &AtomicBool) {
    let mut backend = None;
    while let Ok(call) = calls.recv() {
        let wanted = || !call.abandoned.load(Ordering::Acquire);
        if !wanted() {
            // Its time was up before its turn came; whoever gave up on it has set `stuck`.
            stuck.store(false, Ordering::Release);
            continue;
        }
        let result = match attempt(&mut backend, connect, &call, &wanted) {
            // Every call can be repeated: the connection may be older than the keychain.
            Err(Failure::Lost(_)) if wanted() => attempt(&mut backend, connect, &call, &wanted),
            result => result,
        };
        let result = result.map_err(|failure| match failure {
            Failure::Keychain(error) | Failure::Lost(error) => error,
        });
        // Sent before the flag is read: either the caller finds the answer, or this clears what the caller set.
        let _ = call.answer.send(result);
        if !wanted() {
            stuck.store(false, Ordering::Release);
        }
    }
}

fn attempt(
    slot: &mut Option<Box<dyn Backend>>,
    connect: &Connect,
    call: &Call,
    wanted: &dyn Fn() -> bool,
) -> Result<Answer, Failure> {
    let backend = match slot {
        Some(backend) => backend,
        None => slot.insert(connect()?),
    };
    let result = match &call.operation {
        Operation::Get => backend.get(&call.name).map(Answer::Value),
        Operation::Set(value) => backend.set(&call.name, value, wanted).map(|()| Answer::Done),
        Operation::Delete => backend.delete(&call.name, wanted).map(Answer::Deleted),
    };
    if matches!(result, Err(Failure::Lost(_))) {
        *slot = None;
    }
    result
}

impl std::fmt::Debug for SystemKeychain {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SystemKeychain").field("time_limit", &self.time_limit).finish_non_exhaustive()
    }
}
