//! The desktops that this agent has met: which certificate was found behind which link.
//!
//! The first contact over a link is taken at its word, and said so; from then on another certificate is refused.
//! (A pairing is what makes the first contact safe as well.)

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use gatelodge_wire::Fingerprint;
use thiserror::Error;

/// The desktops that an agent's profile has met, kept in a file.
#[derive(Debug)]
pub(crate) struct KnownDesktops {
    path: PathBuf,
    by_place: BTreeMap<String, String>,
}

/// Why the file of known desktops can't be used.
#[derive(Debug, Error)]
pub(crate) enum KnownError {
    #[error("the known desktops in {path} cannot be read; repair the file or move it away")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the known desktops in {path} are damaged; repair the file or move it away")]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error("the known desktops cannot be written to {path}")]
    Write { path: PathBuf, source: std::io::Error },
}

impl KnownDesktops {
    /// Reads the file in an agent's folder; a missing one is an empty one.
    pub(crate) fn load(folder: &Path) -> Result<Self, KnownError> {
        let path = folder.join("known-desktops.json");
        let by_place = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| KnownError::Damaged { path: path.clone(), source })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(KnownError::Read { path, source }),
        };
        Ok(Self { path, by_place })
    }

    /// Returns the certificate that was found at a place.
    pub(crate) fn at(&self, place: &str) -> Option<Fingerprint> {
        self.by_place.get(place)?.parse().ok()
    }

    /// Remembers the certificate that was found at a place.
    pub(crate) fn remember(&mut self, place: &str, fingerprint: Fingerprint) -> Result<(), KnownError> {
        self.by_place.insert(place.to_owned(), fingerprint.to_string());
        self.save()
    }

    /// Forgets what was found at a place; returns whether there was anything.
    pub(crate) fn forget(&mut self, place: &str) -> Result<bool, KnownError> {
        let known = self.by_place.remove(place).is_some();
        if known {
            self.save()?;
        }
        Ok(known)
    }

    /// Lists places with the fingerprints that were found there.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_place.iter().map(|(place, fingerprint)| (place.as_str(), fingerprint.as_str()))
    }

    fn save(&self) -> Result<(), KnownError> {
        let write = || -> std::io::Result<()> {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut file, &self.by_place)?;
            file.flush()?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            Ok(())
        };
        write().map_err(|source| KnownError::Write { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_remembered_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let fingerprint = Fingerprint::of_certificate(b"certificate");
        let mut known = KnownDesktops::load(folder.path()).unwrap();
        assert_eq!(known.at("tcp://a:1"), None);
        known.remember("tcp://a:1", fingerprint).unwrap();
        let mut again = KnownDesktops::load(folder.path()).unwrap();
        assert_eq!(again.at("tcp://a:1"), Some(fingerprint));
        assert!(again.forget("tcp://a:1").unwrap());
        assert!(!again.forget("tcp://a:1").unwrap());
        assert_eq!(KnownDesktops::load(folder.path()).unwrap().at("tcp://a:1"), None);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known-desktops.json");
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(KnownDesktops::load(folder.path()), Err(KnownError::Damaged { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"{");
    }
}
