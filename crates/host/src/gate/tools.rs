//! Calls that are held: for a person's verdict, or until the server has listed its tools.
//!
//! A call is compared with the definition that was lent, so the gate has to have seen the tool listed on this channel,
//! since it was last told that the tools changed. Where the agent calls without having listed, the gate asks the
//! server itself, under an id that agents can't use, and holds the call meanwhile.

use std::time::Instant;

use bytes::Bytes;
use gatelodge_wire::{Json, Message};

use super::answers::{self, NOT_ALLOWED, OWN_ID};
use super::edits::Edits;
use super::listing::ToolNews;
use super::pending::{Id, Stage};
use super::policy::{Decision, Definition, DenyReason, Judged, QuestionKind, Shape, Side, decide};
use super::record::Outcome;
use super::{Gate, Held, Moment, Output, Question, Ticket};
use crate::approval::{Denial, Verdict};

/// The gate's own listing of the server's tools, page by page.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) id: Id,
    pub(super) until: Instant,
    pages: usize,
    /// The `_meta` that a stateless server wants.
    meta: Option<String>,
    /// Whether the tools changed meanwhile, so that it has to begin anew.
    pub(super) outdated: bool,
}

impl Held {
    /// The answer that tells why the call was denied.
    pub(super) fn refusal(&self, reason: DenyReason) -> Bytes {
        // A tool that does not exist is the caller's mistake; the specification has an error for it.
        if reason == DenyReason::ToolUnknown {
            return answers::denial(&self.raw_id, reason);
        }
        self.error(reason.sentence(), reason.code())
    }

    /// The answer that tells why the tool was not called. Who wants a task can't read a result.
    fn error(&self, sentence: &str, code: &str) -> Bytes {
        if self.as_task {
            answers::error(&self.raw_id, NOT_ALLOWED, sentence, code)
        } else {
            answers::tool_error(&self.raw_id, sentence, self.stateless)
        }
    }
}

impl Gate {
    /// Holds a call for a person's verdict, and asks.
    pub(super) fn ask(&mut self, now: Moment, held: Held, kind: QuestionKind) {
        if !self.has_room(&held) {
            return self.too_many(now, &held);
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.output(Output::Ask(Question {
            ticket,
            kind,
            tool: held.tool.clone(),
            arguments: held.arguments.clone(),
            progress: held.token.is_some(),
        }));
        self.held_bytes += held.message.len();
        self.held.insert(ticket, held);
    }

    /// Holds a call until the server has listed its tools, and has it list them.
    pub(super) fn hold_unlisted(&mut self, now: Moment, held: Held) {
        if !self.has_room(&held) {
            return self.too_many(now, &held);
        }
        if self.walk.is_none() {
            let meta = if held.stateless { meta_without_token(&held.message) } else { None };
            self.begin_walk(now.instant + self.limits.listing, meta);
        }
        self.held_bytes += held.message.len();
        self.unlisted.push_back(held);
    }

    fn has_room(&self, held: &Held) -> bool {
        self.held.len() + self.unlisted.len() < self.limits.held
            && self.held_bytes + held.message.len() <= self.limits.held_bytes
    }

    fn too_many(&mut self, now: Moment, held: &Held) {
        let sentence =
            "The call was not made: too many calls already wait to be approved. Wait for them first.";
        self.finish(now, held, held.error(sentence, "busy"), Outcome::Busy);
    }

    /// Acts on what the person has decided.
    pub(super) fn decided(&mut self, now: Moment, mut held: Held, verdict: &Verdict) {
        let denial = match verdict {
            Verdict::Once | Verdict::Session(_) | Verdict::Always(_) => {
                held.approved = true;
                return self.judge_again(now, held);
            }
            Verdict::Denied(denial) => denial,
        };
        let outcome = match denial {
            Denial::TimedOut => Outcome::TimedOut,
            Denial::Busy => Outcome::Busy,
            _ => Outcome::Declined,
        };
        self.finish(now, &held, held.error(denial.sentence(), denial.code()), outcome);
    }

    /// Judges a held call by what is known now.
    fn judge_again(&mut self, now: Moment, held: Held) {
        let definition = self.listing.look_up(&held.tool);
        if definition == Definition::Unlisted {
            return self.hold_unlisted(now, held);
        }
        let judged = Judged {
            from: Side::Agent,
            shape: Shape::Request,
            method: "tools/call",
            tool: Some(&held.tool),
            definition,
        };
        match decide(&self.grant, &self.grant.server, &judged, now.wall) {
            Decision::Ask(kind) if !held.approved => self.ask(now, held, kind),
            Decision::Allow | Decision::Ask(_) => {
                if let Some(waiting) = self.agent_calls.get_mut(&held.id) {
                    waiting.stage = Stage::Sent;
                    waiting.approved = held.approved;
                    self.send_to_server(held.message);
                }
            }
            Decision::Deny(reason) => {
                let answer = held.refusal(reason);
                self.finish(now, &held, answer, Outcome::Denied(reason));
            }
        }
    }

    /// Answers a held call in the server's place.
    fn finish(&mut self, now: Moment, held: &Held, answer: Bytes, outcome: Outcome) {
        if let Some(waiting) = self.agent_calls.remove(&held.id) {
            let bytes = answer.len();
            self.send_to_agent(answer);
            self.ended_call(now, waiting, outcome, bytes);
        }
    }

    fn begin_walk(&mut self, until: Instant, meta: Option<String>) {
        self.listing.forget();
        self.tickets += 1;
        let id = format!("{OWN_ID}{}", self.tickets);
        self.send_to_server(answers::list_tools(&id, None, meta.as_deref()));
        self.walk = Some(Walk { id: Id::Text(id.into()), until, pages: 1, meta, outdated: false });
    }

    /// Takes in a page of the gate's own listing.
    pub(super) fn walked(&mut self, now: Moment, message: &Bytes, read: &Message<'_>, is_error: bool) {
        let Some(mut walk) = self.walk.take() else { return };
        let tools = read.member("tools").and_then(Json::elements);
        let (false, Some(tools)) = (is_error, tools) else {
            return self.end_walk(now, false);
        };
        self.take_in(message, &tools.collect::<Vec<_>>());
        if walk.outdated {
            return self.begin_walk(walk.until, walk.meta);
        }
        match read.member("nextCursor").filter(|cursor| cursor.text().starts_with('"')) {
            Some(_) if walk.pages == self.limits.pages => self.end_walk(now, false),
            Some(cursor) => {
                walk.pages += 1;
                self.tickets += 1;
                let id = format!("{OWN_ID}{}", self.tickets);
                self.send_to_server(answers::list_tools(&id, Some(cursor.text()), walk.meta.as_deref()));
                walk.id = Id::Text(id.into());
                self.walk = Some(walk);
            }
            None => {
                self.listing.completed();
                self.end_walk(now, true);
            }
        }
    }

    /// Goes on with the calls that waited for the list. What is not known then could not be checked.
    pub(super) fn end_walk(&mut self, now: Moment, listed: bool) {
        self.walk = None;
        for held in std::mem::take(&mut self.unlisted) {
            self.held_bytes -= held.message.len();
            if !listed && self.listing.look_up(&held.tool) == Definition::Unlisted {
                let sentence = "The tool was not called: the server did not list its tools, so that this one could not \
                                be compared with what was lent.";
                self.finish(now, &held, held.error(sentence, "tools-not-listed"), Outcome::BadAnswer);
            } else {
                self.judge_again(now, held);
            }
        }
    }

    /// Takes in listed tools, and returns which of them the agent may see.
    pub(super) fn take_in(&mut self, message: &Bytes, tools: &[Json<'_>]) -> Vec<bool> {
        let (visible, news) = self.listing.take_in(&self.grant, message, tools, self.limits.tools);
        self.outputs.extend(news.into_iter().map(|news: ToolNews| Output::Tool(news)));
        visible
    }

    /// Remembers which call made a task.
    pub(super) fn remember_task(&mut self, task: &str, tool: &str) {
        if self.tasks.insert(task.into(), tool.into()).is_none() {
            self.task_order.push_back(task.into());
        }
        if self.task_order.len() > self.limits.tasks
            && let Some(oldest) = self.task_order.pop_front()
        {
            self.tasks.remove(&oldest);
        }
    }
}

/// Returns the `_meta` of a request's params, without its progress token, which is the request's own.
fn meta_without_token(message: &Bytes) -> Option<String> {
    let message = Json::parse(std::str::from_utf8(message).ok()?).ok()?;
    let meta = message.member("params")?.member("_meta")?;
    let text = Bytes::copy_from_slice(meta.text().as_bytes());
    let meta = Json::parse(std::str::from_utf8(&text).ok()?).ok()?;
    let items: Vec<_> =
        meta.members().map(|member| (member.range(), member.name == "progressToken")).collect();
    let mut edits = Edits::default();
    edits.take_out(&items);
    String::from_utf8(edits.apply(&text).to_vec()).ok()
}
