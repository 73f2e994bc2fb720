//! What the person decided about the application itself.

use std::time::Duration;

use rusqlite::params;
use serde::{Serialize, de::DeserializeOwned};

use super::{Store, StoreError};

/// What the person decided about the application itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Whether the arguments of calls go into the activity log. Defaults to no, since they may hold anything.
    pub record_arguments: bool,
    /// Days after which activity is pruned. Defaults to 90: a quarter to look back on.
    pub activity_days: u32,
    /// Bytes of activity above which the oldest is pruned. Defaults to 64 MiB, about 200,000 calls.
    pub activity_bytes: u64,
    /// How long a prompt waits for its answer, in whole seconds; none is "deny". Defaults to 60 s.
    pub approval_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            record_arguments: false,
            activity_days: 90,
            activity_bytes: 64 * 1024 * 1024,
            approval_timeout: Duration::from_secs(60),
        }
    }
}

impl Store {
    /// Returns the settings; what was never set has its default.
    ///
    /// # Errors
    ///
    /// [`StoreError::Row`] names a setting that can't be read.
    pub fn settings(&self) -> Result<Settings, StoreError> {
        let mut settings = Settings::default();
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT key, value FROM settings")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (key, value): (String, String) = (row.get(0)?, row.get(1)?);
            match key.as_str() {
                "record_arguments" => settings.record_arguments = read(&key, &value)?,
                "activity_days" => settings.activity_days = read(&key, &value)?,
                "activity_bytes" => settings.activity_bytes = read(&key, &value)?,
                "approval_seconds" => settings.approval_timeout = Duration::from_secs(read(&key, &value)?),
                // Another version's; it stays for that one.
                _ => {}
            }
        }
        Ok(settings)
    }

    /// Keeps the settings.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`]; then none of them changed.
    pub fn put_settings(&self, settings: &Settings) -> Result<(), StoreError> {
        let values = [
            ("record_arguments", write(&settings.record_arguments)),
            ("activity_days", write(&settings.activity_days)),
            ("activity_bytes", write(&settings.activity_bytes)),
            ("approval_seconds", write(&settings.approval_timeout.as_secs())),
        ];
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        for (key, value) in values {
            transaction.execute(
                "INSERT INTO settings (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                params![key, value],
            )?;
        }
        transaction.commit()?;
        Ok(())
    }
}

fn read<T: DeserializeOwned>(key: &str, value: &str) -> Result<T, StoreError> {
    serde_json::from_str(value).map_err(|error| StoreError::row(format!("setting {key}"), error))
}

fn write(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("numbers and booleans always have a JSON form")
}
