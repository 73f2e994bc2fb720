//! A session that is being served: the verdict, then its channels, over one connection or several after each other.

use std::sync::Arc;
use std::time::Duration;

use gatelodge_wire::{Control, LentServer, RefusalCode, ResumeToken, labelled_channel, labelled_server};
use mcp_webrtc::Channel;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::channel::{self, Line};
use super::connection::{Arrival, Connection};
use super::control::ControlChannel;
use super::ending::Refusal;
use super::entrance::{self, Admitted};
use super::live::Live;
use super::pairing;
use super::resumable::{Opened, ResumableChannels};
use crate::activity::{ActivityEntry, ActivityEvent};
use crate::desktop::Desktop;
use crate::event::HostEvent;
use crate::link::LinkDefinition;
use crate::time::Timestamp;

/// How long channels have to write down what became of their calls when a session is over that was not resumed.
const LAST_RECORDS: Duration = Duration::from_secs(1);

/// A session that is being served.
pub(super) struct Running {
    desktop: Arc<Desktop>,
    live: Arc<Live>,
    link: Arc<LinkDefinition>,
    /// Speaks over the connection that there is.
    control: ControlChannel,
    channels: ResumableChannels,
    /// Connections that take the place of the one there is, once resuming was offered.
    arrivals: Option<mpsc::Receiver<Arrival>>,
    tasks: JoinSet<()>,
    /// What goes on beside the channels, for as long as the session.
    beside: JoinSet<()>,
}

/// How the time with one connection ends.
enum Left {
    /// The session is over.
    Over(Refusal),
    /// The agent has left, or cannot come back.
    Gone(String),
    /// The connection was lost, and the agent may come back.
    Lost(String),
    /// The agent is back already.
    TakenOver(Box<Arrival>),
}

impl Running {
    pub(super) fn new(desktop: Arc<Desktop>, live: Arc<Live>, link: Arc<LinkDefinition>) -> Self {
        let (control, channels) = Default::default();
        let (tasks, beside) = (JoinSet::new(), JoinSet::new());
        Self { desktop, live, link, control, channels, arrivals: None, tasks, beside }
    }

    /// Serves the session; returns why it ended.
    pub(super) async fn run(
        mut self,
        mut connection: Connection,
        undecided: Option<OwnedSemaphorePermit>,
    ) -> String {
        self.control = connection.control.clone();
        connection.measure(&self.live, &self.desktop.events);
        let admitted = match self.decide(&mut connection).await {
            Ok(admitted) => admitted,
            Err(reason) => {
                connection.end().await;
                return reason;
            }
        };
        drop(undecided);
        self.admit(&mut connection, admitted).await;
        let (desktop, live) = (Arc::clone(&self.desktop), Arc::clone(&self.live));
        self.beside.spawn(pairing::of_known_agent(desktop, live, self.control.clone()));
        let mut next = Some(connection);
        let reason = loop {
            let Some(mut connection) = next.take() else { break "there is no connection".to_owned() };
            let left = self.serve(&mut connection).await;
            let arrival = match left {
                Left::Over(refusal) => {
                    connection.refuse(&self.control, &refusal).await;
                    connection.end().await;
                    break refusal.message;
                }
                Left::Gone(reason) => {
                    connection.end().await;
                    break reason;
                }
                Left::Lost(reason) => {
                    self.channels.detach();
                    self.desktop.tasks.spawn(connection.end());
                    match self.interrupted(reason).await {
                        Ok(arrival) => arrival,
                        Err(reason) => break reason,
                    }
                }
                Left::TakenOver(arrival) => {
                    self.channels.detach();
                    self.desktop.tasks.spawn(connection.end());
                    *arrival
                }
            };
            match self.resume(arrival).await {
                Ok(connection) => next = Some(connection),
                Err(reason) => break reason,
            }
        };
        if self.arrivals.is_some() {
            // Nobody brings anything to the channels any more.
            self.channels.finish();
            let ended = async { while self.tasks.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(LAST_RECORDS, ended).await;
        }
        reason
    }

    /// Waits for the verdict; an error is why the session ended before.
    async fn decide(&self, connection: &mut Connection) -> Result<Admitted, String> {
        let (session, control) = (connection.session.clone(), self.control.clone());
        let ending = connection.ending.clone();
        let verdict = entrance::verdict(&self.desktop, &self.live, &self.link, &control);
        tokio::pin!(verdict);
        let refusal = loop {
            tokio::select! {
                biased;
                () = self.desktop.cancel.cancelled() => break shutting_down(),
                refusal = self.live.ending.ended() => break refusal,
                refusal = ending.ended() => break refusal,
                reason = session.closed() => return Err(reason.to_string()),
                channel = session.next_channel() => match channel {
                    // The session bounds how many there may be, and nobody reads them yet.
                    Some(channel) => connection.hold(channel),
                    None => return Err(session.closed().await.to_string()),
                },
                reachable = connection.reachable() => self.tell_reachable(reachable),
                verdict = &mut verdict => match verdict {
                    Ok(admitted) => return Ok(admitted),
                    Err(refusal) => break refusal,
                },
            }
        };
        connection.refuse(&self.control, &refusal).await;
        Err(refusal.message)
    }

    /// Puts the verdict into force and tells the agent what is lent to it.
    async fn admit(&mut self, connection: &mut Connection, admitted: Admitted) {
        let label = admitted.label.clone();
        self.live.admit(admitted);
        let servers = self.live.servers(Timestamp::now());
        let lent = self.desktop.definitions(&servers).await;
        let lent = lent.into_iter().map(|server| LentServer { id: server.id.to_string(), name: server.name });
        self.control.say(&Control::Servers { servers: lent.collect() }).await;
        self.offer(connection).await;
        let begun = ActivityEvent::SessionBegun { link: self.link.id.as_str().into() };
        let entry = ActivityEntry::now(begun).session(self.live.id.0).agent(self.live.agent);
        self.desktop.activity.record(entry).await;
        self.desktop.events.tell(HostEvent::Admitted { session: self.live.id, label, servers });
    }

    /// Offers to go on after a lost connection, to an agent that knows how.
    async fn offer(&mut self, connection: &mut Connection) {
        let known = self.control.known();
        if !known.is_some_and(|hello| hello.resumes) {
            return;
        }
        let mut token = [0; 16];
        if let Err(error) = getrandom::fill(&mut token) {
            tracing::warn!(%error, "without random bytes no session can be resumed");
            return;
        }
        let token = ResumeToken::from_bytes(token);
        self.arrivals = Some(self.live.resumable(token.clone()));
        connection.count(&self.channels);
        let seconds = u32::try_from(self.desktop.resume_limit.as_secs()).unwrap_or(u32::MAX);
        self.control.say(&Control::ResumeOffer { session: token, seconds }).await;
    }

    /// Serves the session's channels for as long as the connection lasts.
    async fn serve(&mut self, connection: &mut Connection) -> Left {
        for channel in connection.held() {
            self.take(channel);
        }
        let (session, ending) = (connection.session.clone(), connection.ending.clone());
        loop {
            tokio::select! {
                biased;
                () = self.desktop.cancel.cancelled() => return Left::Over(shutting_down()),
                refusal = self.live.ending.ended() => return Left::Over(refusal),
                refusal = ending.ended() => return Left::Over(refusal),
                arrival = arrival(&mut self.arrivals) => return Left::TakenOver(Box::new(arrival)),
                reason = session.closed() => return self.left(connection, reason.to_string()),
                channel = session.next_channel() => match channel {
                    Some(channel) => if let Some(channel) = connection.listen(channel) { self.take(channel) },
                    None => {
                        let reason = session.closed().await.to_string();
                        return self.left(connection, reason);
                    }
                },
                reachable = connection.reachable() => self.tell_reachable(reachable),
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a task of a session failed");
                    }
                }
            }
        }
    }

    fn tell_reachable(&self, reachable: bool) {
        let (session, agent) = (self.live.id, self.live.agent);
        self.desktop.events.tell(match reachable {
            true => HostEvent::Reachable { session },
            false => HostEvent::Unreachable { session, agent },
        });
    }

    fn left(&self, connection: &Connection, reason: String) -> Left {
        match self.arrivals.is_some() && !connection.control.has_left() {
            true => Left::Lost(reason),
            false => Left::Gone(reason),
        }
    }

    /// Waits for the agent to come back; an error is why the session ended instead.
    async fn interrupted(&mut self, reason: String) -> Result<Arrival, String> {
        let limit = self.desktop.resume_limit;
        // Time in which this machine sleeps does not count: the agent could not come back in it.
        let deadline = Instant::now() + limit;
        self.live.set_interrupted();
        self.desktop.events.tell(HostEvent::Interrupted {
            session: self.live.id,
            reason: reason.clone(),
            seconds: limit.as_secs(),
        });
        loop {
            tokio::select! {
                biased;
                () = self.desktop.cancel.cancelled() => return Err(shutting_down().message),
                refusal = self.live.ending.ended() => return Err(refusal.message),
                arrival = arrival(&mut self.arrivals) => return Ok(arrival),
                () = tokio::time::sleep_until(deadline) => {
                    self.live.close_arrivals();
                    // One that came at the last moment waits in the queue.
                    if let Some(arrivals) = &mut self.arrivals {
                        arrivals.close();
                        if let Some(arrival) = arrivals.recv().await {
                            arrival.turn_away("the session was not resumed in time").await;
                        }
                    }
                    let message = format!("{reason}; the agent did not come back within {} s", limit.as_secs());
                    self.live.ending.end(Refusal::new(RefusalCode::Expired, message.clone()));
                    return Err(message);
                }
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a task of a session failed");
                    }
                }
            }
        }
    }

    /// Goes on over another connection.
    async fn resume(&mut self, arrival: Arrival) -> Result<Connection, String> {
        let Arrival { mut connection, claim } = arrival;
        let taken = self.channels.detach();
        self.control.speak_over(&connection.control);
        if let Err(error) = self.channels.rewind(&claim.channels) {
            let refusal = Refusal::new(RefusalCode::Other, error.to_string());
            connection.refuse(&self.control, &refusal).await;
            connection.end().await;
            return Err(refusal.message);
        }
        connection.count(&self.channels);
        self.control.say(&Control::Resumed { channels: taken }).await;
        let path = super::in_words(connection.session.path().await);
        self.live.set_path(path.clone());
        connection.measure(&self.live, &self.desktop.events);
        self.desktop.events.tell(HostEvent::Resumed { session: self.live.id, path });
        Ok(connection)
    }

    /// Serves a channel by its label. A plain peer names none, and gets what the link is set up for.
    fn take(&mut self, channel: Channel) {
        let label = channel.label().to_owned();
        let server = match labelled_server(&label) {
            Some(id) => id.parse().ok(),
            None => self.link.server.clone(),
        };
        let line = match labelled_channel(&label).filter(|_| self.arrivals.is_some()) {
            Some(number) => match self.channels.take(number, channel) {
                Opened::New(channel, receiver) => {
                    Line::resumable(channel, receiver, number, self.channels.clone())
                }
                Opened::Again => return,
                Opened::Over => {
                    return self.not_opened(
                        &label,
                        RefusalCode::ServerFailed,
                        "a channel of that label has ended",
                    );
                }
                Opened::TooMany => {
                    return self.not_opened(
                        &label,
                        RefusalCode::TooMany,
                        "the session has as many channels as it may have",
                    );
                }
            },
            None => Line::plain(channel),
        };
        let (desktop, live) = (Arc::clone(&self.desktop), Arc::clone(&self.live));
        self.tasks.spawn(channel::serve(desktop, live, self.control.clone(), line, label, server));
    }
}

impl Running {
    /// Says why a channel is closed that was not taken.
    fn not_opened(&mut self, label: &str, code: RefusalCode, message: &str) {
        let (control, refused) = (self.control.clone(), Refusal::new(code, message).on_channel(label));
        self.tasks.spawn(async move { control.say(&refused).await });
    }
}

/// Waits for a connection that takes the place of another one; never returns where there can be none.
async fn arrival(arrivals: &mut Option<mpsc::Receiver<Arrival>>) -> Arrival {
    match arrivals {
        Some(arrivals) => match arrivals.recv().await {
            Some(arrival) => arrival,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

fn shutting_down() -> Refusal {
    Refusal::new(RefusalCode::Revoked, "the desktop is shutting down")
}
