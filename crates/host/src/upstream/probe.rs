//! What a server has: asked in processes of its own, which no agent ever gets.
//!
//! The first message decides which era of the protocol a process speaks, and many servers refuse the other one from then
//! on. So a server that doesn't take the one is asked again in a fresh process.

use std::collections::BTreeMap;
use std::time::Duration;

use gatelodge_wire::{Envelope, peek};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use super::end::{EndReason, Ending};
use super::launcher::StartError;
use super::log::harmless;
use super::{Upstream, UpstreamError};

/// How long a probe may take in all, both eras together. Servers answer within a second; a first start through `npx` or
/// `uvx` downloads them first.
const PROBE_WAIT: Duration = Duration::from_secs(20);

/// How many entries of one list are read at most, over how many pages: no server has so many that people could choose
/// from.
const ENTRIES: usize = 10_000;
const PAGES: usize = 200;

/// The last revision with `initialize`, and the first without.
const STATEFUL: &str = "2025-11-25";
const STATELESS: &str = "2026-07-28";

/// JSON-RPC 2.0, section 5.1: the method is not available.
const METHOD_NOT_FOUND: i32 = -32601;

/// Which of the two ways to begin a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Era {
    /// `initialize`, as in the revisions up to 2025-11-25.
    Initialize,
    /// Without a beginning, as from 2026-07-28 on; `server/discover` tells what there is.
    Stateless,
}

/// What a server has. Raw JSON is exactly as the server wrote it.
#[derive(Debug, Clone)]
pub struct ServerReport {
    /// The server's name and version, if it tells.
    pub server_info: Option<Box<RawValue>>,
    /// How it is talked to.
    pub era: Era,
    /// The revision that it answered with; for a stateless server the one that it was asked in.
    pub protocol_version: String,
    /// What the server tells models about itself.
    pub instructions: Option<String>,
    /// The definitions of its tools.
    pub tools: Vec<Box<RawValue>>,
    /// Its resources; `None` if it doesn't have the capability.
    pub resources: Option<Vec<Box<RawValue>>>,
    /// Its prompts; `None` if it doesn't have the capability.
    pub prompts: Option<Vec<Box<RawValue>>>,
}

/// Why a server could not be probed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It did not answer in time.
    #[error("the server did not answer within {} s; its log may say why", PROBE_WAIT.as_secs())]
    TimedOut,
    /// It ended without having answered.
    #[error("{0}")]
    Ended(EndReason),
    /// It answered with an error.
    #[error("the server answered {method} with the error {code}: {message}")]
    Refused {
        /// What was asked.
        method: &'static str,
        /// The error's code.
        code: i64,
        /// Its message, without control characters.
        message: String,
    },
    /// It answered something that the protocol doesn't have.
    #[error("the server's answer to {method} does not have the form that the protocol asks for")]
    Malformed {
        /// What was asked.
        method: &'static str,
    },
}

/// Probes whatever `open` makes, a fresh one for each attempt, and ends it. Takes 20 s at most.
///
/// # Errors
///
/// See [`ProbeError`]. If neither era works, the error is that of `initialize`, which most servers speak.
pub async fn probe_upstream<F, O>(mut open: F) -> Result<ServerReport, ProbeError>
where
    F: FnMut() -> O,
    O: Future<Output = Result<Upstream, StartError>>,
{
    let deadline = Instant::now() + PROBE_WAIT;
    let first = attempt(open(), Era::Initialize, deadline).await;
    let Err(Failure { error, at_beginning: true }) = first else {
        return first.map_err(|failure| failure.error);
    };
    attempt(open(), Era::Stateless, deadline).await.map_err(|_| error)
}

/// Why an attempt failed.
struct Failure {
    error: ProbeError,
    /// Before anything but its first question was answered: it may be the wrong era.
    at_beginning: bool,
}

async fn attempt(
    open: impl Future<Output = Result<Upstream, StartError>>,
    era: Era,
    deadline: Instant,
) -> Result<ServerReport, Failure> {
    let fatal = |error| Failure { error, at_beginning: false };
    let opened = timeout_at(deadline, open).await.map_err(|_| fatal(ProbeError::TimedOut))?;
    let mut survey = Survey { upstream: opened.map_err(|error| fatal(error.into()))?, era, asked: 0 };
    let found = timeout_at(deadline, survey.run()).await;
    let ending = if found.is_ok() { Ending::Gentle } else { Ending::Now };
    let asked = survey.asked;
    let reason = survey.upstream.end(ending).await;
    let error = match found {
        Ok(Ok(report)) => return Ok(report),
        Err(_) => return Err(fatal(ProbeError::TimedOut)),
        Ok(Err(AskError::Ended)) => ProbeError::Ended(reason),
        Ok(Err(AskError::Refused { method, code, message })) => ProbeError::Refused { method, code, message },
        Ok(Err(AskError::Malformed { method })) => ProbeError::Malformed { method },
    };
    Err(Failure { error, at_beginning: asked <= 1 })
}

enum AskError {
    Ended,
    Refused { method: &'static str, code: i64, message: String },
    Malformed { method: &'static str },
}

impl From<UpstreamError> for AskError {
    fn from(_: UpstreamError) -> Self {
        Self::Ended
    }
}

/// The conversation with one process.
struct Survey {
    upstream: Upstream,
    era: Era,
    /// How many questions have been asked; also the id of the last one.
    asked: u32,
}

/// An object whose members are left as they are.
type Members = BTreeMap<String, Box<RawValue>>;

/// The parts of an answer.
#[derive(Deserialize)]
struct Answer {
    result: Option<Members>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    message: String,
}

impl Survey {
    async fn run(&mut self) -> Result<ServerReport, AskError> {
        let mut about = match self.era {
            Era::Initialize => {
                let about = self
                    .ask(
                        "initialize",
                        json!({ "protocolVersion": STATEFUL, "capabilities": {}, "clientInfo": client() }),
                    )
                    .await?;
                let begun = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
                self.upstream.send(begun.to_string()).await?;
                about
            }
            Era::Stateless => self.ask("server/discover", json!({})).await?,
        };
        let capabilities: Members = read(&about, "capabilities").unwrap_or_default();
        let tools = match capabilities.contains_key("tools") {
            true => self.list("tools/list", "tools").await?,
            false => Vec::new(),
        };
        let mut resources = None;
        if capabilities.contains_key("resources") {
            resources = Some(self.list("resources/list", "resources").await?);
        }
        let mut prompts = None;
        if capabilities.contains_key("prompts") {
            prompts = Some(self.list("prompts/list", "prompts").await?);
        }
        let in_meta =
            |about: &Members| read::<Members>(about, "_meta")?.remove("io.modelcontextprotocol/serverInfo");
        Ok(ServerReport {
            era: self.era,
            protocol_version: read(&about, "protocolVersion").unwrap_or_else(|| STATELESS.to_owned()),
            instructions: read(&about, "instructions"),
            server_info: about.remove("serverInfo").or_else(|| in_meta(&about)),
            tools,
            resources,
            prompts,
        })
    }

    /// Reads a list to its end.
    async fn list(&mut self, method: &'static str, key: &str) -> Result<Vec<Box<RawValue>>, AskError> {
        let mut entries: Vec<Box<RawValue>> = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES {
            let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
            let page = self.ask(method, params).await?;
            entries.extend(read::<Vec<_>>(&page, key).ok_or(AskError::Malformed { method })?);
            cursor = read(&page, "nextCursor");
            if cursor.is_none() || entries.len() >= ENTRIES {
                break;
            }
        }
        entries.truncate(ENTRIES);
        Ok(entries)
    }

    /// Asks one question and waits for its answer.
    async fn ask(&mut self, method: &'static str, mut params: Value) -> Result<Members, AskError> {
        self.asked += 1;
        if self.era == Era::Stateless {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": STATELESS,
                "io.modelcontextprotocol/clientInfo": client(),
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        let id = self.asked.to_string();
        let question = json!({ "jsonrpc": "2.0", "id": self.asked, "method": method, "params": params });
        self.upstream.send(question.to_string()).await?;
        loop {
            let message = self.upstream.recv().await.ok_or(AskError::Ended)?;
            match peek(&message) {
                Ok(Envelope::Response { id: answered, .. }) if answered.as_str() == id => {
                    let answer: Answer =
                        serde_json::from_slice(&message).map_err(|_| AskError::Malformed { method })?;
                    return match (answer.result, answer.error) {
                        (Some(result), _) => Ok(result),
                        (None, Some(Refusal { code, message })) => {
                            Err(AskError::Refused { method, code, message: harmless(message.as_bytes()) })
                        }
                        (None, None) => Err(AskError::Malformed { method }),
                    };
                }
                Ok(Envelope::Request { id, method }) => {
                    let (id, pinged) = (id.as_str(), method == "ping");
                    let error = json!({ "code": METHOD_NOT_FOUND, "message": "Method not found" });
                    let (kind, value) = if pinged { ("result", json!({})) } else { ("error", error) };
                    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"{kind}":{value}}}"#);
                    self.upstream.send(answer).await?;
                }
                _ => {}
            }
        }
    }
}

/// Reads one member, if it is there and has the form.
fn read<T: serde::de::DeserializeOwned>(members: &Members, key: &str) -> Option<T> {
    serde_json::from_str(members.get(key)?.get()).ok()
}

fn client() -> Value {
    json!({ "name": "gatelodge", "title": "Gatelodge", "version": env!("CARGO_PKG_VERSION") })
}
