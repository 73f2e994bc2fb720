//! The built-in file server: folders lent as capabilities, spoken to over the Model Context Protocol.
//!
//! ```no_run
//! use gatelodge_files::{Access, FileServer, Folder, serve};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let notes = Folder { path: "/home/ada/notes".into(), access: Access::ReadOnly };
//! serve(FileServer::open([notes])?, tokio::io::stdin(), tokio::io::stdout()).await?;
//! # Ok(()) }
//! ```
//!
//! In a process, [`lines`] makes an rmcp transport of any pair of byte streams:
//!
//! ```no_run
//! use gatelodge_files::{FileServer, lines};
//! use rmcp::ServiceExt;
//!
//! # async fn serve(server: FileServer) -> Result<(), Box<dyn std::error::Error>> {
//! let (client, far) = tokio::io::duplex(64 << 10);
//! let (reader, writer) = tokio::io::split(far);
//! let running = server.clone().serve(lines(reader, writer)).await?;
//! # drop(client); running.waiting().await?; Ok(()) }
//! ```
//!
//! # What can be reached
//!
//! A folder is opened once, and every path is resolved beneath that handle by the kernel (`openat2` with
//! `RESOLVE_BENEATH`, or component by component where the system has none), so what a path, a symbolic link or a race
//! says never leads out.
//!
//! - Symbolic links are followed in and between shared folders, absolute ones too, with the access of the folder that
//!   they lead to. One that leads elsewhere is refused. Walks follow none.
//! - A hard link is a file of the folder like any other: it can be read. Writing gives the name a new file, so what
//!   else is linked to the old one does not change.
//! - FIFOs, sockets and devices are neither read nor written, and nothing waits for them.
//! - A folder whose name leads to another inode than the one that was opened (moved, replaced) is refused until the name
//!   leads back: it is neither served silently from the old handle nor from the new place.
//! - Names are compared byte by byte, but where there is none a name of the same text in another Unicode form is taken, if
//!   there is just one. Names that are not UTF-8 are shown with replacement characters, and are reached by their
//!   `file://` URI, which tools take as a path too.
//! - A read-only folder can't lie in a read-write one; [`FileServer::open`] says so.
//!
//! What this does not keep out is somebody with the user's own rights who moves a directory out of the folder while it is
//! in use.
//!
//! # Tools
//!
//! The fourteen tools of the reference `server-filesystem` (2026.8.31) with its names, schemas, annotations and texts, and
//! `read_file_range`, `list_directory_page` and `search_content`. With read-only folders alone those that write are not
//! there. What differs on purpose:
//!
//! - The roots of a client change nothing.
//! - A symbolic link that leaves is refused with a sentence that does not say where it leads.
//! - Errors say what is to be done, and do not repeat the system's call.
//! - Answers have limits (16 MiB of a file or a list, 200 levels of directories), which the error names.
//! - `write_file` and `edit_file` put the whole file in place at once, and refuse a file that is marked as not
//!   writable. `edit_file` keeps line ends of CR LF, and refuses what is not UTF-8 where the reference would replace it.
//! - `move_file` moves a symbolic link itself, and can't race with another file for its destination.
//! - `directory_tree` shows a directory that can't be read as empty, where the reference fails as a whole.
//! - `get_file_info` tells times in UTC.
//! - `list_allowed_directories` names each folder once, without its symbolic links.
//! - Patterns have no extended globs (`+(a|b)`) and no number ranges (`{1..3}`).
//!
//! # Resources
//!
//! Each file is a `file://` resource; `resources/list` has pages. Subscriptions tell of changes of a file, and of files
//! that come and go (in up to 4,096 directories): `resources/subscribe` up to the revision 2025-11-25, in which also who
//! has listed the resources is told when the list changes, and `subscriptions/listen` from 2026-07-28 on.

mod browse;
mod definitions;
mod edit;
mod failure;
mod folder;
mod grep;
mod lines;
mod listing;
mod listings;
mod order;
mod pattern;
mod place;
mod preview;
mod read;
mod resources;
mod serve;
mod server;
mod tools;
mod uri;
mod watch;
mod work;
mod write;

pub use folder::{Access, Folder, OpenFolderError};
pub use lines::encoding::encode;
pub use lines::{MESSAGE_LIMIT, lines};
pub use serve::{ServeError, keep_memory_small, serve};
pub use server::FileServer;
