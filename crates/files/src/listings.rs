//! Large directories that a client listed a moment ago, for when it asks for the next page or looks again.
//! [`crate::browse`] asks.
//!
//! A directory's change time moves with every entry that comes, goes or becomes something else, and with its permissions, on
//! the file systems of this machine's own disks and memory; elsewhere nothing is kept. So what is kept is told only while
//! the time is the same.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::Dir;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::listing::Listing;

/// Smaller directories are read in less time than matters.
const LEAST_ENTRIES: usize = 1000;

/// How many directories are kept: those of a client that goes to and fro.
const MOST_KEPT: usize = 4;

/// How much memory they take together: some 60,000 entries. A desktop has as many of these as it has clients.
const MOST_BYTES: usize = 4 << 20;

/// How long one is kept that nobody asks for.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// For how long a directory must not have changed when it is read. File systems' clocks tick: two changes within a tick
/// have the same time. Two seconds are the coarsest tick there is.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// The file systems whose change times can be relied upon, by their numbers in statfs(2): ext2 to ext4, XFS, Btrfs, F2FS, tmpfs.
#[cfg(target_os = "linux")]
const RELIABLE: [u64; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994];

/// What is kept for one client.
#[derive(Debug, Default)]
pub(crate) struct Listings(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    kept: VecDeque<Kept>,
    /// Forgets what nobody asks for, as long as there is something.
    forgetting: Option<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Kept {
    state: State,
    listing: Arc<Listing>,
    used: Instant,
}

/// Which directory it is, and since when it is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Listings {
    /// Reads a directory, or returns what was read before if that is still the same.
    pub(crate) fn read(self: &Arc<Self>, dir: &Dir) -> io::Result<Arc<Listing>> {
        let Some(before) = state(dir) else { return Listing::read(dir).map(Arc::new) };
        if let Some(listing) = self.known(&before) {
            return Ok(listing);
        }
        let listing = Arc::new(Listing::read(dir)?);
        if listing.len() >= LEAST_ENTRIES && is_settled(&before) && state(dir) == Some(before) {
            self.keep(before, &listing);
        }
        Ok(listing)
    }

    fn known(&self, state: &State) -> Option<Arc<Listing>> {
        let mut inner = self.lock();
        let known = inner.kept.iter_mut().find(|kept| kept.state == *state)?;
        known.used = Instant::now();
        Some(Arc::clone(&known.listing))
    }

    fn keep(self: &Arc<Self>, state: State, listing: &Arc<Listing>) {
        let mut inner = self.lock();
        let kept = &mut inner.kept;
        kept.retain(|kept| (kept.state.device, kept.state.inode) != (state.device, state.inode));
        kept.push_back(Kept { state, listing: Arc::clone(listing), used: Instant::now() });
        while kept.len() > MOST_KEPT
            || kept.iter().map(|kept| kept.listing.bytes()).sum::<usize>() > MOST_BYTES
        {
            kept.pop_front();
        }
        if inner.forgetting.is_none()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let task = runtime.spawn(forget_unused(Arc::downgrade(self)));
            inner.forgetting = Some(AbortOnDropHandle::new(task));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what nobody has asked for, until nothing is left.
async fn forget_unused(listings: Weak<Listings>) {
    loop {
        tokio::time::sleep(FORGOTTEN_AFTER).await;
        let Some(listings) = listings.upgrade() else { return };
        let mut inner = listings.lock();
        inner.kept.retain(|kept| kept.used.elapsed() < FORGOTTEN_AFTER);
        if inner.kept.is_empty() {
            // What is kept from now on finds no task and begins another one.
            inner.forgetting = None;
            return;
        }
    }
}

/// Returns the state of a directory, where it says anything.
#[cfg(target_os = "linux")]
fn state(dir: &Dir) -> Option<State> {
    let system = rustix::fs::fstatfs(dir).ok()?;
    if !RELIABLE.contains(&u64::try_from(system.f_type).ok()?) {
        return None;
    }
    let stat = rustix::fs::fstat(dir).ok()?;
    let changed = (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).ok()?);
    Some(State { device: stat.st_dev, inode: stat.st_ino, changed })
}

/// Returns nothing: which file systems can be relied upon is known for Linux only.
#[cfg(not(target_os = "linux"))]
fn state(_dir: &Dir) -> Option<State> {
    None
}

fn is_settled(state: &State) -> bool {
    let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(state.changed.0), u32::try_from(state.changed.1))
    else {
        return false;
    };
    let changed = UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    SystemTime::now().duration_since(changed).is_ok_and(|since| since >= SETTLED_AFTER)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use cap_std::ambient_authority;

    use super::*;

    fn large() -> (tempfile::TempDir, Dir) {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..LEAST_ENTRIES {
            std::fs::write(folder.path().join(format!("{number}")), "").unwrap();
        }
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        (folder, dir)
    }

    /// Reads until it is kept, and returns that; every reading has so many entries.
    fn settled(listings: &Arc<Listings>, dir: &Dir, entries: usize) -> Arc<Listing> {
        let mut last = listings.read(dir).unwrap();
        loop {
            let now = listings.read(dir).unwrap();
            assert_eq!(now.len(), entries);
            if Arc::ptr_eq(&last, &now) {
                return now;
            }
            last = now;
        }
    }

    #[test]
    fn what_is_kept_is_never_what_was() {
        let (folder, dir) = large();
        let listings = Arc::new(Listings::default());
        let mut expected = LEAST_ENTRIES;
        let (started, mut round) = (Instant::now(), 0);
        while started.elapsed() < SETTLED_AFTER / 2 {
            assert_eq!(listings.read(&dir).unwrap().len(), expected);
            round += 1;
            if round % 7 == 0 {
                std::fs::write(folder.path().join(format!("new-{round}")), "").unwrap();
                expected += 1;
            }
        }
        settled(&listings, &dir, expected);
        std::fs::remove_file(folder.path().join("0")).unwrap();
        assert_eq!(listings.read(&dir).unwrap().len(), expected - 1);

        settled(&listings, &dir, expected - 1);
        std::fs::rename(folder.path().join("1"), folder.path().join("renamed")).unwrap();
        let now = listings.read(&dir).unwrap();
        let names: Vec<&[u8]> = now.iter().map(|(name, _)| name).collect();
        assert!(names.contains(&b"renamed".as_slice()) && !names.contains(&b"1".as_slice()));

        // Permissions count as a change as well: a directory that may not be read any more is not told from memory.
        let kept = settled(&listings, &dir, expected - 1);
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        assert!(!Arc::ptr_eq(&kept, &listings.read(&dir).unwrap()));
    }

    #[test]
    fn what_has_just_changed_is_not_kept() {
        let (_folder, dir) = large();
        let listings = Arc::new(Listings::default());
        let first = listings.read(&dir).unwrap();
        assert!(!Arc::ptr_eq(&first, &listings.read(&dir).unwrap()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_asks_for_is_forgotten() {
        let (_folder, dir) = large();
        let listings = Arc::new(Listings::default());
        let state = state(&dir).unwrap();
        listings.keep(state, &Arc::new(Listing::read(&dir).unwrap()));
        tokio::time::sleep(FORGOTTEN_AFTER / 2).await;
        assert!(listings.known(&state).is_some());
        tokio::time::sleep(FORGOTTEN_AFTER * 3).await;
        assert!(listings.known(&state).is_none());
    }
}
