//! Waiting for what the desktop does by itself, and for futures from tests that are none.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

/// No single step takes this long unless something hangs: the slowest, a start of the app on a busy machine, takes a fifth.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// How often a condition is looked at that nothing tells of.
const INTERVAL: Duration = Duration::from_millis(20);

/// Carries what the tests talk to by futures: the message bus and the WebDriver.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// Waits for a future.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// Lets a future run beside the test.
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    RUNTIME.spawn(future);
}

/// Waits until there is something, and returns it.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(LIMIT, what, look)
}

/// Waits until there is something, for so long at most.
#[track_caller]
pub(crate) fn within<T>(limit: Duration, what: &str, look: impl FnMut() -> Option<T>) -> T {
    sought(limit, look).unwrap_or_else(|| panic!("{what}: not within {limit:?}"))
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    eventually(what, || is_so().then_some(()));
}

/// Watches for a while that something stays so.
#[track_caller]
pub(crate) fn stays(what: &str, during: Duration, mut is_so: impl FnMut() -> bool) {
    assert!(sought(during, || (!is_so()).then_some(())).is_none(), "{what}: not any more");
}

/// Looks until there is something, for so long at most.
pub(crate) fn sought<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(INTERVAL);
    }
}
