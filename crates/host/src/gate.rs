//! The gate: between one data channel of an agent and the server that it talks to.
//!
//! Every message is read just far enough to be judged, judged by [`decide`], maybe asked about, recorded, and then
//! forwarded as the same bytes. One [`Gate`] belongs to one channel; nothing in it is shared. It does no IO: whoever
//! owns the channel hands messages in, with the time, and takes out what is to be done.
//!
//! The few places where a message is not forwarded as it came:
//!
//! - the agent's announced capabilities lose `roots` (always), and `sampling` and `elicitation` where the grant
//!   denies them: in `initialize`, and in the `_meta` of stateless requests. If the configuration has folders for
//!   the server's `roots/list`, a stateful server is told `"roots":{}` instead, without which it would not ask; the
//!   gate answers. Stateless servers are never told of roots;
//! - `tools/list` results lose the tools that the agent can't call;
//! - `tasks/list` results lose the tasks that no call of this channel made;
//! - a result that asks for what the grant denies (`input_required`) becomes an error.
//!
//! What stays in such a message stays byte for byte.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gatelodge_wire::{Envelope, MAX_DEPTH, Strictness, read_message};

use crate::approval::Verdict;
use crate::grant::Grant;
use crate::server::SharedFolder;
use crate::time::Timestamp;

mod agent;
mod answers;
mod canonical;
mod edits;
mod listing;
mod pending;
mod policy;
mod record;
mod server;
mod tools;

pub use answers::{NOT_ALLOWED, TOO_MANY_REQUESTS};
pub use canonical::{CanonicalError, canonical, pin_of};
pub use listing::ToolNews;
pub use policy::{Decision, Definition, DenyReason, Judged, QuestionKind, Shape, Side, decide};
pub use record::{Call, DropReason, Outcome, Record};

use listing::Listing;
use pending::{Id, Pending};
use tools::Walk;

/// How much a gate puts up with.
#[derive(Debug, Clone)]
pub struct GateLimits {
    /// The longest message of an agent, in bytes. Defaults to 16 MiB, the longest line that common servers read.
    pub agent_message: usize,
    /// The longest message of a server, in bytes. Defaults to 64 MiB, what a channel carries at most.
    pub server_message: usize,
    /// The deepest nesting. Defaults to 128 levels.
    pub depth: usize,
    /// The most requests of the agent that wait for an answer. Defaults to 512.
    pub agent_requests: usize,
    /// The most requests of the server that wait for an answer. Defaults to 64.
    pub server_requests: usize,
    /// The most calls that are held until somebody approves. Defaults to 32.
    pub held: usize,
    /// The bytes of all held calls together. Defaults to 32 MiB.
    pub held_bytes: usize,
    /// The longest that a call is held for approval. Defaults to 10 minutes, more than any prompt stays.
    pub hold: Duration,
    /// The most tools that are known of a server. Defaults to 4,096.
    pub tools: usize,
    /// The most tasks of a channel that are remembered; older ones are forgotten. Defaults to 1,024.
    pub tasks: usize,
    /// The longest that the gate waits for a server's list of tools, in which calls are held. Defaults to 10 s.
    pub listing: Duration,
    /// The most pages of that list. Defaults to 64.
    pub pages: usize,
    /// The most unreadable or unasked messages of each side, then the channel ends. Defaults to 64: some servers print
    /// a few lines of log to their standard output.
    pub faults: u32,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            agent_message: 16 << 20,
            server_message: 64 << 20,
            depth: MAX_DEPTH,
            agent_requests: 512,
            server_requests: 64,
            held: 32,
            held_bytes: 32 << 20,
            hold: Duration::from_secs(600),
            tools: 4096,
            tasks: 1024,
            listing: Duration::from_secs(10),
            pages: 64,
            faults: 64,
        }
    }
}

/// What a gate is made of.
#[derive(Debug, Clone)]
pub struct GateConfig {
    /// What the agent may do, and with which server.
    pub grant: Grant,
    /// The folders that a stateful server's `roots/list` is answered with. `None`: the server is told that there are
    /// no roots. (There are servers that let roots replace the folders of their own configuration.)
    pub roots: Option<Vec<SharedFolder>>,
    /// How much is put up with.
    pub limits: GateLimits,
}

/// A point in time, by both clocks: one that only goes forward, and the one that people read.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For durations.
    pub instant: Instant,
    /// For expiry and for the log.
    pub wall: Timestamp,
}

impl Moment {
    /// Returns the present.
    pub fn now() -> Self {
        Self { instant: Instant::now(), wall: Timestamp::now() }
    }
}

/// Something to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Send this message to the server.
    ToServer(Bytes),
    /// Send this message to the agent.
    ToAgent(Bytes),
    /// Ask the person, and give the verdict to [`Gate::answer`].
    Ask(Question),
    /// The question needs no answer any more.
    Withdraw(Ticket),
    /// Something is new about a tool.
    Tool(ToolNews),
    /// Something for the activity log.
    Record(Record),
    /// Close the channel. Nothing comes after this.
    End(EndReason),
}

/// Names a question of one gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// A call that is held until somebody decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What to answer to.
    pub ticket: Ticket,
    /// What is asked.
    pub kind: QuestionKind,
    /// The tool to be called.
    pub tool: String,
    /// Its arguments as they stand in the message; `None` if there are none.
    pub arguments: Option<Bytes>,
    /// Whether the agent wants to hear of progress: whether [`Gate::waiting`] has something to send.
    pub progress: bool,
}

/// Why a channel has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndReason {
    /// The grant has expired.
    #[error("the access to this server has expired")]
    Expired,
    /// The agent sends what can't be read, again and again.
    #[error("the agent sent too many messages that are not valid")]
    AgentFaults,
    /// The server does.
    #[error("the server sent too many messages that are not valid")]
    ServerFaults,
    /// A message of the server that is over the limit: what it answers can't be told.
    #[error("the server sent a message of {size} bytes, over the limit of {limit}")]
    ServerMessage {
        /// Its length.
        size: usize,
        /// The limit.
        limit: usize,
    },
}

/// A call that waits for a verdict, or for the server's list of tools.
#[derive(Debug)]
struct Held {
    id: Id,
    /// The id as the agent wrote it.
    raw_id: Box<str>,
    tool: String,
    /// What is forwarded if it may be.
    message: Bytes,
    arguments: Option<Bytes>,
    /// The progress token as the agent wrote it.
    token: Option<Box<str>>,
    /// How often the agent has been told that the call waits.
    told: u32,
    /// Whether the agent speaks the stateless protocol.
    stateless: bool,
    /// Whether the agent wants a task rather than a result.
    as_task: bool,
    /// Whether the person has approved it, and only the server's list of tools is waited for.
    approved: bool,
    until: Instant,
}

/// The gate of one channel. See the [module](self).
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use gatelodge_host::Grant;
/// use gatelodge_host::gate::{Gate, GateConfig, GateLimits, Moment, Output};
///
/// # let grant: Grant = serde_json::from_value(serde_json::json!({
/// #     "agent": (["AB"; 32].join(":")), "server": "notes", "tools": {"default": "allow"},
/// # })).unwrap();
/// let mut gate = Gate::new(GateConfig { grant, roots: None, limits: GateLimits::default() });
/// let ping = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
/// gate.from_agent(Moment::now(), ping.clone());
/// let outputs: Vec<_> = std::iter::from_fn(|| gate.next_output()).collect();
/// assert!(outputs.contains(&Output::ToServer(ping)));
/// ```
#[derive(Debug)]
pub struct Gate {
    grant: Grant,
    roots: Option<Vec<SharedFolder>>,
    limits: GateLimits,
    outputs: VecDeque<Output>,
    agent_calls: Pending,
    server_calls: Pending,
    listing: Listing,
    walk: Option<Walk>,
    /// The calls that wait for a verdict.
    held: HashMap<Ticket, Held>,
    held_bytes: usize,
    /// The calls that wait for the server's list of tools.
    unlisted: VecDeque<Held>,
    /// The tool of each task that a call of this channel made, and the tasks in their order.
    tasks: HashMap<Box<str>, Box<str>>,
    task_order: VecDeque<Box<str>>,
    calls: u64,
    tickets: u64,
    agent_faults: u32,
    server_faults: u32,
    ended: bool,
}

impl Gate {
    /// Makes the gate of a new channel.
    pub fn new(config: GateConfig) -> Self {
        Self {
            grant: config.grant,
            roots: config.roots,
            limits: config.limits,
            outputs: VecDeque::with_capacity(4),
            agent_calls: Pending::default(),
            server_calls: Pending::default(),
            listing: Listing::default(),
            walk: None,
            held: HashMap::new(),
            held_bytes: 0,
            unlisted: VecDeque::new(),
            tasks: HashMap::new(),
            task_order: VecDeque::new(),
            calls: 0,
            tickets: 0,
            agent_faults: 0,
            server_faults: 0,
            ended: false,
        }
    }

    /// Takes in a message of the agent.
    pub fn from_agent(&mut self, now: Moment, message: Bytes) {
        if self.ended {
            return;
        }
        let strictness = Strictness {
            max_bytes: self.limits.agent_message,
            max_depth: self.limits.depth,
            unique_everywhere: true,
        };
        match read_message(&message, strictness) {
            Ok(read) => match &read.envelope {
                Envelope::Request { id, method } => self.agent_request(now, &message, &read, *id, method),
                Envelope::Notification { method } => self.agent_notification(now, &message, &read, method),
                Envelope::Response { id, is_error } => self.agent_response(now, &message, *id, *is_error),
                _ => self.drop_message(Side::Agent, DropReason::NotAsked, message.len()),
            },
            Err(error) => {
                // An id that is in use is not answered a second time.
                let id = error.id.filter(|id| Id::of(*id).is_some_and(|id| !self.agent_calls.contains(&id)));
                self.send_to_agent(answers::refusal(id, &error.fault));
                self.drop_message(Side::Agent, DropReason::Fault(error.fault), message.len());
                self.agent_fault();
            }
        }
    }

    /// Takes in a message of the server.
    pub fn from_server(&mut self, now: Moment, message: Bytes) {
        if self.ended || self.expired(now) {
            return;
        }
        let strictness = Strictness {
            max_bytes: self.limits.server_message,
            max_depth: self.limits.depth,
            unique_everywhere: false,
        };
        match read_message(&message, strictness) {
            Ok(read) => match &read.envelope {
                Envelope::Request { id, method } => self.server_request(now, &message, &read, *id, method),
                Envelope::Notification { method } => self.server_notification(now, &message, &read, method),
                Envelope::Response { id, is_error } => {
                    self.server_response(now, &message, &read, *id, *is_error);
                }
                _ => self.drop_message(Side::Server, DropReason::NotAsked, message.len()),
            },
            Err(error) => self.unreadable_of_server(now, &message, error),
        }
    }

    /// Takes in what the person has decided. A verdict about a call that is not held any more changes nothing.
    pub fn answer(&mut self, now: Moment, ticket: Ticket, verdict: Verdict) {
        if self.ended {
            return;
        }
        if let Some(held) = self.held.remove(&ticket) {
            self.held_bytes -= held.message.len();
            self.decided(now, held, &verdict);
        }
    }

    /// Returns a message to the agent that tells that its call waits for a person. Nothing if it gave no progress
    /// token.
    pub fn waiting(&mut self, ticket: Ticket) -> Option<Bytes> {
        let held = self.held.get_mut(&ticket)?;
        let token = held.token.as_deref()?;
        held.told += 1;
        Some(answers::waiting(token, held.told))
    }

    /// Puts another grant into force, from now on.
    ///
    /// What is known of the server's tools is forgotten, so that the next call has them listed and compared with the
    /// new pins. Calls that are held are judged again when the verdict about them comes.
    pub fn regrant(&mut self, grant: Grant) {
        self.grant = grant;
        self.listing.forget_all();
    }

    /// Lets time pass: ends what has waited too long.
    pub fn tick(&mut self, now: Moment) {
        if self.ended || self.expired(now) {
            return;
        }
        let late: Vec<_> = self
            .held
            .iter()
            .filter(|(_, held)| held.until <= now.instant)
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in late {
            self.output(Output::Withdraw(ticket));
            self.answer(now, ticket, Verdict::Denied(crate::approval::Denial::TimedOut));
        }
        if self.walk.as_ref().is_some_and(|walk| walk.until <= now.instant) {
            self.end_walk(now, false);
        }
    }

    /// Returns when [`Gate::tick`] has something to do, at the latest.
    pub fn deadline(&self, now: Moment) -> Option<Instant> {
        let expiry = self.grant.expires.map(|expires| {
            let left = u64::try_from(expires.as_millis().saturating_sub(now.wall.as_millis())).unwrap_or(0);
            // A day is soon enough to look again, and no instant is out of range.
            now.instant + Duration::from_millis(left.min(86_400_000))
        });
        let held = self.held.values().map(|held| held.until);
        held.chain(self.walk.as_ref().map(|walk| walk.until)).chain(expiry).min()
    }

    /// Returns the next thing to be done. Call it until there is none after each call of another method.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Tells what became of the requests that nobody will answer any more. Call it when the channel has ended.
    pub fn close(&mut self, now: Moment) {
        self.ended = true;
        for ticket in self.held.drain().map(|(ticket, _)| ticket).collect::<Vec<_>>() {
            self.output(Output::Withdraw(ticket));
        }
        self.held_bytes = 0;
        self.unlisted.clear();
        let waiting: Vec<_> = self.agent_calls.drain().chain(self.server_calls.drain()).collect();
        for waiting in waiting {
            if waiting.stage != pending::Stage::Cancelled {
                self.ended_call(now, waiting, Outcome::Unanswered, 0);
            }
        }
    }

    fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    fn send_to_agent(&mut self, message: Bytes) {
        self.output(Output::ToAgent(message));
    }

    fn send_to_server(&mut self, message: Bytes) {
        self.output(Output::ToServer(message));
    }

    fn end(&mut self, reason: EndReason) {
        if !self.ended {
            self.ended = true;
            self.output(Output::End(reason));
        }
    }

    /// Ends the channel if the grant has expired.
    fn expired(&mut self, now: Moment) -> bool {
        let expired = self.grant.expires.is_some_and(|expires| expires <= now.wall);
        if expired {
            self.end(EndReason::Expired);
        }
        expired
    }

    fn agent_fault(&mut self) {
        self.agent_faults += 1;
        if self.agent_faults > self.limits.faults {
            self.end(EndReason::AgentFaults);
        }
    }

    fn server_fault(&mut self) {
        self.server_faults += 1;
        if self.server_faults > self.limits.faults {
            self.end(EndReason::ServerFaults);
        }
    }

    fn drop_message(&mut self, from: Side, reason: DropReason, bytes: usize) {
        self.output(Output::Record(Record::Dropped { from, reason, bytes }));
    }

    fn ended_call(&mut self, now: Moment, waiting: pending::Waiting, outcome: Outcome, answer_bytes: usize) {
        let took = now.instant.saturating_duration_since(waiting.since);
        let approved = waiting.approved;
        self.output(Output::Record(Record::Ended {
            call: waiting.call,
            outcome,
            answer_bytes,
            took,
            approved,
        }));
    }
}

#[cfg(test)]
mod tests;
