//! The tables, and the way from every earlier form of them to the present one.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{BUSY_TIMEOUT, CACHE, StoreError};

/// `GLdg`, in the header of the file: tells it from any other program's database.
pub(super) const APPLICATION_ID: i64 = 0x474c_6467;

/// One step each; the number of steps taken is the file's `user_version`. A step that was released is never changed.
pub(super) const MIGRATIONS: &[&str] = &[
    // 1: what the person set up.
    "CREATE TABLE servers (
        id TEXT PRIMARY KEY NOT NULL,
        definition TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE links (
        id TEXT PRIMARY KEY NOT NULL,
        definition TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE settings (
        key TEXT PRIMARY KEY NOT NULL,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- The keychain can't be listed; this says where to look. Marks only ever take away.
    CREATE TABLE agents (
        fingerprint BLOB PRIMARY KEY NOT NULL CHECK (length(fingerprint) = 32),
        blocked INTEGER NOT NULL DEFAULT 0,
        forgotten INTEGER NOT NULL DEFAULT 0,
        -- Revisions of the keychain's record below this one no longer count.
        least_revision INTEGER NOT NULL DEFAULT 0,
        -- The highest revision that was ever begun.
        last_revision INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    -- Sets of grants: the one in force, and while it is replaced the next one too. The keychain says which it is.
    CREATE TABLE grants (
        agent BLOB NOT NULL REFERENCES agents (fingerprint) ON DELETE CASCADE,
        revision INTEGER NOT NULL,
        server TEXT NOT NULL,
        definition TEXT NOT NULL,
        PRIMARY KEY (agent, revision, server)
    ) STRICT, WITHOUT ROWID;
    -- Names of secrets; their values are in the keychain only.
    CREATE TABLE secrets (
        name TEXT PRIMARY KEY NOT NULL
    ) STRICT, WITHOUT ROWID;",
    // 2: what happened. Columns to search by are computed from the entry itself, so they can't differ from it.
    "CREATE TABLE activity (
        seq INTEGER PRIMARY KEY NOT NULL,
        entry TEXT NOT NULL,
        hash BLOB NOT NULL CHECK (length(hash) = 32),
        at INTEGER GENERATED ALWAYS AS (json_extract(entry, '$.at')) VIRTUAL,
        kind TEXT GENERATED ALWAYS AS (json_extract(entry, '$.kind')) VIRTUAL,
        agent TEXT GENERATED ALWAYS AS (json_extract(entry, '$.agent')) VIRTUAL,
        server TEXT GENERATED ALWAYS AS (json_extract(entry, '$.server')) VIRTUAL
    ) STRICT;
    CREATE INDEX activity_by_agent ON activity (agent, seq);
    -- Where the chain begins: the last entry that was pruned, or zeros.
    CREATE TABLE activity_anchor (
        one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
        seq INTEGER NOT NULL,
        hash BLOB NOT NULL CHECK (length(hash) = 32)
    ) STRICT;
    INSERT INTO activity_anchor VALUES (1, 0, zeroblob(32));",
];

/// Tables whose damage is looked for each time the store is opened. The activity log is left out, since it is large
/// and has a check of its own.
const CHECKED: [&str; 6] = ["servers", "links", "settings", "agents", "grants", "secrets"];

/// Brings a freshly opened connection to the present form. Until the file is known to be ours and whole, nothing is
/// written to it.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).expect("there are few migrations");
    let at = |error| StoreError::at(path, error);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(at)?;
    let mut version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(at)?;
    if tables > 0 {
        let application: i64 =
            connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(at)?;
        if application != APPLICATION_ID {
            return Err(StoreError::Foreign { path: path.to_owned() });
        }
        if version > known {
            return Err(StoreError::Newer { path: path.to_owned(), found: version, known });
        }
        check(connection, path)?;
    } else {
        // Has to be said before the first table: pruned activity then gives its space back.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(at)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(at)?;
    // In WAL mode anything less may lose the last transactions with the power.
    connection.pragma_update(None, "synchronous", "FULL").map_err(at)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(at)?;
    connection.pragma_update(None, "cache_size", CACHE).map_err(at)?;
    // Overwrites what is deleted: a grant that is gone should not be found in the file's free pages.
    connection.pragma_update(None, "secure_delete", true).map_err(at)?;
    while let Some(step) = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version)) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(at)?;
        transaction.execute_batch(step).map_err(at)?;
        version += 1;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(at)?;
        transaction.pragma_update(None, "user_version", version).map_err(at)?;
        transaction.commit().map_err(at)?;
    }
    Ok(())
}

fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    for table in CHECKED {
        let verdict: String = connection
            .query_row(&format!("PRAGMA quick_check('{table}')"), [], |row| row.get(0))
            .map_err(|error| StoreError::at(path, error))?;
        if verdict != "ok" {
            return Err(StoreError::Damaged { path: path.to_owned(), reason: verdict });
        }
    }
    Ok(())
}
