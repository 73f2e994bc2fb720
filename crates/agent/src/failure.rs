//! How the command ends: a sentence on standard error and an exit code that scripts can branch on.

use std::fmt;
use std::process::ExitCode;

use gatelodge_wire::RefusalCode;

/// The exit codes, as `gatelodge --help` documents them. Codes 0 and 2 (wrong usage) are clap's as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Anything without a code of its own.
    Other = 1,
    /// Wrong usage that only the options together show.
    Usage = 2,
    /// The link or the path to the desktop failed; trying again later may help.
    Unreachable = 3,
    /// The desktop said no, or lends nothing (of that name) to this agent.
    Refused = 4,
    /// Another desktop is there than the expected or remembered one.
    WrongDesktop = 5,
    /// Nobody decided in time.
    NoAnswer = 6,
    /// The session was up and has been lost or ended by the desktop.
    Lost = 7,
    /// The identity, the keychain or the database cannot be used.
    Storage = 8,
    /// The invitation is mistyped, or the desktop does not accept it.
    Invitation = 9,
}

/// Why the command ends without having done what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    /// What the desktop said, if it was the desktop.
    refusal: Option<RefusalCode>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), refusal: None }
    }

    /// Uses an error and its causes as the message.
    pub(crate) fn of(exit: Exit, error: &dyn std::error::Error) -> Self {
        Self::new(exit, gatelodge_wire::with_causes(error))
    }

    /// Adds the desktop's reason.
    pub(crate) fn because(self, code: RefusalCode) -> Self {
        Self { refusal: Some(code), ..self }
    }

    /// Returns the desktop's reason, if it was the desktop that said no.
    pub(crate) fn refusal(&self) -> Option<RefusalCode> {
        self.refusal
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}
