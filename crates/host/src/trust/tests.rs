use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::grant::{EntryRule, ToolRules};
use crate::keychain::{Injection, KeychainCall, MemoryKeychain, SecretBytes};

fn agent(number: u8) -> Fingerprint {
    Fingerprint::from_bytes([number; 32])
}

fn label(text: &str) -> AgentLabel {
    text.parse().unwrap()
}

fn grant(agent: Fingerprint, server: &str) -> Grant {
    Grant {
        agent,
        server: server.parse().unwrap(),
        entry: EntryRule::Open,
        folders: None,
        tools: ToolRules::default(),
        sampling: false,
        elicitation: false,
        expires: None,
        pins: Default::default(),
    }
}

fn grants(agent: Fingerprint, servers: &[&str]) -> Vec<Grant> {
    servers.iter().map(|server| grant(agent, server)).collect()
}

struct Desk {
    trust: TrustStore,
    store: Store,
    keychain: Arc<MemoryKeychain>,
}

fn desk() -> Desk {
    let (store, keychain) = (Store::in_memory().unwrap(), Arc::new(MemoryKeychain::new()));
    Desk { trust: TrustStore::new(store.clone(), keychain.clone()), store, keychain }
}

impl Desk {
    fn sql(&self, statement: &str) {
        self.store.connection().execute_batch(statement).unwrap();
    }

    fn trusted(&self, number: u8, name: &str, servers: &[&str]) -> AgentRecord {
        let pairing = Pairing::now(Origin::Invitation);
        self.trust.trust(&agent(number), label(name), pairing, grants(agent(number), servers)).unwrap()
    }

    fn servers(&self, number: u8) -> Option<Vec<String>> {
        match self.trust.grants_of(&agent(number)) {
            GrantsVerdict::Valid(grants) => {
                Some(grants.iter().map(|grant| grant.server.as_str().to_owned()).collect())
            }
            _ => None,
        }
    }
}

#[test]
fn a_trusted_agent_has_its_grants_and_nobody_else_s() {
    let desk = desk();
    desk.trusted(1, "laptop", &["notes", "code"]);
    desk.trusted(2, "phone", &[]);
    assert_eq!(desk.servers(1).unwrap(), ["code", "notes"]);
    assert_eq!(desk.servers(2).unwrap(), [] as [&str; 0]);
    assert_eq!(desk.trust.grants_of(&agent(3)), GrantsVerdict::NoRecord);
    let names: Vec<_> = desk.trust.list().unwrap().into_iter().map(|record| record.label).collect();
    assert_eq!(names, [label("laptop"), label("phone")]);
}

#[test]
fn whatever_is_edited_in_the_database_counts_as_none() {
    let edits: [(&str, &str); 9] = [
        (
            "a wider grant",
            "UPDATE grants SET definition = replace(definition, '\"sampling\":false', '\"sampling\":true')",
        ),
        (
            "an added grant",
            "INSERT INTO grants SELECT agent, revision, 'root', replace(definition, 'notes', 'root') FROM grants",
        ),
        ("a removed grant", "DELETE FROM grants"),
        (
            "a renamed server",
            "UPDATE grants SET server = 'root', definition = replace(definition, 'notes', 'root')",
        ),
        ("a row under another name", "UPDATE grants SET server = 'root'"),
        ("another revision", "UPDATE grants SET revision = revision + 1"),
        ("no JSON", "UPDATE grants SET definition = '{'"),
        ("the index removed", "DELETE FROM agents"),
        ("another expiry", "UPDATE grants SET definition = json_insert(definition, '$.expires', 1)"),
    ];
    for (case, edit) in edits {
        let desk = desk();
        desk.trusted(1, "laptop", &["notes"]);
        desk.sql(edit);
        let verdict = desk.trust.grants_of(&agent(1));
        assert_eq!(verdict, GrantsVerdict::Altered, "{case}");
        assert!(verdict.grants().is_empty());
        assert!(verdict.trouble().unwrap().contains("grant anew"));
        // Granting anew mends it.
        desk.trust.set_grants(&agent(1), grants(agent(1), &["code"])).unwrap();
        assert_eq!(desk.servers(1).unwrap(), ["code"], "{case}");
    }
}

#[test]
fn grants_of_one_agent_can_not_be_moved_to_another() {
    let desk = desk();
    desk.trusted(1, "laptop", &["notes"]);
    desk.trusted(2, "phone", &[]);
    desk.sql(&format!(
        "INSERT INTO grants SELECT x'{}', revision, server, replace(definition, '01:', '02:') FROM grants",
        "02".repeat(32)
    ));
    assert_eq!(desk.trust.grants_of(&agent(2)), GrantsVerdict::Altered);
    // Nor can a record in the keychain.
    let entry = desk.keychain.get(&record::entry_name(&agent(1))).unwrap().unwrap();
    desk.keychain.set(&record::entry_name(&agent(2)), &entry).unwrap();
    assert!(matches!(desk.trust.grants_of(&agent(2)), GrantsVerdict::Unreadable(_)));
}

#[test]
fn an_older_copy_of_the_database_counts_as_none() {
    let desk = desk();
    desk.trusted(1, "laptop", &["notes", "code"]);
    desk.sql(
        "CREATE TABLE old_grants AS SELECT * FROM grants; CREATE TABLE old_agents AS SELECT * FROM agents;",
    );
    desk.trust.set_grants(&agent(1), grants(agent(1), &["notes"])).unwrap();
    desk.sql(
        "DELETE FROM agents; INSERT INTO agents SELECT * FROM old_agents; INSERT INTO grants SELECT * FROM old_grants;",
    );
    assert_eq!(desk.trust.grants_of(&agent(1)), GrantsVerdict::Altered);
}

#[test]
fn a_blocked_or_forgotten_agent_stays_so_with_an_older_database() {
    for forget in [false, true] {
        let desk = desk();
        desk.trusted(1, "laptop", &["notes"]);
        desk.sql("CREATE TABLE old_grants AS SELECT * FROM grants; CREATE TABLE old_agents AS SELECT * FROM agents;");
        if forget {
            desk.trust.forget(&agent(1)).unwrap();
        } else {
            desk.trust.block(&agent(1), None).unwrap();
        }
        desk.sql("DELETE FROM agents; INSERT INTO agents SELECT * FROM old_agents; INSERT INTO grants SELECT * FROM old_grants;");
        let expected = if forget { GrantsVerdict::NoRecord } else { GrantsVerdict::Blocked };
        assert_eq!(desk.trust.grants_of(&agent(1)), expected);
    }
}

#[test]
fn an_agent_that_fell_out_of_the_index_is_found_when_it_comes() {
    let desk = desk();
    desk.trusted(1, "laptop", &[]);
    desk.sql("DELETE FROM agents");
    assert!(desk.trust.list().unwrap().is_empty());
    assert_eq!(desk.trust.grants_of(&agent(1)), GrantsVerdict::Valid(vec![]));
    assert_eq!(desk.trust.list().unwrap().len(), 1);
}

#[test]
fn an_index_without_keychain_entries_means_nothing() {
    let desk = desk();
    desk.trusted(1, "laptop", &["notes"]);
    desk.keychain.delete(&record::entry_name(&agent(1))).unwrap();
    assert_eq!(desk.trust.grants_of(&agent(1)), GrantsVerdict::NoRecord);
    assert!(desk.trust.list().unwrap().is_empty());
    assert!(matches!(desk.trust.set_grants(&agent(1), vec![]), Err(TrustError::Unknown(_))));
}

#[test]
fn an_unavailable_keychain_means_no_trust_and_a_sentence() {
    let desk = desk();
    desk.trusted(1, "laptop", &["notes"]);
    for error in [KeychainError::Locked, KeychainError::NoService("no bus".to_owned())] {
        let failing = error.clone();
        desk.keychain.inject(move |_, _| Injection::Fail(failing.clone()));
        let verdict = desk.trust.grants_of(&agent(1));
        assert_eq!(verdict, GrantsVerdict::KeychainUnavailable(error));
        assert!(verdict.trouble().unwrap().contains("try again"));
        assert!(matches!(desk.trust.list(), Err(TrustError::Keychain(_))));
        let pairing = Pairing::now(Origin::Invitation);
        assert!(desk.trust.trust(&agent(2), label("phone"), pairing, vec![]).is_err());
        desk.keychain.heal();
        assert_eq!(desk.servers(1).unwrap(), ["notes"]);
        assert_eq!(desk.trust.grants_of(&agent(2)), GrantsVerdict::NoRecord);
    }
}

#[test]
fn blocking_and_forgetting_hold_even_if_the_keychain_can_not_be_told() {
    let desk = desk();
    for number in [1, 2, 3] {
        desk.trusted(number, &format!("agent {number}"), &["notes"]);
    }
    desk.keychain.inject(|_, _| Injection::Fail(KeychainError::Locked));
    desk.trust.block(&agent(1), None).unwrap_err();
    desk.trust.forget(&agent(2)).unwrap_err();
    desk.trust.set_grants(&agent(3), vec![]).unwrap_err();
    desk.keychain.heal();
    assert_eq!(desk.trust.grants_of(&agent(1)), GrantsVerdict::Blocked);
    assert_eq!(desk.trust.record(&agent(1)).unwrap().unwrap().state, AgentState::Blocked);
    assert_eq!(desk.trust.grants_of(&agent(2)), GrantsVerdict::NoRecord);
    desk.trust.sweep().unwrap();
    assert_eq!(desk.keychain.get(&record::entry_name(&agent(2))), Ok(None));
    assert_eq!(desk.trust.list().unwrap().len(), 2);
}

#[test]
fn a_failed_change_of_grants_counts_as_none_until_it_is_made_again() {
    let error = KeychainError::TimedOut(std::time::Duration::from_secs(1));
    for (injection, late) in [(Injection::Fail(error.clone()), false), (Injection::FailAfter(error), true)] {
        let desk = desk();
        desk.trusted(1, "laptop", &["notes", "code"]);
        desk.keychain.inject(move |call, _| match call {
            KeychainCall::Set => injection.clone(),
            _ => Injection::Pass,
        });
        desk.trust.set_grants(&agent(1), grants(agent(1), &["notes"])).unwrap_err();
        desk.keychain.heal();
        if late {
            // It was written after all: what the person wanted is in force.
            assert_eq!(desk.servers(1).unwrap(), ["notes"]);
        } else {
            assert_eq!(desk.trust.grants_of(&agent(1)), GrantsVerdict::Unfinished);
        }
        desk.trust.set_grants(&agent(1), grants(agent(1), &["notes"])).unwrap();
        assert_eq!(desk.servers(1).unwrap(), ["notes"]);
    }
}

#[test]
fn a_blocked_agent_is_trusted_again_only_with_new_grants() {
    let desk = desk();
    desk.trusted(1, "laptop", &["notes"]);
    desk.trust.block(&agent(1), None).unwrap();
    assert_eq!(desk.trust.grants_of(&agent(1)), GrantsVerdict::Blocked);
    assert!(desk.trust.set_grants(&agent(1), vec![]).is_err());
    desk.trusted(1, "laptop", &["code"]);
    assert_eq!(desk.servers(1).unwrap(), ["code"]);
    // One that was never known is blocked under a name of its own.
    let record = desk.trust.block(&agent(9), None).unwrap();
    assert_eq!(record.label, AgentLabel::of_fingerprint(&agent(9)));
    assert_eq!(record.pairing, None);
    desk.trust.forget(&agent(9)).unwrap();
    assert_eq!(desk.trust.grants_of(&agent(9)), GrantsVerdict::NoRecord);
}

#[test]
fn a_label_belongs_to_one_agent() {
    let desk = desk();
    desk.trusted(1, "laptop", &[]);
    let pairing = Pairing::now(Origin::Link("home".parse().unwrap()));
    let error = desk.trust.trust(&agent(2), label("Lарtор"), pairing.clone(), vec![]).unwrap_err();
    assert!(matches!(error, TrustError::LabelTaken { holder, .. } if holder == agent(1)), "{error}");
    assert_eq!(desk.trust.record_with_label(&label("LAPTOP")).unwrap().unwrap().fingerprint, agent(1));
    assert_eq!(desk.trust.record_with_label(&label("phone")).unwrap(), None);
    desk.trusted(2, "phone", &["notes"]);
    assert!(matches!(desk.trust.rename(&agent(2), label("laptop")), Err(TrustError::LabelTaken { .. })));
    desk.trust.rename(&agent(2), label("tablet")).unwrap();
    assert_eq!(desk.servers(2).unwrap(), ["notes"]);
    assert_eq!(desk.trust.record(&agent(2)).unwrap().unwrap().label, label("tablet"));
    // Its own label is no obstacle, and a forgotten agent's is free.
    desk.trust.rename(&agent(2), label("Tablet")).unwrap();
    desk.trust.forget(&agent(1)).unwrap();
    desk.trust.rename(&agent(2), label("laptop")).unwrap();
}

#[test]
fn grants_that_make_no_sense_are_refused() {
    let desk = desk();
    desk.trusted(1, "laptop", &[]);
    let foreign = desk.trust.set_grants(&agent(1), grants(agent(2), &["notes"]));
    assert!(matches!(foreign, Err(TrustError::ForeignGrant(_))));
    let double = desk.trust.set_grants(&agent(1), grants(agent(1), &["notes", "notes"]));
    assert!(matches!(double, Err(TrustError::DoubleGrant(_))));
    assert_eq!(desk.servers(1).unwrap(), [] as [&str; 0]);
}

#[test]
fn a_damaged_record_is_named_and_can_be_forgotten() {
    let desk = desk();
    desk.trusted(1, "laptop", &["notes"]);
    for (damage, sentence) in [("{", "is damaged"), ("{\"format\":2,\"x\":1}", "newer gatelodge")] {
        desk.keychain.set(&record::entry_name(&agent(1)), &SecretBytes::from(damage)).unwrap();
        let GrantsVerdict::Unreadable(reason) = desk.trust.grants_of(&agent(1)) else { panic!("{damage}") };
        assert!(reason.contains(sentence) && reason.contains("01:01"), "{reason}");
    }
    desk.trusted(2, "phone", &[]);
    desk.trust.forget(&agent(1)).unwrap();
    assert_eq!(desk.trust.list().unwrap().len(), 1);
}

#[test]
fn records_fit_into_every_keychain() {
    let desk = desk();
    let name = label(&"\u{20000}".repeat(32));
    let pairing = Pairing::now(Origin::Link("x".repeat(64).parse().unwrap()));
    desk.trust.trust(&agent(1), name, pairing, grants(agent(1), &["notes"])).unwrap();
    let entry = desk.keychain.get(&record::entry_name(&agent(1))).unwrap().unwrap();
    assert!(entry.expose().len() < 1024, "{}", entry.expose().len());
}

#[derive(Debug, Clone)]
enum Step {
    Trust(u8, Vec<&'static str>),
    SetGrants(u8, Vec<&'static str>),
    Block(u8),
    Forget(u8),
    Rename(u8, &'static str),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let number = 1..4_u8;
    let servers = prop::sample::subsequence(vec!["a", "b", "c"], 0..=3);
    prop_oneof![
        (number.clone(), servers.clone()).prop_map(|(number, servers)| Step::Trust(number, servers)),
        (number.clone(), servers).prop_map(|(number, servers)| Step::SetGrants(number, servers)),
        number.clone().prop_map(Step::Block),
        number.clone().prop_map(Step::Forget),
        (number, prop::sample::select(vec!["one", "two"]))
            .prop_map(|(number, name)| Step::Rename(number, name)),
        Just(Step::Sweep),
    ]
}

/// What the person last allowed each agent, kept beside the trust store: an upper bound.
#[derive(Default, Clone)]
struct Allowed(std::collections::HashMap<u8, Vec<&'static str>>);

proptest! {
    /// Whatever is done in whatever order, and whichever keychain calls fail (with or without their effect), no agent
    /// has ever more than its last grants or those that were being given to it; and refusals hold.
    #[test]
    fn failures_never_give_more_than_was_granted(
        steps in prop::collection::vec((step(), 0..12_usize, any::<bool>()), 1..24),
    ) {
        let desk = desk();
        let mut allowed = Allowed::default();
        for (step, failing, effect) in steps {
            let calls = AtomicUsize::new(0);
            desk.keychain.inject(move |_, _| {
                let error = KeychainError::Other("injected".to_owned());
                match (calls.fetch_add(1, Ordering::Relaxed) == failing, effect) {
                    (false, _) => Injection::Pass,
                    (true, false) => Injection::Fail(error),
                    (true, true) => Injection::FailAfter(error),
                }
            });
            let mut trying = None;
            match &step {
                Step::Trust(number, servers) => {
                    let pairing = Pairing::now(Origin::Invitation);
                    let name = label(&format!("agent {number}"));
                    let given = grants(agent(*number), servers);
                    let done = desk.trust.trust(&agent(*number), name, pairing, given);
                    trying = Some((*number, servers.clone(), done.is_ok()));
                }
                Step::SetGrants(number, servers) => {
                    let done = desk.trust.set_grants(&agent(*number), grants(agent(*number), servers));
                    trying = Some((*number, servers.clone(), done.is_ok()));
                }
                Step::Block(number) => {
                    let _ = desk.trust.block(&agent(*number), None);
                    allowed.0.remove(number);
                }
                Step::Forget(number) => {
                    let _ = desk.trust.forget(&agent(*number));
                    allowed.0.remove(number);
                }
                Step::Rename(number, name) => {
                    let _ = desk.trust.rename(&agent(*number), label(name));
                }
                Step::Sweep => {
                    let _ = desk.trust.sweep();
                }
            }
            desk.keychain.heal();
            if let Some((number, servers, done)) = trying {
                let found = desk.servers(number);
                if done {
                    prop_assert_eq!(found, Some(servers.iter().map(|server| (*server).to_owned()).collect()));
                    allowed.0.insert(number, servers);
                } else if let Some(found) = found {
                    let new: Vec<String> = servers.iter().map(|server| (*server).to_owned()).collect();
                    let old = allowed.0.get(&number).cloned();
                    let old = old.map(|old| old.into_iter().map(str::to_owned).collect::<Vec<_>>());
                    prop_assert!(found == new || Some(&found) == old.as_ref(), "{:?}: {:?}", step, found);
                    if found == new {
                        allowed.0.insert(number, servers);
                    }
                }
            }
            for number in 1..4 {
                if let Some(found) = desk.servers(number) {
                    let limit = allowed.0.get(&number).cloned().unwrap_or_default();
                    prop_assert!(
                        allowed.0.contains_key(&number) && found.iter().all(|server| limit.contains(&server.as_str())),
                        "after {:?} agent {} has {:?}, allowed {:?}", step, number, found, limit
                    );
                }
            }
        }
    }
}
