//! Session descriptions and trickled candidates, against themselves and against the engine's readers.

use std::io::Cursor;

use gatelodge_wire::{Fingerprint, Sdp, SdpError, SdpRules, normalise_candidate, with_fragments};
use rtc_ice::candidate::unmarshal_candidate;
use rtc_sdp::SessionDescription;

/// A description is refused, or its normal form is read again as itself, and by the engine with the same meaning.
pub fn sdp(data: &[u8]) {
    for loopback in [false, true] {
        let rules = SdpRules::with_loopback(loopback);
        if let Ok(sdp) = Sdp::parse_bytes(data, &rules) {
            fixed_point(&sdp, &rules);
            engine_agrees(&sdp, loopback);
            announces(&sdp, &rules);
            no_second_fingerprint(data, &sdp, &rules);
        }
        if let Ok(line) = std::str::from_utf8(data)
            && let Ok(Some(candidate)) = normalise_candidate(line, &rules)
        {
            assert_eq!(normalise_candidate(&candidate, &rules).as_ref().ok(), Some(&Some(candidate.clone())));
            usable(candidate.strip_prefix("candidate:").expect("the normal form has this prefix"), loopback);
        }
    }
}

fn fixed_point(sdp: &Sdp, rules: &SdpRules) {
    let again = Sdp::parse(sdp.as_str(), rules).expect("a normal form is accepted");
    assert_eq!(again.as_str(), sdp.as_str());
    assert_eq!(again.fingerprint(), sdp.fingerprint());
    assert_eq!(again.setup(), sdp.setup());
    assert_eq!(again.max_message_size(), sdp.max_message_size());
    assert_eq!(again.fragments(), sdp.fragments());
    assert_eq!((again.candidates(), again.dropped_candidates()), (sdp.candidates(), 0));
    assert!(sdp.candidates() <= rules.max_candidates);
    assert!(sdp.as_str().len() < 8 << 10, "{} bytes", sdp.as_str().len());
}

fn engine_agrees(sdp: &Sdp, loopback: bool) {
    let engine =
        SessionDescription::unmarshal(&mut Cursor::new(sdp.as_str())).expect("the engine accepts it");
    let [section] = &engine.media_descriptions[..] else { panic!("not one section") };
    let values = |key: &str| -> Vec<&str> {
        let attributes = engine.attributes.iter().chain(&section.attributes);
        attributes.filter(|a| a.key == key).map(|a| a.value.as_deref().unwrap_or_default()).collect()
    };
    assert_eq!(values("fingerprint"), [format!("sha-256 {}", sdp.fingerprint())]);
    assert_eq!(values("setup"), [sdp.setup().to_string()]);
    assert_eq!(values("max-message-size").len(), 1);
    let candidates = values("candidate");
    assert_eq!(candidates.len(), sdp.candidates());
    for candidate in candidates {
        usable(candidate, loopback);
    }
    let [mid] = values("mid")[..] else { panic!("not one mid") };
    assert!(!mid.is_empty() && !mid.contains(' '));
    assert_eq!(values("group"), [format!("BUNDLE {mid}")]);
}

/// The engine reads a candidate, as one that a UDP packet reaches.
fn usable(candidate: &str, loopback: bool) {
    let engine = unmarshal_candidate(candidate).expect("the engine accepts it");
    let address = engine.addr();
    assert_eq!(candidate.split(' ').nth(4), Some(address.ip().to_string().as_str()));
    let target = address.ip().to_canonical();
    assert!(address.port() > 0 && !target.is_multicast() && !target.is_unspecified(), "{candidate}");
    assert!(loopback || !target.is_loopback(), "{candidate}");
    assert!(engine.network_type().is_udp() && engine.component() == 1);
}

/// Our own announcement can be put into any description that is accepted, and is what is read from it then.
fn announces(sdp: &Sdp, rules: &SdpRules) {
    let announced = Sdp::parse(&with_fragments(sdp.as_str(), 7), rules).expect("it is still accepted");
    assert_eq!(announced.fragments(), Some(7));
    assert_eq!(announced.fingerprint(), sdp.fingerprint());
}

/// Whatever is accepted is refused with another fingerprint beside its own.
fn no_second_fingerprint(data: &[u8], sdp: &Sdp, rules: &SdpRules) {
    let mut other = *sdp.fingerprint().as_bytes();
    other[31] ^= 1;
    let line = format!("\na=fingerprint:sha-256 {}\n", Fingerprint::from_bytes(other));
    let end = data.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    let refusal = Sdp::parse_bytes(&[&data[..end], line.as_bytes()].concat(), rules);
    assert!(
        matches!(refusal, Err(SdpError::ConflictingFingerprints { .. } | SdpError::TooLarge { .. })),
        "{refusal:?}"
    );
}
