//! The transport: a JSON-RPC message a line. rmcp has one of its own, which drops lines over 16 MiB without a word, so that
//! the request is never answered, and which copies long texts several times; a file server is made of long texts.

pub(crate) mod encoding;
mod long_call;
mod long_string;
mod oversized;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use memchr::memchr;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorData, JsonRpcMessage, RequestId,
    ServerJsonRpcMessage,
};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use long_call::LONG;
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

/// Up to this capacity, buffers are kept for the next message while messages come: fresh memory costs more than what is
/// done with it. A message of 1 MiB has room.
const KEPT: usize = 4 << 20;

/// How long nothing comes before larger buffers than one chunk are given back.
const IDLE: Duration = Duration::from_secs(1);

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
        output: Arc::new(AsyncMutex::new(Some(Output { writer, line: Vec::new() }))),
        slots: Arc::new(Semaphore::new(UNANSWERED_LIMIT)),
        slot: None,
        unanswered: Arc::default(),
        refusals: JoinSet::new(),
    }
}

type Unanswered = Arc<Mutex<HashMap<RequestId, OwnedSemaphorePermit>>>;

/// Where messages go to, with the buffer in which a line is put together.
struct Output<W> {
    writer: W,
    line: Vec<u8>,
}

struct Lines<R, W> {
    reader: R,
    /// What is read and not handed on; `receive` may be dropped at any time and goes on with it.
    buffer: BytesMut,
    /// As far as the buffer has no line feed.
    searched: usize,
    /// The line that is being thrown away.
    oversized: Option<Oversized>,
    output: Arc<AsyncMutex<Option<Output<W>>>>,
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
        let (output, unanswered) = (Arc::clone(&self.output), Arc::clone(&self.unanswered));
        async move {
            let written = write(&output, &message).await;
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
        match self.output.lock().await.take() {
            Some(mut output) => output.writer.shutdown().await,
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
                    if line.len() > KEPT {
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
            let reading = self.reader.read_buf(&mut self.buffer);
            let read = match tokio::time::timeout(IDLE, reading).await {
                Ok(read) => read?,
                Err(_nothing_came) => {
                    self.give_back();
                    self.reader.read_buf(&mut self.buffer).await?
                }
            };
            if read == 0 {
                return Ok(None);
            }
        }
    }

    /// Gives back the buffers of large messages.
    fn give_back(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > 2 * CHUNK {
            self.buffer = BytesMut::with_capacity(CHUNK);
        }
        if let Ok(mut output) = self.output.try_lock()
            && let Some(output) = output.as_mut()
        {
            output.line = Vec::new();
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
        let output = Arc::clone(&self.output);
        self.refusals.spawn(async move {
            if let Err(error) = write(&output, &ServerJsonRpcMessage::error(error, id)).await {
                tracing::debug!(%error, "a refusal could not be written");
            }
        });
        while self.refusals.try_join_next().is_some() {}
    }
}

async fn write<W: AsyncWrite + Unpin>(
    output: &AsyncMutex<Option<Output<W>>>,
    message: &ServerJsonRpcMessage,
) -> io::Result<()> {
    let mut output = output.lock().await;
    let Output { writer, line } = output.as_mut().ok_or(io::ErrorKind::NotConnected)?;
    // Only the one that is being written is in memory twice.
    line.clear();
    encoding::encode_into(line, message)?;
    line.push(b'\n');
    writer.write_all(line).await?;
    if line.capacity() > KEPT {
        *line = Vec::new();
    }
    writer.flush().await
}

/// Reads a message. A blank line is none.
fn parse(line: &[u8]) -> Result<Option<ClientJsonRpcMessage>, (ErrorData, Option<RequestId>)> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() >= LONG
        && let Some(message) = long_call::parse(line)
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
