//! The index of agents with its marks, and the sets of grants. Only the trust store uses these.

use gatelodge_wire::Fingerprint;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError};

/// What the database adds to an agent's record in the keychain. It can only take away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AgentMarks {
    /// The person blocked it.
    pub(crate) blocked: bool,
    /// The person had it forgotten; the keychain's entry may still be there.
    pub(crate) forgotten: bool,
    /// The keychain's record counts from this revision on.
    pub(crate) least_revision: u64,
    /// The highest revision that was ever begun.
    pub(crate) last_revision: u64,
}

/// A set of grants as the database has it: server and definition, in the order of servers.
pub(crate) type GrantSet = Vec<(String, String)>;

impl Store {
    pub(crate) fn agent_index(&self) -> Result<Vec<Fingerprint>, StoreError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT fingerprint FROM agents ORDER BY fingerprint")?;
        let rows = statement.query_map([], |row| row.get(0).map(Fingerprint::from_bytes))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn agent_marks(&self, agent: &Fingerprint) -> Result<Option<AgentMarks>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT blocked, forgotten, least_revision, last_revision FROM agents WHERE fingerprint = ?1",
        )?;
        let marks = statement.query_row([agent.as_bytes()], |row| {
            Ok(AgentMarks {
                blocked: row.get(0)?,
                forgotten: row.get(1)?,
                // A number that no version writes counts as the most restrictive one.
                least_revision: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(u64::MAX),
                last_revision: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(u64::MAX),
            })
        });
        Ok(marks.optional()?)
    }

    pub(crate) fn put_agent_marks(&self, agent: &Fingerprint, marks: &AgentMarks) -> Result<(), StoreError> {
        write_marks(&self.connection(), agent, marks)?;
        Ok(())
    }

    /// Keeps one more set of grants together with the agent's marks, or nothing at all.
    pub(crate) fn add_grant_set(
        &self,
        agent: &Fingerprint,
        marks: &AgentMarks,
        revision: u64,
        set: &GrantSet,
    ) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        write_marks(&transaction, agent, marks)?;
        transaction.execute(
            "DELETE FROM grants WHERE agent = ?1 AND revision = ?2",
            params![agent.as_bytes(), stored(revision)],
        )?;
        for (server, definition) in set {
            transaction.execute(
                "INSERT INTO grants (agent, revision, server, definition) VALUES (?1, ?2, ?3, ?4)",
                params![agent.as_bytes(), stored(revision), server, definition],
            )?;
        }
        transaction.commit()?;
        Ok(())
    }

    pub(crate) fn grant_set(&self, agent: &Fingerprint, revision: u64) -> Result<GrantSet, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT server, definition FROM grants WHERE agent = ?1 AND revision = ?2 ORDER BY server",
        )?;
        let rows = statement
            .query_map(params![agent.as_bytes(), stored(revision)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Removes all sets of grants but one.
    pub(crate) fn keep_grant_set(&self, agent: &Fingerprint, revision: u64) -> Result<(), StoreError> {
        self.connection().execute(
            "DELETE FROM grants WHERE agent = ?1 AND revision <> ?2",
            params![agent.as_bytes(), stored(revision)],
        )?;
        Ok(())
    }

    /// Removes an agent from the index, with its marks and grants.
    pub(crate) fn remove_agent(&self, agent: &Fingerprint) -> Result<(), StoreError> {
        self.connection().execute("DELETE FROM agents WHERE fingerprint = ?1", [agent.as_bytes()])?;
        Ok(())
    }
}

fn write_marks(connection: &Connection, agent: &Fingerprint, marks: &AgentMarks) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO agents (fingerprint, blocked, forgotten, least_revision, last_revision)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (fingerprint) DO UPDATE SET blocked = excluded.blocked, forgotten = excluded.forgotten,
             least_revision = excluded.least_revision, last_revision = excluded.last_revision",
        params![
            agent.as_bytes(),
            marks.blocked,
            marks.forgotten,
            stored(marks.least_revision),
            stored(marks.last_revision)
        ],
    )?;
    Ok(())
}

/// SQLite's integers are signed; a revision never comes near the end of either.
fn stored(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}
