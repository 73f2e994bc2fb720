//! The strict reading of a JSON-RPC message: what the gate judges a message by.
//!
//! [`peek`](super::peek) tells what a message is for those who only have to answer in its place. Whoever decides
//! about a message needs more: that no other reader can see another message in the same bytes. Members that stand
//! there twice, or that differ from a known one only in case, are exactly that.

use std::borrow::Cow;

use thiserror::Error;

use super::json::{JsonError, MAX_NAMES, Member, Names, Scanner, Unchecked, Unique, are_unique};
use super::{Envelope, Json, MAX_ID, RawId};

/// The most members that the params of a request may have. MCP's own have at most a dozen.
const MAX_PARAMS: usize = 256;

/// The members of a JSON-RPC message.
const TOP: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// The members of params that MCP defines, in all its revisions. Another spelling of one of them is refused: there
/// are readers that ignore case.
const PARAMS: [&str; 26] = [
    "_meta",
    "name",
    "arguments",
    "uri",
    "task",
    "taskId",
    "cursor",
    "capabilities",
    "protocolVersion",
    "clientInfo",
    "inputResponses",
    "inputRequests",
    "requestState",
    "requestId",
    "progressToken",
    "progress",
    "ref",
    "argument",
    "context",
    "level",
    "reason",
    "messages",
    "maxTokens",
    "mode",
    "message",
    "notifications",
];

/// The members of a result that tell what became of a request, or that the gate filters. Only these are kept.
const RESULT: [&str; 10] = [
    "_meta",
    "resultType",
    "inputRequests",
    "requestState",
    "task",
    "taskId",
    "tasks",
    "tools",
    "nextCursor",
    "isError",
];

/// How strictly a message is read.
#[derive(Debug, Clone, Copy)]
pub struct Strictness {
    /// The longest message, in bytes.
    pub max_bytes: usize,
    /// The deepest nesting; [`MAX_DEPTH`](super::MAX_DEPTH) at most.
    pub max_depth: usize,
    /// Whether members that stand twice are refused in every object, and not only in the message itself, its params,
    /// and the members of its result that matter.
    pub unique_everywhere: bool,
}

/// A message that has been read strictly.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// What it is.
    pub envelope: Envelope<'a>,
    /// Its params, result or error, if it has any. Params are an object.
    pub body: Option<Json<'a>>,
    /// The members of the params; of a result only those that tell what became of the request (see the source for
    /// the list); none of an error.
    pub members: Vec<Member<'a>>,
}

impl<'a> Message<'a> {
    /// Returns a member of the body.
    pub fn member(&self, name: &str) -> Option<Json<'a>> {
        self.members.iter().find(|member| member.name == name).map(|member| member.value)
    }
}

/// Reads a message strictly, in one pass.
///
/// # Example
///
/// ```
/// use gatelodge_wire::{Strictness, read_message};
///
/// let strictness = Strictness { max_bytes: 1 << 20, max_depth: 64, unique_everywhere: true };
/// let call = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","nam\u0065":"write"}}"#;
/// let error = read_message(call, strictness).expect_err("one reader would take the first, another the last");
/// assert_eq!(error.id.map(|id| id.as_str()), Some("1"));
/// ```
///
/// # Errors
///
/// See [`MessageFault`]. The error has the message's id where it could be told.
pub fn read_message(message: &[u8], strictness: Strictness) -> Result<Message<'_>, MessageError<'_>> {
    if message.len() > strictness.max_bytes {
        return Err(MessageFault::TooLarge { size: message.len(), limit: strictness.max_bytes }.into());
    }
    let text = std::str::from_utf8(message)
        .map_err(|error| MessageFault::NotUtf8 { offset: error.valid_up_to() })?;
    if strictness.unique_everywhere {
        read(text, strictness.max_depth, &mut Unique::default())
    } else {
        read(text, strictness.max_depth, &mut Unchecked)
    }
}

/// What has been found so far.
#[derive(Default)]
struct Found<'a> {
    names: Vec<Cow<'a, str>>,
    version: Option<Json<'a>>,
    id: Option<Json<'a>>,
    method: Option<Json<'a>>,
    params: Option<Json<'a>>,
    result: Option<Json<'a>>,
    error: Option<Json<'a>>,
    members: Vec<Member<'a>>,
    /// The first thing wrong that does not keep the rest from being read.
    fault: Option<MessageFault>,
}

impl Found<'_> {
    fn fault(&mut self, fault: MessageFault) {
        self.fault.get_or_insert(fault);
    }
}

fn read<'a, N: Names<'a>>(
    text: &'a str,
    depth: usize,
    names: &mut N,
) -> Result<Message<'a>, MessageError<'a>> {
    let mut found = Found::default();
    let mut scanner = Scanner::new(text, depth);
    let object = scanner.object(names, |scanner, names, name, _| {
        match &*name {
            "params" => found.params = Some(body(scanner, names, &mut found, &PARAMS, true)?),
            "result" => found.result = Some(body(scanner, names, &mut found, &RESULT, false)?),
            _ => {
                let value = scanner.value(names)?;
                let place = match &*name {
                    "jsonrpc" => &mut found.version,
                    "id" => &mut found.id,
                    "method" => &mut found.method,
                    "error" => &mut found.error,
                    _ => {
                        if let Some(known) = misspelt(&name, &TOP) {
                            found.fault(MessageFault::Spelling { known });
                        }
                        remember(&mut found, name);
                        return Ok(());
                    }
                };
                *place = Some(value);
            }
        }
        remember(&mut found, name);
        Ok(())
    });
    if object.map_err(MessageFault::from)?.is_none() {
        // An empty message, an array, or some other value: told apart for the sake of the answer.
        return Err(match scanner.next_byte() {
            Some(b'[') => MessageFault::Batch,
            byte => scanner.value(names).err().unwrap_or_else(|| scanner.unexpected(byte)).into(),
        }
        .into());
    }
    scanner.end().map_err(MessageFault::from)?;
    let twice = !are_unique(&mut found.names);
    let id = found.id.map(|id| raw_id(id.text()));
    let for_answer =
        id.as_ref().and_then(|id| id.as_ref().ok()).copied().filter(|id| !twice && !id.is_null());
    let is_response = found.method.is_none() && (found.result.is_some() || found.error.is_some());
    found.finish(id, twice).map_err(|fault| MessageError { fault, id: for_answer, is_response })
}

/// Remembers a name of the message itself. Real messages have four, so that the limit of params is plenty.
fn remember<'a>(found: &mut Found<'a>, name: Cow<'a, str>) {
    if found.names.len() < MAX_PARAMS {
        found.names.push(name);
    } else {
        found.fault(MessageFault::Many);
    }
}

/// Reads params or a result, and keeps the members that matter.
fn body<'a, N: Names<'a>>(
    scanner: &mut Scanner<'a>,
    names: &mut N,
    found: &mut Found<'a>,
    known: &[&'static str],
    keep_all: bool,
) -> Result<Json<'a>, JsonError> {
    let mut seen = Vec::new();
    let object = scanner.object(names, |scanner, names, name, start| {
        let value = scanner.value(names)?;
        let is_known = known.contains(&&*name);
        if !is_known && let Some(known) = misspelt(&name, known) {
            found.fault(MessageFault::Spelling { known });
        }
        if keep_all || is_known || N::CHECKS {
            // A result may be a long list of names, whose members are looked at and not kept.
            if seen.len() == if keep_all { MAX_PARAMS } else { MAX_NAMES } {
                found.fault(MessageFault::Many);
                return Ok(());
            }
            seen.push(name.clone());
        }
        if keep_all || is_known {
            found.members.push(Member { name, value, start });
        }
        Ok(())
    })?;
    match object {
        Some(object) => {
            if !are_unique(&mut seen) {
                found.fault(MessageFault::Twice);
            }
            Ok(object)
        }
        None => {
            if keep_all {
                found.fault(MessageFault::Params);
            }
            scanner.value(names)
        }
    }
}

impl<'a> Found<'a> {
    fn finish(
        self,
        id: Option<Result<RawId<'a>, MessageFault>>,
        twice: bool,
    ) -> Result<Message<'a>, MessageFault> {
        if twice {
            return Err(MessageFault::Twice);
        }
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.version.and_then(Json::string).as_deref() != Some("2.0") {
            return Err(MessageFault::Version);
        }
        let id = id.transpose()?;
        let method = match self.method {
            Some(method) => Some(method.string().ok_or(MessageFault::Method)?),
            None => None,
        };
        let (envelope, body) = match (method, id, self.result, self.error) {
            (Some(_), Some(id), None, None) if id.is_null() => return Err(MessageFault::Id),
            (Some(method), Some(id), None, None) => (Envelope::Request { id, method }, self.params),
            (Some(method), None, None, None) => (Envelope::Notification { method }, self.params),
            (None, Some(id), Some(_), None) if id.is_null() => return Err(MessageFault::Id),
            (None, Some(id), Some(result), None) => {
                (Envelope::Response { id, is_error: false }, Some(result))
            }
            (None, Some(id), None, Some(error)) => (Envelope::Response { id, is_error: true }, Some(error)),
            // Some servers leave the id of an error out where JSON-RPC asks for null.
            (None, None, None, Some(error)) => {
                (Envelope::Response { id: RawId("null"), is_error: true }, Some(error))
            }
            _ => return Err(MessageFault::Shape),
        };
        if matches!(envelope, Envelope::Response { .. }) && self.params.is_some() {
            return Err(MessageFault::Shape);
        }
        Ok(Message { envelope, body, members: self.members })
    }
}

fn raw_id(text: &str) -> Result<RawId<'_>, MessageFault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let known = text.starts_with('"') || text == "null" || digits.bytes().all(|byte| byte.is_ascii_digit());
    match text.len() {
        _ if !known => Err(MessageFault::Id),
        len if len > MAX_ID => Err(MessageFault::LongId { len }),
        _ => Ok(RawId(text)),
    }
}

/// Returns the known name that a name is another spelling of: one that differs only in case, by Unicode's rules and
/// not only by ASCII's, since there are readers that fold `ſ` to `s` and the Kelvin sign to `k`.
pub fn misspelt(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let same = |known: &&&'static str| {
        if name.is_ascii() { name.eq_ignore_ascii_case(known) } else { folded(name).eq(folded(known)) }
    };
    if known.contains(&name) { None } else { known.iter().find(same).copied() }
}

fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// Why a message is refused, and what to answer to.
#[derive(Debug, Error)]
#[error("{fault}")]
pub struct MessageError<'a> {
    /// Why.
    pub fault: MessageFault,
    /// The message's id, where it has exactly one that can be repeated.
    pub id: Option<RawId<'a>>,
    /// Whether it looks like a response: it has a result or an error, and no method.
    pub is_response: bool,
}

impl From<MessageFault> for MessageError<'_> {
    fn from(fault: MessageFault) -> Self {
        Self { fault, id: None, is_response: false }
    }
}

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageFault {
    /// Over the limit.
    #[error("the message has {size} bytes, over the limit of {limit}")]
    TooLarge {
        /// Its length in bytes.
        size: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// The bytes are not UTF-8.
    #[error("the message is not UTF-8 from byte {offset} on")]
    NotUtf8 {
        /// How many bytes before the fault are good.
        offset: usize,
    },
    /// Not JSON, nested too deeply, or with a member that stands there twice.
    #[error("the message is not good JSON: {0}")]
    Json(#[from] JsonError),
    /// An array. MCP has no batches since its revision 2025-06-18.
    #[error("the message is a batch, which is not supported")]
    Batch,
    /// A member stands there twice: readers disagree about which one counts.
    #[error("the message, its params or its result have a member twice")]
    Twice,
    /// A member differs from a known one only in case: some readers take it for that one.
    #[error("a member differs from {known:?} only in case")]
    Spelling {
        /// The known one.
        known: &'static str,
    },
    /// More members than are looked through.
    #[error("the message or its params have more than {MAX_PARAMS} members")]
    Many,
    /// `jsonrpc` is not `2.0`.
    #[error("the message is not of JSON-RPC version 2.0")]
    Version,
    /// The id is not a string or an integer.
    #[error("the message's id is not a string or an integer")]
    Id,
    /// The id is too long to be repeated.
    #[error("the message's id has {len} bytes, over the limit of {MAX_ID}")]
    LongId {
        /// Its length in bytes of JSON.
        len: usize,
    },
    /// The method is not a string that every reader reads alike.
    #[error("the message's method is not a string")]
    Method,
    /// The params are not an object. MCP has no positional ones.
    #[error("the message's params are not an object")]
    Params,
    /// The members do not make a request, a notification or a response.
    #[error("the message is neither a request nor a notification nor a response")]
    Shape,
}

#[cfg(test)]
mod tests;
