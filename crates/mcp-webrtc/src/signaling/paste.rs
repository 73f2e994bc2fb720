//! Signaling by hand: one text blob each way, carried by people between machines that have no other link.

use std::fmt;

use async_trait::async_trait;
use gatelodge_wire::{MAX_PASTE_BYTES, PasteError, PasteKind, decode_paste, encode_paste, paste_is_complete};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};

use super::{Signal, Signaling, SignalingError};

/// How often a person may paste something unusable before the link gives up: enough for honest mistakes, and an end
/// for a program that is connected to the input and will never do better.
const ATTEMPTS: u32 = 5;

/// A link that writes its blob for a person to carry away, and reads the one that the person brings back.
///
/// The blobs carry offer and answer and nothing else. There is no word that the other side has left: after the one
/// blob, [`receive`](Signaling::receive) waits for ever.
///
/// # Example
///
/// ```no_run
/// # use tokio::io::{BufReader, empty, sink};
/// # let (stdin, stdout) = (empty(), sink());
/// use mcp_webrtc::signaling::PasteSignaling;
///
/// // With `tokio::io::stdin()` and `tokio::io::stdout()` for a terminal.
/// let signaling = PasteSignaling::new(BufReader::new(stdin), stdout);
/// ```
pub struct PasteSignaling<R, W> {
    input: R,
    output: W,
    /// What is to be written, kept here so that a call that is dropped halfway loses nothing.
    outbox: Vec<u8>,
    /// What has been pasted for the blob that is awaited.
    pasted: Pasted,
    expected: PasteKind,
    asked: bool,
    attempts: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Awaiting,
    Received,
    Over,
}

impl<R, W> PasteSignaling<R, W>
where
    R: AsyncBufRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    /// Makes a link of an input and an output, such as those of a terminal.
    pub fn new(input: R, output: W) -> Self {
        Self {
            input,
            output,
            outbox: Vec::new(),
            pasted: Pasted::default(),
            // Changes when the offer is sent.
            expected: PasteKind::Offer,
            asked: false,
            attempts: 0,
            state: State::Awaiting,
        }
    }

    async fn flush(&mut self) -> Result<(), SignalingError> {
        let flushing = async {
            while !self.outbox.is_empty() {
                let written = self.output.write(&self.outbox).await?;
                if written == 0 {
                    return Err(std::io::ErrorKind::WriteZero.into());
                }
                self.outbox.drain(..written);
            }
            self.output.flush().await
        };
        flushing.await.map_err(|e| SignalingError::io("write the text to copy", e))
    }

    async fn await_blob(&mut self) -> Result<Option<Signal>, SignalingError> {
        loop {
            if !std::mem::replace(&mut self.asked, true) {
                let ask = format!("Paste {} of the other side here:\n", self.expected);
                self.outbox.extend_from_slice(ask.as_bytes());
            }
            self.flush().await?;
            let more = self.read_line().await?;
            if more && !self.pasted.is_finished {
                continue;
            }
            let pasted = std::mem::take(&mut self.pasted);
            if !more && !pasted.has_content {
                self.state = State::Over;
                return Ok(None);
            }
            let text = String::from_utf8_lossy(&pasted.bytes);
            match decode_paste(self.expected, &text) {
                Ok(sdp) => {
                    self.state = State::Received;
                    return Ok(Some(match self.expected {
                        PasteKind::Offer => Signal::Offer { sdp },
                        PasteKind::Answer => Signal::Answer { sdp },
                    }));
                }
                Err(error) => self.complain(error, more)?,
            }
        }
    }

    /// Tells the person what is wrong, or gives up where nobody can do better.
    fn complain(&mut self, error: PasteError, more: bool) -> Result<(), SignalingError> {
        self.attempts += 1;
        if !more || self.attempts >= ATTEMPTS {
            return Err(SignalingError::Paste(error));
        }
        self.asked = false;
        self.outbox.extend_from_slice(format!("That did not work: {error}.\n").as_bytes());
        Ok(())
    }

    /// Reads up to the end of a line, or what there is of it. `false` at the end of the input.
    async fn read_line(&mut self) -> Result<bool, SignalingError> {
        let chunk = self.input.fill_buf().await.map_err(|e| SignalingError::io("read the pasted text", e))?;
        if chunk.is_empty() {
            return Ok(false);
        }
        let bytes = chunk.iter().position(|&byte| byte == b'\n').map_or(chunk.len(), |at| at + 1);
        self.pasted.push(&chunk[..bytes]);
        self.input.consume(bytes);
        Ok(true)
    }
}

/// The text of one attempt.
#[derive(Default)]
struct Pasted {
    bytes: Vec<u8>,
    has_content: bool,
    empty_lines: u32,
    /// Whether the person has nothing to add: a blob has its end, or two empty lines follow on something else, or it
    /// is too much for a blob.
    is_finished: bool,
}

impl Pasted {
    /// Adds a line or a part of one, in time that does not grow with what is already there.
    fn push(&mut self, line: &[u8]) {
        if !line.trim_ascii().is_empty() {
            self.has_content = true;
            self.empty_lines = 0;
        } else if !self.has_content {
            return;
        } else if line.ends_with(b"\n") && self.bytes.ends_with(b"\n") {
            self.empty_lines += 1;
        }
        self.bytes.extend_from_slice(line);
        self.is_finished = (self.has_content && self.empty_lines >= 2)
            || self.bytes.len() > MAX_PASTE_BYTES
            || self.has_blob(line);
    }

    fn has_blob(&mut self, line: &[u8]) -> bool {
        let Some(last) = line.iter().rposition(|&byte| byte == b'.') else { return false };
        if paste_is_complete(&String::from_utf8_lossy(&self.bytes)) {
            return true;
        }
        // No blob has begun before a full stop that is not its end, so none of this need be looked at again.
        self.bytes.drain(..self.bytes.len() - line.len() + last);
        false
    }
}

#[async_trait]
impl<R, W> Signaling for PasteSignaling<R, W>
where
    R: AsyncBufRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    /// Writes the blob of an offer or answer with a line that says what to do with it. `bye` is not written: nobody
    /// could carry it in time.
    async fn send(&mut self, signal: Signal) -> Result<(), SignalingError> {
        if self.state == State::Over {
            return Err(SignalingError::Closed);
        }
        let (kind, sdp) = match signal {
            Signal::Offer { sdp } => (PasteKind::Offer, sdp),
            Signal::Answer { sdp } => (PasteKind::Answer, sdp),
            Signal::Bye => return Ok(()),
            _ => return Err(SignalingError::NoTrickle { link: "copy-paste" }),
        };
        let blob = encode_paste(kind, &sdp).map_err(SignalingError::Paste)?;
        if kind == PasteKind::Offer {
            self.expected = PasteKind::Answer;
        }
        self.outbox.extend_from_slice(
            format!("Give this to the other side, all of it up to the full stop at the end:\n\n{blob}\n")
                .as_bytes(),
        );
        self.flush().await
    }

    /// Asks for the other side's blob and reads it, over as many lines as it has. What is unusable is explained,
    /// and asked for again a few times.
    async fn receive(&mut self) -> Result<Option<Signal>, SignalingError> {
        match self.state {
            State::Awaiting => {}
            State::Received => std::future::pending().await,
            State::Over => return Ok(None),
        }
        let outcome = self.await_blob().await;
        if outcome.is_err() {
            self.state = State::Over;
        }
        outcome
    }

    /// Does nothing to the other side, which has no link that could end.
    async fn close(&mut self) {
        self.state = State::Over;
    }

    fn describe(&self) -> String {
        "copy and paste".to_owned()
    }
}

impl<R, W> fmt::Debug for PasteSignaling<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasteSignaling").field("state", &self.state).finish_non_exhaustive()
    }
}
