//! Reading the log: a page at a time, or all of it as JSON lines.

use gatelodge_wire::Fingerprint;
use rusqlite::OptionalExtension;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};

use super::chain::{ChainHead, read, stored};
use super::{ActivityEntry, CallOutcome};
use crate::live::seen::Visits;
use crate::server::ServerId;
use crate::store::{Store, StoreError};
use crate::time::Timestamp;

/// The most rows that one page has; they are all in memory at once.
const MAX_PAGE: usize = 1000;

/// The most spans that are counted at once; no window has room for more bars.
const MAX_BUCKETS: usize = 500;

/// Which rows are wanted. The default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ActivityFilter {
    /// Of this agent.
    pub agent: Option<Fingerprint>,
    /// Of this server.
    pub server: Option<ServerId>,
    /// Of this kind ([`ActivityEvent::kind`](super::ActivityEvent::kind)).
    pub kind: Option<String>,
    /// Calls of this tool, or of this resource.
    pub tool: Option<String>,
    /// Calls that ended like this.
    pub outcome: Option<CallOutcome>,
    /// Not before this.
    pub from: Option<Timestamp>,
    /// Before this.
    pub to: Option<Timestamp>,
    /// With this text in any of their parts; capitals of the Latin alphabet make no difference.
    pub text: Option<String>,
    /// Agents whose name has that text, which the log does not know: what they did is found by it as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<Fingerprint>>", optional))]
    pub named: Vec<Fingerprint>,
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ActivityRow {
    /// Its number.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub entry: ActivityEntry,
}

/// Calls in one span of time, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct CallCounts {
    /// The server answered.
    pub answered: u64,
    /// They failed, were cancelled or interrupted.
    pub failed: u64,
    /// They never reached the server.
    pub denied: u64,
}

impl ActivityFilter {
    /// The filter as SQL, with its values; always at least one condition.
    fn sql(&self) -> (String, Vec<Value>) {
        let conditions: [(&str, Option<Value>); 7] = [
            ("agent = ?", self.agent.map(|agent| agent.to_string().into())),
            ("server = ?", self.server.as_ref().map(|server| server.as_str().to_owned().into())),
            ("kind = ?", self.kind.clone().map(Value::from)),
            ("json_extract(entry, '$.target') = ?", self.tool.clone().map(Value::from)),
            (
                "json_extract(entry, '$.outcome') = ?",
                self.outcome.map(|outcome| outcome.as_str().to_owned().into()),
            ),
            ("at >= ?", self.from.map(|from| from.as_millis().into())),
            ("at < ?", self.to.map(|to| to.as_millis().into())),
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
        if let Some(text) = self.text.as_ref().filter(|text| !text.is_empty()) {
            sql.push_str(" AND (");
            for agent in &self.named {
                sql.push_str("agent = ? OR ");
                values.push(agent.to_string().into());
            }
            // Most rows don't have the text at all, which is seen without taking them apart.
            sql.push_str(
                "entry LIKE ? ESCAPE '!' AND EXISTS
                 (SELECT 1 FROM json_each(entry) WHERE key <> 'at' AND value LIKE ? ESCAPE '!'))",
            );
            let written = serde_json::Value::from(text.as_str()).to_string();
            values.extend([pattern(&written[1..written.len() - 1]), pattern(text)]);
        }
        (sql, values)
    }
}

/// What `LIKE` finds a text by, wherever it is.
fn pattern(text: &str) -> Value {
    let mut pattern = "%".to_owned();
    for character in text.chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    (pattern + "%").into()
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

    /// Counts calls in `buckets` equal spans of the time from `filter.from` to `filter.to`, the oldest first. Without either
    /// it is the whole time of the log.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`].
    pub fn count_activity(
        &self,
        filter: &ActivityFilter,
        buckets: usize,
    ) -> Result<Vec<CallCounts>, StoreError> {
        let buckets = buckets.clamp(1, MAX_BUCKETS);
        let mut counts = vec![CallCounts::default(); buckets];
        let connection = self.connection();
        let end = |order: &str| -> Result<i64, rusqlite::Error> {
            let sql = format!("SELECT at FROM activity ORDER BY seq {order} LIMIT 1");
            let at = connection.query_row(&sql, [], |row| row.get(0)).optional()?;
            Ok(at.unwrap_or_default())
        };
        let from = filter.from.map_or_else(|| end("ASC"), |from| Ok(from.as_millis()))?;
        let to = filter
            .to
            .map_or_else(|| end("DESC").map(|last| last.saturating_add(1)), |to| Ok(to.as_millis()))?;
        let span = to.saturating_sub(from).max(1);
        let (conditions, mut values) = filter.sql();
        values.splice(0..0, [from, stored(buckets as u64), span].map(Value::from));
        let mut statement = connection.prepare_cached(&format!(
            "SELECT (at - ?) * ? / ? AS bucket, json_extract(entry, '$.outcome') AS outcome, count(*)
             FROM activity WHERE {conditions} AND kind = 'call' GROUP BY bucket, outcome"
        ))?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let (bucket, outcome, calls): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let Some(count) = usize::try_from(bucket).ok().and_then(|bucket| counts.get_mut(bucket)) else {
                continue;
            };
            let place = match outcome.as_str() {
                "answered" => &mut count.answered,
                "denied" => &mut count.denied,
                _ => &mut count.failed,
            };
            *place += read(calls);
        }
        Ok(counts)
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

    /// Returns up to 1,000 rows after a number, oldest first, as JSON lines for an export, each with its number. A line has
    /// the row's number (`seq`), the hash that it builds on (`previous`), its own (`hash`), and the stored `entry` as it is,
    /// so that the chain can be checked without the database: `hash = SHA-256("gatelodge-activity-v1\0" | previous | seq as
    /// 8 bytes, big-endian | entry)`.
    pub(crate) fn export_page(
        &self,
        filter: &ActivityFilter,
        after: u64,
    ) -> Result<Vec<(u64, String)>, StoreError> {
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
