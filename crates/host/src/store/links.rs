//! The links' definitions.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};
use crate::link::{LinkDefinition, LinkId};

impl Store {
    /// Returns all links in the order of their ids.
    ///
    /// # Errors
    ///
    /// [`StoreError::Row`] names a definition that can't be read.
    pub fn links(&self) -> Result<Vec<LinkDefinition>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT id, definition FROM links ORDER BY id")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| row.map_err(StoreError::from).and_then(|(id, text)| read(&id, &text))).collect()
    }

    /// Returns one link.
    ///
    /// # Errors
    ///
    /// As for [`Store::links`].
    pub fn link(&self, id: &LinkId) -> Result<Option<LinkDefinition>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT definition FROM links WHERE id = ?1")?;
        let text: Option<String> = statement.query_row([id.as_str()], |row| row.get(0)).optional()?;
        text.map(|text| read(id.as_str(), &text)).transpose()
    }

    /// Keeps a link, in place of the one that had its id.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`].
    pub fn put_link(&self, link: &LinkDefinition) -> Result<(), StoreError> {
        let text = serde_json::to_string(link)
            .map_err(|error| StoreError::row(format!("link {}", link.id), error))?;
        self.connection().execute(
            "INSERT INTO links (id, definition) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET definition = excluded.definition",
            params![link.id.as_str(), text],
        )?;
        Ok(())
    }

    /// Removes a link and says whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`].
    pub fn remove_link(&self, id: &LinkId) -> Result<bool, StoreError> {
        Ok(self.connection().execute("DELETE FROM links WHERE id = ?1", [id.as_str()])? > 0)
    }
}

fn read(id: &str, text: &str) -> Result<LinkDefinition, StoreError> {
    let link: LinkDefinition =
        serde_json::from_str(text).map_err(|error| StoreError::row(format!("link {id}"), error))?;
    if link.id.as_str() != id {
        return Err(StoreError::row(format!("link {id}"), format!("it calls itself {}", link.id)));
    }
    Ok(link)
}
