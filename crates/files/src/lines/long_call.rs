//! Tool calls with long arguments, such as the content of a file, read without the passes and copies that the
//! general way needs.

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::{memchr, memchr2};
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientJsonRpcMessage, ClientRequest, GetMeta as _, JsonObject,
    RequestId, RequestMetaObject,
};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::long_string::unescaped;

/// From here on, a string is taken out of its message first and copied once, and not four times.
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
    let mut shortened = Shortened::of(line)?;
    let is_shorter = !shortened.texts.is_empty();
    let message = read(&mut shortened);
    // A long text further down, such as in an edit, stays where it is.
    message.or_else(|| is_shorter.then(|| read(&mut Shortened::whole(line)))?)
}

/// A line without its long strings.
struct Shortened<'a> {
    /// The line, with empty strings in their places.
    line: Cow<'a, [u8]>,
    /// Where the empty strings are, and what belongs there.
    texts: Vec<(usize, String)>,
}

impl<'a> Shortened<'a> {
    /// Takes the long strings out. `None` where the line is no JSON; not all that is wrong with one is noticed.
    fn of(line: &'a [u8]) -> Option<Self> {
        let (mut short, mut texts) = (Vec::new(), Vec::new());
        let (mut kept, mut at) = (0, 0);
        while let Some(quote) = memchr(b'"', &line[at..]) {
            let start = at + quote + 1;
            let Some(length) = length_of_short(&line[start..]) else {
                let (mut text, length) = unescaped(&line[start..])?;
                if text.capacity() > 2 * text.len() {
                    // There is room in it for all that follows, which in a message of many texts would add up.
                    text.shrink_to_fit();
                }
                short.extend_from_slice(&line[kept..start]);
                texts.push((short.len() - 1, text));
                (kept, at) = (start + length, start + length + 1);
                continue;
            };
            at = start + length + 1;
        }
        if texts.is_empty() {
            return Some(Self::whole(line));
        }
        short.extend_from_slice(&line[kept..]);
        Some(Self { line: short.into(), texts })
    }

    fn whole(line: &'a [u8]) -> Self {
        Self { line: line.into(), texts: Vec::new() }
    }
}

/// Returns the length of a string from behind its opening quote, if it is less than [`LONG`].
fn length_of_short(bytes: &[u8]) -> Option<usize> {
    let bytes = &bytes[..bytes.len().min(LONG)];
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

fn read(shortened: &mut Shortened<'_>) -> Option<ClientJsonRpcMessage> {
    let Shortened { line, texts } = shortened;
    let request: LongRequest<'_> = serde_json::from_slice(line).ok()?;
    if request.jsonrpc != "2.0" || request.method != "tools/call" {
        return None;
    }
    let call = request.params;
    let mut params = CallToolRequestParams::new(call.name);
    if let Some(arguments) = call.arguments {
        let mut read = JsonObject::new();
        for (name, raw) in arguments {
            // The value is a part of the line, so where it is says whether it is one that was taken out.
            let position = raw.get().as_ptr().addr() - line.as_ptr().addr();
            let value = match texts.iter().position(|(place, _)| *place == position) {
                Some(index) => Value::String(texts.swap_remove(index).1),
                None => serde_json::from_str(raw.get()).ok()?,
            };
            read.insert(name, value);
        }
        params.arguments = Some(read);
    }
    if !texts.is_empty() {
        return None;
    }
    let mut call_request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    if let Some(meta) = call.meta {
        *call_request.get_meta_mut() = meta;
    }
    Some(ClientJsonRpcMessage::request(call_request, request.id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(arguments: &Value) -> Value {
        json!({
            "jsonrpc": "2.0", "id": "a", "method": "tools/call",
            "params": { "_meta": { "progressToken": 7 }, "name": "write_file", "arguments": arguments },
        })
    }

    #[test]
    fn a_long_call_is_the_same_as_any_other() {
        let long = "line \"one\" \\ \u{1f600}\n".repeat(2000);
        let edge = |length: usize| "x".repeat(length);
        for arguments in [
            json!({ "path": "/a", "content": long, "n": [1, { "b": null }] }),
            json!({ "content": long, "path": "/a\\\"b", "z": "" }),
            json!({ "a": long, "b": "", "c": long, "d": "c" }),
            json!({ "path": "/a", "edits": [{ "oldText": "", "newText": long }], "more": long }),
            json!({ "path": edge(LONG - 1), "content": edge(LONG), "more": edge(LONG + 1) }),
            json!({ long.as_str(): "a long name", "content": long }),
        ] {
            for line in [call(&arguments).to_string(), format!("{:#}", call(&arguments))] {
                let fast = parse(line.as_bytes()).unwrap();
                let slow: ClientJsonRpcMessage = serde_json::from_str(&line).unwrap();
                assert_eq!(serde_json::to_value(fast).unwrap(), serde_json::to_value(slow).unwrap());
            }
        }
    }

    #[test]
    fn of_two_texts_under_one_name_the_last_one_counts() {
        let (first, last) = ("x".repeat(LONG), "y".repeat(LONG));
        for (first, last) in [(first.as_str(), last.as_str()), (&first, "y"), ("x", &last)] {
            let line = call(&json!({ "a": first, "b": last })).to_string().replace("\"b\":", "\"a\":");
            let Some(message) = parse(line.as_bytes()) else { panic!("{line:.200}") };
            let read = serde_json::to_value(message).unwrap();
            assert_eq!(read["params"]["arguments"], json!({ "a": last }));
        }
    }

    #[test]
    fn what_is_no_json_is_left_to_serde() {
        let long = "x".repeat(LONG);
        for content in [
            format!("\"{long}"),
            format!("\"{long}\\\""),
            format!("\"{long}\n\""),
            format!("\"{long}\"\""),
            format!("\"{long}\" \"{long}\""),
            format!("\\\"{long}\""),
            format!("\"{long}\\ud800\""),
        ] {
            let line = call(&json!({ "content": "HERE" })).to_string().replace("\"HERE\"", &content);
            assert!(parse(line.as_bytes()).is_none(), "{content}");
            assert!(serde_json::from_str::<Value>(&line).is_err(), "{content}");
        }
    }
}
