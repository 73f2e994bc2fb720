//! Tools, agents and sessions as whoever manages a desktop is shown them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::link::LinkId;
use crate::server::ServerId;
use crate::session::live::Live;
use crate::time::Timestamp;

/// A tool as a probe found it. Its texts are the server's own, cut to what people read, and without characters that could
/// mislead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ToolSummary {
    /// Its name.
    pub name: String,
    /// Its name for people, if it has one.
    pub title: Option<String>,
    /// What it says about itself.
    pub description: Option<String>,
    /// Whether it says that it changes nothing.
    pub read_only: Option<bool>,
    /// Whether it says that it may destroy something.
    pub destructive: Option<bool>,
}

/// An agent as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct AgentSummary {
    /// Its certificate.
    pub fingerprint: String,
    /// The certificate's six words.
    pub words: String,
    /// What the person calls it.
    pub label: String,
    /// `trusted` or `blocked`.
    #[cfg_attr(feature = "typescript", ts(type = "'trusted' | 'blocked'"))]
    pub state: String,
    /// When it was let in for good; `None` for one that never was.
    pub since: Option<Timestamp>,
    /// What is lent to it; `None` if its grants were altered and count as none.
    pub servers: Option<Vec<ServerId>>,
}

/// A time in milliseconds, to a hundredth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "number"))]
pub struct RoundTrip(Duration);

impl RoundTrip {
    /// Returns the time.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for RoundTrip {
    fn from(time: Duration) -> Self {
        Self(time)
    }
}

impl From<f64> for RoundTrip {
    fn from(millis: f64) -> Self {
        Self(Duration::try_from_secs_f64(millis / 1000.0).unwrap_or_default())
    }
}

impl From<RoundTrip> for f64 {
    fn from(time: RoundTrip) -> Self {
        (time.0.as_secs_f64() * 100_000.0).round() / 100.0
    }
}

/// A session as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct SessionSummary {
    /// Its number.
    pub id: u64,
    /// The agent's certificate.
    pub agent: String,
    /// What the agent is called; empty while it waits for a verdict.
    pub label: String,
    /// The link on which it came.
    pub link: LinkId,
    /// The addresses between which packets travel.
    pub path: String,
    /// `direct`, `reflexive` (through a NAT) or `relayed`; empty until it was measured.
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(type = "'direct' | 'reflexive' | 'relayed' | ''"))]
    pub kind: String,
    /// How this side came to its address: `host`, `reflexive` or `relayed`; empty until it was measured.
    #[serde(default)]
    pub local_kind: String,
    /// The same of the agent's side.
    #[serde(default)]
    pub remote_kind: String,
    /// How long a packet takes there and back, in milliseconds, smoothed.
    #[serde(default)]
    pub rtt_ms: Option<RoundTrip>,
    /// Bytes that came from the agent, with what encryption adds; counted every few seconds.
    #[serde(default)]
    pub bytes_received: u64,
    /// Bytes that went to it.
    #[serde(default)]
    pub bytes_sent: u64,
    /// Requests of the agent that have ended.
    #[serde(default)]
    pub calls: u64,
    /// Whether the connection is lost, and the agent waited for.
    #[serde(default)]
    pub interrupted: bool,
    /// Since when.
    pub since: Timestamp,
    /// The servers in use, one for each channel.
    pub channels: Vec<ServerId>,
}

impl SessionSummary {
    /// Looks at a session.
    pub(crate) fn of(live: &Live) -> Self {
        let (measured, (bytes_received, bytes_sent), calls) = live.traffic();
        let shown =
            |part: fn(&mcp_webrtc::Path) -> String| measured.map_or_else(String::new, |of| part(&of.path));
        Self {
            kind: shown(|path| path.kind().to_string()),
            local_kind: shown(|path| path.local_kind.to_string()),
            remote_kind: shown(|path| path.remote_kind.to_string()),
            rtt_ms: measured.and_then(|of| of.round_trip).map(RoundTrip::from),
            bytes_received,
            bytes_sent,
            calls,
            id: live.id.0,
            agent: live.agent.to_string(),
            label: if live.admitted() { live.label() } else { String::new() },
            link: live.link.clone(),
            path: live.path(),
            interrupted: live.is_interrupted(),
            since: live.since,
            channels: live.channels().into_iter().map(|(_, server)| server).collect(),
        }
    }
}
