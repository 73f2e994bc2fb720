//! Whom this desktop trusts: one record per agent in the keychain, and the grants that go with it in the database.
//!
//! The keychain decides. The database holds the grants and an index of where to look, and its marks can only take away:
//! whoever edits the file, or puts an old copy of it back, gains nothing. Sessions ask [`TrustStore::grants_of`] before an
//! agent sees anything.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatelodge_wire::Fingerprint;
use thiserror::Error;

mod digest;
mod label;
mod record;
#[cfg(test)]
mod tests;
mod verdict;

use digest::GrantsDigest;
pub use label::{AgentLabel, LabelError};
pub use record::{AgentRecord, AgentState, Origin, Pairing, RecordError};
pub use verdict::GrantsVerdict;

use crate::grant::Grant;
use crate::keychain::{Keychain, KeychainError};
use crate::server::ServerId;
use crate::store::{AgentMarks, GrantSet, Store, StoreError, off_worker};
use crate::time::Timestamp;

/// The agents that the person has decided about. Clones are handles to the same one.
///
/// The methods wait for disk and keychain; on an async worker they are called through [`TrustStore::run`].
#[derive(Clone)]
pub struct TrustStore {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    keychain: Arc<dyn Keychain>,
    /// Held while a record is changed, so that one change sees the whole of the one before.
    changing: Mutex<()>,
}

impl TrustStore {
    /// Makes the trust store of an installation.
    pub fn new(store: Store, keychain: Arc<dyn Keychain>) -> Self {
        Self { inner: Arc::new(Inner { store, keychain, changing: Mutex::new(()) }) }
    }

    /// Runs something with the trust store on a thread where waiting for disk and keychain is all right.
    ///
    /// # Panics
    ///
    /// Panics if `work` does, and outside of a tokio runtime.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> T {
        let trust = self.clone();
        off_worker(move || work(&trust)).await
    }

    /// Says what an agent may do now.
    pub fn grants_of(&self, agent: &Fingerprint) -> GrantsVerdict {
        self.judge(agent).unwrap_or_else(|error| match error {
            TrustError::Keychain(error) => GrantsVerdict::KeychainUnavailable(error),
            error => GrantsVerdict::Unreadable(error.to_string()),
        })
    }

    fn judge(&self, agent: &Fingerprint) -> Result<GrantsVerdict, TrustError> {
        let marks = self.marks(agent)?;
        // The person's last word counts even where the keychain could not be told.
        if marks.forgotten {
            return Ok(GrantsVerdict::NoRecord);
        }
        if marks.blocked {
            return Ok(GrantsVerdict::Blocked);
        }
        let Some(record) = self.load(agent)? else { return Ok(GrantsVerdict::NoRecord) };
        if record.state == AgentState::Blocked {
            return Ok(GrantsVerdict::Blocked);
        }
        if record.revision < marks.least_revision {
            return Ok(GrantsVerdict::Unfinished);
        }
        let set = self.inner.store.grant_set(agent, record.revision)?;
        Ok(match digest::open(agent, record.revision, &set) {
            Some((grants, digest)) if digest == record.grants_digest => GrantsVerdict::Valid(grants),
            _ => GrantsVerdict::Altered,
        })
    }

    /// Returns an agent's record. An agent that the person had forgotten has none.
    ///
    /// # Errors
    ///
    /// [`TrustError`], whenever it is not certain that there is none.
    pub fn record(&self, agent: &Fingerprint) -> Result<Option<AgentRecord>, TrustError> {
        let marks = self.marks(agent)?;
        if marks.forgotten {
            return Ok(None);
        }
        let Some(mut record) = self.load(agent)? else { return Ok(None) };
        if marks.blocked {
            record.state = AgentState::Blocked;
        }
        Ok(Some(record))
    }

    /// Returns all records in the order of their labels. An agent whose place in the index was lost appears again once
    /// it has come.
    ///
    /// # Errors
    ///
    /// [`TrustError`] for the first record that can't be had.
    pub fn list(&self) -> Result<Vec<AgentRecord>, TrustError> {
        let mut records = Vec::new();
        for agent in self.inner.store.agent_index()? {
            records.extend(self.record(&agent)?);
        }
        records.sort_by(|one, other| one.label.as_str().cmp(other.label.as_str()));
        Ok(records)
    }

    /// Returns the agent that is known under a label, or under one that looks the same. A prompt tells with it that an
    /// agent which claims that name is not the known one.
    ///
    /// # Errors
    ///
    /// [`TrustError`] of database or keychain. A damaged record has no label.
    pub fn record_with_label(&self, label: &AgentLabel) -> Result<Option<AgentRecord>, TrustError> {
        self.labelled(label, |_| true)
    }

    /// Trusts an agent, or trusts it again after it was blocked, with these grants in place of any others.
    ///
    /// # Errors
    ///
    /// [`TrustError::LabelTaken`] if another agent has the label; after any error the agent has at most what it had.
    pub fn trust(
        &self,
        agent: &Fingerprint,
        label: AgentLabel,
        pairing: Pairing,
        grants: Vec<Grant>,
    ) -> Result<AgentRecord, TrustError> {
        let _changing = self.changing();
        self.check_label(agent, &label)?;
        let marks = self.marks(agent)?;
        let before = self.load(agent)?;
        let set = digest::pack(agent, &grants)?;
        let record = AgentRecord {
            fingerprint: *agent,
            label,
            pairing: Some(pairing),
            state: AgentState::Trusted,
            revision: next_revision(before.as_ref(), &marks),
            grants_digest: GrantsDigest::default(),
        };
        self.replace(record, &set, marks, AgentMarks { blocked: false, forgotten: false, ..marks })
    }

    /// Gives an agent these grants in place of those that it has. Interrupted at any point, even by the loss of power, it
    /// leaves the old ones, the new ones, or none.
    ///
    /// # Errors
    ///
    /// [`TrustError::Unknown`] for an agent that is not trusted. After [`TrustError::Keychain`] the agent has no grants
    /// until this is done again, whatever becomes of the keychain.
    pub fn set_grants(&self, agent: &Fingerprint, grants: Vec<Grant>) -> Result<AgentRecord, TrustError> {
        let _changing = self.changing();
        let marks = self.marks(agent)?;
        let set = digest::pack(agent, &grants)?;
        let before = if marks.forgotten || marks.blocked { None } else { self.load(agent)? };
        match before {
            Some(record) if record.state == AgentState::Trusted => {
                let revision = next_revision(Some(&record), &marks);
                self.replace(AgentRecord { revision, ..record }, &set, marks, marks)
            }
            _ => Err(TrustError::Unknown(*agent)),
        }
    }

    /// Blocks an agent, known or not: it is refused unasked, and its grants are gone. One that is not known gets `label`,
    /// or a name made of its fingerprint's words.
    ///
    /// # Errors
    ///
    /// After [`TrustError::Keychain`] it is blocked nevertheless, as long as the database is not replaced.
    pub fn block(&self, agent: &Fingerprint, label: Option<AgentLabel>) -> Result<AgentRecord, TrustError> {
        let _changing = self.changing();
        let marks = self.marks(agent)?;
        let blocked = AgentMarks { blocked: true, forgotten: false, ..marks };
        // First, so that it holds from now on whatever the keychain says.
        self.inner.store.put_agent_marks(agent, &blocked)?;
        let before = self.load(agent)?;
        let revision = next_revision(before.as_ref(), &marks);
        let record = match before {
            Some(before) => AgentRecord { state: AgentState::Blocked, revision, ..before },
            None => {
                let label = label.unwrap_or_else(|| AgentLabel::of_fingerprint(agent));
                self.check_label(agent, &label)?;
                AgentRecord {
                    fingerprint: *agent,
                    label,
                    pairing: None,
                    state: AgentState::Blocked,
                    revision,
                    grants_digest: GrantsDigest::default(),
                }
            }
        };
        self.replace(record, &GrantSet::new(), blocked, blocked)
    }

    /// Forgets an agent: it is as if it had never come.
    ///
    /// # Errors
    ///
    /// After [`TrustError::Keychain`] it is forgotten nevertheless, and [`TrustStore::sweep`] does the rest.
    pub fn forget(&self, agent: &Fingerprint) -> Result<(), TrustError> {
        let _changing = self.changing();
        let marks = AgentMarks { forgotten: true, ..self.marks(agent)? };
        // The tombstone comes first: an interruption leaves an agent that is refused, never one that is trusted.
        self.inner.store.put_agent_marks(agent, &marks)?;
        self.bury(agent)
    }

    /// Ends what was interrupted: removes the keychain's entries of agents that the person had forgotten. Belongs to the
    /// start, and to whenever a keychain has become available.
    ///
    /// # Errors
    ///
    /// The first trouble; what is left is left for the next time.
    pub fn sweep(&self) -> Result<(), TrustError> {
        let _changing = self.changing();
        for agent in self.inner.store.agent_index()? {
            if self.marks(&agent)?.forgotten {
                self.bury(&agent)?;
            }
        }
        Ok(())
    }

    /// Gives an agent another label.
    ///
    /// # Errors
    ///
    /// [`TrustError::LabelTaken`] if another agent has it, [`TrustError::Unknown`] for an agent without a record.
    pub fn rename(&self, agent: &Fingerprint, label: AgentLabel) -> Result<AgentRecord, TrustError> {
        let _changing = self.changing();
        self.check_label(agent, &label)?;
        let marks = self.marks(agent)?;
        let before = if marks.forgotten { None } else { self.load(agent)? };
        let record = AgentRecord { label, ..before.ok_or(TrustError::Unknown(*agent))? };
        // The grants are not touched, so neither is the revision that they belong to.
        self.inner.keychain.set(&record::entry_name(agent), &record.to_secret())?;
        Ok(record)
    }

    /// Writes a record and its set of grants. Until the keychain has the record, the set before it is in force; the
    /// database keeps both meanwhile. The marks become `after` once all is written.
    fn replace(
        &self,
        mut record: AgentRecord,
        set: &GrantSet,
        before: AgentMarks,
        after: AgentMarks,
    ) -> Result<AgentRecord, TrustError> {
        let store = &self.inner.store;
        let agent = record.fingerprint;
        record.grants_digest = digest::of_set(&agent, record.revision, set);
        let begun = AgentMarks { last_revision: record.revision, ..before };
        store.add_grant_set(&agent, &begun, record.revision, set)?;
        if let Err(error) = self.inner.keychain.set(&record::entry_name(&agent), &record.to_secret()) {
            // Nobody knows which record the keychain has now, or will have: none but this one shall count.
            store.put_agent_marks(&agent, &AgentMarks { least_revision: record.revision, ..begun })?;
            return Err(error.into());
        }
        let done = AgentMarks { last_revision: record.revision, least_revision: record.revision, ..after };
        store.put_agent_marks(&agent, &done)?;
        store.keep_grant_set(&agent, record.revision)?;
        Ok(record)
    }

    fn bury(&self, agent: &Fingerprint) -> Result<(), TrustError> {
        self.inner.keychain.delete(&record::entry_name(agent))?;
        self.inner.store.remove_agent(agent)?;
        Ok(())
    }

    /// Reads a record from the keychain, and puts an agent back into the index that had fallen out of it.
    fn load(&self, agent: &Fingerprint) -> Result<Option<AgentRecord>, TrustError> {
        let Some(secret) = self.inner.keychain.get(&record::entry_name(agent))? else { return Ok(None) };
        let record = AgentRecord::from_secret(agent, &secret)
            .map_err(|source| TrustError::Record { agent: *agent, source })?;
        if self.inner.store.agent_marks(agent)?.is_none() {
            self.inner.store.put_agent_marks(agent, &AgentMarks::default())?;
        }
        Ok(Some(record))
    }

    fn marks(&self, agent: &Fingerprint) -> Result<AgentMarks, TrustError> {
        Ok(self.inner.store.agent_marks(agent)?.unwrap_or_default())
    }

    fn labelled(
        &self,
        label: &AgentLabel,
        wanted: impl Fn(&AgentRecord) -> bool,
    ) -> Result<Option<AgentRecord>, TrustError> {
        for agent in self.inner.store.agent_index()? {
            match self.record(&agent) {
                Ok(Some(record)) if wanted(&record) && record.label.looks_like(label) => {
                    return Ok(Some(record));
                }
                // A damaged record has no label, and must not keep the person from naming others.
                Ok(_) | Err(TrustError::Record { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn check_label(&self, agent: &Fingerprint, label: &AgentLabel) -> Result<(), TrustError> {
        match self.labelled(label, |record| record.fingerprint != *agent)? {
            Some(other) => Err(TrustError::LabelTaken { label: other.label, holder: other.fingerprint }),
            None => Ok(()),
        }
    }

    /// A panic in the middle of a change leaves what an interruption leaves, which every reader copes with.
    fn changing(&self) -> MutexGuard<'_, ()> {
        self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Revisions only ever rise, also over attempts whose outcome is not known.
fn next_revision(record: Option<&AgentRecord>, marks: &AgentMarks) -> u64 {
    record
        .map_or(0, |record| record.revision)
        .max(marks.last_revision)
        .max(marks.least_revision)
        .saturating_add(1)
}

impl Pairing {
    /// An agent that the person approves now.
    pub fn now(origin: Origin) -> Self {
        Self { origin, at: Timestamp::now() }
    }
}

impl std::fmt::Debug for TrustStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TrustStore").field("store", &self.inner.store).finish_non_exhaustive()
    }
}

/// Why trust can't be looked up or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The keychain.
    #[error(transparent)]
    Keychain(#[from] KeychainError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keychain's entry is not a record.
    #[error("{source}: {agent}; forget the agent, then pair it again")]
    Record {
        /// Whose it should be.
        agent: Fingerprint,
        /// What is wrong with it.
        source: RecordError,
    },
    /// The agent is not trusted.
    #[error("no trusted agent has the fingerprint {0}; pair it first")]
    Unknown(Fingerprint),
    /// Another agent is known under that label, or under one that looks like it.
    #[error("another agent is known as {label} ({}); choose a label that can't be mistaken for it", holder.words())]
    LabelTaken {
        /// The other agent's label.
        label: AgentLabel,
        /// The other agent.
        holder: Fingerprint,
    },
    /// A grant of another agent.
    #[error("a grant for {0} belongs to another agent")]
    ForeignGrant(ServerId),
    /// Two grants for one server.
    #[error("there are two grants for {0}; join them into one")]
    DoubleGrant(ServerId),
    /// A grant that has no JSON form.
    #[error("the grant for {server} can't be stored: {reason}")]
    Grant {
        /// Its server.
        server: ServerId,
        /// What is wrong with it.
        reason: String,
    },
}
