//! Reading the log: a page at a time, or all of it as JSON lines.

use std::io::{self, Write};

use gatelodge_wire::Fingerprint;
use rusqlite::types::Value;

use super::ActivityEntry;
use super::chain::{ChainHead, read, stored};
use crate::live::seen::Visits;
use crate::server::ServerId;
use crate::store::{Store, StoreError};
use crate::time::Timestamp;

/// The most rows that one page has; they are all in memory at once.
const MAX_PAGE: usize = 1000;

/// Which rows are wanted. The default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// Of this agent.
    pub agent: Option<Fingerprint>,
    /// Of this server.
    pub server: Option<ServerId>,
    /// Of this kind ([`ActivityEvent::kind`](super::ActivityEvent::kind)).
    pub kind: Option<String>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityRow {
    /// Its number.
    pub seq: u64,
    /// What happened.
    pub entry: ActivityEntry,
}

impl ActivityFilter {
    /// The filter as SQL, with its values; always at least one condition.
    fn sql(&self) -> (String, Vec<Value>) {
        let conditions: [(&str, Option<Value>); 5] = [
            ("agent = ?", self.agent.map(|agent| agent.to_string().into())),
            ("server = ?", self.server.as_ref().map(|server| server.as_str().to_owned().into())),
            ("kind = ?", self.kind.clone().map(Value::from)),
            ("at >= ?", self.since.map(|since| since.as_millis().into())),
            ("at < ?", self.until.map(|until| until.as_millis().into())),
        ];
        let mut sql = "1".to_owned();
        let mut values = Vec::new();
        for (condition, value) in conditions {
            if let Some(value) = value {
                sql.push_str(" AND ");
                sql.push_str(condition);
                values.push(value);
            }
        }
        (sql, values)
    }
}

impl Store {
    /// Returns up to `limit` (at most 1,000) rows, newest first; only those with a number below `before`, if it is given.
    /// The last one's number is the next page's `before`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Row`] for a row that can't be read.
    pub fn activity(
        &self,
        filter: &ActivityFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<ActivityRow>, StoreError> {
        let (conditions, mut values) = filter.sql();
        values.push(stored(before.unwrap_or(u64::MAX)).into());
        let limit = limit.min(MAX_PAGE);
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT seq, entry FROM activity WHERE {conditions} AND seq < ? ORDER BY seq DESC LIMIT {limit}"
        ))?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (seq, text): (i64, String) = (row.get(0)?, row.get(1)?);
            let entry = serde_json::from_str(&text)
                .map_err(|error| StoreError::row(format!("activity {seq}"), error))?;
            found.push(ActivityRow { seq: read(seq), entry });
        }
        Ok(found)
    }

    /// Returns who is in the log up to a row, with when each was last seen and how many calls it made.
    pub(crate) fn agents_in_activity(
        &self,
        up_to: ChainHead,
    ) -> Result<Vec<(Fingerprint, Visits)>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT agent, max(at), sum(kind = 'call') FROM activity
             WHERE agent IS NOT NULL AND seq <= ?1 GROUP BY agent",
        )?;
        let rows = statement.query_map([stored(up_to.seq)], |row| {
            let (agent, at, calls): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((agent, Visits { last_seen: Timestamp::from_millis(at), calls: read(calls) }))
        })?;
        let mut agents = Vec::new();
        for row in rows {
            let (agent, visits) = row?;
            // What is no fingerprint names nobody who could be shown.
            agents.extend(agent.parse().ok().map(|agent| (agent, visits)));
        }
        Ok(agents)
    }

    /// Writes rows as JSON lines, oldest first, and returns how many. A line has the row's number (`seq`), the hash that
    /// it builds on (`previous`), its own (`hash`), and the stored `entry` as it is, so that the chain can be
    /// checked without the database: `hash = SHA-256("gatelodge-activity-v1\0" | previous | seq as 8 bytes, big-endian |
    /// entry)`.
    ///
    /// # Errors
    ///
    /// Those of `sink`, and [`StoreError`] inside of an `io::Error`.
    pub fn export_activity(&self, filter: &ActivityFilter, sink: &mut dyn Write) -> io::Result<u64> {
        let mut written = 0;
        let mut after = 0;
        loop {
            // The store is free while the sink, which may be slow, takes a page.
            let page = self.export_page(filter, after).map_err(io::Error::other)?;
            let Some((last, _)) = page.last() else { return Ok(written) };
            after = *last;
            for (_, line) in &page {
                sink.write_all(line.as_bytes())?;
            }
            written += page.len() as u64;
        }
    }

    fn export_page(&self, filter: &ActivityFilter, after: u64) -> Result<Vec<(u64, String)>, StoreError> {
        let (conditions, mut values) = filter.sql();
        values.push(stored(after).into());
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT seq, entry, lower(hex(hash)), lower(hex(coalesce(
                 (SELECT hash FROM activity AS earlier WHERE earlier.seq = activity.seq - 1),
                 (SELECT hash FROM activity_anchor))))
             FROM activity WHERE {conditions} AND seq > ? ORDER BY seq LIMIT {MAX_PAGE}"
        ))?;
        let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
            let (seq, entry, hash, previous): (i64, String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let line = format!(
                "{{\"seq\":{seq},\"previous\":\"{previous}\",\"hash\":\"{hash}\",\"entry\":{entry}}}\n"
            );
            Ok((read(seq), line))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
