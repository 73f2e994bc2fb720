//! An upstream inside this process: the built-in servers, without a pipe.
//!
//! [`InProcessTransport`] is the server's half, a transport of rmcp; [`super::Upstream`] is the other one. What passes
//! is the same as with a child: whole messages as bytes, a bounded number of them.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use gatelodge_wire::{Envelope, peek, too_large_error};
use rmcp::RoleServer;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::UpstreamError;
use super::end::{EndCause, EndReason, EndState};

/// How many messages may wait in each direction. Enough for calls in flight not to wait for each other's wake-ups.
const MESSAGES: usize = 64;

/// How many bytes may wait in each direction. A larger message waits alone.
const WAITING: u32 = 4 * 1024 * 1024;

/// JSON-RPC 2.0, section 5.1: the message is not a valid request.
const INVALID_REQUEST: i32 = -32600;

/// One direction: bounded by number and by bytes.
#[derive(Debug, Clone)]
struct Inlet {
    queue: mpsc::Sender<(Bytes, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct Outlet(mpsc::Receiver<(Bytes, OwnedSemaphorePermit)>);

fn pipe() -> (Inlet, Outlet) {
    let (queue, outlet) = mpsc::channel(MESSAGES);
    (Inlet { queue, room: Arc::new(Semaphore::new(WAITING as usize)) }, Outlet(outlet))
}

impl Inlet {
    /// Puts a message in; `None` if the other end is gone.
    async fn put(&self, message: Bytes) -> Option<()> {
        let weight = u32::try_from(message.len()).unwrap_or(WAITING).min(WAITING);
        let room = Arc::clone(&self.room);
        // The other end's going away empties the queue, and with it gives room.
        let permit = room.acquire_many_owned(weight).await.ok()?;
        self.queue.send((message, permit)).await.ok()
    }
}

impl Outlet {
    async fn take(&mut self) -> Option<Bytes> {
        self.0.recv().await.map(|(message, _)| message)
    }
}

/// The sending half towards a built-in server.
#[derive(Debug, Clone)]
pub(crate) struct InProcessSender {
    inlet: Inlet,
    pub(crate) state: Arc<EndState>,
    limit: usize,
}

/// The receiving half of a built-in server.
#[derive(Debug)]
pub(crate) struct InProcessReceiver {
    outlet: Outlet,
    pub(crate) state: Arc<EndState>,
}

/// The server's half of an upstream inside this process: `server.serve(transport)`.
///
/// It ends when the upstream does, and the upstream ends when it is dropped.
#[derive(Debug)]
pub struct InProcessTransport {
    inlet: Inlet,
    outlet: Outlet,
    state: Arc<EndState>,
    limit: usize,
    /// Tells the other side when the server is gone.
    _served: Served,
}

/// Dropped with the server's half.
#[derive(Debug)]
struct Served(Arc<EndState>);

impl Drop for Served {
    fn drop(&mut self) {
        let cause = self.0.cause().cloned().unwrap_or(EndCause::Finished);
        self.0.finish(EndReason { cause, last_words: Vec::new() });
    }
}

/// Makes the two sides. `limit` is for one message in either direction, in bytes.
pub(crate) fn in_process(limit: usize) -> (InProcessSender, InProcessReceiver, InProcessTransport) {
    let state = Arc::new(EndState::default());
    let ((to_server, from_agent), (to_agent, from_server)) = (pipe(), pipe());
    let sender = InProcessSender { inlet: to_server, state: Arc::clone(&state), limit };
    let receiver = InProcessReceiver { outlet: from_server, state: Arc::clone(&state) };
    let served = Served(Arc::clone(&state));
    let transport = InProcessTransport { inlet: to_agent, outlet: from_agent, state, limit, _served: served };
    (sender, receiver, transport)
}

impl InProcessSender {
    pub(crate) async fn send(&self, message: Bytes) -> Result<(), UpstreamError> {
        if message.len() > self.limit {
            return Err(UpstreamError::TooLarge { len: message.len(), limit: self.limit });
        }
        tokio::select! {
            biased;
            () = self.state.asked() => Err(UpstreamError::Ended),
            put = self.inlet.put(message) => put.ok_or(UpstreamError::Ended),
        }
    }
}

impl InProcessReceiver {
    pub(crate) async fn recv(&mut self) -> Option<Bytes> {
        tokio::select! {
            biased;
            message = self.outlet.take() => message,
            // A server that doesn't stop for an end that is wanted at once is no longer listened to.
            () = self.state.hurried() => None,
        }
    }

    pub(crate) async fn discard(&mut self) {
        while self.recv().await.is_some() {}
    }
}

/// Why a built-in server's message was not sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InProcessError {
    /// The upstream has ended.
    #[error("the upstream has ended")]
    Ended,
    /// It could not be written as JSON.
    #[error("the message could not be written as JSON")]
    Json(#[from] serde_json::Error),
    /// It is over the limit, and no answer that an error could take the place of.
    #[error("the message has {len} bytes, over the limit of {limit}")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

impl Transport<RoleServer> for InProcessTransport {
    type Error = InProcessError;

    fn name() -> Cow<'static, str> {
        "in process".into()
    }

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let (inlet, limit) = (self.inlet.clone(), self.limit);
        async move {
            let message = within_limit(gatelodge_files::encode(&item)?, limit)?;
            inlet.put(message).await.ok_or(InProcessError::Ended)
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let message = tokio::select! {
                biased;
                () = self.state.asked() => None,
                message = self.outlet.take() => message,
            }?;
            match serde_json::from_slice(&message) {
                Ok(message) => return Some(message),
                Err(error) => {
                    tracing::debug!(%error, bytes = message.len(), "a message was not understood");
                    self.answer_misunderstood(&message).await;
                }
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.outlet.0.close();
        Ok(())
    }
}

impl InProcessTransport {
    /// Answers a request that rmcp's types do not take, so that its caller does not wait for ever.
    async fn answer_misunderstood(&self, message: &[u8]) {
        let Ok(Envelope::Request { id, .. }) = peek(message) else { return };
        let answer = format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":{INVALID_REQUEST},"message":"The request does not have the form that this method asks for."}}}}"#,
            id.as_str(),
        );
        let _ = self.inlet.put(answer.into()).await;
    }
}

/// Puts an error in the place of an answer over the limit.
fn within_limit(message: Vec<u8>, limit: usize) -> Result<Bytes, InProcessError> {
    let len = message.len();
    if len <= limit {
        return Ok(message.into());
    }
    match peek(&message) {
        Ok(Envelope::Response { id, .. }) if !id.is_null() => Ok(too_large_error(id, len, limit).into()),
        _ => Err(InProcessError::TooLarge { len, limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_over_the_limit_becomes_an_error_for_its_id() {
        let answer = br#"{"jsonrpc":"2.0","id":7,"result":{"text":"much"}}"#.to_vec();
        assert_eq!(within_limit(answer.clone(), answer.len()).unwrap(), answer);
        let error = within_limit(answer.clone(), answer.len() - 1).unwrap();
        assert!(error.starts_with(br#"{"jsonrpc":"2.0","id":7,"error":{"code":-32013"#), "{error:?}");
        let note = br#"{"jsonrpc":"2.0","method":"notifications/message"}"#.to_vec();
        let error = within_limit(note, 10).unwrap_err();
        assert!(matches!(error, InProcessError::TooLarge { len: 50, limit: 10 }), "{error:?}");
    }
}
