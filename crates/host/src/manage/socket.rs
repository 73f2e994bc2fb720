//! The socket of the running instance, by which other processes of the same user manage it.
//!
//! One request and one reply a connection, each a line of JSON. The socket lies in the desktop's folder, which only its
//! user may enter. On systems without Unix sockets there is none, and the desktop is managed in the app or while it is
//! not running.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{FailureCause, Reply, Request};

/// Why the running instance could not be asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The connection broke.
    #[error("the running desktop could not be asked")]
    Io(#[from] std::io::Error),
    /// The reply is not one.
    #[error(
        "the running desktop gave a reply that this version does not know; use the same version for both"
    )]
    Reply(#[from] serde_json::Error),
}

/// Returns where the socket lies.
fn path(desktop: &Path) -> PathBuf {
    desktop.join("control.sock")
}

#[cfg(unix)]
mod unix {
    use std::future::Future;
    use std::time::Duration;

    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{UnixListener, UnixStream};
    use tokio::task::JoinSet;

    use super::*;

    /// The largest request: a server's definition with generous notes.
    const MAX_REQUEST: u64 = 1 << 20;

    /// How many requests are carried out at once; more wait.
    const AT_ONCE: usize = 16;

    /// How long a process may take to send its request.
    const REQUEST_LIMIT: Duration = Duration::from_secs(5);

    /// Asks the instance that runs on this desktop's folder. `None` if none runs.
    ///
    /// # Errors
    ///
    /// See [`SocketError`].
    pub async fn ask_running(desktop: &Path, request: &Request) -> Result<Option<Reply>, SocketError> {
        let Ok(mut stream) = UnixStream::connect(path(desktop)).await else { return Ok(None) };
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut reply = String::new();
        BufReader::new(stream).read_line(&mut reply).await?;
        Ok(Some(serde_json::from_str(&reply)?))
    }

    /// Carries out requests until it is dropped. The lock on the desktop's folder is held, so that a socket that is there
    /// already was left behind.
    pub(crate) async fn serve<P, F>(desktop: &Path, perform: P) -> std::io::Result<()>
    where
        P: Fn(Request) -> F + Clone + Send + 'static,
        F: Future<Output = Reply> + Send,
    {
        let path = path(desktop);
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        let mut asking = JoinSet::new();
        loop {
            while asking.len() >= AT_ONCE {
                asking.join_next().await;
            }
            let (stream, _) = listener.accept().await?;
            let perform = perform.clone();
            asking.spawn(async move {
                if let Err(error) = answer(stream, perform).await {
                    tracing::debug!(%error, "a management request was not answered");
                }
            });
            while asking.try_join_next().is_some() {}
        }
    }

    async fn answer<P, F>(stream: UnixStream, perform: P) -> std::io::Result<()>
    where
        P: Fn(Request) -> F,
        F: Future<Output = Reply>,
    {
        let (reader, mut writer) = stream.into_split();
        let mut line = String::new();
        let mut reader = BufReader::new(reader.take(MAX_REQUEST));
        tokio::time::timeout(REQUEST_LIMIT, reader.read_line(&mut line)).await??;
        let reply = match serde_json::from_str(&line) {
            // Whoever has gone does not wait for a reply: what was begun is given up.
            Ok(request) => tokio::select! {
                reply = perform(request) => reply,
                () = gone(&mut reader) => return Ok(()),
            },
            Err(error) => Reply::Failed {
                message: format!("the request is not understood: {error}"),
                cause: FailureCause::Other,
            },
        };
        let mut reply = serde_json::to_vec(&reply)?;
        reply.push(b'\n');
        writer.write_all(&reply).await
    }

    /// Waits until the other side has closed the connection; what else it says is not read.
    async fn gone(reader: &mut BufReader<tokio::io::Take<tokio::net::unix::OwnedReadHalf>>) {
        let mut beyond = [0; 64];
        while reader.read(&mut beyond).await.is_ok_and(|read| read > 0) {}
    }
}

#[cfg(unix)]
pub use unix::ask_running;
#[cfg(unix)]
pub(crate) use unix::serve;

#[cfg(not(unix))]
mod elsewhere {
    use super::*;

    /// Asks the instance that runs on this desktop's folder; there is no way to on this system.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn ask_running(desktop: &Path, _: &Request) -> Result<Option<Reply>, SocketError> {
        let _ = path(desktop);
        Ok(None)
    }

    pub(crate) async fn serve<P>(_: &Path, _: P) -> std::io::Result<()> {
        std::future::pending().await
    }
}

#[cfg(not(unix))]
pub use elsewhere::ask_running;
#[cfg(not(unix))]
pub(crate) use elsewhere::serve;
