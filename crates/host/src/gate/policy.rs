//! The policy: what a grant says about one message. A pure function, so that a table of tests can hold it down.

use crate::grant::{Grant, ToolRule};
use crate::server::ServerId;
use crate::time::Timestamp;
use gatelodge_wire::misspelt;

/// What is judged: the few things about a message that decide over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged<'a> {
    /// Who sent it.
    pub from: Side,
    /// Whether it wants an answer.
    pub shape: Shape,
    /// The method's name.
    pub method: &'a str,
    /// For a tool call its tool. For a task, the tool whose call made the task, if a call of this channel did.
    pub tool: Option<&'a str>,
    /// For a tool call what is known of the tool's definition.
    pub definition: Definition,
}

/// One of the two sides of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The remote agent: the MCP client.
    Agent,
    /// The local server.
    Server,
}

/// Whether a message wants an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// It has an id.
    Request,
    /// It has none.
    Notification,
}

/// What is known of a tool's definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Definition {
    /// Nothing yet: the server has not listed its tools since they last changed.
    Unlisted,
    /// It is the one that the person lent.
    Lent,
    /// It is another one than the person lent, or one that has no canonical form and so can't be compared.
    Changed,
    /// Two tools have names that people or programs could take for one.
    Ambiguous,
    /// The server has listed its tools, and this is none of them.
    Missing,
}

/// What happens with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is forwarded.
    Allow,
    /// The person is asked.
    Ask(QuestionKind),
    /// It is not forwarded.
    Deny(DenyReason),
}

/// What the person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuestionKind {
    /// Whether a tool may be called with these arguments.
    ToolCall,
}

/// Why a message is not forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DenyReason {
    /// The grant is for another server.
    OtherServer,
    /// The grant has expired.
    Expired,
    /// The grant denies the tool.
    ToolDenied,
    /// The tool's definition is not the one that was lent.
    ToolChanged,
    /// The tool's name can be taken for another tool's.
    ToolAmbiguous,
    /// The server has no such tool.
    ToolUnknown,
    /// The task was not made by a call of this channel.
    TaskUnknown,
    /// The method's name is not one, or is another spelling of a known one.
    MethodName,
    /// A method that nobody knows, in the namespace of tools or tasks: it could call a tool past the rules for calls.
    MethodUnknown,
    /// A method that only the other side may call.
    Direction,
    /// A request's method in a message that wants no answer, or the other way round.
    Shape,
    /// Agents have no roots here.
    Roots,
    /// The grant does not let the server use the agent's model.
    Sampling,
    /// The grant does not let the server ask the agent's user.
    Elicitation,
}

impl DenyReason {
    /// Returns the stable code of the reason, as it goes to the peer and into the activity log.
    pub fn code(self) -> &'static str {
        match self {
            Self::OtherServer => "other-server",
            Self::Expired => "grant-expired",
            Self::ToolDenied => "tool-denied",
            Self::ToolChanged => "tool-changed",
            Self::ToolAmbiguous => "tool-ambiguous",
            Self::ToolUnknown => "tool-unknown",
            Self::TaskUnknown => "task-unknown",
            Self::MethodName => "method-name",
            Self::MethodUnknown => "method-unknown",
            Self::Direction => "wrong-direction",
            Self::Shape => "wrong-shape",
            Self::Roots => "roots",
            Self::Sampling => "sampling-denied",
            Self::Elicitation => "elicitation-denied",
        }
    }

    /// Returns a sentence for the peer, written so that a model can act on it.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::OtherServer | Self::ToolDenied => {
                "The person who lends this server does not allow this tool. Do not try again; use another way or ask \
                 your user."
            }
            Self::Expired => {
                "The access to this server has expired. The person who lends it has to renew it; tell your user."
            }
            Self::ToolChanged => {
                "This tool is suspended: its definition has changed since the person who lends this server allowed \
                 it, and they have not looked at the change yet. Do not try again now; tell your user."
            }
            Self::ToolAmbiguous => {
                "This tool is suspended: its name can be confused with another tool's. Tell your user."
            }
            Self::ToolUnknown => "This server has no tool of that name. List its tools to see what there is.",
            Self::TaskUnknown => "No task of that id was started on this connection.",
            Self::MethodName => "The method's name is not valid here.",
            Self::MethodUnknown => "Method not found.",
            Self::Direction => "This method is not for this direction.",
            Self::Shape => "This method is not allowed in a message of this kind.",
            Self::Roots => "Roots are set by the person who lends this server, not by the agent.",
            Self::Sampling => "The person who lends this server does not let it use the agent's model.",
            Self::Elicitation => "The person who lends this server does not let it ask the agent's user.",
        }
    }
}

/// The requests that agents make, in all revisions of MCP and its extensions.
pub(super) const AGENT_REQUESTS: [&str; 23] = [
    "tools/call",
    "tools/list",
    "initialize",
    "ping",
    "server/discover",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "resources/directory/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
    "subscriptions/listen",
    "tasks/list",
    "tasks/get",
    "tasks/result",
    "tasks/cancel",
    "tasks/update",
    "skills/list",
    "skills/get",
];

/// The requests that servers make beside `ping` and those about tasks.
pub(super) const SERVER_REQUESTS: [&str; 3] = ["roots/list", "sampling/createMessage", "elicitation/create"];

/// The notifications that the gate acts on.
const NOTIFICATIONS: [&str; 4] = [
    "notifications/cancelled",
    "notifications/tools/list_changed",
    "notifications/roots/list_changed",
    "notifications/tasks",
];

/// The longest name of a method. MCP's longest has 37 characters.
const MAX_METHOD: usize = 128;

/// Decides what happens with a message.
///
/// What a grant has no word about passes: resources, prompts, completions, logging, subscriptions, and methods that
/// nobody here knows, which the receiver itself answers with "method not found". Except where such a method could be
/// a tool call by another name: one in the namespace of tools or tasks, or one that differs from a known one only in
/// case.
pub fn decide(grant: &Grant, server: &ServerId, judged: &Judged<'_>, now: Timestamp) -> Decision {
    if grant.server != *server {
        return Decision::Deny(DenyReason::OtherServer);
    }
    if grant.expires.is_some_and(|expires| expires <= now) {
        return Decision::Deny(DenyReason::Expired);
    }
    if let Err(reason) = check_name(judged) {
        return Decision::Deny(reason);
    }
    match (judged.from, judged.shape) {
        (Side::Agent, Shape::Request) => of_agent(grant, judged),
        (Side::Agent, Shape::Notification) if judged.method == "notifications/roots/list_changed" => {
            Decision::Deny(DenyReason::Roots)
        }
        (Side::Server, Shape::Request) => of_server(grant, judged.method),
        (_, Shape::Notification) => Decision::Allow,
    }
}

fn check_name(judged: &Judged<'_>) -> Result<(), DenyReason> {
    let method = judged.method;
    let printable = method.bytes().all(|byte| byte.is_ascii_graphic());
    if method.is_empty() || method.len() > MAX_METHOD || !printable {
        return Err(DenyReason::MethodName);
    }
    // A known one is exactly itself, which is most of the messages.
    if !AGENT_REQUESTS.contains(&method) {
        let known = misspelt(method, &AGENT_REQUESTS)
            .or(misspelt(method, &SERVER_REQUESTS))
            .or(misspelt(method, &NOTIFICATIONS));
        if known.is_some() {
            return Err(DenyReason::MethodName);
        }
    }
    match (judged.shape, method.starts_with("notifications/")) {
        (Shape::Request, true) | (Shape::Notification, false) => Err(DenyReason::Shape),
        _ => Ok(()),
    }
}

fn of_agent(grant: &Grant, judged: &Judged<'_>) -> Decision {
    let rule = judged.tool.map(|tool| grant.tools.of(tool));
    match judged.method {
        "tools/call" => match (rule, judged.definition) {
            (None, _) => Decision::Deny(DenyReason::ToolUnknown),
            (Some(ToolRule::Deny), _) => Decision::Deny(DenyReason::ToolDenied),
            (_, Definition::Changed) => Decision::Deny(DenyReason::ToolChanged),
            (_, Definition::Ambiguous) => Decision::Deny(DenyReason::ToolAmbiguous),
            (_, Definition::Missing | Definition::Unlisted) => Decision::Deny(DenyReason::ToolUnknown),
            (Some(ToolRule::Ask), Definition::Lent) => Decision::Ask(QuestionKind::ToolCall),
            (Some(ToolRule::Allow), Definition::Lent) => Decision::Allow,
        },
        // The call that made the task was judged, and asked about where the rule says so.
        "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/update" => match rule {
            None => Decision::Deny(DenyReason::TaskUnknown),
            Some(ToolRule::Deny) => Decision::Deny(DenyReason::ToolDenied),
            Some(ToolRule::Ask | ToolRule::Allow) => Decision::Allow,
        },
        method if SERVER_REQUESTS.contains(&method) => Decision::Deny(DenyReason::Direction),
        method if AGENT_REQUESTS.contains(&method) => Decision::Allow,
        method if is_about_tools(method) => Decision::Deny(DenyReason::MethodUnknown),
        _ => Decision::Allow,
    }
}

fn of_server(grant: &Grant, method: &str) -> Decision {
    match method {
        "ping" => Decision::Allow,
        "roots/list" => Decision::Deny(DenyReason::Roots),
        "sampling/createMessage" if grant.sampling => Decision::Allow,
        "sampling/createMessage" => Decision::Deny(DenyReason::Sampling),
        "elicitation/create" if grant.elicitation => Decision::Allow,
        "elicitation/create" => Decision::Deny(DenyReason::Elicitation),
        // A server may follow a completion or a question that runs as a task on the agent's side.
        "tasks/get" | "tasks/result" | "tasks/list" | "tasks/cancel"
            if grant.sampling || grant.elicitation =>
        {
            Decision::Allow
        }
        method if AGENT_REQUESTS.contains(&method) => Decision::Deny(DenyReason::Direction),
        _ => Decision::Allow,
    }
}

/// Whether the first word of a method is that of tools or tasks, whatever surrounds it.
fn is_about_tools(method: &str) -> bool {
    let word = method.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| !word.is_empty());
    word.is_some_and(|word| {
        ["tools", "tool", "tasks", "task"].iter().any(|known| word.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests;
