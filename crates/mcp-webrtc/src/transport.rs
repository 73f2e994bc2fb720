//! rmcp's transports over a channel, for both roles.
//!
//! `server.serve(channel)` and `client.serve(channel)` work as with any other transport of rmcp: a [`Channel`] is a
//! [`Transport`] itself.

use std::borrow::Cow;
use std::future::Future;

use gatelodge_wire::{Envelope, peek};
use rmcp::service::{RxJsonRpcMessage, ServiceRole, TxJsonRpcMessage};
use rmcp::transport::Transport;

use crate::channel::{Channel, SendError};

/// JSON-RPC 2.0, section 5.1: the message is not a valid request.
const INVALID_REQUEST: i32 = -32600;

/// Why a typed message was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The channel did not take it.
    #[error(transparent)]
    Send(#[from] SendError),
    /// It could not be written as JSON.
    #[error("the message could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl<R: ServiceRole> Transport<R> for Channel {
    type Error = TransportError;

    fn name() -> Cow<'static, str> {
        "mcp-webrtc".into()
    }

    fn send(
        &mut self,
        item: TxJsonRpcMessage<R>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let (sender, message) = (self.sender(), serde_json::to_vec(&item));
        async move {
            sender.send(message?).await?;
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<R>> {
        loop {
            let message = self.recv().await?;
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
        Channel::close(self).await;
        Ok(())
    }
}

impl Channel {
    /// Answers a request that rmcp's types do not take, so that its caller does not wait for ever. Notifications of
    /// other revisions are ignored, as the specification asks.
    async fn answer_misunderstood(&self, message: &[u8]) {
        let Ok(Envelope::Request { id, .. }) = peek(message) else { return };
        let answer = format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":{INVALID_REQUEST},"message":"The request does not have the form that this method asks for."}}}}"#,
            id.as_str(),
        );
        let _ = self.send(answer).await;
    }
}
