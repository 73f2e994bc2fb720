//! Writes the activity log to a file, a page at a time: whoever asked may change their mind, and nothing half is left then.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use super::Reply;
use super::perform::Undone;
use crate::activity::ActivityFilter;
use crate::store::{Store, off_worker};

/// A file that is removed again unless all of it was written.
struct Unfinished {
    path: PathBuf,
    finished: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // It was made here, and it is incomplete.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Exports what the filter lets through. Dropping the future removes what has been written.
pub(super) async fn export(store: &Store, path: PathBuf, filter: ActivityFilter) -> Result<Reply, Undone> {
    if !path.is_absolute() {
        return Err(format!("{} is not an absolute path", path.display()).into());
    }
    let shown = path.display().to_string();
    let failed = |error: std::io::Error| Undone::from(format!("{shown} cannot be written: {error}"));
    let mut file = private_file(&path).map_err(failed)?;
    let mut unfinished = Unfinished { path, finished: false };
    let (mut entries, mut after) = (0, 0);
    loop {
        let filter = filter.clone();
        let page = store.run(move |store| store.export_page(&filter, after)).await;
        let page = page.map_err(|error| failed(std::io::Error::other(error)))?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        entries += page.len() as u64;
        let lines: String = page.into_iter().map(|(_, line)| line).collect();
        file = off_worker(move || file.write_all(lines.as_bytes()).map(|()| file)).await.map_err(failed)?;
    }
    off_worker(move || file.sync_all()).await.map_err(failed)?;
    unfinished.finished = true;
    Ok(Reply::Verified { entries, broken: None })
}

/// The log says what the person's agents did, which is nobody else's business.
fn private_file(path: &std::path::Path) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}
