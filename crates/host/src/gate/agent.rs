//! What comes from the agent.

use std::borrow::Cow;

use bytes::Bytes;
use gatelodge_wire::{Json, Message, RawId, misspelt};

use super::answers::{self, INVALID_PARAMS, INVALID_REQUEST, OWN_ID, TOO_MANY_REQUESTS};
use super::edits::Edits;
use super::pending::{Id, Stage, Waiting};
use super::policy::{AGENT_REQUESTS, Decision, Definition, DenyReason, Judged, Shape, Side, decide};
use super::record::{Call, DropReason, Outcome, Record};
use super::{EndReason, Gate, Held, Moment, Output};
use crate::grant::ToolRule;

/// Where stateless requests carry what `initialize` says once.
const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// The members of `_meta` that somebody acts on.
const META: [&str; 3] = ["progressToken", CLIENT_CAPABILITIES, PROTOCOL_VERSION];

/// The capabilities that the gate may take out.
const CAPABILITIES: [&str; 3] = ["roots", "sampling", "elicitation"];

/// What is wrong with a request that can be read.
struct Wrong {
    code: i32,
    sentence: &'static str,
    reason: &'static str,
    dropped: DropReason,
}

const fn wrong_params(sentence: &'static str) -> Wrong {
    Wrong { code: INVALID_PARAMS, sentence, reason: "params", dropped: DropReason::Params }
}

const fn wrong_id(sentence: &'static str, reason: &'static str) -> Wrong {
    Wrong { code: INVALID_REQUEST, sentence, reason, dropped: DropReason::Id }
}

/// What a request's `_meta` says.
#[derive(Default)]
struct Meta<'a> {
    token: Option<(Id, Json<'a>)>,
    stateless: bool,
}

impl Gate {
    pub(super) fn agent_request(
        &mut self,
        now: Moment,
        message: &Bytes,
        read: &Message<'_>,
        raw_id: RawId<'_>,
        method: &str,
    ) {
        let refuse = |gate: &mut Self, id: &str, wrong: &Wrong| {
            gate.send_to_agent(answers::error(id, wrong.code, wrong.sentence, wrong.reason));
            gate.drop_message(Side::Agent, wrong.dropped, message.len());
            gate.agent_fault();
        };
        let id = match self.agent_id(raw_id) {
            Ok(id) => id,
            // The id is in use or can't be: an answer with it would be taken for another's.
            Err(wrong) => return refuse(self, "null", &wrong),
        };
        let (meta, subject, edits) = match self.agent_params(read, method) {
            Ok(read) => read,
            Err(wrong) => return refuse(self, raw_id.as_str(), &wrong),
        };
        self.calls += 1;
        let call = Call {
            number: self.calls,
            from: Side::Agent,
            at: now.wall,
            method: method_name(method),
            subject: subject.as_deref().map(Into::into),
            bytes: message.len(),
        };
        let mut waiting = Waiting {
            call,
            since: now.instant,
            token: meta.token.as_ref().map(|(id, _)| id.clone()),
            stage: Stage::Sent,
            approved: false,
            first_page: method == "tools/list" && read.member("cursor").is_none(),
        };
        if self.agent_calls.is_full(self.limits.agent_requests) {
            let sentence = "Too many requests are unanswered. Wait for an answer before sending more.";
            self.send_to_agent(answers::error(raw_id.as_str(), TOO_MANY_REQUESTS, sentence, "busy"));
            return self.ended_call(now, waiting, Outcome::Busy, 0);
        }
        let as_tool_call = method == "tools/call";
        let until = now.instant + self.limits.hold;
        let held = |tool: &str| Held {
            id: id.clone(),
            raw_id: raw_id.as_str().into(),
            tool: tool.to_owned(),
            message: Bytes::new(),
            arguments: read.member("arguments").map(|arguments| message.slice(arguments.range())),
            token: meta.token.as_ref().map(|(_, token)| token.text().into()),
            told: 0,
            stateless: meta.stateless,
            as_task: read.member("task").is_some(),
            until,
            approved: false,
        };
        let of_task = match &subject {
            Some(task) if method.starts_with("tasks/") => self.tasks.get(&**task).cloned(),
            _ => None,
        };
        let (tool, definition) = match &subject {
            Some(tool) if as_tool_call => (Some(&**tool), self.listing.look_up(tool)),
            _ => (of_task.as_deref(), Definition::Lent),
        };
        // Whether the tool is the one that was lent can't be told before the server has listed its tools.
        if let (Some(tool), Definition::Unlisted) = (tool, definition)
            && self.grant.expires.is_none_or(|expires| now.wall < expires)
            && self.grant.tools.of(tool) != ToolRule::Deny
        {
            let held = Held { message: edits.apply(message), ..held(tool) };
            waiting.stage = Stage::Held;
            self.output(Output::Record(Record::Started(waiting.call.clone())));
            self.agent_calls.insert(id, waiting);
            return self.hold_unlisted(now, held);
        }
        let judged = Judged { from: Side::Agent, shape: Shape::Request, method, tool, definition };
        match decide(&self.grant, &self.grant.server, &judged, now.wall) {
            Decision::Allow => {
                self.output(Output::Record(Record::Started(waiting.call.clone())));
                self.agent_calls.insert(id, waiting);
                self.send_to_server(edits.apply(message));
            }
            Decision::Ask(kind) => {
                let held = Held { message: edits.apply(message), ..held(tool.unwrap_or_default()) };
                waiting.stage = Stage::Held;
                self.output(Output::Record(Record::Started(waiting.call.clone())));
                self.agent_calls.insert(id, waiting);
                self.ask(now, held, kind);
            }
            Decision::Deny(reason) => {
                let answer = if as_tool_call {
                    held("").refusal(reason)
                } else {
                    answers::denial(raw_id.as_str(), reason)
                };
                let bytes = answer.len();
                self.send_to_agent(answer);
                self.ended_call(now, waiting, Outcome::Denied(reason), bytes);
                if reason == DenyReason::Expired {
                    self.end(EndReason::Expired);
                }
            }
        }
    }

    /// Returns the request's id if it can be used.
    fn agent_id(&self, raw: RawId<'_>) -> Result<Id, Wrong> {
        let id = Id::of(raw).ok_or(wrong_id(
            "The id is not a string or an integer of 64 bits that every reader reads alike.",
            "id",
        ))?;
        if matches!(&id, Id::Text(text) if text.starts_with(OWN_ID)) {
            return Err(wrong_id("Ids that begin like this are not free.", "id-reserved"));
        }
        if self.agent_calls.contains(&id) {
            return Err(wrong_id("A request with this id is still unanswered.", "id-in-use"));
        }
        Ok(id)
    }

    /// Reads what matters of a request's params: its `_meta`, what it is about, and what has to be taken out.
    fn agent_params<'a>(
        &self,
        read: &Message<'a>,
        method: &str,
    ) -> Result<(Meta<'a>, Option<Cow<'a, str>>, Edits), Wrong> {
        let mut edits = Edits::default();
        let meta = match read.member("_meta") {
            Some(meta) => self.agent_meta(meta, &mut edits)?,
            None => Meta::default(),
        };
        if let Some((token, _)) = &meta.token
            && self.agent_calls.has_token(token)
        {
            return Err(wrong_id(
                "A request with this progress token is still unanswered.",
                "progress-token-in-use",
            ));
        }
        if method == "initialize"
            && let Some(capabilities) = read.member("capabilities")
        {
            self.capabilities(capabilities, self.roots.is_some(), &mut edits)?;
        }
        if let Some(responses) = read.member("inputResponses") {
            let has_roots = |response: Json<'_>| {
                response.members().any(|m| m.name == "roots" || misspelt(&m.name, &["roots"]).is_some())
            };
            if responses.members().any(|response| has_roots(response.value)) {
                return Err(wrong_params(
                    "Roots are set by the person who lends this server, not by the agent.",
                ));
            }
        }
        let (member, required) = match method {
            "tools/call" | "prompts/get" => ("name", true),
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => ("uri", true),
            "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/update" => ("taskId", true),
            _ => return Ok((meta, None, edits)),
        };
        let subject = read.member(member).and_then(Json::string);
        if required && subject.is_none() {
            return Err(wrong_params(
                "The params lack the name, uri or taskId that this method needs, as a string.",
            ));
        }
        Ok((meta, subject, edits))
    }

    fn agent_meta<'a>(&self, meta: Json<'a>, edits: &mut Edits) -> Result<Meta<'a>, Wrong> {
        if !meta.is_object() {
            return Err(wrong_params("The params' _meta is not an object."));
        }
        let mut found = Meta::default();
        for member in meta.members() {
            match &*member.name {
                "progressToken" => {
                    let token = Id::read(member.value.text())
                        .filter(|_| member.value.text().len() <= 1024)
                        .ok_or(wrong_params("The progress token is not a string or an integer."))?;
                    found.token = Some((token, member.value));
                }
                CLIENT_CAPABILITIES => self.capabilities(member.value, false, edits)?,
                PROTOCOL_VERSION => found.stateless = true,
                name if misspelt(name, &META).is_some() => {
                    return Err(wrong_params("A member of _meta differs from a known one only in case."));
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Takes out of the agent's capabilities what the grant doesn't give; `own_roots` puts the gate's own in.
    fn capabilities(&self, capabilities: Json<'_>, own_roots: bool, edits: &mut Edits) -> Result<(), Wrong> {
        if !capabilities.is_object() {
            return Err(wrong_params("The client's capabilities are not an object."));
        }
        let mut items = Vec::new();
        let mut has_roots = false;
        for member in capabilities.members() {
            if misspelt(&member.name, &CAPABILITIES).is_some() {
                return Err(wrong_params("A capability differs from a known one only in case."));
            }
            let goes = match &*member.name {
                "roots" if own_roots => {
                    has_roots = true;
                    if member.value.text() != "{}" {
                        edits.replace(member.value.range(), "{}");
                    }
                    false
                }
                "roots" => true,
                "sampling" => !self.grant.sampling,
                "elicitation" => !self.grant.elicitation,
                _ => false,
            };
            items.push((member.range(), goes));
        }
        if own_roots && !has_roots {
            let inside = capabilities.range().start + 1;
            let alone = items.iter().all(|(_, goes)| *goes);
            edits.replace(inside..inside, if alone { r#""roots":{}"# } else { r#""roots":{},"# });
        }
        edits.take_out(&items);
        Ok(())
    }

    pub(super) fn agent_notification(
        &mut self,
        now: Moment,
        message: &Bytes,
        read: &Message<'_>,
        method: &str,
    ) {
        let judged = Judged {
            from: Side::Agent,
            shape: Shape::Notification,
            method,
            tool: None,
            definition: Definition::Lent,
        };
        if let Decision::Deny(reason) = decide(&self.grant, &self.grant.server, &judged, now.wall) {
            self.drop_message(Side::Agent, DropReason::Denied(reason), message.len());
            if reason == DenyReason::Expired {
                self.end(EndReason::Expired);
            }
            return;
        }
        if method == "notifications/cancelled" {
            return self.agent_cancels(now, message, read);
        }
        self.send_to_server(message.clone());
    }

    fn agent_cancels(&mut self, now: Moment, message: &Bytes, read: &Message<'_>) {
        let Some(id) = read.member("requestId").and_then(|id| Id::read(id.text())) else {
            // One that cancels a task has none.
            if read.member("requestId").is_none() {
                return self.send_to_server(message.clone());
            }
            return self.drop_message(Side::Agent, DropReason::Params, message.len());
        };
        match self.agent_calls.get_mut(&id) {
            Some(waiting) if waiting.stage == Stage::Held => {
                let tickets: Vec<_> =
                    self.held.iter().filter(|(_, held)| held.id == id).map(|(ticket, _)| *ticket).collect();
                for ticket in tickets {
                    if let Some(held) = self.held.remove(&ticket) {
                        self.held_bytes -= held.message.len();
                    }
                    self.output(Output::Withdraw(ticket));
                }
                self.unlisted.retain(|held| {
                    let stays = held.id != id;
                    self.held_bytes -= if stays { 0 } else { held.message.len() };
                    stays
                });
                if let Some(waiting) = self.agent_calls.remove(&id) {
                    self.ended_call(now, waiting, Outcome::Cancelled, 0);
                }
            }
            Some(waiting) if waiting.stage == Stage::Sent => {
                waiting.stage = Stage::Cancelled;
                let record = Record::Ended {
                    call: waiting.call.clone(),
                    outcome: Outcome::Cancelled,
                    answer_bytes: 0,
                    took: now.instant.saturating_duration_since(waiting.since),
                    approved: waiting.approved,
                };
                self.output(Output::Record(record));
                self.send_to_server(message.clone());
            }
            _ => self.drop_message(Side::Agent, DropReason::Late, message.len()),
        }
    }

    pub(super) fn agent_response(&mut self, now: Moment, message: &Bytes, id: RawId<'_>, is_error: bool) {
        let Some(waiting) = Id::of(id).and_then(|id| self.server_calls.answered(&id)) else {
            let reason = if id.is_null() { DropReason::NoId } else { DropReason::NotAsked };
            self.drop_message(Side::Agent, reason, message.len());
            return self.agent_fault();
        };
        if self.expired(now) {
            return;
        }
        self.send_to_server(message.clone());
        if waiting.stage == Stage::Sent {
            let outcome = if is_error { Outcome::Error } else { Outcome::Answered };
            self.ended_call(now, waiting, outcome, message.len());
        }
    }
}

/// The name of a method, without copying those that are known.
pub(super) fn method_name(method: &str) -> Cow<'static, str> {
    match AGENT_REQUESTS.iter().find(|known| **known == method) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(method.to_owned()),
    }
}
