//! `gatelodge connect`: a lent server as an ordinary stdio MCP server.
//!
//! Messages pass as the bytes that they are. What people should know goes to standard error; standard output carries
//! MCP and nothing else. When the connection fails, every call that still waits is answered with a JSON-RPC error that
//! says why, so that no client hangs.

mod again;
mod calls;
mod desktop;
mod lasting;
mod lines;
mod plain;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use gatelodge_wire::{Fingerprint, LentServer};
use mcp_webrtc::{Identity, SendError, Session};
use tokio::sync::Mutex;

use crate::failure::{Exit, Failure};
use crate::identity::{self, Profile};
use crate::known::KnownDesktops;
use crate::target::Target;
use crate::terminal::say;
use again::Way;
use calls::Calls;
use desktop::{Desktop, Expected, Offer};
use lines::{Input, Output};

/// How long calls in flight may still take once the client has closed its side.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Make a server that a desktop lends an ordinary stdio MCP server
#[derive(Debug, clap::Args)]
pub(crate) struct Connect {
    /// The desktop: a paired one's name or the beginning of its fingerprint, or a link:
    /// https://RENDEZVOUS/#FINGERPRINT, tcp://HOST:PORT or ws://HOST:PORT/PATH
    desktop: String,

    /// The server to use; may be left out where only one is lent
    server: Option<String>,

    /// Go on only if the desktop has this fingerprint (AB:CD:..., as `gatelodge host` shows it)
    #[arg(long, value_name = "FINGERPRINT")]
    expect: Option<Fingerprint>,

    /// What to call this agent in the desktop's prompt; it is shown as a claim
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// A STUN server such as stun:stun.example.org:3478, for desktops behind NAT; may be repeated
    #[arg(long, value_name = "URL")]
    stun: Vec<String>,

    #[command(flatten)]
    profile: Profile,
}

/// Runs the command until the client or the desktop ends it.
pub(crate) async fn run(options: Connect) -> Result<(), Failure> {
    let mut input = lines::read_input();
    let output = Arc::new(Mutex::new(Output::new()));
    let calls = Calls::default();
    let ended = connected(&options, &mut input, &output, &calls).await;
    if let Err(failure) = &ended {
        while let Ok(message) = input.messages.try_recv() {
            calls.asked(&message);
        }
        let mut output = output.lock().await;
        for answer in calls.answers(&failure.to_string()) {
            if output.write(answer).await.is_err() {
                break;
            }
        }
    }
    ended
}

async fn connected(
    options: &Connect,
    input: &mut Input,
    output: &Arc<Mutex<Output>>,
    calls: &Calls,
) -> Result<(), Failure> {
    let stop = told_to_stop();
    tokio::pin!(stop);
    let client_left = input.ended.clone();
    let session = OnceLock::new();
    let ended = loop {
        let outcome = tokio::select! {
            biased;
            reached = reach_server(options, &session) => match reached {
                Ok(reached) => carry(reached, input, output, calls, &mut stop).await,
                Err(failure) => Err(failure),
            },
            () = &mut stop => Ok(Outcome::Over),
            // What the client asked before it left is still worth an answer.
            () = async { client_left.cancelled().await; while !input.messages.is_empty() { std::future::pending::<()>().await } } => {
                Ok(Outcome::Over)
            }
        };
        match outcome {
            Ok(Outcome::Over) => break Ok(()),
            Ok(Outcome::Anew) => {}
            Err(failure) => break Err(failure),
        }
    };
    // A desktop that hears nothing goes on asking its user about an agent that is not there any more.
    if let Some(session) = session.get() {
        session.close().await;
    }
    ended
}

/// How the carrying of messages ends, if not by a failure.
enum Outcome {
    /// The client has left.
    Over,
    /// The session is gone, and nothing had been said in it: another one is as good.
    Anew,
}

/// A server that can be used.
struct Reached {
    way: Way,
    desktop: Desktop,
    offer: Option<Offer>,
    server: LentServer,
}

async fn carry(
    reached: Reached,
    input: &mut Input,
    output: &Arc<Mutex<Output>>,
    calls: &Calls,
    stop: &mut (impl Future<Output = ()> + Unpin),
) -> Result<Outcome, Failure> {
    let Reached { way, desktop, offer, server } = reached;
    match offer {
        Some(offer) => lasting::carry(way, desktop, offer, server, input, output, calls, stop).await,
        None => plain::carry(desktop, &server, input, output, calls, stop).await.map(|()| Outcome::Over),
    }
}

/// Goes all the way to a desktop that lends the wanted server. `reached` is set as soon as there is a session.
async fn reach_server(options: &Connect, reached: &OnceLock<Session>) -> Result<Reached, Failure> {
    let folder = options.profile.folder()?;
    let identity = identity::load(&options.profile).await?;
    let mut known = KnownDesktops::load(&folder).map_err(|error| Failure::of(Exit::Storage, &error))?;
    let target = Target::resolve(&options.desktop, &known)?;
    let (session, place, expected) = reach_target(options, &target, &identity, &known).await?;
    let _ = reached.set(session.clone());
    let found = desktop::proved(&session);
    if expected == Expected::Anybody {
        say!(
            "first contact with this desktop; its fingerprint is {found}\n  in words: {}\n  Compare the words with those \
             that the desktop shows. From now on only this desktop is accepted at {place}.",
            found.words()
        );
        known.remember(&place, found).map_err(|error| Failure::of(Exit::Storage, &error))?;
    } else {
        say!("connected to the desktop {found}");
    }
    let own = identity.fingerprint();
    say!("this agent is {own}\n  in words: {}", own.words());
    let name = options.name.clone().unwrap_or_else(|| options.profile.agent_name());
    let (desktop, offer) = desktop::introduce(session, &name).await?;
    let server = choose(&desktop.servers, options.server.as_deref())?;
    let expected = if expected == Expected::Anybody { Expected::Remembered(found) } else { expected };
    let way = Way { identity, places: target.places, expected, stun: options.stun.clone(), name };
    Ok(Reached { way, desktop, offer, server })
}

/// Tries the places of a desktop in order.
async fn reach_target(
    options: &Connect,
    target: &Target,
    identity: &Identity,
    known: &KnownDesktops,
) -> Result<(Session, String, Expected), Failure> {
    let mut failed: Option<Failure> = None;
    for place in &target.places {
        let name = place.to_string();
        let named = if target.paired.is_none() { place.desktop() } else { None };
        if let (Some(given), Some(named)) = (options.expect, named)
            && given != named
        {
            let message = "--expect names another desktop than the link does; leave one of the two out";
            return Err(Failure::new(Exit::WrongDesktop, message));
        }
        let expected = match (options.expect.or(named), target.paired, known.at(&name)) {
            (Some(given), ..) => Expected::Given(given),
            (None, Some(paired), _) => Expected::Paired(paired),
            (None, None, Some(remembered)) => Expected::Remembered(remembered),
            (None, None, None) => Expected::Anybody,
        };
        say!("connecting to {name}");
        match desktop::reach(identity, place, expected, &options.stun).await {
            Ok(session) => return Ok((session, name, expected)),
            // That somebody else is at one of the places is no reason not to look at the others, and worth saying.
            Err(failure) if target.places.len() > 1 => {
                say!("{failure}");
                if failed.as_ref().is_none_or(|failed| failed.exit() != Exit::WrongDesktop) {
                    failed = Some(failure);
                }
            }
            Err(failure) => return Err(failure),
        }
    }
    Err(failed
        .unwrap_or_else(|| Failure::new(Exit::Unreachable, "there is no place to look for the desktop at")))
}

/// Picks the server by its id, or the only one.
fn choose(lent: &[LentServer], wanted: Option<&str>) -> Result<LentServer, Failure> {
    let names = || lent.iter().map(|server| server.id.as_str()).collect::<Vec<_>>().join(", ");
    match (wanted, lent) {
        (_, []) => Err(Failure::new(
            Exit::Refused,
            "the desktop lends nothing to this agent; its user can change that",
        )),
        (Some(wanted), _) => lent.iter().find(|server| server.id == wanted).cloned().ok_or_else(|| {
            let message =
                format!("the desktop does not lend {wanted:?} to this agent; it lends: {}", names());
            Failure::new(Exit::Refused, message)
        }),
        (None, [only]) => Ok(only.clone()),
        (None, _) => {
            let message =
                format!("the desktop lends several servers; name one of them after the link: {}", names());
            Err(Failure::new(Exit::Refused, message))
        }
    }
}

/// Writes a message, and with it those that have come already: many answers in flight are few calls of the system.
async fn pass_on(
    message: Bytes,
    mut next: impl FnMut() -> Option<Bytes>,
    output: &mut Output,
    calls: &Calls,
) -> std::io::Result<()> {
    calls.answered(&message);
    output.put(message).await?;
    while !output.is_full()
        && let Some(message) = next()
    {
        calls.answered(&message);
        output.put(message).await?;
    }
    output.flush().await
}

/// Answers a message that could not be sent, in the desktop's place.
async fn refuse(message: &Bytes, error: &SendError, output: &Mutex<Output>, calls: &Calls) {
    say!("a message was not sent: {error}");
    if let Some(answer) = calls.refusal(message, &error.to_string()) {
        let _ = output.lock().await.write(answer).await;
    }
}

/// Waits for the signal with which clients end a server that does not end by itself.
pub(crate) async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
