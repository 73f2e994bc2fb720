//! Fingerprints: none, several, broken ones, at either level.

use gatelodge_wire::{FingerprintError, SdpError};

use super::{
    Case, END_LINE, FACTS, FINGERPRINT, FINGERPRINT_LINE, OTHER, PAIRS, SECTION, accepted, after, before,
    edit, refused,
};

pub(super) fn cases() -> Vec<Case> {
    let line = FINGERPRINT_LINE;
    let conflict = |line| SdpError::ConflictingFingerprints { line };
    let bad = |line, source| SdpError::BadFingerprint { line, source };
    let pair = |position, found: &str| FingerprintError::Pair { position, found: found.into() };
    let unnamed = || FingerprintError::Algorithm { found: String::new() };
    let sha_1 = format!("a=fingerprint:sha-1 {}\n", &PAIRS[..20 * 3 - 1]);
    let value = |value: &str| edit(FINGERPRINT, &format!("a=fingerprint:{value}\n"));
    vec![
        refused("no fingerprint", edit(FINGERPRINT, ""), SdpError::NoFingerprint),
        refused("only another algorithm's fingerprint", edit(FINGERPRINT, &sha_1), SdpError::NoFingerprint),
        refused(
            "fingerprint attribute in upper case",
            edit("a=fingerprint", "a=FINGERPRINT"),
            SdpError::NoFingerprint,
        ),
        accepted("fingerprint twice, the same", before(FINGERPRINT, FINGERPRINT), FACTS),
        accepted("fingerprint twice, in both cases", before(FINGERPRINT, &FINGERPRINT.to_lowercase()), FACTS),
        accepted(
            "fingerprint at the session level",
            before(SECTION, FINGERPRINT).replacen(&format!("r\n{FINGERPRINT}"), "r\n", 1),
            FACTS,
        ),
        accepted("fingerprint at both levels, the same", before(SECTION, FINGERPRINT), FACTS),
        accepted("another algorithm first", before(FINGERPRINT, &sha_1), FACTS),
        accepted(
            "another algorithm with nonsense",
            before(FINGERPRINT, "a=fingerprint:sha-512 xyz\n"),
            FACTS,
        ),
        accepted("algorithm in upper case", edit("sha-256", "SHA-256"), FACTS),
        accepted("digits in lower case", edit(PAIRS, &PAIRS.to_lowercase()), FACTS),
        refused(
            "conflicting fingerprints",
            before(FINGERPRINT, &format!("a=fingerprint:sha-256 {OTHER}\n")),
            conflict(line + 1),
        ),
        refused(
            "conflicting fingerprints, the first in upper case",
            before(FINGERPRINT, &format!("a=fingerprint:SHA-256 {OTHER}\n")),
            conflict(line + 1),
        ),
        refused(
            "conflicting fingerprints, one at each level",
            before(SECTION, &format!("a=fingerprint:sha-256 {OTHER}\n")),
            conflict(line + 1),
        ),
        refused(
            "conflicting fingerprint at the very end",
            after(&format!("a=fingerprint:sha-256 {OTHER}\n")),
            conflict(END_LINE),
        ),
        refused(
            "truncated fingerprint",
            edit(":EE:FF\n", "\n"),
            bad(line, FingerprintError::Count { found: 30 }),
        ),
        refused("fingerprint cut in a pair", edit(":FF\n", ":F\n"), bad(line, pair(32, "F"))),
        refused(
            "over-long fingerprint",
            edit(":EE:FF\n", ":EE:FF:00\n"),
            bad(line, FingerprintError::Count { found: 33 }),
        ),
        refused("fingerprint that is not hex", edit("sha-256 00", "sha-256 0G"), bad(line, pair(1, "0G"))),
        refused(
            "fingerprint without colons",
            value(&format!("sha-256 {}", PAIRS.replace(':', ""))),
            bad(line, pair(1, "0011223344556677...")),
        ),
        refused("fingerprint without algorithm", value(PAIRS), bad(line, unnamed())),
        refused("fingerprint without value", value("sha-256"), bad(line, unnamed())),
        refused("empty fingerprint", value(""), bad(line, unnamed())),
        refused(
            "two spaces in the fingerprint",
            value(&format!("sha-256  {PAIRS}")),
            bad(line, pair(1, " 00")),
        ),
        refused("space before the algorithm", value(&format!(" sha-256 {PAIRS}")), bad(line, unnamed())),
        refused(
            "text after the fingerprint",
            value(&format!("sha-256 {PAIRS} x")),
            bad(line, pair(32, "FF x")),
        ),
        refused(
            "valid fingerprint beside a broken one",
            after("a=fingerprint:sha-256 00:11\n"),
            bad(END_LINE, FingerprintError::Count { found: 2 }),
        ),
    ]
}
