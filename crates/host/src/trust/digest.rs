//! The digest that ties a set of grants in the database to the record in the keychain.

use gatelodge_wire::Fingerprint;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::TrustError;
use crate::grant::Grant;
use crate::store::GrantSet;

/// Keeps this digest apart from every other use of SHA-256.
const DOMAIN: &[u8] = b"gatelodge-grants-v1\0";

/// SHA-256 over an agent's fingerprint, the revision and all of its grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct GrantsDigest([u8; 32]);

/// Puts grants into the form of the database. Refuses those of another agent, and two for one server.
pub(super) fn pack(agent: &Fingerprint, grants: &[Grant]) -> Result<GrantSet, TrustError> {
    let mut set = GrantSet::with_capacity(grants.len());
    for grant in grants {
        let server = &grant.server;
        if grant.agent != *agent {
            return Err(TrustError::ForeignGrant(server.clone()));
        }
        if set.iter().any(|(other, _)| other == server.as_str()) {
            return Err(TrustError::DoubleGrant(server.clone()));
        }
        // A path that is not Unicode, for one, has no JSON form.
        let value = serde_json::to_value(grant)
            .map_err(|error| TrustError::Grant { server: server.clone(), reason: error.to_string() })?;
        let mut text = String::new();
        canonical(&value, &mut text);
        set.push((server.as_str().to_owned(), text));
    }
    set.sort();
    Ok(set)
}

/// The digest of a set that [`pack`] made.
pub(super) fn of_set(agent: &Fingerprint, revision: u64, set: &GrantSet) -> GrantsDigest {
    hash(agent, revision, set.iter().map(|(_, text)| text.as_str()))
}

/// Reads a set of the database. What is returned is exactly what was hashed; `None` if it is no set of grants of this
/// agent.
pub(super) fn open(agent: &Fingerprint, revision: u64, set: &GrantSet) -> Option<(Vec<Grant>, GrantsDigest)> {
    let mut grants = Vec::with_capacity(set.len());
    let mut texts = Vec::with_capacity(set.len());
    for (server, text) in set {
        // The form that a later version gives to a grant must not matter, so the stored one is hashed, not this
        // version's own.
        let value: Value = serde_json::from_str(text).ok()?;
        let mut text = String::new();
        canonical(&value, &mut text);
        let grant: Grant = serde_json::from_value(value).ok()?;
        if grant.agent != *agent || grant.server.as_str() != server {
            return None;
        }
        grants.push(grant);
        texts.push(text);
    }
    // The set is in the order of its servers, both here and when it was packed.
    let digest = hash(agent, revision, texts.iter().map(String::as_str));
    Some((grants, digest))
}

fn hash<'a>(
    agent: &Fingerprint,
    revision: u64,
    texts: impl ExactSizeIterator<Item = &'a str>,
) -> GrantsDigest {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update(agent.as_bytes());
    hash.update(revision.to_be_bytes());
    hash.update((texts.len() as u64).to_be_bytes());
    for text in texts {
        // With its length in front no text can pass for two.
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    GrantsDigest(hash.finalize().into())
}

/// Writes JSON with sorted members and no white space, after RFC 8785. Numbers in grants are integers, for which
/// `serde_json`'s form is the RFC's.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                canonical(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // RFC 8785, section 3.2.3: by UTF-16 code units.
            members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            text.push('{');
            for (index, (name, item)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                canonical(item, text);
            }
            text.push('}');
        }
        // A scalar has one form, and `serde_json` escapes as little as RFC 8785 does.
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_form_sorts_members_by_utf_16_and_has_no_white_space() {
        // U+FB01 comes before U+1F600 as a character, and after it as UTF-16 (RFC 8785, section 3.2.3).
        let value: Value = serde_json::from_str(
            "{ \"\u{fb01}\": 1, \"\u{1f600}\": [ true, null ], \"b\\u0007\": \"\\/\", \"a\": -5 }",
        )
        .unwrap();
        let mut text = String::new();
        canonical(&value, &mut text);
        assert_eq!(text, "{\"a\":-5,\"b\\u0007\":\"/\",\"\u{1f600}\":[true,null],\"\u{fb01}\":1}");
    }

    #[test]
    fn the_digest_is_what_it_always_was() {
        // A change of these bytes would make every grant that was ever stored count as altered.
        let agent = Fingerprint::from_bytes([7; 32]);
        let set = vec![("notes".to_owned(), "{\"agent\":\"x\",\"server\":\"notes\"}".to_owned())];
        let GrantsDigest(digest) = of_set(&agent, 3, &set);
        let mut bytes = b"gatelodge-grants-v1\0".to_vec();
        bytes.extend([7; 32]);
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 30]);
        bytes.extend(b"{\"agent\":\"x\",\"server\":\"notes\"}");
        assert_eq!(digest.as_slice(), Sha256::digest(&bytes).as_slice());
    }
}
