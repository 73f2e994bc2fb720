//! The servers' definitions.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};
use crate::server::{ServerDefinition, ServerId};

impl Store {
    /// Returns all servers in the order of their ids.
    ///
    /// # Errors
    ///
    /// [`StoreError::Row`] names a definition that can't be read.
    pub fn servers(&self) -> Result<Vec<ServerDefinition>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT id, definition FROM servers ORDER BY id")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| row.map_err(StoreError::from).and_then(|(id, text)| read(&id, &text))).collect()
    }

    /// Returns one server.
    ///
    /// # Errors
    ///
    /// As for [`Store::servers`].
    pub fn server(&self, id: &ServerId) -> Result<Option<ServerDefinition>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT definition FROM servers WHERE id = ?1")?;
        let text: Option<String> = statement.query_row([id.as_str()], |row| row.get(0)).optional()?;
        text.map(|text| read(id.as_str(), &text)).transpose()
    }

    /// Keeps a server, in place of the one that had its id.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`].
    pub fn put_server(&self, server: &ServerDefinition) -> Result<(), StoreError> {
        let text = serde_json::to_string(server)
            .map_err(|error| StoreError::row(format!("server {}", server.id), error))?;
        self.connection().execute(
            "INSERT INTO servers (id, definition) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET definition = excluded.definition",
            params![server.id.as_str(), text],
        )?;
        Ok(())
    }

    /// Removes a server and says whether there was one. Grants for it stay and have no effect.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`].
    pub fn remove_server(&self, id: &ServerId) -> Result<bool, StoreError> {
        Ok(self.connection().execute("DELETE FROM servers WHERE id = ?1", [id.as_str()])? > 0)
    }
}

fn read(id: &str, text: &str) -> Result<ServerDefinition, StoreError> {
    let server: ServerDefinition =
        serde_json::from_str(text).map_err(|error| StoreError::row(format!("server {id}"), error))?;
    if server.id.as_str() != id {
        return Err(StoreError::row(format!("server {id}"), format!("it calls itself {}", server.id)));
    }
    Ok(server)
}
