//! The file server over standard input and output, for any client that starts servers as child processes.

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

/// Serves one client over standard input and output, until its end of standard input. Nothing but messages of the
/// protocol is written to standard output.
///
/// # Errors
///
/// When the session can't begin, or the server fails.
pub async fn serve_stdio(server: FileServer) -> Result<(), ServeError> {
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
