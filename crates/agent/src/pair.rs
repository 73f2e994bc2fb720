//! `gatelodge pair`: reads an invitation, finds the desktop that it names, and proves to it that it was invited.
//!
//! No other certificate than the invited one is talked to, and the desktop has to prove the invitation's secret as well
//! before anything of it counts. Only then, and after its user has agreed, is it remembered.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gatelodge_wire::{
    AgentPairing, AgentProved, CONTROL_LABEL, CONTROL_VERSION, Control, Fingerprint, Invitation, LentServer,
    PairFailure, PairNonce, RefusalCode, with_causes,
};
use mcp_webrtc::{Admission, Channel, Identity, Session, SessionError};
use tokio::time::{Instant, timeout_at};

use crate::failure::{Exit, Failure};
use crate::identity::{self, Profile};
use crate::known::KnownDesktops;
use crate::place::Place;
use crate::terminal::say;

mod read;

/// How long the desktop may take for each step that needs no person.
const STEP_LIMIT: Duration = Duration::from_secs(15);

/// How much longer than announced a verdict may take, for the way of the message.
const VERDICT_GRACE: Duration = Duration::from_secs(10);

/// Pair with a desktop: read its invitation, prove it, and remember the desktop
///
/// The invitation is read from the terminal, or from standard input, as the desktop shows it: groups or the link. It is a
/// secret until it is used, so that it is not taken from the command line by default.
#[derive(Debug, clap::Args)]
pub(crate) struct Pair {
    /// Read the invitation from this file
    #[arg(long, value_name = "FILE")]
    file: Option<std::path::PathBuf>,

    /// The invitation's gatelodge:// link. Other programs on this machine can see it while this one runs
    #[arg(long, value_name = "LINK", conflicts_with = "file")]
    link: Option<String>,

    /// What to call the desktop here; by default what it calls itself
    #[arg(long = "as", value_name = "NAME")]
    desktop: Option<String>,

    /// What to call this agent in the desktop's prompt; it is shown as a claim
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// A STUN server such as stun:stun.example.org:3478, for desktops behind NAT; may be repeated
    #[arg(long, value_name = "URL")]
    stun: Vec<String>,

    #[command(flatten)]
    profile: Profile,
}

/// Runs the command.
pub(crate) async fn run(options: Pair) -> Result<(), Failure> {
    let folder = options.profile.folder()?;
    let storage = |error| Failure::of(Exit::Storage, &error);
    let known = KnownDesktops::load(&folder).map_err(storage)?;
    let identity = identity::load(&options.profile).await?;
    let invitation = read::invitation(options.link.as_deref(), options.file.as_deref()).await?;
    let desktop = invitation.desktop;
    if let Some(name) = &options.desktop {
        known.can_be_named(name, &desktop).map_err(|error| Failure::of(Exit::Other, &error))?;
    }
    say!("the invitation is from the desktop {desktop}\n  in words: {}", desktop.words());
    let own = identity.fingerprint();
    say!("this agent is {own}\n  in words: {}\n  The desktop's user sees the same words.", own.words());
    if invitation.expires <= seconds_now() {
        say!("by this machine's clock the invitation has expired; it is the desktop's clock that counts");
    }
    let name = options.name.clone().unwrap_or_else(|| options.profile.agent_name());
    let session = reach(&identity, &invitation, &options.stun).await?;
    let stop = crate::connect::told_to_stop();
    let ended = tokio::select! {
        biased;
        ended = Exchange::run(&session, &identity, &invitation, &name) => ended,
        () = stop => Err(Failure::new(Exit::Other, "pairing was given up on this side")),
    };
    let paired = match ended {
        Ok(paired) => paired,
        Err(failure) => {
            session.close().await;
            return Err(failure);
        }
    };
    // Another process may have changed the file in the meantime, since a person was asked.
    let mut known = KnownDesktops::load(&folder).map_err(storage)?;
    let remembered = known.paired(desktop, invitation.places(), options.desktop.as_deref(), &paired.name);
    session.close().await;
    let name = remembered.map_err(storage)?;
    let shown = if name.contains(' ') { format!("{name:?}") } else { name.clone() };
    println!(
        "{}",
        crate::terminal::harmless(&format!("paired with {name}\n  {desktop}\n  {}", desktop.words()))
    );
    if paired.servers.is_empty() {
        println!("Nothing is lent yet; the desktop's user can change that.");
    } else {
        for server in &paired.servers {
            let line = format!("  {} ({}): gatelodge connect {shown} {}", server.id, server.name, server.id);
            println!("{}", crate::terminal::harmless(&line));
        }
        println!(
            "{}",
            crate::terminal::harmless(&format!("For an MCP client's settings: gatelodge config {shown}"))
        );
    }
    Ok(())
}

/// What came of a pairing.
struct Paired {
    /// What the desktop calls itself.
    name: String,
    servers: Vec<LentServer>,
}

/// Tries the invitation's places in order until the invited desktop answers at one of them.
async fn reach(identity: &Identity, invitation: &Invitation, stun: &[String]) -> Result<Session, Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    for url in invitation.places() {
        say!("looking for the desktop at {url}");
        let reached = match Place::of_desktop(url, invitation.desktop) {
            Ok(place) => reach_at(identity, &place, invitation, stun).await,
            Err(error) => Err(Failure::of(Exit::Unreachable, &error)),
        };
        match reached {
            Ok(session) => return Ok(session),
            Err(failure) => {
                say!("{failure}");
                failures.push(failure);
            }
        }
    }
    // That somebody else answers is worse than that nobody does.
    let worst = failures.iter().position(|failure| failure.exit() == Exit::WrongDesktop).unwrap_or(0);
    match failures.len() {
        1 => Err(failures.swap_remove(0)),
        count => Err(Failure::new(
            failures.get(worst).map_or(Exit::Unreachable, Failure::exit),
            format!("the invited desktop was found at none of its {count} places"),
        )),
    }
}

async fn reach_at(
    identity: &Identity,
    place: &Place,
    invitation: &Invitation,
    stun: &[String],
) -> Result<Session, Failure> {
    let signaling = place.open(identity, Some(invitation.id())).await.map_err(|error| {
        let reason = with_causes(&error);
        Failure::new(Exit::Unreachable, format!("{place} cannot be reached: {reason}"))
    })?;
    let mut builder =
        Session::builder(identity).expect(invitation.desktop).admit(|_| async { Admission::Admit });
    for url in stun {
        builder = builder.stun(url);
    }
    builder.answer(signaling).await.map_err(|error| match error {
        SessionError::WrongPeer { found, .. } => Failure::new(
            Exit::WrongDesktop,
            format!(
                "another desktop than the invited one answers at {place}: {found} ({}). Somebody may be in between; nothing \
                 was sent to it",
                found.words()
            ),
        ),
        error => {
            Failure::new(Exit::Unreachable, format!("no session with the desktop at {place}: {}", with_causes(&error)))
        }
    })
}

/// Where the exchange is.
enum State {
    Begun(AgentPairing),
    Proved(AgentProved),
    /// The desktop is the invited one; its user has the word.
    Confirmed,
}

struct Exchange<'a> {
    channel: &'a mut Channel,
    desktop: Fingerprint,
    expired: bool,
}

impl Exchange<'_> {
    /// Goes through the exchange and waits for the answer of the desktop's user.
    async fn run(
        session: &Session,
        identity: &Identity,
        invitation: &Invitation,
        name: &str,
    ) -> Result<Paired, Failure> {
        let expired = invitation.expires <= seconds_now();
        let silent = || closed(expired);
        let mut channel = session.open_channel(CONTROL_LABEL).await.map_err(|_| silent())?;
        let mut this = Exchange { channel: &mut channel, desktop: session.peer().fingerprint, expired };
        this.send(&Control::Hello {
            version: CONTROL_VERSION,
            name: name.to_owned(),
            software: concat!("gatelodge/", env!("CARGO_PKG_VERSION")).to_owned(),
            persistent: true,
            resume: 0,
            resuming: false,
        })
        .await?;
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce)
            .map_err(|error| Failure::new(Exit::Other, format!("the system has no random bytes: {error}")))?;
        let nonce = PairNonce::from_bytes(nonce);
        let pairing = AgentPairing::begin(invitation.secret.clone(), identity.fingerprint(), nonce);
        this.send(&Control::PairBegin { invitation: invitation.id(), nonce }).await?;
        this.go_on(State::Begun(pairing)).await
    }

    async fn go_on(&mut self, begun: State) -> Result<Paired, Failure> {
        let mut state = begun;
        let (mut desktop_name, mut lent) = (String::new(), None);
        let mut deadline = Instant::now() + STEP_LIMIT;
        loop {
            // The proof comes first, whatever the order of the two.
            if matches!(state, State::Confirmed)
                && let Some(servers) = lent.take()
            {
                return Ok(Paired { name: desktop_name, servers });
            }
            let Ok(object) = timeout_at(deadline, self.next()).await else {
                let message = match state {
                    State::Confirmed => {
                        "the desktop's user did not answer in time; try again with the same invitation"
                    }
                    _ => "the desktop did not go on with pairing in time",
                };
                return Err(Failure::new(Exit::NoAnswer, message));
            };
            state = match (state, object?) {
                (state, Control::Hello { version, name, .. }) => {
                    if version != CONTROL_VERSION {
                        let message = format!(
                            "the desktop speaks version {version} of the control channel, this program {CONTROL_VERSION}; \
                             update the older one"
                        );
                        return Err(Failure::new(Exit::Unreachable, message));
                    }
                    desktop_name = name;
                    state
                }
                (State::Begun(pairing), Control::PairChallenge { nonce }) => {
                    let (proved, proof) = pairing.prove(&self.desktop, &nonce);
                    self.send(&Control::PairProof { proof }).await?;
                    State::Proved(proved)
                }
                (State::Proved(proved), Control::PairAccepted { proof }) => {
                    proved.confirm(&proof).map_err(|error| {
                        Failure::new(
                            Exit::WrongDesktop,
                            format!("the desktop did not prove the invitation: {error}"),
                        )
                    })?;
                    say!("the desktop has proved that the invitation is its own");
                    deadline = Instant::now() + STEP_LIMIT;
                    State::Confirmed
                }
                (State::Confirmed, Control::Pending { channel: None, message, seconds }) => {
                    say!("{message} (up to {seconds} s)");
                    deadline = Instant::now() + Duration::from_secs(seconds.into()) + VERDICT_GRACE;
                    State::Confirmed
                }
                // A desktop that knows this agent lets it in at once and answers the exchange after it.
                (state, Control::Servers { servers }) => {
                    lent = Some(servers);
                    state
                }
                (_, Control::PairFailed { code, message }) => return Err(not_accepted(code, &message)),
                (_, Control::Refused { code, message, .. }) => return Err(refused(code, &message)),
                (_, Control::Goodbye { message }) => {
                    return Err(Failure::new(
                        Exit::Lost,
                        format!("the desktop ended the session: {message}"),
                    ));
                }
                (_, Control::PairChallenge { .. } | Control::PairAccepted { .. }) => {
                    let message = "the desktop answered out of order; somebody may be in between";
                    return Err(Failure::new(Exit::WrongDesktop, message));
                }
                (state, Control::Ping { nonce }) => {
                    self.send(&Control::Pong { nonce }).await?;
                    state
                }
                (state, _) => state,
            };
        }
    }

    async fn send(&self, object: &Control) -> Result<(), Failure> {
        self.channel.send(object.to_json()).await.map(drop).map_err(|_| closed(self.expired))
    }

    async fn next(&mut self) -> Result<Control, Failure> {
        let message = self.channel.recv().await.ok_or_else(|| closed(self.expired))?;
        Control::parse(&message).map_err(|error| Failure::of(Exit::Unreachable, &error))
    }
}

fn not_accepted(code: PairFailure, message: &str) -> Failure {
    let exit = if code == PairFailure::OutOfOrder { Exit::Other } else { Exit::Invitation };
    Failure::new(exit, format!("the desktop does not accept the invitation: {message}"))
}

fn refused(code: RefusalCode, message: &str) -> Failure {
    let exit = match code {
        RefusalCode::TimedOut => Exit::NoAnswer,
        RefusalCode::Revoked => Exit::Lost,
        _ => Exit::Refused,
    };
    Failure::new(exit, format!("the desktop refused: {message}"))
}

/// The desktop does not talk to strangers while no invitation is open.
fn closed(expired: bool) -> Failure {
    let message = match expired {
        true => "the desktop closed the session: the invitation has expired; ask for a new one",
        false => {
            "the desktop closed the session without a word: the invitation was used, cancelled or has expired, or the \
             desktop was restarted since; ask for a new one"
        }
    };
    Failure::new(Exit::Invitation, message)
}

fn seconds_now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}
