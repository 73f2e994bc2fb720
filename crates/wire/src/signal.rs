//! Signaling objects: the JSON that carries offer, answer and candidates between two peers.
//!
//! Written byte for byte as aiortc's `object_to_string` writes them, since Python peers are on the other end of
//! many links; read in aiortc's flat shape and in the nested one of simple-peer and of browsers. Every
//! signaling link speaks through this file; what an SDP means is judged elsewhere.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The most bytes that one signaling object may have, as JSON and without a line's end.
///
/// 64 KiB is the limit of Python's `asyncio` streams, so an aiortc peer can't read a longer line. An SDP with one
/// data channel and the 32 candidates that are allowed takes about 4 KiB.
pub const MAX_SIGNAL_BYTES: usize = 64 * 1024;

/// One object of the signaling.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// The description that opens a session.
    Offer {
        /// The SDP as it came; it has not been checked.
        sdp: String,
    },
    /// The description that answers an offer.
    Answer {
        /// The SDP as it came; it has not been checked.
        sdp: String,
    },
    /// A candidate that was found after the description had been sent.
    Candidate(Candidate),
    /// The other side will send nothing more on this link; a session that is connected may live on.
    Bye,
}

/// An ICE candidate beside the description (trickle ICE, RFC 8838).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The candidate's attribute (`candidate:...`, RFC 8839 section 5.1), or nothing for "there are no more".
    pub candidate: String,
    /// The media section it belongs to, by its `a=mid`.
    pub sdp_mid: Option<String>,
    /// The media section it belongs to, by its index.
    pub sdp_mline_index: Option<u16>,
}

/// Why some bytes are not a signaling object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// More bytes than [`MAX_SIGNAL_BYTES`].
    #[error("the object has {bytes} bytes, more than the {MAX_SIGNAL_BYTES} that are read")]
    TooLarge {
        /// How many there are.
        bytes: usize,
    },
    /// The bytes are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8(#[source] std::str::Utf8Error),
    /// The text is not one JSON object, or has a member twice.
    #[error("not a JSON object: {0}")]
    Json(#[source] serde_json::Error),
    /// A member that this type of object needs is not there.
    #[error("the member \"{member}\" is missing")]
    Missing {
        /// Its name.
        member: &'static str,
    },
    /// A member has a value of another type.
    #[error("the member \"{member}\" is not {expected}")]
    WrongType {
        /// Its name.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A candidate that neither is empty nor starts with `candidate:`, or that holds control characters.
    #[error("the member \"candidate\" is not an ICE candidate attribute")]
    NotACandidate,
    /// A description of a kind that no peer of ours may send.
    #[error("descriptions of type \"{kind}\" are not supported, only \"offer\" and \"answer\"")]
    UnsupportedDescription {
        /// The kind: `pranswer` or `rollback`.
        kind: &'static str,
    },
}

impl Signal {
    /// Reads one object.
    ///
    /// `Ok(None)` stands for an object that is well formed and means nothing here: simple-peer's `renegotiate` and
    /// `transceiverRequest` (there is no media to negotiate), and any `type` that is not known, so that links can
    /// carry more than this version understands. The caller counts these too, or they would be a way to keep it busy.
    /// Members that are not known are skipped.
    ///
    /// # Errors
    ///
    /// Everything else, also an object with a member twice: two readers could then read two different objects.
    /// `pranswer` and `rollback` are errors since a peer that sends them waits for a reaction that will never come.
    pub fn parse(json: &[u8]) -> Result<Option<Signal>, SignalError> {
        if json.len() > MAX_SIGNAL_BYTES {
            return Err(SignalError::TooLarge { bytes: json.len() });
        }
        let text = std::str::from_utf8(json).map_err(SignalError::NotUtf8)?;
        let object: Members = serde_json::from_str(text).map_err(SignalError::Json)?;
        let kind = object.string("type")?.ok_or(SignalError::Missing { member: "type" })?;
        let sdp = || object.string("sdp")?.ok_or(SignalError::Missing { member: "sdp" });
        match kind.as_str() {
            "offer" => Ok(Some(Signal::Offer { sdp: sdp()? })),
            "answer" => Ok(Some(Signal::Answer { sdp: sdp()? })),
            "candidate" => Ok(Some(Signal::Candidate(candidate(&object)?))),
            "bye" => Ok(Some(Signal::Bye)),
            "pranswer" => Err(SignalError::UnsupportedDescription { kind: "pranswer" }),
            "rollback" => Err(SignalError::UnsupportedDescription { kind: "rollback" }),
            _ => Ok(None),
        }
    }

    /// Writes the object as aiortc does: members sorted, `", "` and `": "` between them, ASCII only, on one line.
    ///
    /// An aiortc peer fails on a candidate without text; links to such peers leave that one out.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        match self {
            Signal::Offer { sdp } => description(&mut out, sdp, "offer"),
            Signal::Answer { sdp } => description(&mut out, sdp, "answer"),
            Signal::Candidate(Candidate { candidate, sdp_mid, sdp_mline_index }) => {
                out.push_str("{\"candidate\": ");
                push_string(&mut out, candidate);
                out.push_str(", \"id\": ");
                match sdp_mid {
                    Some(mid) => push_string(&mut out, mid),
                    None => out.push_str("null"),
                }
                out.push_str(", \"label\": ");
                match sdp_mline_index {
                    Some(index) => out.push_str(&index.to_string()),
                    None => out.push_str("null"),
                }
                out.push_str(", \"type\": \"candidate\"}");
            }
            Signal::Bye => out.push_str("{\"type\": \"bye\"}"),
        }
        out
    }
}

fn description(out: &mut String, sdp: &str, kind: &str) {
    out.push_str("{\"sdp\": ");
    push_string(out, sdp);
    out.push_str(", \"type\": \"");
    out.push_str(kind);
    out.push_str("\"}");
}

/// Writes a JSON string with Python's `ensure_ascii` escapes: printable ASCII as it is, else lower-case UTF-16.
fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

/// Reads the candidate in either shape: beside `id` and `label`, or as an object in the member `candidate`.
fn candidate(object: &Members<'_>) -> Result<Candidate, SignalError> {
    let value = object.0.get("candidate").ok_or(SignalError::Missing { member: "candidate" })?.get();
    let (text, sdp_mid, sdp_mline_index) = if value.starts_with('{') {
        // What browsers make of an `RTCIceCandidate`; simple-peer copies three of its members.
        let nested: Members = serde_json::from_str(value).map_err(SignalError::Json)?;
        let text = nested.string("candidate")?.ok_or(SignalError::Missing { member: "candidate" })?;
        (text, nested.string("sdpMid")?, nested.index("sdpMLineIndex")?)
    } else {
        // A page that passes on the last event of a browser sends `null`: there are no more candidates.
        let text = object.string("candidate")?.unwrap_or_default();
        (text, object.string("id")?, object.index("label")?)
    };
    // Some stacks hand out the whole SDP line.
    let text = text.strip_prefix("a=").map(str::to_owned).unwrap_or(text);
    // A line break in here would become a line of its own choosing in the description.
    let one_line = |s: &str| !s.contains(char::is_control);
    if !(text.is_empty() || text.starts_with("candidate:"))
        || !one_line(&text)
        || !sdp_mid.as_deref().is_none_or(one_line)
    {
        return Err(SignalError::NotACandidate);
    }
    Ok(Candidate { candidate: text, sdp_mid, sdp_mline_index })
}

/// The members of one JSON object, each of which is there once.
struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl Members<'_> {
    /// The text of a member; `None` where it is missing or `null`.
    fn string(&self, member: &'static str) -> Result<Option<String>, SignalError> {
        self.read(member, "a string")
    }

    /// The small number of a member; `None` where it is missing or `null`.
    fn index(&self, member: &'static str) -> Result<Option<u16>, SignalError> {
        self.read(member, "a number from 0 to 65535")
    }

    fn read<'s, T: Deserialize<'s>>(
        &'s self,
        member: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, SignalError> {
        let Some(value) = self.0.get(member) else { return Ok(None) };
        serde_json::from_str(value.get()).map_err(|_| SignalError::WrongType { member, expected })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = BTreeMap<String, &'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    match members.entry(name) {
                        Entry::Vacant(free) => free.insert(value),
                        // The name is the peer's and could be long, so the message leaves it out.
                        Entry::Occupied(_) => return Err(A::Error::custom("a member is there twice")),
                    };
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Collect).map(Members)
    }
}

#[cfg(test)]
mod tests;
