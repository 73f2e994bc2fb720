//! The loop of a channel: messages in from both sides, through the gate, and out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use gatelodge_wire::{Envelope, RefusalCode, answered_id, peek};
use mcp_webrtc::ChannelSender;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::super::ending::Refusal;
use super::Context;
use super::lane::{Lane, LaneEnd, lane};
use super::line::{LaneSource, Line, LineSender};
use crate::activity::{ActivityEvent, CallOutcome};
use crate::approval::Verdict;
use crate::desktop::GENTLE_END;
use crate::event::HostEvent;
use crate::gate::{Gate, GateConfig, GateLimits, Moment, Outcome, Output, Record, Side, Ticket, ToolNews};
use crate::grant::{Grant, ToolPin};
use crate::time::Timestamp;
use crate::upstream::{Ending, Upstream, UpstreamReceiver, UpstreamSender};

/// How often a caller that gave a progress token hears that a person is still being asked. Clients give up on calls
/// that are silent for a minute.
const STILL_WAITING: Duration = Duration::from_secs(10);

/// Answers above this size go beside smaller messages, so that a ping does not wait behind a large result. Smaller ones
/// keep their order.
const ASIDE: usize = 64 << 10;

/// How many large answers are under way at once. The lane's bound on bytes keeps it near one.
const MAX_ASIDE: usize = 8;

type Asked = BoxFuture<'static, Decided>;

/// What the person has decided; `None` is a question that was withdrawn.
enum Decided {
    Call(Ticket, Option<Verdict>),
    /// About a tool whose definition has changed: whether the new one is lent.
    Tool(String, ToolPin, Verdict),
}

/// Carries messages until one side ends: the agent (`Ok`), or the server or the desktop (a reason for the agent).
pub(super) async fn carry(
    context: &Context,
    line: Line,
    first: Bytes,
    upstream: Upstream,
    grant: Grant,
) -> Result<(), Refusal> {
    let roots = None;
    let gate = Gate::new(GateConfig { grant, roots, limits: GateLimits::default() });
    let room = Arc::new(Notify::new());
    let (to_server, server_lane) = lane(&room);
    let (to_agent, agent_lane) = lane(&room);
    let (upstream_sender, mut from_server) = upstream.split();
    let Line { sender: channel_sender, receiver: mut from_agent } = line;
    let mut carrying = Carrying {
        context,
        gate,
        to_server,
        to_agent,
        asked: FuturesUnordered::new(),
        withdrawals: HashMap::new(),
        news: Vec::new(),
        refused: 0,
        told: Instant::now(),
    };
    let sending_to_server = send_to_server(upstream_sender.clone(), server_lane);
    let sending_to_agent = send_to_agent(channel_sender, agent_lane);
    // What is waited for all the time is not set up anew for each message.
    let (channel_ended, session_ended) = (context.ending.ended(), context.live.ending.ended());
    let shut_down = context.desktop.cancel.cancelled();
    let timer = sleep_until(Instant::now());
    tokio::pin!(sending_to_server, sending_to_agent, channel_ended, session_ended, shut_down, timer);
    let mut widened = context.live.widened();
    let mut ended = carrying.agent_sent(first).await;
    while ended.is_none() {
        let (up, down) = (carrying.to_server.has_room(), carrying.to_agent.has_room());
        let (spare_up, spare_down) = (carrying.to_server.has_spare(), carrying.to_agent.has_spare());
        let deadline = carrying.deadline();
        if let Some(deadline) = deadline.filter(|deadline| *deadline != timer.deadline()) {
            timer.as_mut().reset(deadline);
        }
        ended = tokio::select! {
            biased;
            refusal = &mut channel_ended => Some(Err(refusal)),
            refusal = &mut session_ended => Some(Err(refusal)),
            () = &mut shut_down => {
                Some(Err(Refusal::new(RefusalCode::Revoked, "the desktop is shutting down")))
            }
            () = &mut sending_to_server => Some(server_ended(context, &mut from_server).await),
            () = &mut sending_to_agent => Some(Ok(())),
            Ok(()) = widened.changed() => {
                if let Some(grant) = context.live.grant(&context.server, crate::time::Timestamp::now()) {
                    carrying.gate.regrant(grant);
                }
                carrying.outputs().await
            }
            Some(decided) = carrying.asked.next(), if !carrying.asked.is_empty() => carrying.answered(decided).await,
            message = from_agent.recv(), if up && spare_down => match message {
                Some(message) => carrying.agent_sent(message).await,
                None => Some(Ok(())),
            },
            message = from_server.recv(), if down && spare_up => match message {
                Some(message) => carrying.server_sent(message).await,
                None => Some(server_ended(context, &mut from_server).await),
            },
            () = &mut timer, if deadline.is_some() => carrying.tick().await,
            () = room.notified() => None,
        };
    }
    carrying.gate.close(Moment::now());
    carrying.outputs().await;
    carrying.record_refused().await;
    let gently = matches!(ended, Some(Ok(())));
    end_server(context, upstream_sender, from_server, gently);
    ended.unwrap_or(Ok(()))
}

/// Ends the server in the background; the channel's agent need not wait for it.
fn end_server(context: &Context, sender: UpstreamSender, mut receiver: UpstreamReceiver, gently: bool) {
    sender.start_end(if gently { Ending::Gentle } else { Ending::Now });
    context.desktop.tasks.spawn(async move {
        let reading = async { while receiver.recv().await.is_some() {} };
        let _ = tokio::time::timeout(GENTLE_END, async { tokio::join!(sender.ended(), reading) }).await;
    });
}

async fn send_to_server(server: UpstreamSender, mut lane: LaneEnd) {
    while let Some(message) = lane.next().await {
        let length = message.len();
        match server.send(message).await {
            Ok(()) => {}
            Err(crate::upstream::UpstreamError::Ended) => return,
            // The gate has read it as JSON within its limits, so that this is a defect, and the call stays unanswered.
            Err(error) => tracing::error!(%error, "a message was not given to the server"),
        }
        lane.sent(length);
    }
}

async fn send_to_agent(agent: LineSender, lane: LaneEnd) {
    match agent {
        LineSender::Plain(agent) => send_plainly(agent, lane).await,
        LineSender::Resumable { channel, .. } => channel.pump(LaneSource(lane)).await,
    }
}

async fn send_plainly(agent: ChannelSender, mut lane: LaneEnd) {
    let mut aside: FuturesUnordered<BoxFuture<'_, (usize, bool)>> = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some((length, sent)) = aside.next(), if !aside.is_empty() => {
                lane.sent(length);
                if !sent {
                    return;
                }
            }
            message = lane.next(), if aside.len() < MAX_ASIDE => {
                let Some(message) = message else { return };
                let length = message.len();
                if length > ASIDE && is_response(&message) {
                    let agent = agent.clone();
                    aside.push(Box::pin(async move { (length, deliver(&agent, message).await) }));
                } else {
                    if !deliver(&agent, message).await {
                        return;
                    }
                    lane.sent(length);
                }
            }
        }
    }
}

/// The gate has read the message as a whole, so that its beginning is enough where that tells.
fn is_response(message: &[u8]) -> bool {
    answered_id(message).is_some() || matches!(peek(message), Ok(Envelope::Response { .. }))
}

/// Sends one message; `false` if the channel has ended.
async fn deliver(agent: &ChannelSender, message: Bytes) -> bool {
    match agent.send(message).await {
        Ok(mcp_webrtc::Sent::ErrorInstead { size, limit }) => {
            tracing::debug!(size, limit, "an answer was too large for the agent, which got an error");
            true
        }
        Ok(_) => true,
        Err(mcp_webrtc::SendError::Closed) => false,
        Err(error) => {
            tracing::debug!(%error, "a message was not sent to the agent");
            true
        }
    }
}

/// The server has ended by itself: its reason goes to the log, and in short to the agent.
async fn server_ended(context: &Context, receiver: &mut UpstreamReceiver) -> Result<(), Refusal> {
    let reason = receiver.ended().await;
    let message = format!("{} ended by itself: {}", context.server, reason.cause);
    context.desktop.events.seen().crashed(context.server.clone(), message.clone());
    context.record(ActivityEvent::ServerCrashed { reason: message.as_str().into() }).await;
    Err(Refusal::new(RefusalCode::ServerFailed, message))
}

struct Carrying<'a> {
    context: &'a Context,
    gate: Gate,
    to_server: Lane,
    to_agent: Lane,
    asked: FuturesUnordered<Asked>,
    withdrawals: HashMap<Ticket, AbortHandle>,
    news: Vec<ToolNews>,
    /// Refused requests that are not in the log yet, and get one entry together.
    refused: u64,
    /// When callers last heard that a person is being asked.
    told: Instant,
}

type Ended = Option<Result<(), Refusal>>;

impl Carrying<'_> {
    async fn agent_sent(&mut self, message: Bytes) -> Ended {
        self.gate.from_agent(Moment::now(), message);
        self.outputs().await
    }

    async fn server_sent(&mut self, message: Bytes) -> Ended {
        self.gate.from_server(Moment::now(), message);
        self.outputs().await
    }

    async fn answered(&mut self, decided: Decided) -> Ended {
        match decided {
            Decided::Call(ticket, verdict) => {
                self.withdrawals.remove(&ticket);
                self.gate.answer(Moment::now(), ticket, verdict?);
            }
            Decided::Tool(tool, pin, Verdict::Always(_)) => {
                let mut grant = self.context.live.grant(&self.context.server, Timestamp::now())?;
                grant.pins.insert(tool, pin);
                self.gate.regrant(grant.clone());
                self.keep_pins(grant);
            }
            Decided::Tool(..) => {}
        }
        self.outputs().await
    }

    /// When something has to be done that no message brings about, if ever.
    fn deadline(&self) -> Option<Instant> {
        let gate = self.gate.deadline(Moment::now()).map(Instant::from_std);
        let waiting = (!self.withdrawals.is_empty()).then(|| self.told + STILL_WAITING);
        gate.into_iter().chain(waiting).min()
    }

    async fn tick(&mut self) -> Ended {
        if !self.withdrawals.is_empty() && self.told + STILL_WAITING <= Instant::now() {
            self.told = Instant::now();
            let tickets: Vec<_> = self.withdrawals.keys().copied().collect();
            for ticket in tickets {
                if let Some(message) = self.gate.waiting(ticket) {
                    self.to_agent.put(message);
                }
            }
        }
        self.gate.tick(Moment::now());
        self.outputs().await
    }

    /// Does what the gate wants done.
    async fn outputs(&mut self) -> Ended {
        let mut ended = None;
        while let Some(output) = self.gate.next_output() {
            let put = match output {
                Output::ToServer(message) => self.to_server.put(message),
                Output::ToAgent(message) => self.to_agent.put(message),
                Output::Ask(question) => {
                    self.ask(question);
                    true
                }
                Output::Withdraw(ticket) => {
                    if let Some(handle) = self.withdrawals.remove(&ticket) {
                        handle.abort();
                    }
                    true
                }
                Output::Tool(news) => {
                    self.news.push(news);
                    true
                }
                Output::Record(record) => {
                    self.record(record).await;
                    true
                }
                Output::End(reason) => {
                    ended = Some(Err(Refusal::new(RefusalCode::Revoked, reason.to_string())));
                    true
                }
            };
            if !put && ended.is_none() {
                ended = Some(Err(Refusal::new(RefusalCode::TooMany, "too many messages wait for one side")));
            }
        }
        if !self.news.is_empty() {
            self.learn();
        }
        ended
    }

    /// Asks the person about a held call.
    fn ask(&mut self, question: crate::gate::Question) {
        let ticket = question.ticket;
        if self.withdrawals.is_empty() {
            self.told = Instant::now();
        }
        if let Some(message) = self.gate.waiting(ticket) {
            self.to_agent.put(message);
        }
        let asking = super::ask_about_call(self.context.clone(), question);
        let (handle, registration) = AbortHandle::new_pair();
        self.withdrawals.insert(ticket, handle);
        let asking = Abortable::new(asking, registration);
        self.asked.push(Box::pin(async move { Decided::Call(ticket, asking.await.ok()) }));
    }

    /// Pins tools that were lent for the first time, and tells of those that changed.
    fn learn(&mut self) {
        let Some(mut grant) = self.context.live.grant(&self.context.server, Timestamp::now()) else { return };
        let mut first = false;
        for news in self.news.drain(..) {
            match news {
                ToolNews::First { tool, pin, .. } => first |= grant.pins.insert(tool, pin).is_none(),
                ToolNews::Changed { tool, now, definition, .. } => {
                    tracing::warn!(server = %self.context.server, tool, "a tool's definition has changed; it is suspended");
                    self.context.tell(HostEvent::ToolChanged {
                        session: self.context.live.id,
                        server: self.context.server.clone(),
                        tool: tool.clone(),
                    });
                    // A definition without a canonical form cannot be lent, whatever the person thinks of it.
                    if let Some(pin) = now {
                        let context = self.context.clone();
                        self.asked.push(Box::pin(async move {
                            let verdict = super::ask_about_tool(context, &tool, &definition).await;
                            Decided::Tool(tool, pin, verdict)
                        }));
                    }
                }
            }
        }
        if first {
            self.keep_pins(grant);
        }
    }

    /// Puts pins into force for the session's further channels, and has them kept.
    fn keep_pins(&self, grant: Grant) {
        self.context.live.pinned(grant.clone());
        let desktop = Arc::clone(&self.context.desktop);
        self.context.desktop.tasks.spawn(async move { desktop.keep_pins(grant).await });
    }

    async fn record(&mut self, record: Record) {
        let Record::Ended { call, outcome, took, .. } = record else { return };
        if call.from == Side::Server {
            return;
        }
        if matches!(outcome, Outcome::Denied(_) | Outcome::Busy) {
            if !self.context.live.tells_of_refusal(std::time::Instant::now()) {
                self.refused += 1;
                return;
            }
            self.record_refused().await;
        }
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.context.live.called();
        self.context.tell(HostEvent::Called {
            session: self.context.live.id,
            server: self.context.server.clone(),
            method: call.method.to_string(),
            tool: call.subject.as_deref().map(str::to_owned),
            outcome: in_words(outcome).to_owned(),
            millis,
        });
        let event = ActivityEvent::Call {
            method: call.method.as_ref().into(),
            target: call.subject.as_deref().map(Into::into),
            request_bytes: call.bytes as u64,
            millis,
            outcome: in_the_log(outcome),
            arguments: None,
        };
        self.context.record(event).await;
    }

    /// Writes down how many requests were refused of which the log has nothing yet.
    async fn record_refused(&mut self) {
        let calls = std::mem::take(&mut self.refused);
        if calls > 0 {
            self.context.record(ActivityEvent::MoreRefused { calls }).await;
        }
    }
}

/// What became of a call, for people.
fn in_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answered",
        Outcome::Failed => "failed",
        Outcome::Error => "answered with an error",
        Outcome::Denied(_) => "denied by the grant",
        Outcome::Declined => "declined",
        Outcome::TimedOut => "not approved in time",
        Outcome::Cancelled => "cancelled",
        Outcome::Busy => "refused, too many at once",
        Outcome::BadAnswer => "answered with something that cannot be passed on",
        Outcome::AnsweredHere => "answered by the desktop",
        _ => "not answered",
    }
}

fn in_the_log(outcome: Outcome) -> CallOutcome {
    match outcome {
        Outcome::Answered | Outcome::AnsweredHere => CallOutcome::Answered,
        Outcome::Failed | Outcome::Error | Outcome::BadAnswer => CallOutcome::Failed,
        Outcome::Denied(_) | Outcome::Declined | Outcome::TimedOut | Outcome::Busy => CallOutcome::Denied,
        Outcome::Cancelled => CallOutcome::Cancelled,
        _ => CallOutcome::Interrupted,
    }
}
