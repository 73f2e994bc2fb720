//! Messages to bytes. A tool's text is in its answer twice, as content and structured; a long one is escaped once.

use rmcp::model::{
    CallToolResult, ContentBlock, JsonRpcMessage, RequestId, ServerJsonRpcMessage, ServerResult,
};
use serde_json::Value;

/// Shorter texts are escaped faster than they are compared.
const LONG: usize = 1 << 10;

/// Returns a message as JSON, the same as `serde_json` writes and sooner where a tool's result is a long text.
///
/// # Errors
///
/// When `serde_json` can't write it.
pub fn encode(message: &ServerJsonRpcMessage) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::new();
    encode_into(&mut bytes, message)?;
    Ok(bytes)
}

/// Appends a message to a buffer, as [`encode`] writes it.
pub(super) fn encode_into(
    bytes: &mut Vec<u8>,
    message: &ServerJsonRpcMessage,
) -> Result<(), serde_json::Error> {
    if let JsonRpcMessage::Response(response) = message
        && let ServerResult::CallToolResult(result) = &response.result
        && let Some(text) = text_given_twice(result)
    {
        return encode_text(bytes, &response.id, result, text);
    }
    serde_json::to_writer(bytes, message)
}

fn text_given_twice(result: &CallToolResult) -> Option<&str> {
    let [ContentBlock::Text(text)] = result.content.as_slice() else { return None };
    let Some(Value::Object(structured)) = &result.structured_content else { return None };
    let same = structured.len() == 1
        && structured.get("content").and_then(Value::as_str) == Some(text.text.as_str());
    (text.text.len() >= LONG && same && text.meta.is_none() && text.annotations.is_none())
        .then_some(&text.text)
}

fn encode_text(
    bytes: &mut Vec<u8>,
    id: &RequestId,
    result: &CallToolResult,
    text: &str,
) -> Result<(), serde_json::Error> {
    // An escape in eight characters is usual for text with short lines.
    bytes.reserve(2 * text.len() + text.len() / 4 + 256);
    bytes.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    serde_json::to_writer(&mut *bytes, id)?;
    bytes.extend_from_slice(b",\"result\":{\"content\":[{\"type\":\"text\",\"text\":");
    let start = bytes.len();
    escape(text, bytes);
    let end = bytes.len();
    bytes.extend_from_slice(b"}],\"structuredContent\":{\"content\":");
    bytes.extend_from_within(start..end);
    bytes.push(b'}');
    if let Some(result_type) = &result.result_type {
        bytes.extend_from_slice(b",\"resultType\":");
        serde_json::to_writer(&mut *bytes, result_type)?;
    }
    if let Some(is_error) = result.is_error {
        bytes.extend_from_slice(if is_error { b",\"isError\":true" } else { b",\"isError\":false" });
    }
    if let Some(meta) = &result.meta {
        bytes.extend_from_slice(b",\"_meta\":");
        serde_json::to_writer(&mut *bytes, meta)?;
    }
    bytes.extend_from_slice(b"}}");
    Ok(())
}

/// Appends a JSON string. Sixteen bytes are looked at together, which compilers turn into one comparison.
fn escape(text: &str, bytes: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    bytes.push(b'"');
    let (chunks, rest) = text.as_bytes().as_chunks::<16>();
    let parts = chunks.iter().map(<[u8; 16]>::as_slice).chain(std::iter::once(rest));
    for part in parts {
        let clean =
            part.iter().fold(true, |clean, &byte| clean & (byte >= 0x20) & (byte != b'"') & (byte != b'\\'));
        if clean {
            bytes.extend_from_slice(part);
            continue;
        }
        let mut start = 0;
        for (index, &byte) in part.iter().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            bytes.extend_from_slice(&part[start..index]);
            start = index + 1;
            let short = match byte {
                b'"' | b'\\' => byte,
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x08 => b'b',
                0x0c => b'f',
                _ => {
                    bytes.extend_from_slice(b"\\u00");
                    bytes.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                    continue;
                }
            };
            bytes.extend([b'\\', short]);
        }
        bytes.extend_from_slice(&part[start..]);
    }
    bytes.push(b'"');
}

#[cfg(test)]
mod tests {
    use rmcp::model::NumberOrString;

    use super::*;

    #[test]
    fn a_long_text_is_written_as_any_other_message() {
        let text: String = (0..4000_u32).filter_map(|number| char::from_u32(number % 700)).collect();
        for (is_error, has_type) in [(None, true), (Some(true), false)] {
            let mut result = CallToolResult::success(vec![ContentBlock::text(text.clone())]);
            result.structured_content = Some(serde_json::json!({ "content": text }));
            result.is_error = is_error;
            if !has_type {
                result.result_type = None;
            }
            let message = ServerJsonRpcMessage::response(
                ServerResult::CallToolResult(result),
                NumberOrString::Number(7),
            );
            let fast: Value = serde_json::from_slice(&encode(&message).unwrap()).unwrap();
            assert_eq!(fast, serde_json::to_value(&message).unwrap());
        }
    }

    #[test]
    fn every_character_is_escaped_as_serde_json_escapes_it() {
        for character in (0..=0x1_0000).filter_map(char::from_u32) {
            let text = format!("ab{character}cdefghijklmnopqr{character}");
            let mut bytes = Vec::new();
            escape(&text, &mut bytes);
            assert_eq!(bytes, serde_json::to_vec(&text).unwrap());
        }
    }
}
