//! Carries messages over a session that outlives its connection: when that is lost, another one takes its place, and what
//! the other side has not taken is sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::FutureExt as _;
use gatelodge_wire::{Control, LentServer, RefusalCode, resumable_label};
use mcp_webrtc::{Acknowledgements, ResumableChannel, ResumableReceiver, SendError, SessionEvent, Source};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::again::{Pauses, Way, is_final};
use super::calls::Calls;
use super::desktop::{self, Desktop, Offer};
use super::lines::{Input, Output};
use super::{LAST_ANSWERS, Outcome, pass_on, refuse};
use crate::failure::{Exit, Failure};
use crate::terminal::say;

/// The number of the one channel that this program opens in a session.
const CHANNEL: u32 = 1;

/// Carries messages both ways until the client has had enough, or the desktop cannot be reached for too long.
#[expect(clippy::too_many_arguments, reason = "each is one end of what is joined here")]
pub(super) async fn carry(
    way: Way,
    desktop: Desktop,
    offer: Offer,
    server: LentServer,
    input: &mut Input,
    output: &Arc<Mutex<Output>>,
    calls: &Calls,
    stop: &mut (impl Future<Output = ()> + Unpin),
) -> Result<Outcome, Failure> {
    let acknowledgements = Acknowledgements::default();
    let (channel, receiver) = ResumableChannel::new(&acknowledgements);
    let label = resumable_label(&server.id, CHANNEL);
    channel.attach(desktop.open(&label).await?);
    say!("ready: {} ({})", server.id, server.name);
    let interrupted = AtomicBool::new(false);
    let mut keeping = Keeping {
        way,
        desktop,
        offer,
        label,
        channel: &channel,
        acknowledgements,
        interrupted: &interrupted,
    };
    let client_left = CancellationToken::new();
    let up = Up { messages: &mut input.messages, left: client_left.clone(), calls, output };
    let last_answers = async {
        client_left.cancelled().await;
        // Without a connection no answer can come, so that this time does not count.
        while tokio::time::timeout(LAST_ANSWERS, calls.all_answered()).await.is_err()
            && interrupted.load(Ordering::Relaxed)
        {}
    };
    let mut down = tokio::spawn(bring(receiver, Arc::clone(output), calls.clone()));
    let outcome = tokio::select! {
        biased;
        kept = keeping.keep() => kept,
        // Nobody reads the answers any more, so that there is nobody to tell.
        _ = &mut down => Ok(Outcome::Over),
        () = channel.pump(up) => Ok(Outcome::Over),
        () = last_answers => Ok(Outcome::Over),
        () = stop => Ok(Outcome::Over),
    };
    down.abort();
    if let Ok(Outcome::Over) = outcome {
        keeping.desktop.goodbye("the client has left").await;
    }
    keeping.desktop.session.close().await;
    outcome
}

/// Brings messages to the client, until it does not read any more.
async fn bring(mut receiver: ResumableReceiver, output: Arc<Mutex<Output>>, calls: Calls) {
    while let Some(message) = receiver.recv().await {
        let ready = || receiver.recv().now_or_never().flatten();
        if pass_on(message, ready, &mut *output.lock().await, &calls).await.is_err() {
            return;
        }
    }
}

/// Messages from the client.
struct Up<'a> {
    messages: &'a mut mpsc::Receiver<Bytes>,
    /// Set once the client has closed its side and everything was taken.
    left: CancellationToken,
    calls: &'a Calls,
    output: &'a Mutex<Output>,
}

impl Source for Up<'_> {
    async fn next(&mut self) -> Bytes {
        match self.messages.recv().await {
            Some(message) => {
                self.calls.asked(&message);
                message
            }
            None => {
                self.left.cancel();
                std::future::pending().await
            }
        }
    }

    async fn refused(&mut self, message: Bytes, error: SendError) {
        refuse(&message, &error, self.output, self.calls).await;
    }
}

/// Keeps the session alive over one connection after the other.
struct Keeping<'a> {
    way: Way,
    desktop: Desktop,
    offer: Offer,
    label: String,
    channel: &'a ResumableChannel,
    acknowledgements: Acknowledgements,
    interrupted: &'a AtomicBool,
}

/// After how many tries in a row that the desktop ends without a word it is taken for its answer: that is all that an agent
/// hears which is not trusted any more. A connection that is lost at just that moment looks the same.
const WITHOUT_A_WORD: u32 = 5;

/// What came of a try to go on over another connection.
enum Tried {
    Back,
    Again(Failure),
    Final(Failure),
}

impl Keeping<'_> {
    async fn keep(&mut self) -> Result<Outcome, Failure> {
        loop {
            let reason = self.connected().await?;
            self.interrupted.store(true, Ordering::Relaxed);
            say!("{reason}; connecting again, for up to {} s", self.offer.limit.as_secs());
            match self.come_back().await {
                Ok(()) => self.interrupted.store(false, Ordering::Relaxed),
                Err(failure)
                    if failure.refusal() == Some(RefusalCode::Expired) && self.channel.is_untouched() =>
                {
                    say!("the desktop does not know the session any more; beginning another one");
                    return Ok(Outcome::Anew);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Serves the control channel for as long as the connection lasts; returns what became of it.
    async fn connected(&mut self) -> Result<String, Failure> {
        let control = self.desktop.control.sender.clone();
        let telling = async {
            loop {
                self.acknowledgements.due().await;
                if let Some(received) = self.channel.news() {
                    let ack = Control::Ack { channels: vec![(CHANNEL, received)] };
                    let _ = control.send(ack.to_json()).await;
                }
            }
        };
        let desktop = &mut self.desktop;
        let lost = async {
            loop {
                tokio::select! {
                    biased;
                    object = desktop.control.next() => match object? {
                        Some(Control::Ack { channels }) => {
                            for (_, received) in channels.iter().filter(|(number, _)| *number == CHANNEL) {
                                self.channel.acknowledge(*received).map_err(|error| {
                                    Failure::new(Exit::Lost, format!("the desktop has lost count: {error}"))
                                })?;
                            }
                        }
                        Some(Control::Pending { message, seconds, .. }) => say!("{message} (up to {seconds} s)"),
                        Some(_) => {}
                        None => return Ok(desktop.session.closed().await.to_string()),
                    },
                    event = desktop.events.recv() => match event {
                        Some(SessionEvent::Interrupted) => {
                            return Ok("nothing has come from the desktop for some seconds".to_owned());
                        }
                        Some(SessionEvent::Closed(reason)) => return Ok(reason.to_string()),
                        // After the last event there is still what the control channel brings.
                        None => std::future::pending().await,
                        Some(_) => {}
                    },
                }
            }
        };
        tokio::select! {
            biased;
            lost = lost => lost,
            () = telling => Err(lost_count()),
        }
    }

    /// Tries to go on over another connection until that works, or the time is over. If the one that there was comes
    /// back first, it is kept.
    async fn come_back(&mut self) -> Result<(), Failure> {
        let limit = self.offer.limit;
        // Time in which this machine sleeps does not count; whether the desktop has waited, it will say.
        let deadline = Instant::now() + limit;
        let mut pauses = Pauses::new();
        let mut without_a_word = 0;
        loop {
            let tried = tokio::time::timeout_at(deadline, self.try_once()).await;
            let failure = match tried {
                Ok(Tried::Back) => {
                    say!("back; going on where it was");
                    return Ok(());
                }
                Ok(Tried::Final(failure)) => return Err(failure),
                Ok(Tried::Again(failure)) => failure,
                Err(_) => return Err(self.over()),
            };
            let is_without_a_word = failure.exit() == Exit::Refused && failure.refusal().is_none();
            without_a_word = if is_without_a_word { without_a_word + 1 } else { 0 };
            if without_a_word == WITHOUT_A_WORD {
                return Err(failure);
            }
            let pause = pauses.next();
            if Instant::now() + pause >= deadline {
                return Err(self.over());
            }
            say!("{failure}; trying again in {:.1} s", pause.as_secs_f64());
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_once(&mut self) -> Tried {
        let outcome = tokio::select! {
            biased;
            // The desktop goes by the newest connection, so that this one counts only as long as there is no other.
            true = packets_flow_again(&mut self.desktop), if self.channel.is_attached() => return Tried::Back,
            reached = self.way.reach() => reached,
        };
        let outcome = match outcome {
            Ok(session) => self.go_on_over(session).await,
            Err(failure) => Err(failure),
        };
        match outcome {
            Ok(()) => Tried::Back,
            Err(failure) if is_final(&failure) => Tried::Final(failure),
            Err(failure) => Tried::Again(failure),
        }
    }

    async fn go_on_over(&mut self, session: mcp_webrtc::Session) -> Result<(), Failure> {
        // What still comes over the old connection is not counted, and will come again.
        let taken = self.channel.detach();
        let resuming = desktop::resume(session, &self.way.name, &self.offer.session, vec![(CHANNEL, taken)]);
        let (desktop, counts) = resuming.await?;
        let old = std::mem::replace(&mut self.desktop, desktop);
        tokio::spawn(async move { old.session.close().await });
        let count = counts.iter().find(|(number, _)| *number == CHANNEL).map(|(_, received)| *received);
        // The desktop may never have seen the channel.
        let Some(received) = count.or_else(|| self.channel.is_unacknowledged().then_some(0)) else {
            let message = "the desktop has ended the connection to the server in the meantime; \
                           calls that were under way may or may not have run";
            return Err(Failure::new(Exit::Lost, message).because(RefusalCode::ServerFailed));
        };
        let rewound = self.channel.rewind(received);
        rewound.map_err(|_| lost_count())?;
        let channel = self.desktop.open(&self.label).await?;
        self.channel.attach(channel);
        Ok(())
    }

    fn over(&self) -> Failure {
        let message = format!(
            "the connection to the desktop was lost for longer than {} s; calls that were under way may or may not have run",
            self.offer.limit.as_secs()
        );
        Failure::new(Exit::Lost, message)
    }
}

/// Waits until a connection that is only interrupted works again; `false` if it has ended.
async fn packets_flow_again(desktop: &mut Desktop) -> bool {
    loop {
        match desktop.events.recv().await {
            Some(SessionEvent::Resumed) => return true,
            Some(SessionEvent::Closed(_)) | None => return false,
            Some(_) => {}
        }
    }
}

fn lost_count() -> Failure {
    Failure::new(Exit::Lost, "the desktop has lost count of the messages").because(RefusalCode::Other)
}
