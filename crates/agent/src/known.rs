//! The desktops that this agent knows: those it is paired with, by name, and those it has met, by link.
//!
//! A paired desktop's certificate was in the invitation, and no other one is ever accepted in its place. The first contact
//! over a link, without a pairing, is taken at its word, and said so; from then on another certificate is refused there.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use gatelodge_host::Timestamp;
use gatelodge_wire::{Fingerprint, PlaceUrl};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The version of the file. The first one was a map of links to fingerprints and had no member for it.
const VERSION: u32 = 2;

/// The longest name of a desktop in characters: fits a line with what is told of it.
const MAX_NAME: usize = 64;

/// The least of a fingerprint that names a desktop, in hexadecimal digits; less is more likely a name.
const MIN_PREFIX: usize = 4;

/// The desktops that an agent's profile knows, kept in a file.
#[derive(Debug)]
pub(crate) struct KnownDesktops {
    path: PathBuf,
    kept: Kept,
}

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    version: u32,
    #[serde(default)]
    desktops: Vec<PairedDesktop>,
    /// The certificates that were found behind links.
    #[serde(default)]
    links: BTreeMap<String, String>,
}

/// A desktop that this agent is paired with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PairedDesktop {
    /// What it is called here.
    pub(crate) name: String,
    /// Its certificate.
    #[serde(with = "as_text")]
    pub(crate) fingerprint: Fingerprint,
    /// Where it can be reached, the best place first.
    pub(crate) places: Vec<PlaceUrl>,
    /// Since when, in milliseconds since 1970.
    pub(crate) paired: Timestamp,
}

mod as_text {
    use gatelodge_wire::Fingerprint;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(of: &Fingerprint, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(of)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fingerprint, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why the known desktops can't be used or changed.
#[derive(Debug, Error)]
pub(crate) enum KnownError {
    #[error("the known desktops in {path} cannot be read; repair the file or move it away")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the known desktops in {path} are damaged; repair the file or move it away")]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error(
        "the known desktops in {path} were written by a newer gatelodge (format {version}); update this one"
    )]
    Newer { path: PathBuf, version: u32 },
    #[error("the known desktops cannot be written to {path}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("a desktop is already called {0:?}; choose another name")]
    NameTaken(String),
    #[error(
        "{0:?} cannot be a desktop's name; use 1 to 64 visible characters without '://', and no fingerprint"
    )]
    Name(String),
    #[error("several desktops have a fingerprint that begins with {0}; give more of it, or the name")]
    Ambiguous(String),
    #[error("no desktop is known as {name:?}; known: {known}")]
    Unknown { name: String, known: String },
}

impl KnownDesktops {
    /// Reads the file in an agent's folder; a missing one is an empty one.
    pub(crate) fn load(folder: &Path) -> Result<Self, KnownError> {
        let path = folder.join("known-desktops.json");
        let kept = match std::fs::read(&path) {
            Ok(bytes) => read(&bytes).map_err(|source| KnownError::Damaged { path: path.clone(), source })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
            Err(source) => return Err(KnownError::Read { path, source }),
        };
        match kept.version {
            0..=VERSION => Ok(Self { path, kept: Kept { version: VERSION, ..kept } }),
            version => Err(KnownError::Newer { path, version }),
        }
    }

    /// Returns the certificate to expect at a place: the one that was found there, or that of the only paired desktop
    /// that has it.
    pub(crate) fn at(&self, place: &str) -> Option<Fingerprint> {
        if let Some(met) = self.kept.links.get(place) {
            return met.parse().ok();
        }
        let mut there = self.kept.desktops.iter().filter(|desktop| has_place(desktop, place));
        match (there.next(), there.next()) {
            (Some(only), None) => Some(only.fingerprint),
            _ => None,
        }
    }

    /// Remembers the certificate that was found at a place.
    pub(crate) fn remember(&mut self, place: &str, fingerprint: Fingerprint) -> Result<(), KnownError> {
        self.kept.links.insert(place.to_owned(), fingerprint.to_string());
        self.save()
    }

    /// Finds a paired desktop by its name or the beginning of its fingerprint.
    pub(crate) fn find(&self, text: &str) -> Result<&PairedDesktop, KnownError> {
        if let Some(named) = self.kept.desktops.iter().find(|desktop| desktop.name == text) {
            return Ok(named);
        }
        let digits = |text: &str| text.replace(':', "").to_ascii_uppercase();
        let wanted = digits(text);
        let begins = |desktop: &&PairedDesktop| {
            wanted.len() >= MIN_PREFIX && digits(&desktop.fingerprint.to_string()).starts_with(&wanted)
        };
        let mut found = self.kept.desktops.iter().filter(begins);
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(KnownError::Ambiguous(text.to_owned())),
            (None, _) => {
                let known: Vec<_> = self.kept.desktops.iter().map(|desktop| desktop.name.as_str()).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(KnownError::Unknown { name: text.to_owned(), known })
            }
        }
    }

    /// Remembers a desktop that this agent was paired with just now. One that it was paired with before keeps its name
    /// unless another one is asked for. Returns what it is called.
    pub(crate) fn paired(
        &mut self,
        fingerprint: Fingerprint,
        places: &[PlaceUrl],
        wanted: Option<&str>,
        claimed: &str,
    ) -> Result<String, KnownError> {
        let before = self.kept.desktops.iter().position(|desktop| desktop.fingerprint == fingerprint);
        let before = before.map(|at| self.kept.desktops.remove(at));
        let name = match (wanted, before) {
            (Some(wanted), _) => {
                check_name(wanted)?;
                self.check_free(wanted)?;
                wanted.to_owned()
            }
            (None, Some(before)) => before.name,
            (None, None) => self.free_name(claimed),
        };
        let desktop = PairedDesktop {
            name: name.clone(),
            fingerprint,
            places: places.to_vec(),
            paired: Timestamp::now(),
        };
        self.kept.desktops.push(desktop);
        self.kept.desktops.sort_by(|one, other| one.name.cmp(&other.name));
        // What was found at its places without a pairing is superseded: it was this desktop, or another one in its place.
        self.kept.links.retain(|place, _| places.iter().all(|paired| paired.as_str() != place));
        self.save()?;
        Ok(name)
    }

    /// Whether a name can be given to this desktop, before everything is done that it is needed for.
    pub(crate) fn can_be_named(&self, name: &str, fingerprint: &Fingerprint) -> Result<(), KnownError> {
        check_name(name)?;
        match self
            .kept
            .desktops
            .iter()
            .any(|desktop| desktop.name == name && desktop.fingerprint != *fingerprint)
        {
            true => Err(KnownError::NameTaken(name.to_owned())),
            false => Ok(()),
        }
    }

    /// Gives a paired desktop another name.
    pub(crate) fn rename(&mut self, text: &str, name: &str) -> Result<(), KnownError> {
        let fingerprint = self.find(text)?.fingerprint;
        self.can_be_named(name, &fingerprint)?;
        for desktop in &mut self.kept.desktops {
            if desktop.fingerprint == fingerprint {
                name.clone_into(&mut desktop.name);
            }
        }
        self.save()
    }

    /// Forgets what was found at a place, or else a paired desktop by its name or fingerprint.
    pub(crate) fn forget(&mut self, text: &str) -> Result<(), KnownError> {
        if self.kept.links.remove(text).is_none() {
            let fingerprint = self.find(text)?.fingerprint;
            self.kept.desktops.retain(|desktop| desktop.fingerprint != fingerprint);
        }
        self.save()
    }

    /// Lists the paired desktops in the order of their names.
    pub(crate) fn desktops(&self) -> &[PairedDesktop] {
        &self.kept.desktops
    }

    /// Lists links with the fingerprints that were found there.
    pub(crate) fn links(&self) -> impl Iterator<Item = (&str, &str)> {
        self.kept.links.iter().map(|(place, fingerprint)| (place.as_str(), fingerprint.as_str()))
    }

    fn check_free(&self, name: &str) -> Result<(), KnownError> {
        match self.kept.desktops.iter().any(|desktop| desktop.name == name) {
            true => Err(KnownError::NameTaken(name.to_owned())),
            false => Ok(()),
        }
    }

    /// Makes a name of what a desktop calls itself that no other one has.
    fn free_name(&self, claimed: &str) -> String {
        let cleaned: String =
            claimed.chars().filter(|character| !character.is_control()).take(MAX_NAME - 4).collect();
        // It is typed on command lines: words become one.
        let joined = cleaned.split_whitespace().collect::<Vec<_>>().join("-");
        let base = if check_name(&joined).is_ok() { joined } else { "desktop".to_owned() };
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        let mut names = std::iter::once(base.clone()).chain(numbered);
        names.find(|name| self.check_free(name).is_ok()).unwrap_or(base)
    }

    fn save(&self) -> Result<(), KnownError> {
        let write = || -> std::io::Result<()> {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            // Such a file is its owner's alone from the beginning.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut file, &self.kept)?;
            file.flush()?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            Ok(())
        };
        write().map_err(|source| KnownError::Write { path: self.path.clone(), source })
    }
}

/// Reads any version of the file. The first one's members are links, none of which is called "version".
fn read(bytes: &[u8]) -> Result<Kept, serde_json::Error> {
    let value: serde_json::Value = serde_json::from_slice(bytes)?;
    match value.get("version") {
        Some(version) => match version.as_u64().and_then(|version| u32::try_from(version).ok()) {
            // What a newer one has beside its version is not looked at.
            Some(version) if version > VERSION => Ok(Kept { version, ..Kept::default() }),
            _ => serde_json::from_value(value),
        },
        None => Ok(Kept { links: serde_json::from_value(value)?, ..Kept::default() }),
    }
}

fn has_place(desktop: &PairedDesktop, place: &str) -> bool {
    desktop.places.iter().any(|known| known.as_str() == place)
}

fn check_name(name: &str) -> Result<(), KnownError> {
    let shown = crate::terminal::harmless(name) == name && !name.contains('\n');
    let length = name.chars().count();
    let is_text = name.trim() == name && !name.contains("://") && name.parse::<Fingerprint>().is_err();
    match (1..=MAX_NAME).contains(&length) && shown && is_text && !name.starts_with('-') {
        true => Ok(()),
        false => Err(KnownError::Name(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(name: &str) -> Fingerprint {
        Fingerprint::of_certificate(name.as_bytes())
    }

    fn place(url: &str) -> Vec<PlaceUrl> {
        vec![url.parse().unwrap()]
    }

    #[test]
    fn places_are_remembered_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let found = fingerprint("certificate");
        let mut known = KnownDesktops::load(folder.path()).unwrap();
        assert_eq!(known.at("tcp://a:1"), None);
        known.remember("tcp://a:1", found).unwrap();
        let mut again = KnownDesktops::load(folder.path()).unwrap();
        assert_eq!(again.at("tcp://a:1"), Some(found));
        again.forget("tcp://a:1").unwrap();
        assert!(matches!(again.forget("tcp://a:1"), Err(KnownError::Unknown { .. })));
        assert_eq!(KnownDesktops::load(folder.path()).unwrap().at("tcp://a:1"), None);
    }

    #[test]
    fn paired_desktops_have_names_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut known = KnownDesktops::load(folder.path()).unwrap();
        known.remember("tcp://a:1", fingerprint("somebody")).unwrap();
        let name = |known: &mut KnownDesktops, desktop: &str, wanted: Option<&str>, claimed: &str| {
            known.paired(fingerprint(desktop), &place("tcp://a:1"), wanted, claimed)
        };
        assert_eq!(name(&mut known, "one", None, "My  Mac\u{7}").unwrap(), "My-Mac");
        assert_eq!(name(&mut known, "two", None, "My Mac").unwrap(), "My-Mac-2");
        assert_eq!(name(&mut known, "three", None, "\u{202e}").unwrap(), "desktop");
        assert!(matches!(name(&mut known, "four", Some("My-Mac"), ""), Err(KnownError::NameTaken(_))));
        // Pairing again keeps the name, and a name that is asked for counts.
        assert_eq!(name(&mut known, "one", None, "Another").unwrap(), "My-Mac");
        assert_eq!(name(&mut known, "one", Some("studio"), "Another").unwrap(), "studio");
        let mut known = KnownDesktops::load(folder.path()).unwrap();
        assert_eq!(known.find("studio").unwrap().fingerprint, fingerprint("one"));
        let full = fingerprint("two").to_string();
        assert_eq!(known.find(&full.to_lowercase()[..11]).unwrap().name, "My-Mac-2");
        assert_eq!(known.find(&full.replace(':', "")[..9]).unwrap().name, "My-Mac-2");
        assert!(known.find(&full[..2]).is_err());
        // Three paired desktops claim the place, so that it names none of them; what was met there before is gone.
        assert_eq!(known.at("tcp://a:1"), None);
        assert!(matches!(known.rename("studio", "desktop"), Err(KnownError::NameTaken(_))));
        for bad in ["", " a", "tcp://a:1", &full, "a\u{1b}", "-a", &"x".repeat(65)] {
            assert!(matches!(known.rename("studio", bad), Err(KnownError::Name(_))), "{bad:?}");
        }
        known.rename("studio", "Büro").unwrap();
        known.forget("My-Mac-2").unwrap();
        known.forget("desktop").unwrap();
        let known = KnownDesktops::load(folder.path()).unwrap();
        assert_eq!(known.desktops().iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["Büro"]);
        assert_eq!(known.at("tcp://a:1"), Some(fingerprint("one")));
    }

    #[test]
    fn the_first_format_is_taken_over_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known-desktops.json");
        let found = fingerprint("certificate");
        let old = serde_json::json!({"tcp://a:1": found.to_string(), "ws://b/c": found.to_string()});
        std::fs::write(&path, old.to_string()).unwrap();
        let mut known = KnownDesktops::load(folder.path()).unwrap();
        assert_eq!(known.at("tcp://a:1"), Some(found));
        known.paired(fingerprint("one"), &place("tcp://c:1"), None, "one").unwrap();
        let again = KnownDesktops::load(folder.path()).unwrap();
        assert_eq!(again.at("ws://b/c"), Some(found));
        assert_eq!(again.links().count(), 2);
        assert_eq!(again.desktops().len(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_or_newer_file_is_an_error_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known-desktops.json");
        for bad in ["{", "[]", r#"{"version":2,"desktops":[{}]}"#, r#"{"version":"x"}"#] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(KnownDesktops::load(folder.path()), Err(KnownError::Damaged { .. })), "{bad}");
            assert_eq!(std::fs::read(&path).unwrap(), bad.as_bytes());
        }
        std::fs::write(&path, r#"{"version":3,"desktops":"?"}"#).unwrap();
        assert!(matches!(KnownDesktops::load(folder.path()), Err(KnownError::Newer { version: 3, .. })));
    }
}
