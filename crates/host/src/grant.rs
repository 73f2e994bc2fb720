//! What one agent may do with one server.

use std::collections::BTreeMap;

use gatelodge_wire::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::server::{ServerId, SharedFolder};
use crate::time::Timestamp;

/// What one agent may do with one server. Without a grant it may do nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Grant {
    /// Whose grant it is.
    pub agent: Fingerprint,
    /// What it is for.
    pub server: ServerId,
    /// Whether the person is asked each time the agent opens a connection to the server.
    #[serde(default)]
    pub entry: EntryRule,
    /// For the built-in file server: the folders, each one of the server's or beneath one, with at most its access.
    /// `None` is all that the server has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub folders: Option<Vec<SharedFolder>>,
    /// Which tools.
    #[serde(default)]
    pub tools: ToolRules,
    /// Whether the server may ask the agent's model for completions (`sampling/createMessage`).
    #[serde(default)]
    pub sampling: bool,
    /// Whether the server may ask the agent's user (`elicitation/create`).
    #[serde(default)]
    pub elicitation: bool,
    /// When it ends; never if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub expires: Option<Timestamp>,
    /// The tool definitions that the person has lent, by tool name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pins: BTreeMap<String, ToolPin>,
}

/// Whether the person is asked when the agent opens a connection to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum EntryRule {
    /// The agent may come in unasked.
    #[default]
    Open,
    /// The person is asked each time.
    Ask,
}

/// Which tools an agent may call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ToolRules {
    /// For tools that have no rule of their own.
    #[serde(default)]
    pub default: ToolRule,
    /// For single tools, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, ToolRule>,
}

impl ToolRules {
    /// Returns the rule for a tool.
    pub fn of(&self, tool: &str) -> ToolRule {
        self.tools.get(tool).copied().unwrap_or(self.default)
    }
}

/// What happens when an agent calls a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum ToolRule {
    /// It is called.
    Allow,
    /// The person is asked each time.
    #[default]
    Ask,
    /// It is not called, and the agent does not see it.
    Deny,
}

/// The definition of a tool as it was when the person lent it: SHA-256 of its canonical JSON (RFC 8785).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct ToolPin(pub [u8; 32]);

impl From<ToolPin> for String {
    fn from(pin: ToolPin) -> Self {
        pin.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl TryFrom<String> for ToolPin {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = "a tool's pin is 64 hexadecimal digits";
        let digits = text.as_bytes();
        if digits.len() != 64 || !text.is_ascii() {
            return Err(wrong);
        }
        let mut pin = [0; 32];
        for (byte, pair) in pin.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong)?;
        }
        Ok(Self(pin))
    }
}

impl std::fmt::Debug for ToolPin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&String::from(*self))
    }
}
