//! The way to a desktop: link, handshake, and what is said on the control channel until a server's channel is open.

use std::time::Duration;

use gatelodge_wire::{
    CONTROL_LABEL, CONTROL_VERSION, ChannelCount, Control, Fingerprint, LentServer, RESUME_VERSION,
    RefusalCode, ResumeToken,
};
use mcp_webrtc::signaling::SignalingError;
use mcp_webrtc::signaling::rendezvous::RendezvousError;
use mcp_webrtc::{
    Admission, Channel, ChannelReceiver, ChannelSender, Identity, Measurements, Session, SessionError,
    SessionEvents,
};
use tokio::time::{Instant, timeout};

use crate::failure::{Exit, Failure};
use crate::place::Place;
use crate::terminal::say;

/// How long the desktop may take for its first word on the control channel; it needs no person for that.
const HELLO_LIMIT: Duration = Duration::from_secs(15);

/// How long the desktop may take to say that a session can be resumed, once it has let the agent in: both come together.
const OFFER_LIMIT: Duration = Duration::from_secs(5);

/// How many objects may be senseless: a newer desktop may say a few that this version cannot read.
const MAX_SENSELESS: u32 = 16;

/// How much longer than announced a verdict may take, for the way of the message.
const VERDICT_GRACE: Duration = Duration::from_secs(10);

/// How long a verdict may take that no `pending` announced.
const VERDICT_LIMIT: Duration = Duration::from_secs(30);

/// Who is expected at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// This desktop, because the user said so.
    Given(Fingerprint),
    /// This desktop, because this agent is paired with it.
    Paired(Fingerprint),
    /// This desktop, because it was found there before.
    Remembered(Fingerprint),
    /// Nobody in particular; whoever it is will be remembered.
    Anybody,
}

/// A desktop that has let this agent in.
pub(super) struct Desktop {
    pub(super) session: Session,
    pub(super) events: SessionEvents,
    pub(super) control: Talk,
    /// Whether the desktop's hello says that sessions can be resumed.
    resumes: bool,
    /// What is lent, in the desktop's order.
    pub(super) servers: Vec<LentServer>,
    /// The channel that the desktop's offer had to name for plain clients. It stays open and unused: closing it would
    /// tell the desktop that a plain client leaves.
    _plain: Option<Channel>,
}

/// The agent's end of the control channel.
pub(super) struct Talk {
    pub(super) sender: ChannelSender,
    receiver: ChannelReceiver,
    senseless: u32,
}

/// That a session may be resumed.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    pub(super) session: ResumeToken,
    /// For how long the desktop keeps the session.
    pub(super) limit: Duration,
}

/// Sets up the session. The desktop's verdict is still to come.
pub(super) async fn reach(
    identity: &Identity,
    place: &Place,
    expected: Expected,
    stun: &[String],
) -> Result<Session, Failure> {
    let signaling = place.open(identity, None).await.map_err(|error| {
        let reason = gatelodge_wire::with_causes(&error);
        match &error {
            SignalingError::Rendezvous(error) => match **error {
                RendezvousError::Declined { .. } => Failure::new(Exit::Refused, reason),
                _ => Failure::new(Exit::Unreachable, reason),
            },
            _ => Failure::new(
                Exit::Unreachable,
                format!("{place} cannot be reached: {reason}; is the desktop running, and is this its link?"),
            ),
        }
    })?;
    let mut builder = Session::builder(identity).admit(|_| async { Admission::Admit });
    if let Expected::Given(fingerprint) | Expected::Paired(fingerprint) | Expected::Remembered(fingerprint) =
        expected
    {
        builder = builder.expect(fingerprint);
    }
    for url in stun {
        builder = builder.stun(url);
    }
    let session = builder.answer(signaling).await.map_err(|error| match error {
        SessionError::WrongPeer { found, .. } => wrong_desktop(place, expected, &found),
        error => Failure::new(
            Exit::Unreachable,
            format!(
                "no session with the desktop at {place}: {}. To find out more: gatelodge doctor {place}",
                gatelodge_wire::with_causes(&error)
            ),
        ),
    })?;
    // It ends with the session.
    tokio::spawn(tell_path(session.measurements()));
    Ok(session)
}

/// Says which way packets take, at first and whenever it is another one.
async fn tell_path(mut measurements: Measurements) {
    let mut told = None;
    while let Some(measured) = measurements.next().await {
        if told != Some(measured.path) {
            say!("{measured}");
            told = Some(measured.path);
        }
    }
}

fn wrong_desktop(place: &Place, expected: Expected, found: &Fingerprint) -> Failure {
    let words = found.words();
    let message = match expected {
        Expected::Remembered(known) => format!(
            "another desktop answers at {place} than before. Known: {known} ({}); found: {found} ({words}). Somebody may be \
             in between, or the desktop has a new identity. If its user confirms the words, forget the old one with: \
             gatelodge forget {place}",
            known.words()
        ),
        Expected::Paired(known) => format!(
            "another desktop answers at {place} than the one that this agent is paired with. Paired: {known} ({}); found: \
             {found} ({words}). Somebody may be in between. If the desktop has a new identity, forget it and pair again",
            known.words()
        ),
        _ => format!(
            "another desktop answers at {place} than the expected one; found: {found} ({words}). Check the fingerprint that \
             you gave with --expect"
        ),
    };
    Failure::new(Exit::WrongDesktop, message)
}

/// Says hello and waits for the desktop's verdict, which may need its user. What it offers for the case that the connection
/// is lost comes along.
pub(super) async fn introduce(session: Session, name: &str) -> Result<(Desktop, Option<Offer>), Failure> {
    let mut desktop = Desktop::greet(session, name, false).await?;
    let mut deadline = Instant::now() + HELLO_LIMIT;
    loop {
        let Ok(object) = tokio::time::timeout_at(deadline, desktop.control.next()).await else {
            return Err(Failure::new(
                Exit::NoAnswer,
                "the desktop has not said in time whether it lets this agent in; try again when its user is there",
            ));
        };
        match object?.ok_or_else(left_without_a_word)? {
            Control::Hello { version, name, resume, .. } => {
                desktop.greeted(version, resume)?;
                say!("the desktop calls itself {name:?}");
                deadline = Instant::now() + VERDICT_LIMIT;
            }
            Control::Pending { channel: None, message, seconds } => {
                say!("{message} (up to {seconds} s)");
                deadline = Instant::now() + Duration::from_secs(seconds.into()) + VERDICT_GRACE;
            }
            Control::Servers { servers } => {
                desktop.servers = servers;
                if !desktop.resumes {
                    return Ok((desktop, None));
                }
                deadline = Instant::now() + OFFER_LIMIT;
            }
            Control::ResumeOffer { session, seconds } => {
                let limit = Duration::from_secs(seconds.into());
                return Ok((desktop, Some(Offer { session, limit })));
            }
            _ => {}
        }
    }
}

/// Goes on with a session over another connection. Returns how many messages the desktop has taken on each channel.
pub(super) async fn resume(
    session: Session,
    name: &str,
    token: &ResumeToken,
    taken: Vec<ChannelCount>,
) -> Result<(Desktop, Vec<ChannelCount>), Failure> {
    let mut desktop = Desktop::greet(session, name, true).await?;
    let resume = Control::Resume { session: token.clone(), channels: taken };
    desktop.control.sender.send(resume.to_json()).await.map_err(|_| left_without_a_word())?;
    loop {
        let object = timeout(HELLO_LIMIT, desktop.control.next()).await;
        let object = object.map_err(|_| Failure::new(Exit::NoAnswer, "the desktop does not answer"))?;
        match object?.ok_or_else(left_without_a_word)? {
            Control::Hello { version, resume, .. } => desktop.greeted(version, resume)?,
            Control::Resumed { channels } => return Ok((desktop, channels)),
            _ => {}
        }
    }
}

impl Desktop {
    async fn greet(session: Session, name: &str, resuming: bool) -> Result<Self, Failure> {
        let events = session.events();
        let control = session.open_channel(CONTROL_LABEL).await.map_err(|_| left_without_a_word())?;
        let hello = Control::Hello {
            version: CONTROL_VERSION,
            name: name.to_owned(),
            software: concat!("gatelodge/", env!("CARGO_PKG_VERSION")).to_owned(),
            persistent: true,
            resume: RESUME_VERSION,
            resuming,
        };
        control.send(hello.to_json()).await.map_err(|_| left_without_a_word())?;
        let (sender, receiver) = control.split();
        let control = Talk { sender, receiver, senseless: 0 };
        let _plain = timeout(Duration::from_secs(1), session.next_channel()).await.ok().flatten();
        Ok(Self { session, events, control, resumes: false, servers: Vec::new(), _plain })
    }

    fn greeted(&mut self, version: u32, resume: u32) -> Result<(), Failure> {
        self.resumes = resume == RESUME_VERSION;
        if version == CONTROL_VERSION {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Unreachable,
            format!(
                "the desktop speaks version {version} of the control channel, this program {CONTROL_VERSION}; update the older one"
            ),
        ))
    }

    /// Opens a channel; the desktop says on the control channel if it is refused.
    pub(super) async fn open(&self, label: &str) -> Result<Channel, Failure> {
        self.session.open_channel(label).await.map_err(|_| left_without_a_word())
    }

    /// Tells the desktop that this side leaves.
    pub(super) async fn goodbye(&self, message: &str) {
        let goodbye = Control::Goodbye { message: message.to_owned() };
        let _ = timeout(Duration::from_secs(1), self.control.sender.send(goodbye.to_json())).await;
    }
}

impl Talk {
    /// Waits for the next object that concerns the session; answers pings on the way. A refusal is an error, and `None` the
    /// end of the session without a word. Cancel-safe, but for a pong that may not be sent.
    pub(super) async fn next(&mut self) -> Result<Option<Control>, Failure> {
        loop {
            let Some(message) = self.receiver.recv().await else { return Ok(None) };
            match Control::parse(&message) {
                Ok(Control::Ping { nonce }) => {
                    let _ = self.sender.send(Control::Pong { nonce }.to_json()).await;
                }
                Ok(Control::Refused { code, message, .. }) => return Err(refused(code, &message)),
                Ok(Control::Goodbye { message }) => {
                    return Err(Failure::new(
                        Exit::Lost,
                        format!("the desktop ended the session: {message}"),
                    ));
                }
                Ok(object) => return Ok(Some(object)),
                Err(error) if self.senseless == MAX_SENSELESS => {
                    return Err(Failure::of(Exit::Unreachable, &error));
                }
                Err(_) => self.senseless += 1,
            }
        }
    }
}

fn refused(code: RefusalCode, message: &str) -> Failure {
    let exit = match code {
        RefusalCode::TimedOut => Exit::NoAnswer,
        RefusalCode::ServerFailed | RefusalCode::Revoked | RefusalCode::Expired => Exit::Lost,
        RefusalCode::Version => Exit::Unreachable,
        _ => Exit::Refused,
    };
    Failure::new(exit, format!("the desktop refused: {message}")).because(code)
}

pub(super) fn left_without_a_word() -> Failure {
    Failure::new(
        Exit::Refused,
        "the desktop closed the session without a word; it may have blocked this agent, or its link takes paired agents only",
    )
}

/// Returns who answered.
pub(super) fn proved(session: &Session) -> Fingerprint {
    session.peer().fingerprint
}
