//! The way to a desktop: link, handshake, and what is said on the control channel until a server's channel is open.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatelodge_wire::{
    CONTROL_LABEL, CONTROL_VERSION, Control, Fingerprint, LentServer, RefusalCode, server_label,
};
use mcp_webrtc::signaling::SignalingError;
use mcp_webrtc::signaling::rendezvous::RendezvousError;
use mcp_webrtc::{Admission, Channel, ChannelReceiver, ChannelSender, Identity, Session, SessionError};
use tokio::time::{Instant, timeout};

use crate::failure::{Exit, Failure};
use crate::place::Place;
use crate::terminal::say;

/// How long the desktop may take for its first word on the control channel; it needs no person for that.
const HELLO_LIMIT: Duration = Duration::from_secs(15);

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
    control: ChannelSender,
    heard: ChannelReceiver,
    /// What is lent, in the desktop's order.
    pub(super) servers: Vec<LentServer>,
    /// The channel that the desktop's offer had to name for plain clients. It stays open and unused: closing it would
    /// tell the desktop that a plain client leaves.
    _plain: Option<Channel>,
}

/// Sets up the session. The desktop's verdict is still to come.
pub(super) async fn reach(
    identity: &Identity,
    place: &Place,
    expected: Expected,
    stun: &[String],
) -> Result<Session, Failure> {
    let signaling = place.open(identity, None).await.map_err(|error| {
        let reason = crate::failure::with_causes(&error);
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
    builder.answer(signaling).await.map_err(|error| match error {
        SessionError::WrongPeer { found, .. } => wrong_desktop(place, expected, &found),
        error => Failure::new(
            Exit::Unreachable,
            format!("no session with the desktop at {place}: {}", crate::failure::with_causes(&error)),
        ),
    })
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

/// Says hello and waits for the desktop's verdict, which may need its user.
pub(super) async fn introduce(session: Session, name: &str) -> Result<Desktop, Failure> {
    let control = session.open_channel(CONTROL_LABEL).await.map_err(|_| left_without_a_word())?;
    let hello = Control::Hello {
        version: CONTROL_VERSION,
        name: name.to_owned(),
        software: concat!("gatelodge/", env!("CARGO_PKG_VERSION")).to_owned(),
        persistent: true,
    };
    control.send(hello.to_json()).await.map_err(|_| left_without_a_word())?;
    let (control, heard) = control.split();
    let mut desktop = Desktop { session, control, heard, servers: Vec::new(), _plain: None };
    desktop._plain = timeout(Duration::from_secs(1), desktop.session.next_channel()).await.ok().flatten();
    let mut deadline = Instant::now() + HELLO_LIMIT;
    loop {
        let Ok(object) = tokio::time::timeout_at(deadline, desktop.next_control()).await else {
            return Err(Failure::new(
                Exit::NoAnswer,
                "the desktop has not said in time whether it lets this agent in; try again when its user is there",
            ));
        };
        match object? {
            Control::Hello { version, name, .. } => {
                if version != CONTROL_VERSION {
                    return Err(Failure::new(
                        Exit::Unreachable,
                        format!(
                            "the desktop speaks version {version} of the control channel, this program {CONTROL_VERSION}; update the older one"
                        ),
                    ));
                }
                say!("the desktop calls itself {name:?}");
                deadline = Instant::now() + VERDICT_LIMIT;
            }
            Control::Pending { channel: None, message, seconds } => {
                say!("{message} (up to {seconds} s)");
                deadline = Instant::now() + Duration::from_secs(seconds.into()) + VERDICT_GRACE;
            }
            Control::Servers { servers } => {
                desktop.servers = servers;
                return Ok(desktop);
            }
            _ => {}
        }
    }
}

impl Desktop {
    /// Opens a channel to a server and waits until the desktop says that it is lent.
    pub(super) async fn open(&mut self, server: &LentServer) -> Result<Channel, Failure> {
        let label = server_label(&server.id);
        let channel = self.session.open_channel(&label).await.map_err(|_| left_without_a_word())?;
        Ok(channel)
    }

    /// Waits for the next object that concerns the session; answers pings on the way. A refusal is an error.
    pub(super) async fn next_control(&mut self) -> Result<Control, Failure> {
        loop {
            let Some(message) = self.heard.recv().await else { return Err(left_without_a_word()) };
            match Control::parse(&message) {
                Ok(Control::Ping { nonce }) => {
                    let _ = self.control.send(Control::Pong { nonce }.to_json()).await;
                }
                Ok(Control::Refused { code, message, .. }) => return Err(refused(code, &message)),
                Ok(Control::Goodbye { message }) => {
                    return Err(Failure::new(
                        Exit::Lost,
                        format!("the desktop ended the session: {message}"),
                    ));
                }
                Ok(object) => return Ok(object),
                Err(error) => return Err(Failure::of(Exit::Unreachable, &error)),
            }
        }
    }

    /// Tells the desktop that this side leaves.
    pub(super) async fn goodbye(&self, message: &str) {
        let goodbye = Control::Goodbye { message: message.to_owned() };
        let _ = timeout(Duration::from_secs(1), self.control.send(goodbye.to_json())).await;
    }
}

fn refused(code: RefusalCode, message: &str) -> Failure {
    let exit = match code {
        RefusalCode::TimedOut => Exit::NoAnswer,
        RefusalCode::ServerFailed | RefusalCode::Revoked => Exit::Lost,
        RefusalCode::Version => Exit::Unreachable,
        _ => Exit::Refused,
    };
    Failure::new(exit, format!("the desktop refused: {message}"))
}

fn left_without_a_word() -> Failure {
    Failure::new(
        Exit::Refused,
        "the desktop closed the session without a word; it may have blocked this agent, or its link takes paired agents only",
    )
}

/// Who answered in the end, for the caller that remembers it.
pub(super) fn proved(session: &Session) -> Fingerprint {
    session.peer().fingerprint
}

/// A reason that several tasks may find; the first one counts.
#[derive(Debug, Default, Clone)]
pub(super) struct FirstReason(Arc<Mutex<Option<Failure>>>);

impl FirstReason {
    pub(super) fn set(&self, failure: Failure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    pub(super) fn take(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
