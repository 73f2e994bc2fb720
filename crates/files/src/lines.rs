//! The transport: a JSON-RPC message a line. rmcp has one of its own, which drops lines over 16 MiB without a word, so that
//! the request is never answered, and which copies long texts several times; a file server is made of long texts.

pub(crate) mod encoding;
mod oversized;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use memchr::memchr;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientJsonRpcMessage, ClientNotification, ClientRequest,
    ErrorData, GetMeta as _, JsonObject, JsonRpcMessage, RequestId, RequestMetaObject, ServerJsonRpcMessage,
};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use oversized::Oversized;

/// The bytes that one message may have: the largest file that fits into an answer, twice over, with room for escapes;
/// as much as a data channel of Gatelodge carries.
pub const MESSAGE_LIMIT: usize = 64 << 20;

/// Requests that are read while earlier ones are unanswered. A client that sends and never reads is held back here.
const UNANSWERED_LIMIT: usize = 64;

/// Refusals of malformed lines that wait to be written.
const REFUSALS_LIMIT: usize = 16;

/// What is read at once: what a pipe holds.
const CHUNK: usize = 64 << 10;

/// From here on, a tool call is read straight into its type: its text is copied once and not four times.
const LONG: usize = 16 << 10;

/// Returns a transport for a server that speaks over a pair of byte streams: standard input and output, the halves of a
/// socket or of an in-process pipe.
///
/// A line of more than [`MESSAGE_LIMIT`] bytes, and one that is no message, is answered by a JSON-RPC error.
pub fn lines<R, W>(reader: R, writer: W) -> impl Transport<RoleServer, Error = io::Error> + 'static
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    Lines {
        reader,
        buffer: BytesMut::new(),
        searched: 0,
        oversized: None,
        writer: Arc::new(AsyncMutex::new(Some(writer))),
        slots: Arc::new(Semaphore::new(UNANSWERED_LIMIT)),
        slot: None,
        unanswered: Arc::default(),
        refusals: JoinSet::new(),
    }
}

type Unanswered = Arc<Mutex<HashMap<RequestId, OwnedSemaphorePermit>>>;

struct Lines<R, W> {
    reader: R,
    /// What is read and not handed on; `receive` may be dropped at any time and goes on with it.
    buffer: BytesMut,
    /// As far as the buffer has no line feed.
    searched: usize,
    /// The line that is being thrown away.
    oversized: Option<Oversized>,
    writer: Arc<AsyncMutex<Option<W>>>,
    slots: Arc<Semaphore>,
    /// For the next request.
    slot: Option<OwnedSemaphorePermit>,
    unanswered: Unanswered,
    refusals: JoinSet<()>,
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (writer, unanswered) = (Arc::clone(&self.writer), Arc::clone(&self.unanswered));
        async move {
            let written = write(&writer, &message).await;
            if let JsonRpcMessage::Response(rmcp::model::JsonRpcResponse { id, .. })
            | JsonRpcMessage::Error(rmcp::model::JsonRpcError { id: Some(id), .. }) = &message
            {
                unanswered.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
            }
            written
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if self.slot.is_none() {
                self.slot = Arc::clone(&self.slots).acquire_owned().await.ok();
            }
            while self.refusals.len() >= REFUSALS_LIMIT {
                self.refusals.join_next().await;
            }
            let line = match self.line().await {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(error) => {
                    tracing::warn!(%error, "reading from the client failed");
                    return None;
                }
            };
            match line {
                Line::Whole(line) => match parse(&line) {
                    Ok(Some(message)) => {
                        self.account(&message);
                        return Some(message);
                    }
                    Ok(None) => {}
                    Err((error, id)) => self.refuse(error, id),
                },
                Line::Oversized(id) => {
                    let mib = MESSAGE_LIMIT >> 20;
                    let message = format!(
                        "the message is larger than the limit of {mib} MiB ({MESSAGE_LIMIT} bytes); send less at a time"
                    );
                    self.refuse(ErrorData::invalid_request(message, None), id);
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        while self.refusals.join_next().await.is_some() {}
        match self.writer.lock().await.take() {
            Some(mut writer) => writer.shutdown().await,
            None => Ok(()),
        }
    }
}

/// What a line is.
enum Line {
    Whole(BytesMut),
    /// With the id of the request, if it has one.
    Oversized(Option<RequestId>),
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// Reads the next line, or returns `None` at the end. What follows the last line feed is no message.
    async fn line(&mut self) -> io::Result<Option<Line>> {
        loop {
            match memchr(b'\n', &self.buffer[self.searched..]) {
                Some(position) => {
                    let mut line = self.buffer.split_to(self.searched + position + 1);
                    self.searched = 0;
                    if line.len() > CHUNK {
                        // The memory of a long line goes with it.
                        self.buffer = BytesMut::from(&self.buffer[..]);
                    }
                    line.truncate(line.len() - 1);
                    let is_oversized = line.len() > MESSAGE_LIMIT;
                    if let Some(mut oversized) =
                        self.oversized.take().or_else(|| is_oversized.then(Oversized::default))
                    {
                        oversized.feed(&line);
                        return Ok(Some(Line::Oversized(oversized.id())));
                    }
                    return Ok(Some(Line::Whole(line)));
                }
                None if self.oversized.is_some() || self.buffer.len() > MESSAGE_LIMIT => {
                    self.oversized.get_or_insert_default().feed(&self.buffer);
                    self.buffer = BytesMut::new();
                    self.searched = 0;
                }
                None => self.searched = self.buffer.len(),
            }
            if self.buffer.capacity() - self.buffer.len() < CHUNK {
                self.buffer.reserve(CHUNK.max(self.buffer.len()));
            }
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Notes which requests are to be answered.
    fn account(&mut self, message: &ClientJsonRpcMessage) {
        let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        match message {
            // A subscription is answered when it ends, so it would keep its slot for as long; the server counts those.
            JsonRpcMessage::Request(request)
                if !matches!(request.request, ClientRequest::SubscriptionsListenRequest(_)) =>
            {
                if let Some(slot) = self.slot.take() {
                    unanswered.insert(request.id.clone(), slot);
                }
            }
            JsonRpcMessage::Notification(notification) => {
                // rmcp gives no answer to a request that was cancelled.
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    unanswered.remove(id);
                }
            }
            _ => {}
        }
    }

    fn refuse(&mut self, error: ErrorData, id: Option<RequestId>) {
        let writer = Arc::clone(&self.writer);
        self.refusals.spawn(async move {
            if let Err(error) = write(&writer, &ServerJsonRpcMessage::error(error, id)).await {
                tracing::debug!(%error, "a refusal could not be written");
            }
        });
        while self.refusals.try_join_next().is_some() {}
    }
}

async fn write<W: AsyncWrite + Unpin>(
    writer: &AsyncMutex<Option<W>>,
    message: &ServerJsonRpcMessage,
) -> io::Result<()> {
    let mut writer = writer.lock().await;
    let writer = writer.as_mut().ok_or(io::ErrorKind::NotConnected)?;
    // Only the one that is being written is in memory twice.
    let mut line = encoding::encode(message)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    writer.flush().await
}

/// Reads a message. A blank line is none.
fn parse(line: &[u8]) -> Result<Option<ClientJsonRpcMessage>, (ErrorData, Option<RequestId>)> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() >= LONG
        && let Some(message) = parse_long_call(line)
    {
        return Ok(Some(message));
    }
    serde_json::from_slice(line).map(Some).map_err(|error| {
        if error.is_data() {
            let mut id = Oversized::default();
            id.feed(line);
            (ErrorData::invalid_request(format!("the message is no request: {error}"), None), id.id())
        } else {
            (ErrorData::parse_error(format!("the line is no JSON: {error}"), None), None)
        }
    })
}

/// The members of a common call, read in one go. A message with others takes the long way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongRequest<'a> {
    jsonrpc: &'a str,
    id: RequestId,
    method: &'a str,
    params: LongCall,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongCall {
    #[serde(rename = "_meta", default)]
    meta: Option<RequestMetaObject>,
    name: String,
    #[serde(default)]
    arguments: Option<JsonObject>,
}

fn parse_long_call(line: &[u8]) -> Option<ClientJsonRpcMessage> {
    let request: LongRequest<'_> = serde_json::from_slice(line).ok()?;
    if request.jsonrpc != "2.0" || request.method != "tools/call" {
        return None;
    }
    let call = request.params;
    let mut params = CallToolRequestParams::new(call.name);
    params.arguments = call.arguments;
    let mut call_request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    if let Some(meta) = call.meta {
        *call_request.get_meta_mut() = meta;
    }
    Some(ClientJsonRpcMessage::request(call_request, request.id))
}
