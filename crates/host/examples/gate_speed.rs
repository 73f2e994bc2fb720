//! Measures what the gate adds to a message: `cargo run --release -p gatelodge-host --example gate_speed`.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use gatelodge_host::Grant;
use gatelodge_host::gate::{Gate, GateConfig, GateLimits, Moment, Output};

/// How often each measurement is repeated; the median counts.
const ROUNDS: usize = 15;

fn main() {
    let grant: Grant = serde_json::from_value(serde_json::json!({
        "agent": (["AB"; 32].join(":")), "server": "files", "tools": {"default": "allow"}, "sampling": true,
    }))
    .expect("a grant");
    let mut gate = Gate::new(GateConfig { grant, roots: None, limits: GateLimits::default() });
    let now = Moment::now();
    let tools: Vec<_> = (0..14)
        .map(|n| serde_json::json!({"name": format!("tool_{n}"), "description": "x".repeat(400), "inputSchema": {
            "type": "object", "properties": {"path": {"type": "string"}, "head": {"type": "number"}}, "required": ["path"],
        }}))
        .collect();
    let tools = serde_json::json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}).to_string();
    let list = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let text = |size: usize| {
        let line = "fn main() { println!(\"hello\\tworld\"); } // ordinary text, with some escapes\n";
        let text: String = line.chars().cycle().take(size).collect();
        let result = serde_json::json!({"content": [{"type": "text", "text": text}]});
        Bytes::from(serde_json::json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string())
    };
    let call = Bytes::from_static(
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tool_3","arguments":{"path":"/home/me/notes/a.txt","head":10},"_meta":{"progressToken":1}}}"#,
    );
    let round_trip = |gate: &mut Gate, request: &Bytes, answer: &Bytes| {
        gate.from_agent(now, request.clone());
        drain(gate);
        gate.from_server(now, answer.clone());
        drain(gate);
    };
    round_trip(&mut gate, &list, &Bytes::from(tools.clone()));
    let small = text(60);
    for (name, request, answer, times) in [
        ("tools/call and a small result", &call, small, 20_000),
        ("tools/call and a 64 KiB result", &call, text(64 << 10), 2_000),
        ("tools/call and a 1 MiB result", &call, text(1 << 20), 200),
        ("tools/list of 14 tools", &list, Bytes::from(tools), 1_000),
    ] {
        let each = median(times, || round_trip(&mut gate, request, &answer));
        println!("{name:34} {:>10.2} us ({} bytes)", each * 1e6, answer.len());
    }
    let write = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "tool_3", "arguments": {"path": "a", "content": "line of text\n".repeat(80_000)},
    }});
    let write = Bytes::from(write.to_string());
    let small = text(60);
    let each = median(200, || round_trip(&mut gate, &write, &small));
    println!("{:34} {:>10.2} us ({} bytes)", "tools/call with 1 MiB, small result", each * 1e6, write.len());
    let ping = Bytes::from_static(
        br#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info"}}"#,
    );
    let each = median(20_000, || {
        gate.from_server(now, ping.clone());
        drain(&mut gate);
    });
    println!("{:34} {:>10.2} us ({} bytes)", "a notification", each * 1e6, ping.len());
}

fn drain(gate: &mut Gate) {
    while let Some(output) = gate.next_output() {
        assert!(!matches!(output, Output::End(_)), "{output:?}");
        black_box(output);
    }
}

fn median(times: usize, mut each: impl FnMut()) -> f64 {
    let mut rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..times).for_each(|_| each());
            start.elapsed().as_secs_f64() / times as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
