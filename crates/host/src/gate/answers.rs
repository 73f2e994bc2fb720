//! The messages that the gate writes itself: answers in a server's or an agent's place, progress while a person
//! decides, and its own question for a server's tools.

use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use gatelodge_wire::{MessageFault, RawId};

use super::policy::DenyReason;
use crate::server::SharedFolder;

/// JSON-RPC's own codes.
const PARSE_ERROR: i32 = -32700;
pub(super) const INVALID_REQUEST: i32 = -32600;
pub(super) const METHOD_NOT_FOUND: i32 = -32601;
pub(super) const INVALID_PARAMS: i32 = -32602;
pub(super) const INTERNAL_ERROR: i32 = -32603;
/// The error code of what the grant doesn't allow. In the range that JSON-RPC leaves to implementations, and not among
/// the codes that MCP or its SDKs use; next to the one for messages that are too large.
pub const NOT_ALLOWED: i32 = -32014;
/// The error code of a request that came while too many others were unanswered.
pub const TOO_MANY_REQUESTS: i32 = -32015;

/// How ids of the gate's own requests begin. Agents can't use such ids.
pub(super) const OWN_ID: &str = "gatelodge-gate-";

/// A JSON-RPC error. `id` is JSON; `reason` a stable code.
pub(super) fn error(id: &str, code: i32, sentence: &str, reason: &str) -> Bytes {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{},"data":{{"reason":{}}}}}}}"#,
        quoted(sentence),
        quoted(reason)
    )
    .into()
}

/// The answer to a message that was not read.
pub(super) fn refusal(id: Option<RawId<'_>>, fault: &MessageFault) -> Bytes {
    let (code, reason) = match fault {
        MessageFault::NotUtf8 { .. } => (PARSE_ERROR, "not-utf8"),
        MessageFault::Json(gatelodge_wire::JsonError::Twice { .. }) | MessageFault::Twice => {
            (INVALID_REQUEST, "duplicate-member")
        }
        MessageFault::Json(gatelodge_wire::JsonError::Deep { .. }) => (INVALID_REQUEST, "too-deep"),
        MessageFault::Json(_) => (PARSE_ERROR, "not-json"),
        MessageFault::TooLarge { .. } => (gatelodge_wire::MESSAGE_TOO_LARGE, "too-large"),
        MessageFault::Batch => (INVALID_REQUEST, "batch"),
        MessageFault::Spelling { .. } => (INVALID_REQUEST, "member-spelling"),
        MessageFault::Params => (INVALID_PARAMS, "params"),
        MessageFault::Id | MessageFault::LongId { .. } => (INVALID_REQUEST, "id"),
        _ => (INVALID_REQUEST, "shape"),
    };
    error(id.map_or("null", RawId::as_str), code, &sentence(&fault.to_string()), reason)
}

/// The answer to a request that is denied.
pub(super) fn denial(id: &str, reason: DenyReason) -> Bytes {
    let code = match reason {
        DenyReason::MethodUnknown | DenyReason::MethodName | DenyReason::Direction | DenyReason::Roots => {
            METHOD_NOT_FOUND
        }
        DenyReason::Shape => INVALID_REQUEST,
        DenyReason::TaskUnknown | DenyReason::ToolUnknown => INVALID_PARAMS,
        _ => NOT_ALLOWED,
    };
    error(id, code, reason.sentence(), reason.code())
}

/// A tool's result that says why the tool was not called, for the model to read.
pub(super) fn tool_error(id: &str, sentence: &str, stateless: bool) -> Bytes {
    let kind = if stateless { r#""resultType":"complete","# } else { "" };
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{{kind}"content":[{{"type":"text","text":{}}}],"isError":true}}}}"#,
        quoted(sentence)
    )
    .into()
}

/// Tells that a person is still to decide. `token` is JSON. Progress has to grow, and the server's own comes after
/// ours: so the steps are tiny.
pub(super) fn waiting(token: &str, step: u32) -> Bytes {
    let progress = f64::from(step) / 1_000_000.0;
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{progress},"message":"Waiting for the person who lends this server to approve the call."}}}}"#
    )
    .into()
}

/// The gate's own `tools/list`. `meta` is the JSON of the `_meta` that a stateless server wants.
pub(super) fn list_tools(id: &str, cursor: Option<&str>, meta: Option<&str>) -> Bytes {
    let mut params = Vec::new();
    params.extend(cursor.map(|cursor| format!(r#""cursor":{cursor}"#)));
    params.extend(meta.map(|meta| format!(r#""_meta":{meta}"#)));
    let params = params.join(",");
    format!(r#"{{"jsonrpc":"2.0","id":{},"method":"tools/list","params":{{{params}}}}}"#, quoted(id)).into()
}

/// The answer to a server's `roots/list`.
pub(super) fn roots(id: &str, folders: &[SharedFolder]) -> Bytes {
    let mut list = String::new();
    for (index, folder) in folders.iter().enumerate() {
        let name = folder.path.file_name().unwrap_or(folder.path.as_os_str()).to_string_lossy();
        let comma = if index == 0 { "" } else { "," };
        let uri = quoted(&file_uri(&folder.path));
        // Writing to a string does not fail.
        let _ = write!(list, r#"{comma}{{"uri":{uri},"name":{}}}"#, quoted(&name));
    }
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"roots":[{list}]}}}}"#).into()
}

/// A path as a `file://` URI (RFC 8089).
fn file_uri(path: &Path) -> String {
    let path = path.as_os_str().as_encoded_bytes();
    let mut uri = String::from(if path.starts_with(b"/") { "file://" } else { "file:///" });
    for &byte in path {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                uri.push(char::from(byte));
            }
            b'\\' if cfg!(windows) => uri.push('/'),
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An error's message as a sentence.
fn sentence(message: &str) -> String {
    let mut characters = message.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::FolderAccess;

    #[test]
    fn roots_are_file_uris() {
        let folders = ["/home/me/My Notes", "/ü", "/"]
            .map(|path| SharedFolder { path: path.into(), access: FolderAccess::ReadOnly });
        assert_eq!(
            roots("7", &folders),
            r#"{"jsonrpc":"2.0","id":7,"result":{"roots":[{"uri":"file:///home/me/My%20Notes","name":"My Notes"},{"uri":"file:///%C3%BC","name":"ü"},{"uri":"file:///","name":"/"}]}}"#
        );
    }

    #[test]
    fn progress_grows_in_tiny_steps() {
        let text = String::from_utf8(waiting("\"t\"", 3).to_vec()).unwrap();
        assert!(text.contains(r#""progressToken":"t","progress":0.000003,"#), "{text}");
    }
}
