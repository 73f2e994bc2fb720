//! What the person chose beside a yes, and whether that can be: a page that shows a prompt is not trusted to ask for no
//! more than the prompt offers.

use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use super::{Request, Subject};
use crate::desktop::least_grant;
use crate::grant::{Grant, ToolRule};
use crate::server::{ServerDefinition, ServerId, ServerKind, SharedFolder};
use crate::time::Timestamp;
use crate::trust::{AgentLabel, LabelError};

/// What the person chose beside "yes".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// What the person calls the agent; `None` keeps what it is called.
    pub label: Option<AgentLabel>,
    /// What it is lent, and nothing else: no grants lend nothing. Only for an agent that is not let in yet.
    pub grants: Vec<Grant>,
}

/// Why terms are not possible.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TermsError {
    /// There is nothing to choose where this is asked.
    #[error("there is nothing to choose here but yes or no")]
    NothingToChoose,
    /// A grant to somebody else.
    #[error("it lends something to another agent than the one that asks")]
    OtherAgent,
    /// A server that the prompt does not offer.
    #[error("{0} is not among the servers that are offered")]
    NotOffered(ServerId),
    /// Two grants for one server.
    #[error("{0} is lent twice")]
    Twice(ServerId),
    /// Folders of a server that has none, or none of those that it has.
    #[error("{0} cannot be lent with these folders; choose at least one of its own")]
    NoFolders(ServerId),
    /// A folder that is not the server's.
    #[error("{} is in none of the folders of {server}", .path.display())]
    OtherFolder {
        /// The server.
        server: ServerId,
        /// The folder.
        path: PathBuf,
    },
    /// More than the prompt says: tools without a question, or what only the person's own settings can allow.
    #[error("it lends more of {0} than the prompt says")]
    MoreThanOffered(ServerId),
    /// An end that is past.
    #[error("the access to {0} would have ended before it began")]
    Expired(ServerId),
    /// Not a label.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// The label is that of the other agent of the same name.
    #[error("another agent is known under that name; give this one a name of its own")]
    LabelTaken,
}

impl Terms {
    /// Checks the terms of a yes to a request. `kept` says that the agent is to be known by its label from now on.
    ///
    /// Folders get at most the access that the server has itself.
    pub(super) fn checked(
        mut self,
        request: &Request,
        kept: bool,
        now: Timestamp,
    ) -> Result<Self, TermsError> {
        match &request.subject {
            Subject::Pairing { .. } => self.check_label(request)?,
            Subject::UnknownAgent { .. } if kept => self.check_label(request)?,
            Subject::UnknownAgent { .. } => {}
            _ if self == Self::default() => {}
            _ => return Err(TermsError::NothingToChoose),
        }
        let mut seen: Vec<&ServerId> = Vec::new();
        for grant in &self.grants {
            if seen.contains(&&grant.server) {
                return Err(TermsError::Twice(grant.server.clone()));
            }
            seen.push(&grant.server);
        }
        for grant in &mut self.grants {
            check(grant, request, now)?;
        }
        Ok(self)
    }

    /// What would be taken for a known agent's name would be refused when it is written down, and the answer lost.
    fn check_label(&self, request: &Request) -> Result<(), TermsError> {
        if request.subject.namesake().is_none() {
            return Ok(());
        }
        let taken = request.name.as_str().parse::<AgentLabel>().ok();
        let same = match (&self.label, &taken) {
            (Some(label), Some(taken)) => label.looks_like(taken),
            (label, _) => label.is_none(),
        };
        if same { Err(TermsError::LabelTaken) } else { Ok(()) }
    }
}

fn check(grant: &mut Grant, request: &Request, now: Timestamp) -> Result<(), TermsError> {
    let server = grant.server.clone();
    if grant.agent != request.agent {
        return Err(TermsError::OtherAgent);
    }
    let Some(definition) = request.offered.iter().find(|offered| offered.id == server) else {
        return Err(TermsError::NotOffered(server));
    };
    if grant.expires.is_some_and(|expires| expires <= now) {
        return Err(TermsError::Expired(server));
    }
    let most = least_grant(grant.agent, definition).tools.default;
    let rules = grant.tools.tools.values().chain([&grant.tools.default]);
    let pinned = !grant.pins.is_empty();
    if rules.map(|rule| rank(*rule)).any(|rule| rule > rank(most))
        || grant.sampling
        || grant.elicitation
        || pinned
    {
        return Err(TermsError::MoreThanOffered(server));
    }
    match (&definition.kind, &mut grant.folders) {
        (_, None) => Ok(()),
        (ServerKind::Files { folders: served }, Some(folders)) if !folders.is_empty() => {
            folders.iter_mut().try_for_each(|folder| narrow(folder, served, definition))
        }
        _ => Err(TermsError::NoFolders(server)),
    }
}

/// Gives a folder at most the access of the server's folder that it is in.
fn narrow(
    folder: &mut SharedFolder,
    served: &[SharedFolder],
    definition: &ServerDefinition,
) -> Result<(), TermsError> {
    let around = served.iter().filter(|served| lies_in(&folder.path, &served.path));
    // The most specific of the server's folders says what may be done in it.
    match around.max_by_key(|served| served.path.components().count()) {
        Some(nearest) => {
            folder.access = folder.access.min(nearest.access);
            Ok(())
        }
        None => Err(TermsError::OtherFolder { server: definition.id.clone(), path: folder.path.clone() }),
    }
}

/// Whether a path is another one or beneath it, by its text alone: one that goes up again is beneath nothing.
pub(crate) fn lies_in(path: &Path, folder: &Path) -> bool {
    let goes_up = path.components().any(|part| part == Component::ParentDir);
    path.is_absolute() && !goes_up && path.starts_with(folder)
}

/// How much a rule allows.
fn rank(rule: ToolRule) -> u8 {
    match rule {
        ToolRule::Deny => 0,
        ToolRule::Ask => 1,
        ToolRule::Allow => 2,
    }
}

#[cfg(test)]
mod tests;
