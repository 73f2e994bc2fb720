//! The file server over byte streams, for any client that starts servers as child processes.

use rmcp::ServiceExt as _;
use rmcp::service::{QuitReason, ServerInitializeError};
use tokio::io::{AsyncRead, AsyncWrite};

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

/// Makes this process give memory back in small pieces. To be called at the beginning of a program that is to be small:
/// with huge pages, which some systems give to all, an allocator's first block is 2 MiB resident.
pub fn keep_memory_small() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay on");
    }
}

/// Serves one client over its end of a pair of byte streams, such as standard input and output, until the end of what is
/// to be read. Nothing but messages of the protocol is written.
///
/// # Errors
///
/// When the session can't begin, or the server fails.
pub async fn serve<R, W>(server: FileServer, reader: R, writer: W) -> Result<(), ServeError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let running = match server.serve(lines(reader, writer)).await {
        Ok(running) => running,
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(ServeError::Begin(Box::new(error))),
    };
    match running.waiting().await {
        Ok(QuitReason::JoinError(error)) | Err(error) => Err(ServeError::Task(error)),
        Ok(_) => Ok(()),
    }
}
