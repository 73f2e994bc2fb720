use gatelodge_wire::Fingerprint;
use serde_json::{Value, json};

use super::*;
use crate::approval::{ClaimedName, Subject};
use crate::server::FolderAccess;

const NOW: Timestamp = Timestamp::from_millis(1_000);

fn agent(number: u8) -> Fingerprint {
    Fingerprint::from_bytes([number; 32])
}

fn pairing(namesake: Option<Fingerprint>) -> Subject {
    Subject::Pairing { preset: Vec::new(), namesake }
}

fn unknown(namesake: Option<Fingerprint>) -> Subject {
    Subject::UnknownAgent { link: "home".to_owned(), servers: Vec::new(), stable: true, namesake }
}

/// A request that offers a file server and a program.
fn request(subject: Subject) -> Request {
    let server = |value: Value| serde_json::from_value(value).unwrap();
    let offered = vec![
        server(json!({"id": "files", "name": "Files", "kind": {"kind": "files", "folders": [
            {"path": "/home/me", "access": "read-only"}, {"path": "/home/me/shared", "access": "read-write"},
        ]}})),
        server(json!({"id": "notes", "name": "Notes", "kind": {"kind": "stdio", "command": "notes"}})),
    ];
    let name = ClaimedName::new("laptop");
    Request { agent: agent(1), name, known: false, session: None, offered, subject }
}

/// A grant to the agent that asks, with these members beside.
fn grant(server: &str, members: Value) -> Grant {
    let mut grant = json!({"agent": agent(1).to_string(), "server": server});
    grant.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    serde_json::from_value(grant).unwrap()
}

fn terms(grants: Vec<Grant>) -> Terms {
    Terms { label: None, grants }
}

#[test]
fn what_a_prompt_offers_can_be_chosen() {
    for grants in [
        vec![],
        vec![grant("files", json!({})), grant("notes", json!({}))],
        vec![grant("files", json!({"tools": {"default": "allow"}, "expires": 1_001}))],
        vec![grant("files", json!({"folders": [{"path": "/home/me/shared/a b", "access": "read-write"}]}))],
        vec![grant("notes", json!({"entry": "ask", "tools": {"default": "deny", "tools": {"t": "ask"}}}))],
    ] {
        for subject in [pairing(None), unknown(None)] {
            let wanted = terms(grants.clone());
            assert_eq!(wanted.clone().checked(&request(subject), true, NOW), Ok(wanted));
        }
    }
}

#[test]
fn a_hostile_page_gets_nothing_beyond_what_the_prompt_offers() {
    let (files, notes): (ServerId, ServerId) = ("files".parse().unwrap(), "notes".parse().unwrap());
    let folder = |path: &str| json!({"folders": [{"path": path, "access": "read-only"}]});
    let other = |path: &str| TermsError::OtherFolder { server: files.clone(), path: path.into() };
    let pins = json!({"pins": {"t": "ab".repeat(32)}});
    let to_another = Grant { agent: agent(2), ..grant("files", json!({})) };
    let more = |server: &ServerId| TermsError::MoreThanOffered(server.clone());
    let table = [
        (vec![to_another], TermsError::OtherAgent),
        (vec![grant("git", json!({}))], TermsError::NotOffered("git".parse().unwrap())),
        (vec![grant("files", json!({})), grant("files", json!({}))], TermsError::Twice(files.clone())),
        (vec![grant("files", folder("/etc"))], other("/etc")),
        (vec![grant("files", folder("/home"))], other("/home")),
        (vec![grant("files", folder("/home/me2"))], other("/home/me2")),
        (vec![grant("files", folder("/home/me/../you"))], other("/home/me/../you")),
        (vec![grant("files", folder("home/me"))], other("home/me")),
        (vec![grant("files", folder(""))], other("")),
        (vec![grant("files", json!({"folders": []}))], TermsError::NoFolders(files.clone())),
        (vec![grant("notes", folder("/home/me"))], TermsError::NoFolders(notes.clone())),
        (vec![grant("notes", json!({"tools": {"default": "allow"}}))], more(&notes)),
        (vec![grant("notes", json!({"tools": {"tools": {"t": "allow"}}}))], more(&notes)),
        (vec![grant("files", json!({"sampling": true}))], more(&files)),
        (vec![grant("files", json!({"elicitation": true}))], more(&files)),
        (vec![grant("files", pins)], more(&files)),
        (vec![grant("files", json!({"expires": 1_000}))], TermsError::Expired(files.clone())),
        // The good one beside it does not count either.
        (
            vec![grant("files", json!({})), grant("git", json!({}))],
            TermsError::NotOffered("git".parse().unwrap()),
        ),
    ];
    for (grants, error) in table {
        for subject in [pairing(None), unknown(None)] {
            let checked = terms(grants.clone()).checked(&request(subject), false, NOW);
            assert_eq!(checked, Err(error.clone()), "{grants:?}");
        }
    }
}

#[test]
fn a_folder_gets_at_most_the_servers_access() {
    use FolderAccess::{ReadOnly, ReadWrite};
    for (path, access) in [("/home/me", ReadOnly), ("/home/me/x", ReadOnly), ("/home/me/shared/x", ReadWrite)]
    {
        let wanted = grant("files", json!({"folders": [{"path": path, "access": "read-write"}]}));
        let checked = terms(vec![wanted]).checked(&request(pairing(None)), true, NOW).unwrap();
        assert_eq!(checked.grants[0].folders.as_ref().unwrap()[0].access, access, "{path}");
    }
}

#[test]
fn where_there_is_only_yes_or_no_there_are_no_terms() {
    let subject = || Subject::Session { server: "files".parse().unwrap() };
    assert_eq!(terms(vec![]).checked(&request(subject()), true, NOW), Ok(terms(vec![])));
    let named = Terms { label: Some("x".parse().unwrap()), grants: Vec::new() };
    for chosen in [terms(vec![grant("files", json!({}))]), named] {
        assert_eq!(chosen.checked(&request(subject()), true, NOW), Err(TermsError::NothingToChoose));
    }
}

#[test]
fn an_agent_that_is_kept_is_not_named_like_the_one_that_is_known() {
    let named =
        |label: Option<&str>| Terms { label: label.map(|label| label.parse().unwrap()), ..terms(vec![]) };
    let (paired, known) = (pairing(Some(agent(2))), unknown(Some(agent(2))));
    for label in [None, Some("laptop"), Some("LAPTOP"), Some("lарtop")] {
        for (subject, kept) in [(&paired, true), (&paired, false), (&known, true)] {
            let checked = named(label).checked(&request(subject.clone()), kept, NOW);
            assert_eq!(checked, Err(TermsError::LabelTaken), "{label:?} {subject:?}");
        }
        // One that is let in for its session is written down under no name.
        assert!(named(label).checked(&request(known.clone()), false, NOW).is_ok());
        assert!(named(label).checked(&request(pairing(None)), true, NOW).is_ok());
    }
    assert!(named(Some("laptop 2")).checked(&request(paired), true, NOW).is_ok());
}
