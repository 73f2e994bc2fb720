//! What the two sides of a session say to each other beside the MCP channels: the objects of the control channel.
//!
//! A Gatelodge agent opens a channel labelled [`CONTROL_LABEL`] and says hello on it; the desktop answers, tells it when
//! its person is being asked, what is lent to it, and why something was refused. A peer that never opens this channel
//! is a plain one.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{InvitationId, PairNonce, PairProof, ResumeToken};

/// The label of the control channel.
pub const CONTROL_LABEL: &str = "gatelodge";

/// The version of the objects in here. A peer with another one is told so and let go.
pub const CONTROL_VERSION: u32 = 1;

/// The largest object, in bytes: room for a list of a few hundred servers.
pub const MAX_CONTROL_BYTES: usize = 65_536;

/// What the labels of channels to a server begin with; its id follows.
const SERVER_LABEL: &str = "mcp:";

/// The longest text in an object, in characters: a sentence or two for people.
const MAX_TEXT: usize = 500;

/// Returns the label of a channel to the server with this id.
pub fn server_label(id: &str) -> String {
    format!("{SERVER_LABEL}{id}")
}

/// Returns the server's id in a channel's label; `None` for any other label.
pub fn labelled_server(label: &str) -> Option<&str> {
    let server = label.strip_prefix(SERVER_LABEL)?;
    Some(server.split_once('/').map_or(server, |(server, _)| server))
}

/// Returns the label of a resumable channel to the server with this id. Channels are numbered from 1 within their
/// session, and a number is not used again.
pub fn resumable_label(id: &str, channel: u32) -> String {
    format!("{SERVER_LABEL}{id}/{channel}")
}

/// Returns the number in a resumable channel's label.
pub fn labelled_channel(label: &str) -> Option<u32> {
    let (_, number) = label.strip_prefix(SERVER_LABEL)?.split_once('/')?;
    number.parse().ok().filter(|&channel| channel > 0)
}

/// How many messages were taken on a resumable channel, by its number.
pub type ChannelCount = (u32, u64);

/// One object on the control channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Control {
    /// The first object of each side.
    Hello {
        /// [`CONTROL_VERSION`].
        version: u32,
        /// What the side calls itself. A claim, not a proof.
        name: String,
        /// The program and its version.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        software: String,
        /// Whether the certificate is the same in every session.
        #[serde(default)]
        persistent: bool,
        /// [`crate::RESUME_VERSION`] if the side can resume sessions, else 0.
        #[serde(default, skip_serializing_if = "is_zero")]
        resume: u32,
        /// Agent to desktop: a [`Control::Resume`] follows.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        resuming: bool,
    },
    /// Desktop to agent: the person is being asked; nothing goes on until the answer.
    Pending {
        /// The channel that waits; the whole session if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<String>,
        /// What is waited for, for people.
        message: String,
        /// After how many seconds without an answer it counts as no.
        seconds: u32,
    },
    /// Agent to desktop, right after its hello: it has an invitation.
    #[serde(rename = "pair.begin")]
    PairBegin {
        /// Which invitation.
        invitation: InvitationId,
        /// The agent's nonce.
        nonce: PairNonce,
    },
    /// Desktop to agent: the invitation is open.
    #[serde(rename = "pair.challenge")]
    PairChallenge {
        /// The desktop's nonce.
        nonce: PairNonce,
    },
    /// Agent to desktop: it knows the invitation's secret.
    #[serde(rename = "pair.proof")]
    PairProof {
        /// The agent's proof.
        proof: PairProof,
    },
    /// Desktop to agent: so does the desktop. Its person is asked next.
    #[serde(rename = "pair.accepted")]
    PairAccepted {
        /// The desktop's proof.
        proof: PairProof,
    },
    /// Desktop to agent: the invitation or the proof is not accepted.
    #[serde(rename = "pair.failed")]
    PairFailed {
        /// Why, for programs.
        code: PairFailure,
        /// Why, for people.
        message: String,
    },
    /// Desktop to agent: the agent is let in, and this is lent to it. Comes again when it changes.
    Servers {
        /// What may be opened, as channels labelled by [`server_label`].
        servers: Vec<LentServer>,
    },
    /// Desktop to agent: no.
    Refused {
        /// The channel that was refused and is closed; the whole session, which ends, if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<String>,
        /// Why, for programs.
        code: RefusalCode,
        /// Why, for people.
        message: String,
    },
    /// Desktop to agent, after [`Control::Servers`]: the session may be resumed over another connection.
    #[serde(rename = "resume.offer")]
    ResumeOffer {
        /// What the agent has to show.
        session: ResumeToken,
        /// For how many seconds the session is kept once its connection is lost.
        seconds: u32,
    },
    /// Agent to desktop, right after its hello: this connection takes the place of the session's earlier one.
    Resume {
        /// What [`Control::ResumeOffer`] gave.
        session: ResumeToken,
        /// How many messages the agent has taken on each of its channels.
        channels: Vec<ChannelCount>,
    },
    /// Desktop to agent: the session goes on. The agent opens its channels again; those that are missing have ended.
    Resumed {
        /// How many messages the desktop has taken on each of the channels.
        channels: Vec<ChannelCount>,
    },
    /// How many messages the side has taken, on channels where that is news.
    Ack {
        /// The channels and their counts.
        channels: Vec<ChannelCount>,
    },
    /// Agent to desktop: a resumable channel is about to be closed for good.
    Done {
        /// Its number.
        channel: u32,
    },
    /// Asks for a [`Control::Pong`] with the same number.
    Ping {
        /// Any number.
        nonce: u64,
    },
    /// Answers a [`Control::Ping`].
    Pong {
        /// The ping's number.
        nonce: u64,
    },
    /// The side ends the session on purpose.
    Goodbye {
        /// Why, for people.
        message: String,
    },
    /// An object of a kind that this version doesn't know. It is skipped.
    #[serde(other)]
    Unknown,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A server that is lent to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LentServer {
    /// What the agent opens it by.
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// Why something was refused, for programs to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusalCode {
    /// The person said no, or the agent is blocked.
    Denied,
    /// Nobody answered in time.
    TimedOut,
    /// There is no such server, or it is not lent to this agent.
    NotLent,
    /// The server could not be started, or ended by itself.
    ServerFailed,
    /// The grant was taken back, has expired or was changed.
    Revoked,
    /// Too many channels, requests or processes.
    TooMany,
    /// The desktop can't look up whom it trusts, so it lets in nobody.
    KeychainUnavailable,
    /// The other side speaks another version.
    Version,
    /// There is no such session to resume, or not any more.
    Expired,
    /// The desktop's person lets nobody in at the moment.
    GateClosed,
    /// A reason that this version doesn't know.
    #[serde(other)]
    Other,
}

/// Why an invitation or a proof was not accepted, for programs to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PairFailure {
    /// The desktop has no such invitation open. It never had it, or was started anew since.
    Unknown,
    /// The invitation's time is over.
    Expired,
    /// The desktop's person took it back.
    Cancelled,
    /// Somebody has used it. Invitations are good for one agent.
    Used,
    /// The proof is wrong. The agent may begin again, as long as there are not too many of these.
    WrongProof,
    /// There were too many wrong proofs; the session ends.
    TooMany,
    /// An object came when another one was due; the session ends.
    OutOfOrder,
    /// A reason that this version doesn't know.
    #[serde(other)]
    Other,
}

impl Control {
    /// Reads an object.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ControlError> {
        if bytes.len() > MAX_CONTROL_BYTES {
            return Err(ControlError::TooLarge(bytes.len()));
        }
        let object: Self = serde_json::from_slice(bytes)?;
        let texts: [&str; 2] = match &object {
            Self::Hello { name, software, .. } => [name, software],
            Self::Pending { message, .. }
            | Self::PairFailed { message, .. }
            | Self::Refused { message, .. }
            | Self::Goodbye { message } => [message, ""],
            _ => ["", ""],
        };
        match texts.iter().any(|text| text.chars().count() > MAX_TEXT) {
            true => Err(ControlError::LongText),
            false => Ok(object),
        }
    }

    /// Writes the object as one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("these types have string keys and no other way to fail")
    }
}

/// Why bytes are not an object of the control channel.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Over the limit.
    #[error("the control message has {0} bytes, over the limit of {MAX_CONTROL_BYTES}")]
    TooLarge(usize),
    /// Not JSON, or not of the right shape.
    #[error("the control message cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A text over the limit.
    #[error("a text in the control message has over {MAX_TEXT} characters")]
    LongText,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_these_bytes() {
        let cases = [
            (
                Control::Hello {
                    version: 1,
                    name: "laptop".into(),
                    software: "gatelodge/0.1.0".into(),
                    persistent: true,
                    resume: 0,
                    resuming: false,
                },
                r#"{"type":"hello","version":1,"name":"laptop","software":"gatelodge/0.1.0","persistent":true}"#,
            ),
            (
                Control::Pending { channel: None, message: "asking".into(), seconds: 60 },
                r#"{"type":"pending","message":"asking","seconds":60}"#,
            ),
            (
                Control::PairBegin {
                    invitation: "00112233445566ff".parse().unwrap(),
                    nonce: PairNonce::from_bytes([0xa1; 32]),
                },
                &format!(
                    r#"{{"type":"pair.begin","invitation":"00112233445566ff","nonce":"{}"}}"#,
                    "a1".repeat(32)
                ),
            ),
            (
                Control::PairFailed { code: PairFailure::WrongProof, message: "no".into() },
                r#"{"type":"pair.failed","code":"wrong_proof","message":"no"}"#,
            ),
            (
                Control::Servers {
                    servers: vec![LentServer { id: "notes".into(), name: "My notes".into() }],
                },
                r#"{"type":"servers","servers":[{"id":"notes","name":"My notes"}]}"#,
            ),
            (
                Control::Refused {
                    channel: Some("mcp:x".into()),
                    code: RefusalCode::NotLent,
                    message: "no".into(),
                },
                r#"{"type":"refused","channel":"mcp:x","code":"not_lent","message":"no"}"#,
            ),
            (
                Control::Hello {
                    version: 1,
                    name: "laptop".into(),
                    software: String::new(),
                    persistent: true,
                    resume: 1,
                    resuming: true,
                },
                r#"{"type":"hello","version":1,"name":"laptop","persistent":true,"resume":1,"resuming":true}"#,
            ),
            (
                Control::ResumeOffer { session: ResumeToken::from_bytes([0x0f; 16]), seconds: 120 },
                r#"{"type":"resume.offer","session":"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f","seconds":120}"#,
            ),
            (
                Control::Resume { session: ResumeToken::from_bytes([0x0f; 16]), channels: vec![(1, 7)] },
                r#"{"type":"resume","session":"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f","channels":[[1,7]]}"#,
            ),
            (
                Control::Resumed { channels: vec![(1, 7), (2, 0)] },
                r#"{"type":"resumed","channels":[[1,7],[2,0]]}"#,
            ),
            (Control::Ack { channels: vec![(1, 1000)] }, r#"{"type":"ack","channels":[[1,1000]]}"#),
            (Control::Done { channel: 2 }, r#"{"type":"done","channel":2}"#),
            (Control::Ping { nonce: 7 }, r#"{"type":"ping","nonce":7}"#),
            (Control::Pong { nonce: 7 }, r#"{"type":"pong","nonce":7}"#),
            (Control::Goodbye { message: "bye".into() }, r#"{"type":"goodbye","message":"bye"}"#),
        ];
        for (object, json) in cases {
            assert_eq!(object.to_json(), json);
            assert_eq!(Control::parse(json.as_bytes()).unwrap(), object);
        }
    }

    #[test]
    fn what_a_later_version_adds_is_skipped() {
        assert_eq!(Control::parse(br#"{"type":"weather","rain":true}"#).unwrap(), Control::Unknown);
        let refused = Control::parse(br#"{"type":"refused","code":"moon","message":"m","more":1}"#).unwrap();
        assert!(matches!(refused, Control::Refused { code: RefusalCode::Other, .. }));
    }

    #[test]
    fn bad_objects_are_refused() {
        let long = format!(r#"{{"type":"goodbye","message":"{}"}}"#, "x".repeat(501));
        assert!(matches!(Control::parse(long.as_bytes()), Err(ControlError::LongText)));
        let huge = vec![b' '; MAX_CONTROL_BYTES + 1];
        assert!(matches!(Control::parse(&huge), Err(ControlError::TooLarge(_))));
        for bad in ["", "[]", "{}", r#"{"type":"hello"}"#, r#"{"type":"ping","nonce":-1}"#, "\u{0}"] {
            assert!(matches!(Control::parse(bad.as_bytes()), Err(ControlError::Json(_))), "{bad:?}");
        }
    }

    #[test]
    fn labels_name_servers() {
        assert_eq!(labelled_server(&server_label("notes")), Some("notes"));
        let label = resumable_label("notes", 3);
        assert_eq!((labelled_server(&label), labelled_channel(&label)), (Some("notes"), Some(3)));
        for plain in
            ["mcp:notes", "mcp:notes/", "mcp:notes/0", "mcp:notes/-1", "mcp:notes/4294967296", "notes/3"]
        {
            assert_eq!(labelled_channel(plain), None, "{plain}");
        }
        assert_eq!(labelled_server("mcp"), None);
        assert_eq!(labelled_server(CONTROL_LABEL), None);
    }
}
