//! One operation of the trust store over the system's keychain, for the tests that need it in a process of its own.
//!
//! Usage: `trust_probe DIRECTORY OPERATION [ARGUMENT]...`; says on standard output what came of it.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{BufRead, Write};
    use std::path::PathBuf;
    use std::sync::Arc;

    use gatelodge_host::trust::{GrantsVerdict, Origin, Pairing, TrustStore};
    use gatelodge_host::{
        Fingerprint, Grant, Home, Keychain, KeychainScope, KeychainState, Secrets, Store, SystemKeychain,
        Timestamp, load_or_create_identity,
    };

    pub(super) fn main() {
        let mut arguments = std::env::args().skip(1);
        let directory = PathBuf::from(arguments.next().unwrap());
        let operation = arguments.next().unwrap();
        let arguments: Vec<String> = arguments.collect();
        with_store(directory, &operation, &arguments);
    }

    fn with_store(directory: PathBuf, operation: &str, arguments: &[String]) {
        let store = match Store::open(&directory) {
            Ok(store) => store,
            Err(error) => return println!("{error}"),
        };
        let keychain: Arc<dyn Keychain> =
            Arc::new(SystemKeychain::new(&KeychainScope::of(&Home::at(directory.clone()))));
        let trust = TrustStore::new(store.clone(), keychain.clone());
        let secrets = Secrets::new(store.clone(), keychain.clone());
        let number = |at: usize| arguments[at].parse::<i64>().unwrap();
        let tell = |result: Result<String, String>| println!("{}", result.unwrap_or_else(|error| error));
        match operation {
            "trust" => tell(done(trust.trust(
                &agent(),
                "laptop".parse().unwrap(),
                Pairing::now(Origin::Invitation),
                grants(number(0)),
            ))),
            "block" => tell(done(trust.block(&agent(), None))),
            "forget" => tell(done(trust.forget(&agent()))),
            "grants" => println!("{}", verdict(&trust)),
            "list" => tell(trust.list().map(|all| all.len().to_string()).map_err(|error| error.to_string())),
            // Looks at the keychain without using it.
            "look" => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                let state = runtime.block_on(KeychainState::look(&Home::at(directory)));
                println!("{}", serde_json::to_string(&state).unwrap());
            }
            // Again for every line of standard input.
            "watch" => {
                for line in std::io::stdin().lock().lines() {
                    line.unwrap();
                    println!("{}", verdict(&trust));
                }
            }
            // Changes the grants until it fails or is killed.
            "change" => {
                for count in number(0).. {
                    say(&format!("begun {count}"));
                    if let Err(error) = trust.set_grants(&agent(), grants(count)) {
                        return say(&format!("failed {error}"));
                    }
                    say(&format!("done {count}"));
                }
            }
            "identity" => {
                let made = || Ok::<_, std::fmt::Error>(format!("made by {}", std::process::id()).into());
                let identity = load_or_create_identity(&store, &*keychain, made);
                tell(identity.map(|identity| identity.to_string()).map_err(|error| error.to_string()));
            }
            "set-secret" => tell(done(secrets.set(&arguments[0].parse().unwrap(), &arguments[1]))),
            "resolve" => {
                let resolved = secrets.resolve(&arguments[0]);
                tell(resolved.map(|text| text.to_string()).map_err(|error| error.to_string()));
            }
            other => panic!("no operation {other}"),
        }
    }

    fn agent() -> Fingerprint {
        Fingerprint::from_bytes([0x5c; 32])
    }

    /// A set of grants that tells its number.
    fn grants(count: i64) -> Vec<Grant> {
        let servers: &[&str] = if count % 2 == 0 { &["notes"] } else { &["notes", "code"] };
        let grant = |server: &&str| Grant {
            agent: agent(),
            server: server.parse().unwrap(),
            entry: Default::default(),
            folders: None,
            tools: Default::default(),
            sampling: false,
            elicitation: false,
            expires: Some(Timestamp::from_millis(count)),
            pins: Default::default(),
        };
        servers.iter().map(grant).collect()
    }

    fn verdict(trust: &TrustStore) -> String {
        match trust.grants_of(&agent()) {
            GrantsVerdict::Valid(found) => {
                let count = found.first().and_then(|grant| grant.expires).map_or(0, Timestamp::as_millis);
                let mut expected = grants(count);
                expected.sort_by(|one, other| one.server.cmp(&other.server));
                if found == expected { format!("valid {count}") } else { format!("mixed {found:?}") }
            }
            GrantsVerdict::Altered => "altered".to_owned(),
            GrantsVerdict::Unfinished => "unfinished".to_owned(),
            GrantsVerdict::NoRecord => "no record".to_owned(),
            GrantsVerdict::Blocked => "blocked".to_owned(),
            other => other.trouble().unwrap(),
        }
    }

    fn done<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<String, String> {
        result.map(|_| "done".to_owned()).map_err(|error| error.to_string())
    }

    /// Says something at once: the next moment may be the last.
    fn say(text: &str) {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").unwrap();
        out.flush().unwrap();
    }
}
