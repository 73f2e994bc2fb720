//! The names of secrets; their values are in the keychain only.

use super::{Store, StoreError};

impl Store {
    pub(crate) fn secret_names(&self) -> Result<Vec<String>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT name FROM secrets ORDER BY name")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn add_secret_name(&self, name: &str) -> Result<(), StoreError> {
        self.connection()
            .execute("INSERT INTO secrets (name) VALUES (?1) ON CONFLICT (name) DO NOTHING", [name])?;
        Ok(())
    }

    pub(crate) fn remove_secret_name(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.connection().execute("DELETE FROM secrets WHERE name = ?1", [name])? > 0)
    }
}
