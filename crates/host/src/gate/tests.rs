use std::collections::BTreeMap;

use super::*;
use crate::approval::{Denial, Terms};
use crate::grant::{EntryRule, ToolPin, ToolRule, ToolRules};
use crate::server::FolderAccess;

mod calls;
mod envelopes;
mod listing;
mod rewriting;
mod servers;

/// A gate, with a clock, and what came out of it.
struct Channel {
    gate: Gate,
    now: Moment,
}

impl Channel {
    fn new(grant: Grant) -> Self {
        Self::with(grant, None, GateLimits::default())
    }

    fn with(grant: Grant, roots: Option<Vec<SharedFolder>>, limits: GateLimits) -> Self {
        let now = Moment { instant: Instant::now(), wall: Timestamp::from_millis(1_000_000) };
        Self { gate: Gate::new(GateConfig { grant, roots, limits }), now }
    }

    fn agent(&mut self, message: &str) -> Vec<Output> {
        self.gate.from_agent(self.now, Bytes::copy_from_slice(message.as_bytes()));
        self.outputs()
    }

    fn server(&mut self, message: &str) -> Vec<Output> {
        self.gate.from_server(self.now, Bytes::copy_from_slice(message.as_bytes()));
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.gate.next_output()).collect()
    }

    fn pass(&mut self, time: Duration) -> Vec<Output> {
        self.now.instant += time;
        self.now.wall = self.now.wall.after(time);
        self.gate.tick(self.now);
        self.outputs()
    }

    /// Has the agent list these tools.
    fn list(&mut self, tools: &str) -> Vec<Output> {
        self.agent(r#"{"jsonrpc":"2.0","id":"list","method":"tools/list"}"#);
        self.server(&format!(r#"{{"jsonrpc":"2.0","id":"list","result":{{"tools":[{tools}]}}}}"#))
    }
}

fn grant(default: ToolRule) -> Grant {
    Grant {
        agent: ["AB"; 32].join(":").parse().unwrap(),
        server: "notes".parse().unwrap(),
        entry: EntryRule::Open,
        folders: None,
        tools: ToolRules { default, tools: BTreeMap::new() },
        sampling: true,
        elicitation: true,
        expires: None,
        pins: BTreeMap::new(),
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn to_server(outputs: &[Output]) -> Vec<String> {
    outputs
        .iter()
        .filter_map(|output| if let Output::ToServer(m) = output { Some(text(m)) } else { None })
        .collect()
}

fn to_agent(outputs: &[Output]) -> Vec<String> {
    outputs
        .iter()
        .filter_map(|output| if let Output::ToAgent(m) = output { Some(text(m)) } else { None })
        .collect()
}

fn question(outputs: &[Output]) -> Option<&Question> {
    outputs.iter().find_map(|output| if let Output::Ask(question) = output { Some(question) } else { None })
}

fn news(outputs: &[Output]) -> Vec<&ToolNews> {
    outputs
        .iter()
        .filter_map(|output| if let Output::Tool(news) = output { Some(news) } else { None })
        .collect()
}

fn ended(outputs: &[Output]) -> Option<Outcome> {
    outputs.iter().find_map(|output| match output {
        Output::Record(Record::Ended { outcome, .. }) => Some(*outcome),
        _ => None,
    })
}

fn call(id: &str, tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"a":1}}}}}}"#
    )
}

const READ: &str = r#"{"name":"read","inputSchema":{"type":"object"}}"#;
const WRITE: &str = r#"{ "inputSchema":{"type":"object"}, "name":"write" }"#;
