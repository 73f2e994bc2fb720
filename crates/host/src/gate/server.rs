//! What comes from the server.

use bytes::Bytes;
use gatelodge_wire::{Json, Message, MessageError, MessageFault, RawId, misspelt};

use super::agent::method_name;
use super::answers::{self, INTERNAL_ERROR, INVALID_REQUEST, NOT_ALLOWED, TOO_MANY_REQUESTS};
use super::edits::Edits;
use super::pending::{Id, Stage, Waiting};
use super::policy::{Decision, Definition, DenyReason, Judged, SERVER_REQUESTS, Shape, Side, decide};
use super::record::{Call, DropReason, Outcome, Record};
use super::{EndReason, Gate, Moment, Output};

/// Why a result is not passed on.
enum Unfit {
    /// It asks for what the grant denies.
    Denied(DenyReason),
    /// It is not what its method's results are.
    Shape,
}

impl Gate {
    pub(super) fn server_response(
        &mut self,
        now: Moment,
        message: &Bytes,
        read: &Message<'_>,
        raw_id: RawId<'_>,
        is_error: bool,
    ) {
        let id = Id::of(raw_id);
        if let Some(walk) = &self.walk
            && id.as_ref() == Some(&walk.id)
        {
            return self.walked(now, message, read, is_error);
        }
        let Some(waiting) = id.and_then(|id| self.agent_calls.answered(&id)) else {
            let reason = if raw_id.is_null() { DropReason::NoId } else { DropReason::NotAsked };
            self.drop_message(Side::Server, reason, message.len());
            return self.server_fault();
        };
        let (answer, outcome) = match self.fit(message, read, &waiting, is_error) {
            Ok(answer) if is_error => (answer, Outcome::Error),
            Ok(answer) if read.member("isError").is_some_and(|failed| failed.text() == "true") => {
                (answer, Outcome::Failed)
            }
            Ok(answer) => (answer, Outcome::Answered),
            Err(Unfit::Denied(reason)) => {
                let answer = answers::error(raw_id.as_str(), NOT_ALLOWED, reason.sentence(), reason.code());
                (answer, Outcome::Denied(reason))
            }
            Err(Unfit::Shape) => (bad_answer(raw_id), Outcome::BadAnswer),
        };
        let bytes = answer.len();
        self.send_to_agent(answer);
        if waiting.stage == Stage::Sent {
            self.ended_call(now, waiting, outcome, bytes);
        }
    }

    /// Returns what the agent gets: the same bytes, or without what it may not see.
    fn fit(
        &mut self,
        message: &Bytes,
        read: &Message<'_>,
        waiting: &Waiting,
        is_error: bool,
    ) -> Result<Bytes, Unfit> {
        if is_error {
            return Ok(message.clone());
        }
        if let Some(requests) = read.member("inputRequests") {
            self.input_requests(requests)?;
        }
        match (&*waiting.call.method, &waiting.call.subject) {
            ("tools/list", _) => self.listed_tools(message, read, waiting.first_page),
            ("tasks/list", _) => self.listed_tasks(message, read),
            ("tools/call", Some(tool)) => {
                let task =
                    read.member("taskId").or(read.member("task").and_then(|task| task.member("taskId")));
                if let Some(task) = task {
                    self.remember_task(&task.string().ok_or(Unfit::Shape)?, tool);
                }
                Ok(message.clone())
            }
            _ => Ok(message.clone()),
        }
    }

    /// Checks what a server asks for within a result.
    fn input_requests(&self, requests: Json<'_>) -> Result<(), Unfit> {
        if !requests.is_object() {
            return Err(if requests.text() == "null" { return Ok(()) } else { Unfit::Shape });
        }
        for request in requests.members() {
            let is_method = |name: &str| name == "method" || misspelt(name, &["method"]).is_some();
            let mut methods = request.value.members().filter(|member| is_method(&member.name));
            let (Some(method), None) = (methods.next(), methods.next()) else { return Err(Unfit::Shape) };
            let method = method.value.string().ok_or(Unfit::Shape)?;
            let reason = match &*method {
                "sampling/createMessage" if !self.grant.sampling => DenyReason::Sampling,
                "elicitation/create" if !self.grant.elicitation => DenyReason::Elicitation,
                "roots/list" => DenyReason::Roots,
                method if misspelt(method, &SERVER_REQUESTS).is_some() => DenyReason::MethodName,
                _ => continue,
            };
            return Err(Unfit::Denied(reason));
        }
        Ok(())
    }

    fn listed_tools(
        &mut self,
        message: &Bytes,
        read: &Message<'_>,
        first_page: bool,
    ) -> Result<Bytes, Unfit> {
        let Some(tools) = read.member("tools") else { return Ok(message.clone()) };
        let tools: Vec<_> = tools.elements().ok_or(Unfit::Shape)?.collect();
        // While the gate lists for itself, what it has seen so far stays.
        let from_the_start = first_page && self.walk.is_none();
        if from_the_start {
            self.listing.forget();
        }
        let visible = self.take_in(message, &tools);
        if from_the_start && read.member("nextCursor").is_none() {
            self.listing.completed();
        }
        let items: Vec<_> =
            tools.iter().zip(visible).map(|(tool, visible)| (tool.range(), !visible)).collect();
        let mut edits = Edits::default();
        edits.take_out(&items);
        Ok(edits.apply(message))
    }

    fn listed_tasks(&self, message: &Bytes, read: &Message<'_>) -> Result<Bytes, Unfit> {
        let Some(tasks) = read.member("tasks") else { return Ok(message.clone()) };
        let of_others = |task: Json<'_>| {
            let mut ids = task.members().filter(|member| member.name == "taskId");
            let id = ids.next().and_then(|id| id.value.string());
            ids.next().is_some() || id.is_none_or(|id| !self.tasks.contains_key(&*id))
        };
        let tasks = tasks.elements().ok_or(Unfit::Shape)?;
        let items: Vec<_> = tasks.map(|task| (task.range(), of_others(task))).collect();
        let mut edits = Edits::default();
        edits.take_out(&items);
        Ok(edits.apply(message))
    }

    pub(super) fn server_request(
        &mut self,
        now: Moment,
        message: &Bytes,
        read: &Message<'_>,
        raw_id: RawId<'_>,
        method: &str,
    ) {
        let Some(id) = Id::of(raw_id).filter(|id| !self.server_calls.contains(id)) else {
            let sentence = "The id is still in use, or not one that every reader reads alike.";
            self.send_to_server(answers::error("null", INVALID_REQUEST, sentence, "id"));
            self.drop_message(Side::Server, DropReason::Id, message.len());
            return self.server_fault();
        };
        self.calls += 1;
        let call = Call {
            number: self.calls,
            from: Side::Server,
            at: now.wall,
            method: method_name(method),
            subject: None,
            bytes: message.len(),
        };
        let token = read.member("_meta").and_then(|meta| meta.member("progressToken"));
        let waiting = Waiting {
            call,
            since: now.instant,
            token: token.and_then(|token| Id::read(token.text())),
            stage: Stage::Sent,
            approved: false,
            first_page: false,
        };
        if self.server_calls.is_full(self.limits.server_requests) {
            let sentence = "Too many requests are unanswered.";
            self.send_to_server(answers::error(raw_id.as_str(), TOO_MANY_REQUESTS, sentence, "busy"));
            return self.ended_call(now, waiting, Outcome::Busy, 0);
        }
        let judged = Judged {
            from: Side::Server,
            shape: Shape::Request,
            method,
            tool: None,
            definition: Definition::Lent,
        };
        let (answer, outcome) =
            match (decide(&self.grant, &self.grant.server, &judged, now.wall), &self.roots) {
                (Decision::Allow | Decision::Ask(_), _) => {
                    self.output(Output::Record(Record::Started(waiting.call.clone())));
                    self.server_calls.insert(id, waiting);
                    return self.send_to_agent(message.clone());
                }
                (Decision::Deny(DenyReason::Roots), Some(folders)) => {
                    (answers::roots(raw_id.as_str(), folders), Outcome::AnsweredHere)
                }
                (Decision::Deny(reason), _) => {
                    (answers::denial(raw_id.as_str(), reason), Outcome::Denied(reason))
                }
            };
        let bytes = answer.len();
        self.send_to_server(answer);
        self.ended_call(now, waiting, outcome, bytes);
    }

    pub(super) fn server_notification(
        &mut self,
        now: Moment,
        message: &Bytes,
        read: &Message<'_>,
        method: &str,
    ) {
        let judged = Judged {
            from: Side::Server,
            shape: Shape::Notification,
            method,
            tool: None,
            definition: Definition::Lent,
        };
        if let Decision::Deny(reason) = decide(&self.grant, &self.grant.server, &judged, now.wall) {
            return self.drop_message(Side::Server, DropReason::Denied(reason), message.len());
        }
        match method {
            "notifications/tools/list_changed" => {
                self.listing.forget();
                if let Some(walk) = &mut self.walk {
                    walk.outdated = true;
                }
            }
            "notifications/cancelled" => {
                let id = read.member("requestId").and_then(|id| Id::read(id.text()));
                if let Some(waiting) = id.and_then(|id| self.server_calls.get_mut(&id))
                    && waiting.stage == Stage::Sent
                {
                    waiting.stage = Stage::Cancelled;
                    let record = Record::Ended {
                        call: waiting.call.clone(),
                        outcome: Outcome::Cancelled,
                        answer_bytes: 0,
                        took: now.instant.saturating_duration_since(waiting.since),
                        approved: false,
                    };
                    self.output(Output::Record(record));
                }
            }
            "notifications/tasks" => {
                if let Some(requests) = read.member("inputRequests")
                    && let Err(unfit) = self.input_requests(requests)
                {
                    let reason = match unfit {
                        Unfit::Denied(reason) => DropReason::Denied(reason),
                        Unfit::Shape => DropReason::Params,
                    };
                    return self.drop_message(Side::Server, reason, message.len());
                }
            }
            _ => {}
        }
        self.send_to_agent(message.clone());
    }

    /// Acts on a message that could not be read. Where it is the answer to something, the agent is told.
    pub(super) fn unreadable_of_server(&mut self, now: Moment, message: &Bytes, error: MessageError<'_>) {
        self.drop_message(Side::Server, DropReason::Fault(error.fault), message.len());
        if let MessageFault::TooLarge { size, limit } = error.fault {
            return self.end(EndReason::ServerMessage { size, limit });
        }
        if let Some(raw_id) = error.id.filter(|_| error.is_response)
            && let Some(id) = Id::of(raw_id)
        {
            if self.walk.as_ref().is_some_and(|walk| walk.id == id) {
                self.end_walk(now, false);
            } else if let Some(waiting) = self.agent_calls.answered(&id) {
                let answer = bad_answer(raw_id);
                let bytes = answer.len();
                self.send_to_agent(answer);
                if waiting.stage == Stage::Sent {
                    self.ended_call(now, waiting, Outcome::BadAnswer, bytes);
                }
            }
        }
        self.server_fault();
    }
}

fn bad_answer(id: RawId<'_>) -> Bytes {
    let sentence = "The server's answer was not valid and has not been passed on.";
    answers::error(id.as_str(), INTERNAL_ERROR, sentence, "bad-answer")
}
