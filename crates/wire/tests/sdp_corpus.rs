//! Every description of the table has exactly the outcome that stands there, and what is accepted means the same
//! to the engine's own parser.

#[path = "corpus/mod_sdp.rs"]
mod corpus;

use std::{collections::HashSet, io::Cursor};

use corpus::{BASE, Case, Expect, FACTS, Facts, cases};
use gatelodge_wire::{Sdp, SdpRules};
use rtc_sdp::SessionDescription;

fn facts(sdp: &Sdp) -> Facts {
    Facts {
        candidates: sdp.candidates(),
        dropped: sdp.dropped_candidates(),
        max_message_size: sdp.max_message_size(),
        fragments: sdp.fragments(),
    }
}

fn accepted() -> impl Iterator<Item = (Case, Sdp)> {
    cases().into_iter().filter_map(|case| {
        let sdp = Sdp::parse_bytes(&case.sdp, &case.rules).ok()?;
        Some((case, sdp))
    })
}

#[test]
fn every_case_has_its_outcome() {
    let mut names = HashSet::new();
    for Case { name, sdp, rules, expect } in cases() {
        assert!(names.insert((name, rules.loopback)), "two cases are called '{name}'");
        let outcome = match Sdp::parse_bytes(&sdp, &rules) {
            Ok(sdp) => Expect::Accepted(facts(&sdp)),
            Err(error) => Expect::Refused(error),
        };
        assert_eq!(outcome, expect, "{name}");
    }
    assert!(names.len() >= 45, "only {} cases", names.len());
}

#[test]
fn the_normal_form_is_a_fixed_point() {
    for (Case { name, rules, .. }, sdp) in accepted() {
        let again = Sdp::parse(sdp.as_str(), &rules).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(again.as_str(), sdp.as_str(), "{name}");
        assert_eq!(facts(&again), Facts { dropped: 0, ..facts(&sdp) }, "{name}");
        assert_eq!((again.fingerprint(), again.setup()), (sdp.fingerprint(), sdp.setup()), "{name}");
    }
}

#[test]
fn the_engine_reads_the_same() {
    for (Case { name, .. }, sdp) in accepted() {
        let engine = SessionDescription::unmarshal(&mut Cursor::new(sdp.as_str()))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let [section] = &engine.media_descriptions[..] else { panic!("{name}: not one section") };
        assert_eq!(
            section.media_name.to_string(),
            "application 9 UDP/DTLS/SCTP webrtc-datachannel",
            "{name}"
        );
        let values = |key: &str| -> Vec<_> {
            let attributes = engine.attributes.iter().chain(&section.attributes);
            attributes.filter(|a| a.key == key).map(|a| a.value.clone().unwrap_or_default()).collect()
        };
        assert_eq!(values("fingerprint"), [format!("sha-256 {}", sdp.fingerprint())], "{name}");
        assert_eq!(values("setup"), [sdp.setup().to_string()], "{name}");
        assert_eq!(values("candidate").len(), sdp.candidates(), "{name}");
        let [mid, group] = ["mid", "group"].map(|key| values(key).concat());
        assert_eq!(group, format!("BUNDLE {mid}"), "{name}");
        for key in ["ice-ufrag", "ice-pwd", "sctp-port", "max-message-size"] {
            assert_eq!(values(key).len(), 1, "{name}: {key}");
        }
    }
}

#[test]
fn nothing_but_known_attributes_comes_through() {
    const KNOWN: [&str; 13] = [
        "group",
        "ice-lite",
        "x-mcp-fragments",
        "mid",
        "ice-ufrag",
        "ice-pwd",
        "ice-options",
        "fingerprint",
        "setup",
        "sctp-port",
        "max-message-size",
        "candidate",
        "end-of-candidates",
    ];
    for (Case { name, .. }, sdp) in accepted() {
        assert!(sdp.as_str().len() < 8 << 10, "{name}: {} bytes", sdp.as_str().len());
        for line in sdp.as_str().split_terminator("\r\n") {
            let attribute = line.strip_prefix("a=").map(|a| a.split(':').next().unwrap_or_default());
            assert!(attribute.is_none_or(|a| KNOWN.contains(&a)), "{name}: {line}");
        }
    }
}

#[test]
fn the_base_of_the_table_is_what_it_says() {
    let sdp = Sdp::parse(BASE, &SdpRules::default()).unwrap();
    assert_eq!(facts(&sdp), FACTS);
}
