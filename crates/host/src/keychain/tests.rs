use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::system::{Backend, Failure};
use super::*;
use crate::home::Home;

/// A keychain whose calls wait for the test and do what it says.
struct Scripted {
    entries: Arc<Mutex<HashMap<String, SecretBytes>>>,
    steps: Arc<Mutex<Receiver<Step>>>,
}

enum Step {
    Go,
    Lose,
}

impl Scripted {
    fn step(&self) -> Result<(), Failure> {
        match self.steps.lock().unwrap().recv().unwrap() {
            Step::Go => Ok(()),
            Step::Lose => Err(Failure::Lost(KeychainError::Other("lost".to_owned()))),
        }
    }
}

impl Backend for Scripted {
    fn get(&mut self, name: &str) -> Result<Option<SecretBytes>, Failure> {
        self.step()?;
        Ok(self.entries.lock().unwrap().get(name).cloned())
    }

    fn set(&mut self, name: &str, value: &SecretBytes, wanted: &dyn Fn() -> bool) -> Result<(), Failure> {
        self.step()?;
        if !wanted() {
            return Err(KeychainError::Locked.into());
        }
        self.entries.lock().unwrap().insert(name.to_owned(), value.clone());
        Ok(())
    }

    fn delete(&mut self, name: &str, _wanted: &dyn Fn() -> bool) -> Result<bool, Failure> {
        self.step()?;
        Ok(self.entries.lock().unwrap().remove(name).is_some())
    }
}

/// A system keychain whose connections succeed while the test says so.
fn scripted() -> (SystemKeychain, Sender<Step>, Arc<Mutex<bool>>) {
    let (sender, steps) = channel();
    let (steps, entries) = (Arc::new(Mutex::new(steps)), Arc::default());
    let there = Arc::new(Mutex::new(true));
    let connected = there.clone();
    let keychain = SystemKeychain::over(Box::new(move || {
        if !*connected.lock().unwrap() {
            return Err(KeychainError::NoService("test".to_owned()));
        }
        let backend: Box<dyn Backend> =
            Box::new(Scripted { entries: Arc::clone(&entries), steps: steps.clone() });
        Ok(backend)
    }));
    (keychain, sender, there)
}

#[test]
fn a_keychain_that_appears_later_is_found() {
    let (keychain, steps, there) = scripted();
    *there.lock().unwrap() = false;
    assert!(matches!(keychain.get("a"), Err(KeychainError::NoService(_))));
    *there.lock().unwrap() = true;
    steps.send(Step::Go).unwrap();
    assert_eq!(keychain.get("a"), Ok(None));
}

#[test]
fn a_call_over_a_lost_connection_is_made_again_once() {
    let (keychain, steps, _) = scripted();
    for step in [Step::Go, Step::Lose, Step::Go] {
        steps.send(step).unwrap();
    }
    keychain.set("a", &"1".into()).unwrap();
    assert_eq!(keychain.get("a"), Ok(Some("1".into())));
    for step in [Step::Lose, Step::Lose, Step::Go] {
        steps.send(step).unwrap();
    }
    assert!(matches!(keychain.get("a"), Err(KeychainError::Other(_))));
    assert_eq!(keychain.get("a"), Ok(Some("1".into())));
}

#[test]
fn a_call_that_waits_for_a_prompt_ends_in_time_and_has_no_late_effect() {
    let (keychain, steps, _) = scripted();
    let limit = Duration::from_millis(20);
    let keychain = keychain.with_time_limit(limit);
    assert_eq!(keychain.set("a", &"late".into()), Err(KeychainError::TimedOut(limit)));
    // While the prompt is open nothing else waits for it.
    assert_eq!(keychain.get("a"), Err(KeychainError::TimedOut(limit)));
    // The person answers. The call was given up, so its value is not written, and the keychain is of use again.
    steps.send(Step::Go).unwrap();
    steps.send(Step::Go).unwrap();
    let keychain = keychain.with_time_limit(Duration::from_secs(10));
    let value = std::iter::repeat_with(|| keychain.get("a")).find(Result::is_ok);
    assert_eq!(value, Some(Ok(None)));
}

#[test]
fn values_are_as_large_as_every_system_takes() {
    let fits = SecretBytes::new(vec![1; MAX_KEYCHAIN_VALUE]);
    let large = SecretBytes::new(vec![1; MAX_KEYCHAIN_VALUE + 1]);
    let memory = MemoryKeychain::new();
    memory.set("a", &fits).unwrap();
    assert_eq!(memory.set("a", &large), Err(KeychainError::TooLarge(2561)));
    assert_eq!(memory.get("a"), Ok(Some(fits)));
    let (system, _, _) = scripted();
    assert_eq!(system.set("a", &large), Err(KeychainError::TooLarge(2561)));
}

#[test]
fn homes_have_entries_of_their_own() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let scope = |path: PathBuf| KeychainScope::of(&Home::at(path));
    let [one, other] = folders.each_ref().map(|folder| scope(folder.path().to_owned()));
    assert_ne!(one, other);
    assert_eq!(one, scope(folders[0].path().join("../").join(folders[0].path().file_name().unwrap())));
    assert!(one.service().starts_with("gatelodge-"));
}

#[test]
fn a_secret_is_not_printed() {
    let secret = SecretBytes::from("hunter2");
    assert_eq!(format!("{secret:?}"), "SecretBytes(..)");
}
