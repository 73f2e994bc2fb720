//! JSON-RPC envelopes, against a full reading by serde_json.

use gatelodge_wire::{Envelope, peek, too_large_error};
use serde_json::Value;

/// A message is refused, or is what a full reading says it is; and an answer for its id is a valid message.
pub fn envelope(data: &[u8]) {
    let full = serde_json::from_slice::<Value>(data).ok();
    match peek(data) {
        Ok(envelope) => {
            let id = match &envelope {
                Envelope::Request { id, .. } | Envelope::Response { id, .. } => Some(*id),
                _ => None,
            };
            // The full reading refuses some that are fine: nested deeply, or with numbers beyond a double.
            if let Some(full) = full {
                agrees(&envelope, &full);
            }
            if let Some(id) = id {
                assert!(id.as_str().len() <= 1024);
                let answer = too_large_error(id, 70_000, 65_536);
                let Ok(Envelope::Response { id: repeated, is_error: true }) = peek(answer.as_bytes()) else {
                    panic!("not an error: {answer}")
                };
                assert_eq!(repeated, id);
            }
        }
        // What is plainly a request is not refused.
        Err(error) => assert!(!full.is_some_and(|full| is_plain_request(&full, data)), "{error}"),
    }
}

fn agrees(envelope: &Envelope<'_>, full: &Value) {
    assert_eq!(full["jsonrpc"], "2.0");
    let same_id = |raw: &str| serde_json::from_str::<Value>(raw).is_ok_and(|id| id == full["id"]);
    match envelope {
        Envelope::Request { id, method } => {
            assert!(same_id(id.as_str()) && !id.is_null());
            assert_eq!(full["method"], **method);
        }
        Envelope::Notification { method } => {
            assert_eq!(full.get("id"), None);
            assert_eq!(full["method"], **method);
        }
        Envelope::Response { id, is_error } => {
            assert!(same_id(id.as_str()));
            assert_eq!(full.get("method"), None);
            assert_eq!((full.get("error").is_some(), full.get("result").is_some()), (*is_error, !is_error));
        }
        other => panic!("not covered here: {other:?}"),
    }
}

/// Four members, each once. (A member that stands there twice is gone after the full reading, so the names are
/// counted in the text, too.)
fn is_plain_request(full: &Value, data: &[u8]) -> bool {
    let Some(members) = full.as_object() else { return false };
    let quotes = data.iter().filter(|&&byte| byte == b'"').count();
    let strings = usize::from(full["id"].is_string());
    full["jsonrpc"] == "2.0"
        && (full["id"].is_i64() || full["id"].as_str().is_some_and(|id| id.len() < 100))
        && full["method"].is_string()
        && members.len() == 3
        && !data.contains(&b'\\')
        && quotes == 2 * (5 + strings)
}
