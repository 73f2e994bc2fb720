//! Just enough of a JSON-RPC message to answer for it: what it is, and its id.
//!
//! The channel looks at messages that it can't send, to answer the request in their place. The message itself is
//! never taken apart and written again: what is sent on are the same bytes.
//!
//! [`peek`] is for those who only answer in a message's place; [`read_message`] for those who decide about it.

use std::{borrow::Cow, fmt};

mod json;
mod message;

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;
use thiserror::Error;

pub use json::{Elements, Json, JsonError, MAX_DEPTH, Member, Members};
pub use message::{Message, MessageError, MessageFault, Strictness, misspelt, read_message};

/// The JSON-RPC error code of a message that is too large for its receiver. In the range that JSON-RPC leaves to
/// implementations, and not among the codes that MCP or its SDKs use.
pub const MESSAGE_TOO_LARGE: i32 = -32013;

/// The longest id that is repeated in an answer, in bytes of JSON. Real ones are a number or a UUID; without a limit
/// the answer to a too large message could be as large as the message.
const MAX_ID: usize = 1024;

/// What kind of JSON-RPC message some bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Envelope<'a> {
    /// Has a method and an id, and wants an answer.
    Request {
        /// What the answer has to repeat.
        id: RawId<'a>,
        /// The method's name.
        method: Cow<'a, str>,
    },
    /// Has a method and no id.
    Notification {
        /// The method's name.
        method: Cow<'a, str>,
    },
    /// Has a result or an error, and the id of the request. The id is `null` in an error about a request that
    /// could not be read.
    Response {
        /// The request's id.
        id: RawId<'a>,
        /// Whether it is an error.
        is_error: bool,
    },
}

/// An id exactly as it stands in the message: a JSON string or integer, or `null` in some errors.
///
/// Ids are compared as text. Equal texts are equal ids; different texts may still mean the same id to a peer that
/// reads `"a"` and `"\u0061"` as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawId<'a>(&'a str);

impl<'a> RawId<'a> {
    /// The id as JSON.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether this is `null`, which answers no request.
    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    fn of(raw: &'a RawValue) -> Result<Self, EnvelopeError> {
        let text = raw.get();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let known =
            text.starts_with('"') || text == "null" || digits.bytes().all(|byte| byte.is_ascii_digit());
        match text.len() {
            _ if !known => Err(EnvelopeError::BadId),
            len if len > MAX_ID => Err(EnvelopeError::LongId { len }),
            _ => Ok(Self(text)),
        }
    }
}

/// Looks at a message: one pass over its bytes, without taking apart what its params or result contain.
///
/// # Example
///
/// ```
/// use gatelodge_wire::{Envelope, EnvelopeError, peek};
///
/// let message = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#;
/// let Envelope::Request { id, method } = peek(message)? else { panic!("this is a request") };
/// assert_eq!((id.as_str(), &*method), ("1", "tools/call"));
/// # Ok::<(), EnvelopeError>(())
/// ```
///
/// # Errors
///
/// See [`EnvelopeError`].
pub fn peek(message: &[u8]) -> Result<Envelope<'_>, EnvelopeError> {
    let text = std::str::from_utf8(message)
        .map_err(|error| EnvelopeError::NotUtf8 { offset: error.valid_up_to() })?;
    if text.trim_ascii_start().starts_with('[') {
        return Err(EnvelopeError::Batch);
    }
    let members: Head<'_> = serde_json::from_str(text)?;
    if members.jsonrpc.0 != "2.0" {
        return Err(EnvelopeError::Version);
    }
    let id = members.id.map(RawId::of).transpose()?;
    match (members.method, id, members.result, members.error) {
        (Some(_), Some(id), None, None) if id.is_null() => Err(EnvelopeError::BadId),
        (Some(Text(method)), Some(id), None, None) => Ok(Envelope::Request { id, method }),
        (Some(Text(method)), None, None, None) => Ok(Envelope::Notification { method }),
        (None, Some(id), Some(_), None) if id.is_null() => Err(EnvelopeError::BadId),
        (None, Some(id), Some(_), None) => Ok(Envelope::Response { id, is_error: false }),
        (None, Some(id), None, Some(_)) => Ok(Envelope::Response { id, is_error: true }),
        // Some servers leave the id of an error out where JSON-RPC asks for null.
        (None, None, None, Some(_)) => Ok(Envelope::Response { id: RawId("null"), is_error: true }),
        _ => Err(EnvelopeError::Shape),
    }
}

/// Looks at the beginning of a message: if it is that of a response with its members in the usual order (`jsonrpc`, `id`,
/// then `result` or `error`, and no space between them), returns the id. What follows is not read, which for an answer
/// of a megabyte saves a millisecond.
///
/// `None` says nothing about the message, and an id does not say that it is a valid one: this is for messages that
/// somebody has read as a whole, or about which a mistake does no harm.
pub fn answered_id(message: &[u8]) -> Option<RawId<'_>> {
    let rest = message.strip_prefix(br#"{"jsonrpc":"2.0","id":"#)?;
    let start = &rest[..rest.len().min(MAX_ID + 1)];
    let length = match start.strip_prefix(b"\"") {
        // An escape may hide the end, so that such an id is left to `peek`.
        Some(text) => text.iter().position(|byte| matches!(byte, b'"' | b'\\')).map(|end| end + 2)?,
        None => start.iter().position(|byte| !(byte.is_ascii_digit() || *byte == b'-'))?,
    };
    let (id, rest) = rest.split_at_checked(length)?;
    let is_response = rest.starts_with(br#","result":"#) || rest.starts_with(br#","error":"#);
    let id = std::str::from_utf8(id).ok()?;
    (is_response && !id.is_empty() && !id.ends_with('\\')).then_some(RawId(id))
}

/// The members that tell what a message is. The derived reader refuses members that stand there twice.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    jsonrpc: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    result: Option<de::IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    error: Option<de::IgnoredAny>,
}

/// Keeps `null` apart from nothing: `"result": null` is a result.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A string, borrowed unless it has escapes. (serde's own `Cow` is always owned inside an `Option`.)
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// The answer to a request whose message, or whose result, is larger than its receiver takes.
///
/// A JSON-RPC error object with the code [`MESSAGE_TOO_LARGE`], a sentence that a model can act on, and
/// `{"size", "limit"}` in bytes as data. `size` is the length of the message that could not be sent, `limit` what
/// the receiver announced.
pub fn too_large_error(id: RawId<'_>, size: usize, limit: usize) -> String {
    let id = id.as_str();
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":{MESSAGE_TOO_LARGE},\"message\":\
         \"The message has {size} bytes, but this connection carries at most {limit} bytes in one message. \
         Ask for less at a time, such as a smaller range, a single page or fewer items.\",\
         \"data\":{{\"size\":{size},\"limit\":{limit}}}}}}}"
    )
}

/// Why bytes are not a JSON-RPC message.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The bytes are not UTF-8.
    #[error("the message is not UTF-8 from byte {offset} on")]
    NotUtf8 {
        /// How many bytes before the fault are good.
        offset: usize,
    },
    /// Not a JSON object, or one with a member that is missing, of the wrong type, or there twice.
    #[error("the message is not a JSON-RPC object: {0}")]
    Json(#[from] serde_json::Error),
    /// An array. MCP has no batches since its revision 2025-06-18.
    #[error("the message is a batch, which is not supported")]
    Batch,
    /// `jsonrpc` is not `2.0`.
    #[error("the message is not of JSON-RPC version 2.0")]
    Version,
    /// The id is not a string or an integer.
    #[error("the message's id is not a string or an integer")]
    BadId,
    /// The id is too long to be repeated.
    #[error("the message's id has {len} bytes, over the limit of {MAX_ID}")]
    LongId {
        /// Its length in bytes of JSON.
        len: usize,
    },
    /// The members do not make a request, a notification or a response.
    #[error("the message is neither a request nor a notification nor a response")]
    Shape,
}

#[cfg(test)]
mod tests;
