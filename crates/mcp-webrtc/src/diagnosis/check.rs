//! What a check found, for people and for programs.

use serde::{Deserialize, Serialize};

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum CheckState {
    /// It is as it should be.
    Ok,
    /// It works, but not for everybody or not for long.
    Warning,
    /// It does not work.
    Failed,
    /// It was not looked at; what was found says why.
    Skipped,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Check {
    /// Names the check for programs, such as `stun` or `server.notes`. The same in every run and every version.
    pub id: String,
    /// What came of it.
    pub state: CheckState,
    /// What was found, as a sentence without its final dot.
    pub found: String,
    /// What to do, as a sentence without its final dot; empty where there is nothing to do.
    pub advice: String,
}

impl Check {
    /// Makes a finding with something to do about it.
    pub fn new(
        id: impl Into<String>,
        state: CheckState,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { id: id.into(), state, found: found.into(), advice: advice.into() }
    }

    /// It is as it should be.
    pub fn ok(id: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(id, CheckState::Ok, found, "")
    }

    /// It works, but not for everybody or not for long.
    pub fn warning(id: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(id, CheckState::Warning, found, advice)
    }

    /// It does not work.
    pub fn failed(id: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(id, CheckState::Failed, found, advice)
    }

    /// It was not looked at. `because` completes "skipped because ...".
    pub fn skipped(id: impl Into<String>, because: impl std::fmt::Display) -> Self {
        Self::new(id, CheckState::Skipped, format!("skipped because {because}"), "")
    }
}
