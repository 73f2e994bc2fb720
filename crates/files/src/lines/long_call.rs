//! Tool calls with long arguments, such as the content of a file, read without copies that the general way needs.

use std::collections::HashMap;

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientJsonRpcMessage, ClientRequest, GetMeta as _, JsonObject,
    RequestId, RequestMetaObject,
};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// From here on, a tool call is read straight into its type: its text is copied once and not four times.
pub(super) const LONG: usize = 16 << 10;

/// The members of a common call. A message with others takes the long way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongRequest<'a> {
    jsonrpc: &'a str,
    id: RequestId,
    method: &'a str,
    #[serde(borrow)]
    params: LongCall<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongCall<'a> {
    #[serde(rename = "_meta", default)]
    meta: Option<RequestMetaObject>,
    name: String,
    #[serde(default, borrow)]
    arguments: Option<HashMap<String, &'a RawValue>>,
}

/// Reads a message that is a common tool call; `None` for every other one.
pub(super) fn parse(line: &[u8]) -> Option<ClientJsonRpcMessage> {
    let request: LongRequest<'_> = serde_json::from_slice(line).ok()?;
    if request.jsonrpc != "2.0" || request.method != "tools/call" {
        return None;
    }
    let call = request.params;
    let mut params = CallToolRequestParams::new(call.name);
    if let Some(arguments) = call.arguments {
        let read = |(name, raw): (String, &RawValue)| Some((name, argument(raw.get())?));
        params.arguments = Some(arguments.into_iter().map(read).collect::<Option<JsonObject>>()?);
    }
    let mut call_request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    if let Some(meta) = call.meta {
        *call_request.get_meta_mut() = meta;
    }
    Some(ClientJsonRpcMessage::request(call_request, request.id))
}

/// Reads an argument. `None` where it takes serde's way to tell what is wrong with it.
fn argument(raw: &str) -> Option<Value> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(text) if text.len() >= LONG => unescaped(text).map(Value::String),
        _ => serde_json::from_str(raw).ok(),
    }
}

/// Takes the escapes out of a JSON string that was read once already, straight into the memory that it stays in.
fn unescaped(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut unescaped = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        // Sixteen bytes are looked at together, which compilers turn into one comparison.
        if let Some((chunk, _)) = bytes[at..].split_first_chunk::<16>()
            && chunk.iter().fold(true, |clean, &byte| clean & (byte != b'\\'))
        {
            unescaped.extend_from_slice(chunk);
            at += chunk.len();
            continue;
        }
        let end = (at + 16).min(bytes.len());
        let Some(length) = bytes[at..end].iter().position(|&byte| byte == b'\\') else {
            unescaped.extend_from_slice(&bytes[at..end]);
            at = end;
            continue;
        };
        unescaped.extend_from_slice(&bytes[at..at + length]);
        at += length;
        let plain = match bytes.get(at + 1)? {
            byte @ (b'"' | b'\\' | b'/') => *byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                // A pair of surrogates is one character.
                let length = if is_high_surrogate(&text[at..]) { 12 } else { 6 };
                let escape = text.get(at..at + length)?;
                let character: String = serde_json::from_str(&format!("\"{escape}\"")).ok()?;
                unescaped.extend_from_slice(character.as_bytes());
                at += length;
                continue;
            }
            _ => return None,
        };
        unescaped.push(plain);
        at += 2;
    }
    String::from_utf8(unescaped).ok()
}

/// Tells whether an escape `\uXXXX` is the first half of a character.
fn is_high_surrogate(escape: &str) -> bool {
    let digits = escape.get(2..6).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    digits.is_some_and(|unit| (0xd800..0xdc00).contains(&unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_argument_is_read_as_serde_json_reads_it() {
        let pad = "x".repeat(LONG);
        for text in [
            String::new(),
            (1..0x1_0000).filter_map(char::from_u32).collect(),
            "\u{1f600}\u{10ffff} \" \\ / \n\r\t\u{8}\u{c}".to_owned(),
        ] {
            let text = format!("{text}{pad}{text}");
            let written = serde_json::to_string(&text).unwrap();
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
            for raw in [written, format!("\"{escaped}\"")] {
                assert_eq!(argument(&raw), Some(Value::String(text.clone())));
            }
        }
    }

    #[test]
    fn what_serde_json_refuses_is_left_to_it() {
        let pad = "x".repeat(LONG);
        for bad in ["\\ud800", "\\udc00", "\\ud800\\u0041", "\\ud83d\\n", "\\x", "\\u12"] {
            assert_eq!(argument(&format!("\"{pad}{bad}\"")), None, "{bad}");
        }
    }

    #[test]
    fn a_long_call_is_the_same_as_any_other() {
        let content = "line \"one\"\n".repeat(2000);
        let call = serde_json::json!({
            "jsonrpc": "2.0", "id": "a", "method": "tools/call",
            "params": {
                "_meta": { "progressToken": 7 }, "name": "write_file",
                "arguments": { "path": "/a", "content": content, "n": [1, { "b": null }] },
            },
        });
        let line = call.to_string();
        let fast = parse(line.as_bytes()).unwrap();
        let slow: ClientJsonRpcMessage = serde_json::from_str(&line).unwrap();
        assert_eq!(serde_json::to_value(fast).unwrap(), serde_json::to_value(slow).unwrap());
    }
}
