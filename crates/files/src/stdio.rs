//! The file server over standard input and output, for any client that starts servers as child processes.

use std::os::fd::AsFd as _;

use rmcp::ServiceExt as _;
use rmcp::service::{QuitReason, ServerInitializeError};

use crate::{FileServer, lines};

/// Why serving ended other than by the client's leaving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The client's first message was none that a session begins with.
    #[error("the session could not begin")]
    Begin(#[source] Box<ServerInitializeError>),
    /// The server's task panicked.
    #[error("the server failed")]
    Task(#[source] tokio::task::JoinError),
}

/// What pipes hold from now on, so that a large message takes a few switches between processes and not hundreds. An
/// unprivileged process may ask for as much.
const PIPE: usize = 1 << 20;

/// Makes this process give memory back in small pieces. To be called at the beginning of a program that is to be small:
/// with huge pages, which some systems give to all, an allocator's first block is 2 MiB resident.
pub fn keep_memory_small() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay on");
    }
}

/// Serves one client over standard input and output, until its end of standard input. Nothing but messages of the
/// protocol is written to standard output.
///
/// # Errors
///
/// When the session can't begin, or the server fails.
pub async fn serve_stdio(server: FileServer) -> Result<(), ServeError> {
    #[cfg(target_os = "linux")]
    for pipe in [&std::io::stdin().as_fd(), &std::io::stdout().as_fd()] {
        // It may be a terminal or a socket.
        let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
    }
    let transport = lines(tokio::io::stdin(), tokio::io::stdout());
    let running = match server.serve(transport).await {
        Ok(running) => running,
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(ServeError::Begin(Box::new(error))),
    };
    match running.waiting().await {
        Ok(QuitReason::JoinError(error)) | Err(error) => Err(ServeError::Task(error)),
        Ok(_) => Ok(()),
    }
}
