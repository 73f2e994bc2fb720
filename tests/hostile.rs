//! A small MCP server for the tests of the tray app: it speaks just enough of the protocol, and all that it says about itself
//! and its tools tries to be more than text.
//!
//! Usage: `hostile ADDRESS`, where ADDRESS is what its pictures would be fetched from.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

#[path = "desktop/corpus.rs"]
mod corpus;

use std::io::{BufRead, Write};

use serde_json::{Value, json};

fn main() {
    let address = std::env::args().nth(1).unwrap_or_default();
    let corpus = corpus::texts(&address);
    for text in &corpus {
        eprintln!("{text}");
    }
    for line in std::io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let Some(id) = message.get("id").filter(|_| message.get("method").is_some()) else { continue };
        let params = &message["params"];
        let result = match message["method"].as_str().unwrap() {
            "initialize" => json!({
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": corpus[0], "title": corpus[1], "version": corpus[2]},
                "instructions": corpus.join("\n"),
            }),
            "tools/list" => {
                let hostile = corpus.iter().map(|text| tool(text, text));
                let plain = ["echo", "fill"].map(|name| tool(name, "as it is called"));
                json!({"tools": hostile.chain(plain).collect::<Vec<_>>()})
            }
            "tools/call" => match params["name"].as_str().unwrap() {
                "echo" => text(&params["arguments"].to_string()),
                "fill" => {
                    let bytes = params["arguments"]["bytes"].as_u64().unwrap();
                    text(&"x".repeat(usize::try_from(bytes).unwrap()))
                }
                _ => text(&corpus.join("\n")),
            },
            _ => json!({}),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", json!({"jsonrpc": "2.0", "id": id, "result": result})).unwrap();
        out.flush().unwrap();
    }
}

fn tool(name: &str, description: &str) -> Value {
    json!({
        "name": name, "title": description, "description": description,
        "inputSchema": {"type": "object", "description": description},
        "annotations": {"title": description},
    })
}

fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}
