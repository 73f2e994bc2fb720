//! Symbolic links that are swapped while they are used.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gatelodge_files::Access;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value, json};

use crate::client::{Client, Home, names};

/// Long enough for hundreds of thousands of swaps, on a busy machine too.
const WHOLE: Duration = Duration::from_secs(60);

/// For a look in between, with `GATELODGE_SHORT_RACES` set: still tens of thousands.
const SHORT: Duration = Duration::from_secs(5);

fn duration() -> Duration {
    if std::env::var_os("GATELODGE_SHORT_RACES").is_some() { SHORT } else { WHOLE }
}

/// Swaps two names until it is told to stop.
fn swap(
    first: PathBuf,
    second: PathBuf,
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            renameat_with(CWD, &first, CWD, &second, RenameFlags::EXCHANGE).unwrap();
            swaps.fetch_add(1, Ordering::Relaxed);
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_swapped_in_leads_nowhere() {
    let home = Home::new();
    // A directory and a file that are exchanged with links to what is outside, without a moment in which they are missing.
    std::fs::create_dir(home.path("notes/place")).unwrap();
    home.write("notes/place/c.txt", "inside\n");
    home.link("../notes-secret", "notes/place-link");
    home.write("notes/file", "inside\n");
    home.link(home.path("outside.txt"), "notes/file-link");
    let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let swappers = [
        swap(home.path("notes/place"), home.path("notes/place-link"), Arc::clone(&stop), Arc::clone(&swaps)),
        swap(home.path("notes/file"), home.path("notes/file-link"), Arc::clone(&stop), Arc::clone(&swaps)),
    ];
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    let edits = json!([{ "oldText": "SECRET", "newText": "ESCAPED" }]);
    let uses: Vec<(&str, Value)> = vec![
        ("read_text_file", json!({ "path": "place/c.txt" })),
        ("read_text_file", json!({ "path": "file" })),
        ("read_text_file", json!({ "path": "file", "tail": 3 })),
        ("read_file_range", json!({ "path": "place/c.txt" })),
        ("read_media_file", json!({ "path": "file" })),
        ("list_directory", json!({ "path": "place" })),
        ("list_directory_with_sizes", json!({ "path": "place" })),
        ("directory_tree", json!({ "path": "." })),
        ("search_files", json!({ "path": ".", "pattern": "**/*.txt" })),
        ("search_content", json!({ "path": ".", "pattern": "SECRET" })),
        ("search_content", json!({ "path": "place", "pattern": "SECRET" })),
        ("get_file_info", json!({ "path": "file" })),
        ("edit_file", json!({ "path": "place/c.txt", "edits": edits })),
        ("edit_file", json!({ "path": "file", "edits": edits })),
        ("write_file", json!({ "path": "place/c.txt", "content": "inside\n" })),
        ("write_file", json!({ "path": "place/new.txt", "content": "inside\n" })),
        ("create_directory", json!({ "path": "place/new-directory" })),
        ("move_file", json!({ "source": "place/new.txt", "destination": "place/moved.txt" })),
        ("move_file", json!({ "source": "place/moved.txt", "destination": "moved.txt" })),
        ("move_file", json!({ "source": "moved.txt", "destination": "place/new.txt" })),
    ];
    // Base64 of what begins with SECRET.
    let hidden = ["SECRET", "U0VDUkVU", "outside.txt", "notes-secret"];
    let (mut rounds, mut succeeded, mut refused) = (0_u64, 0_u64, 0_u64);
    let end = Instant::now() + duration();
    while Instant::now() < end {
        rounds += 1;
        for (tool, arguments) in &uses {
            let result = client.call(tool, arguments.clone()).await;
            if result["isError"] == true {
                refused += 1
            } else {
                succeeded += 1
            }
            // A search repeats no pattern, so whatever shows up comes from a file.
            let text = result.to_string();
            let edits = *tool == "edit_file" && result["isError"] == true;
            for word in hidden {
                assert!(edits || !text.contains(word), "{tool} {arguments}: {text}");
            }
        }
        // Renaming over a name may have replaced the link by a file; then the next round has another one.
        if !home.path("notes/file").is_symlink() && !home.path("notes/file-link").is_symlink() {
            let fresh = home.path("notes/fresh-link");
            let _ = std::fs::remove_file(&fresh);
            home.link(home.path("outside.txt"), "notes/fresh-link");
            std::fs::rename(fresh, home.path("notes/file-link")).unwrap();
        }
        assert_eq!(names(&home.path("notes-secret")), ["c.txt"], "something was written outside");
    }
    stop.store(true, Ordering::Relaxed);
    for swapper in swappers {
        swapper.join().unwrap();
    }
    assert_eq!(home.read("outside.txt"), "SECRET outside\n");
    assert_eq!(home.read("notes-secret/c.txt"), "SECRET sibling\n");
    assert_eq!(names(&home.path("")), ["notes", "notes-secret", "outside.txt"]);
    // Both outcomes have to be there, or nothing was raced.
    let swaps = swaps.load(Ordering::Relaxed);
    assert!(succeeded > rounds && refused > 0 && swaps > 1000, "{rounds} {succeeded} {refused} {swaps}");
}
