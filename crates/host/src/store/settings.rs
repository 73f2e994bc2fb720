//! The settings' rows: one for each of them, so that a version leaves alone what it doesn't know.

use rusqlite::params;
use serde::{Serialize, de::DeserializeOwned};

use super::{Store, StoreError};
use crate::front_gate::GateState;
use crate::settings::Settings;

/// The row that says how the gate was left.
const GATE: &str = "gate";

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
            let seconds = std::time::Duration::from_secs;
            match key.as_str() {
                "gate_at_start" => settings.gate_at_start = read(&key, &value)?,
                "rendezvous" => settings.rendezvous = read(&key, &value)?,
                "ice_servers" => settings.ice_servers = read(&key, &value)?,
                "record_arguments" => settings.record_arguments = read(&key, &value)?,
                "activity_days" => settings.activity_days = read(&key, &value)?,
                "activity_bytes" => settings.activity_bytes = read(&key, &value)?,
                "approval_seconds" => settings.approval_timeout = seconds(read(&key, &value)?),
                "notify" => settings.notify = read(&key, &value)?,
                "theme" => settings.theme = read(&key, &value)?,
                "density" => settings.density = read(&key, &value)?,
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
        self.put(&[
            ("gate_at_start", write(&settings.gate_at_start)),
            ("rendezvous", write(&settings.rendezvous)),
            ("ice_servers", write(&settings.ice_servers)),
            ("record_arguments", write(&settings.record_arguments)),
            ("activity_days", write(&settings.activity_days)),
            ("activity_bytes", write(&settings.activity_bytes)),
            ("approval_seconds", write(&settings.approval_timeout.as_secs())),
            ("notify", write(&settings.notify)),
            ("theme", write(&settings.theme)),
            ("density", write(&settings.density)),
        ])
    }

    /// Returns how the gate was left; open if nobody ever closed it.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub(crate) fn gate(&self) -> Result<GateState, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT value FROM settings WHERE key = ?1")?;
        let mut rows = statement.query([GATE])?;
        match rows.next()? {
            Some(row) => read(GATE, &row.get::<_, String>(0)?),
            None => Ok(GateState::Open),
        }
    }

    /// Keeps how the gate is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`].
    pub(crate) fn put_gate(&self, state: GateState) -> Result<(), StoreError> {
        self.put(&[(GATE, write(&state))])
    }

    fn put(&self, values: &[(&str, String)]) -> Result<(), StoreError> {
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
    serde_json::to_string(value)
        .expect("settings are numbers, texts and lists of them, which have a JSON form")
}
