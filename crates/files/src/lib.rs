//! The built-in file server: folders lent as capabilities, spoken to over the Model Context Protocol.
mod browse;
mod definitions;
mod edit;
mod failure;
mod folder;
mod grep;
mod lines;
mod listing;
mod order;
mod pattern;
mod place;
mod read;
mod resources;
mod server;
mod stdio;
mod tools;
mod uri;
mod watch;
mod write;

pub use folder::{Access, Folder, OpenFolderError};
pub use lines::{MESSAGE_LIMIT, lines};
pub use server::FileServer;
pub use stdio::{ServeError, serve_stdio};
