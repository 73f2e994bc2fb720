//! A small MCP server for the tests: it counts its calls, so that two of them are told apart by what they remember.
//!
//! It is written by hand, without the SDK that the product uses, and speaks just enough of the protocol.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

use std::collections::BTreeSet;
use std::io::{BufRead, Write};

use serde_json::{Value, json};

fn main() {
    let mut count = 0;
    let mut subscribed = BTreeSet::new();
    for line in std::io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let Some(id) = message.get("id").filter(|_| message.get("method").is_some()) else { continue };
        let params = &message["params"];
        let result = match message["method"].as_str().unwrap() {
            "initialize" => json!({
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}, "resources": {"subscribe": true}},
                "serverInfo": {"name": "counting", "version": "1"},
            }),
            "tools/list" => {
                let tools = ["count", "echo", "wait", "change", "crash", "fill"].map(tool);
                json!({"tools": tools})
            }
            "resources/subscribe" => {
                subscribed.insert(params["uri"].as_str().unwrap().to_owned());
                json!({})
            }
            "tools/call" => match params["name"].as_str().unwrap() {
                "count" => {
                    count += 1;
                    text(&count.to_string())
                }
                "echo" => text(&params["arguments"].to_string()),
                // Says that it has begun, and is not heard of again.
                "wait" => {
                    progress(&params["_meta"]["progressToken"]);
                    continue;
                }
                "change" => {
                    for uri in &subscribed {
                        say(&json!({
                            "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri},
                        }));
                    }
                    text("changed")
                }
                "crash" => std::process::exit(3),
                "fill" => text(
                    &"x".repeat(usize::try_from(params["arguments"]["bytes"].as_u64().unwrap()).unwrap()),
                ),
                other => panic!("no tool {other}"),
            },
            _ => json!({}),
        };
        say(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
    }
}

fn tool(name: &str) -> Value {
    json!({"name": name, "description": name, "inputSchema": {"type": "object"}})
}

fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

fn progress(token: &Value) {
    if !token.is_null() {
        say(&json!({
            "jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": token, "progress": 1, "message": "begun"},
        }));
    }
}

fn say(message: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{message}").unwrap();
    out.flush().unwrap();
}
