//! The chain: appending to it, checking it, and cutting off its old end.
//!
//! Each row's hash covers the hash before it, the row's number and the entry's stored bytes, so no row can be changed, left
//! out or moved without a break from there on. Where the old end was cut off, an anchor keeps the hash that the first
//! remaining row builds on. Whoever can write the file can still rebuild the whole chain or cut off its new end: against
//! that the person keeps a [`ChainHead`] or an export elsewhere.

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::ActivityEntry;
use crate::store::{Store, StoreError};
use crate::time::Timestamp;

/// Keeps these hashes apart from every other use of SHA-256.
const DOMAIN: &[u8] = b"gatelodge-activity-v1\0";

/// What a row takes beyond its entry: hash, number, index and SQLite's own bytes, about.
const ROW_OVERHEAD: u64 = 160;

/// The newest row of the chain. One that was noted elsewhere proves later that nothing up to it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// The row's number; 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// Whether the log is as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainVerdict {
    /// It is.
    Whole {
        /// How many rows there are.
        entries: u64,
        /// The newest one.
        head: ChainHead,
    },
    /// A row was changed.
    Changed {
        /// Its number.
        seq: u64,
    },
    /// Rows are missing.
    Missing {
        /// The first of them.
        seq: u64,
    },
}

/// The hash of a row.
pub(super) fn link(previous: &[u8; 32], seq: u64, entry: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update(previous);
    hash.update(seq.to_be_bytes());
    hash.update(entry.as_bytes());
    hash.finalize().into()
}

impl Store {
    /// Appends entries, all or none.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub(crate) fn append_activity(&self, entries: &[ActivityEntry]) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let ChainHead { mut seq, mut hash } = head(&transaction)?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO activity (seq, entry, hash) VALUES (?1, ?2, ?3)")?;
            for entry in entries {
                let text = serde_json::to_string(entry)
                    .expect("texts, numbers and plain variants always have a JSON form");
                seq += 1;
                hash = link(&hash, seq, &text);
                insert.execute(params![stored(seq), text, hash])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Returns the newest row's number and hash.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`].
    pub fn activity_head(&self) -> Result<ChainHead, StoreError> {
        Ok(head(&self.connection())?)
    }

    /// Checks the log from its first row to its last. Takes about a second for a million rows, in which nothing else uses
    /// the store.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`].
    pub fn verify_activity(&self) -> Result<ChainVerdict, StoreError> {
        let connection = self.connection();
        let anchor = anchor(&connection)?;
        let mut head = anchor;
        let mut statement =
            connection.prepare_cached("SELECT seq, entry, hash FROM activity ORDER BY seq")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (seq, hash) = (read(row.get(0)?), row.get::<_, [u8; 32]>(2)?);
            if seq != head.seq + 1 {
                // A number at or below the anchor's was never written there.
                let seq = if seq <= head.seq { seq } else { head.seq + 1 };
                return Ok(ChainVerdict::Missing { seq });
            }
            if link(&head.hash, seq, row.get_ref(1)?.as_str().unwrap_or_default()) != hash {
                return Ok(ChainVerdict::Changed { seq });
            }
            head = ChainHead { seq, hash };
        }
        Ok(ChainVerdict::Whole { entries: head.seq - anchor.seq, head })
    }

    /// Cuts off what is older than a point in time, and of the rest the oldest until it is at most `bytes` large. Returns how
    /// many rows are gone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`]; then nothing is gone.
    pub fn prune_activity(&self, before: Timestamp, bytes: u64) -> Result<u64, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let newest = head(&transaction)?;
        // Rows are cut off from the front only, so that what is left is one chain.
        let young: Option<i64> = transaction
            .query_row(
                "SELECT seq FROM activity WHERE at >= ?1 ORDER BY seq LIMIT 1",
                [before.as_millis()],
                |row| row.get(0),
            )
            .optional()?;
        let mut last_gone = young.map_or(newest.seq, |seq| read(seq).saturating_sub(1));
        let mut size: u64 = 0;
        {
            let mut statement =
                transaction.prepare("SELECT seq, octet_length(entry) FROM activity ORDER BY seq DESC")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (seq, length): (i64, i64) = (row.get(0)?, row.get(1)?);
                size = size.saturating_add(read(length) + ROW_OVERHEAD);
                if size > bytes || read(seq) <= last_gone {
                    last_gone = last_gone.max(read(seq));
                    break;
                }
            }
        }
        let hash: Option<[u8; 32]> = transaction
            .query_row("SELECT hash FROM activity WHERE seq = ?1", [stored(last_gone)], |row| row.get(0))
            .optional()?;
        let Some(hash) = hash else { return Ok(0) };
        let gone = transaction.execute("DELETE FROM activity WHERE seq <= ?1", [stored(last_gone)])?;
        transaction
            .execute("UPDATE activity_anchor SET seq = ?1, hash = ?2", params![stored(last_gone), hash])?;
        transaction.commit()?;
        // Gives the space back to the file system; the statement is done when it has been stepped through.
        let mut vacuum = connection.prepare("PRAGMA incremental_vacuum")?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        Ok(gone as u64)
    }
}

fn anchor(connection: &Connection) -> rusqlite::Result<ChainHead> {
    connection.query_row("SELECT seq, hash FROM activity_anchor", [], |row| {
        Ok(ChainHead { seq: read(row.get(0)?), hash: row.get(1)? })
    })
}

fn head(connection: &Connection) -> rusqlite::Result<ChainHead> {
    let newest = connection
        .prepare_cached("SELECT seq, hash FROM activity ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok(ChainHead { seq: read(row.get(0)?), hash: row.get(1)? }))
        .optional()?;
    newest.map_or_else(|| anchor(connection), Ok)
}

/// SQLite's integers are signed; a row's number never comes near the end of either.
pub(super) fn stored(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

pub(super) fn read(seq: i64) -> u64 {
    u64::try_from(seq).unwrap_or(0)
}
