//! `gatelodge files`: the built-in file server on its own, for any MCP client on this machine.

use std::path::PathBuf;

use gatelodge_files::{Access, FileServer, Folder, serve};

use crate::failure::{Exit, Failure};
use crate::stdio;

/// Serve folders over standard input and output, as an ordinary local MCP server
#[derive(Debug, clap::Args)]
pub(crate) struct Files {
    /// The folders
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,

    /// Serve them for reading only; otherwise files can be changed
    #[arg(long)]
    read_only: bool,
}

/// Serves until standard input is closed.
pub(crate) async fn run(options: Files) -> Result<(), Failure> {
    let access = if options.read_only { Access::ReadOnly } else { Access::ReadWrite };
    let folders = options.folders.into_iter().map(|path| Folder { path, access });
    let server = FileServer::open(folders).map_err(|error| Failure::of(Exit::Other, &error))?;
    serve(server, stdio::reader(), stdio::writer()).await.map_err(|error| Failure::of(Exit::Other, &error))
}
