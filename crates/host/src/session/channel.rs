//! One channel of an agent: its server is started, and messages pass through a gate until one side ends.

mod carry;
mod lane;
mod line;
mod start;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use gatelodge_files::FileServer;
use gatelodge_wire::{Control, Envelope, RefusalCode, peek};
pub(super) use line::Line;
pub(crate) use start::probe;

use super::control::ControlChannel;
use super::ending::{Ending, Refusal};
use super::entrance::{block, refusal_of};
use super::live::Live;
use crate::activity::{ActivityEntry, ActivityEvent};
use crate::approval::{ClaimedName, Denial, Request, ShownText, Subject, Verdict};
use crate::desktop::Desktop;
use crate::event::HostEvent;
use crate::gate::Question;
use crate::server::ServerId;
use crate::store::off_worker;
use crate::time::Timestamp;
use line::LineSender;

/// The JSON-RPC code for a plain peer whose first request cannot be served at all, from the range that JSON-RPC leaves to
/// implementations. It has no control channel on which to hear why.
const NOT_SERVED: i32 = -32_000;

/// How long a file may take to be compared with what a call would make of it, before the person is asked without that.
const PREVIEW_LIMIT: Duration = Duration::from_secs(2);

/// What the parts of a channel share.
#[derive(Clone)]
struct Context {
    desktop: Arc<Desktop>,
    live: Arc<Live>,
    control: ControlChannel,
    server: ServerId,
    number: u64,
    ending: Ending,
    /// The built-in file server, where it is that: it can say what a call would change.
    files: Arc<OnceLock<FileServer>>,
}

/// Serves a channel until it ends. `server` is what its label or its link names.
pub(super) async fn serve(
    desktop: Arc<Desktop>,
    live: Arc<Live>,
    control: ControlChannel,
    mut line: Line,
    label: String,
    server: Option<ServerId>,
) {
    // Whoever opens a channel and says nothing costs no process. (A Gatelodge agent never uses the channel that the
    // offer has to name for plain peers.)
    let first = tokio::select! {
        biased;
        _ = live.ending.ended() => return,
        first = line.receiver.recv() => first,
    };
    let Some(first) = first else { return line.sender.close().await };
    let Some(server) = server else {
        let refusal = Refusal::new(RefusalCode::NotLent, "no server of that name is lent here");
        refuse(&control, &line.sender, &label, Some(&first), refusal).await;
        return;
    };
    let number = desktop.next_number();
    let ending = live.channel_opened(number, server.clone());
    let context = Context { desktop, live, control, server, number, ending, files: Arc::default() };
    let reason = context.run(line, &label, first).await;
    context.live.channel_closed(number);
    context.tell(HostEvent::ChannelClosed {
        session: context.live.id,
        channel: number,
        server: context.server.clone(),
        reason,
    });
}

impl Context {
    /// Starts the server and carries messages; returns why it ended.
    async fn run(&self, line: Line, label: &str, first: Bytes) -> String {
        let starting = start::start(self, label);
        let started = tokio::select! {
            biased;
            refusal = self.ending.ended() => Err(refusal),
            started = starting => started,
        };
        let (upstream, grant) = match started {
            Ok(started) => started,
            Err(refusal) => {
                let reason = refusal.for_person().to_owned();
                refuse(&self.control, &line.sender, label, Some(&first), refusal).await;
                return reason;
            }
        };
        self.tell(HostEvent::ChannelOpened {
            session: self.live.id,
            channel: self.number,
            server: self.server.clone(),
        });
        let sender = line.sender.clone();
        match carry::carry(self, line, first, upstream, grant).await {
            Ok(()) => {
                sender.close().await;
                "the agent closed it".to_owned()
            }
            Err(refusal) => {
                let reason = refusal.for_person().to_owned();
                if refusal.code == RefusalCode::ServerFailed {
                    // What the server has answered before it ended is the agent's, even if it has to come back for it.
                    tokio::select! {
                        _ = self.live.ending.ended() => {}
                        () = sender.deliver(self.desktop.resume_limit) => {}
                    }
                }
                self.control.say(&refusal.on_channel(label)).await;
                sender.close().await;
                reason
            }
        }
    }

    /// Asks the person about something that this agent, which is in, wants. A no that ends more than the request ends it
    /// here.
    async fn ask(&self, subject: Subject) -> Verdict {
        let request = Request {
            agent: self.live.agent,
            name: ClaimedName::new(&self.live.label()),
            known: self.live.known(),
            session: Some(self.live.id),
            offered: Vec::new(),
            subject,
        };
        let verdict = self.desktop.ask(request).await;
        match verdict {
            Verdict::Denied(Denial::Ended) => self.live.ending.end(refusal_of(Denial::Ended)),
            Verdict::Denied(Denial::Blocked) => {
                // The first reason counts, and here somebody asked.
                self.live.ending.end(refusal_of(Denial::Blocked));
                // It is written down whether or not what asked is still there then.
                let (desktop, agent) = (Arc::clone(&self.desktop), self.live.agent);
                let label = self.live.label().parse().ok();
                self.desktop.tasks.spawn(async move { block(&desktop, agent, label).await });
            }
            _ => {}
        }
        verdict
    }

    fn tell(&self, event: HostEvent) {
        self.desktop.events.tell(event);
    }

    async fn record(&self, event: ActivityEvent) {
        let entry = ActivityEntry {
            at: Timestamp::now(),
            session: Some(self.live.id.0),
            agent: Some(self.live.agent),
            server: Some(self.server.clone()),
            event,
        };
        self.desktop.activity.record(entry).await;
    }
}

impl Refusal {
    pub(super) fn on_channel(&self, label: &str) -> Control {
        Control::Refused { channel: Some(label.to_owned()), code: self.code, message: self.message.clone() }
    }
}

/// Tells the agent why, on the control channel or else as an answer to its first request, and closes the channel.
async fn refuse(
    control: &ControlChannel,
    channel: &LineSender,
    label: &str,
    first: Option<&Bytes>,
    refusal: Refusal,
) {
    if control.is_open() {
        control.say(&refusal.on_channel(label)).await;
    } else if let Some(Ok(Envelope::Request { id, .. })) = first.map(|first| peek(first)) {
        let message = serde_json::Value::from(refusal.message);
        let id = id.as_str();
        let answer =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{NOT_SERVED},"message":{message}}}}}"#);
        channel.send_plainly(answer).await;
    }
    channel.close().await;
}

/// Asks the person about a call that the gate holds.
async fn ask_about_call(context: Context, question: Question) -> Verdict {
    let Question { tool, arguments, .. } = question;
    let arguments = arguments.unwrap_or_default();
    let detail = match context.files.get() {
        Some(files) => {
            let preview = files.preview(&tool, &arguments);
            // A folder that does not answer must not keep the question from being asked.
            tokio::time::timeout(PREVIEW_LIMIT, preview).await.ok().flatten()
        }
        None => None,
    };
    let (server, name) = (context.server.clone(), tool.clone());
    // Of megabytes each character is looked at.
    let subject = off_worker(move || Subject::ToolCall {
        server,
        tool: ShownText::new(&name),
        arguments: ShownText::new(std::str::from_utf8(&arguments).unwrap_or_default()),
        detail: detail.as_deref().map(ShownText::new),
    });
    let verdict = context.ask(subject.await).await;
    match verdict {
        Verdict::Always(_) => context.desktop.allow_tool(&context.live, &context.server, &tool).await,
        Verdict::Session(_) => context.live.allow_tool_here(&context.server, &tool),
        _ => {}
    }
    verdict
}

/// Asks the person whether a tool is still lent whose definition is not the one that was.
async fn ask_about_tool(context: Context, tool: &str, definition: &[u8]) -> Verdict {
    let subject = Subject::ChangedTool {
        server: context.server.clone(),
        tool: ShownText::new(tool),
        before: None,
        now: ShownText::new(&String::from_utf8_lossy(definition)),
    };
    context.ask(subject).await
}
