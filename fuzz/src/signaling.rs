//! Signaling objects and pasted blobs.

use gatelodge_wire::{
    MAX_PASTE_BYTES, MAX_SIGNAL_BYTES, PasteKind, SdpRules, Signal, decode_paste, encode_paste,
    normalise_candidate, paste_is_complete,
};

/// An object is refused, means nothing, or is one that is written in one line of ASCII and read again as itself.
pub fn signaling(data: &[u8]) {
    let Ok(Some(signal)) = Signal::parse(data) else { return };
    assert!(data.len() <= MAX_SIGNAL_BYTES);
    let json = signal.to_json();
    assert!(json.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{json}");
    // Escapes can make the text up to six times as long as what was read.
    if json.len() <= MAX_SIGNAL_BYTES {
        let again = Signal::parse(json.as_bytes()).expect("what is written can be read");
        assert_eq!(again.as_ref(), Some(&signal));
        assert_eq!(again.expect("compared above").to_json(), json);
    }
    if let Signal::Candidate(candidate) = &signal {
        for loopback in [false, true] {
            let _ = normalise_candidate(&candidate.candidate, &SdpRules::with_loopback(loopback));
        }
    }
}

/// A blob is refused, or holds a text that comes back from a blob of its own; any short text does.
pub fn paste(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let complete = paste_is_complete(text);
    for kind in [PasteKind::Offer, PasteKind::Answer] {
        if let Ok(sdp) = decode_paste(kind, text) {
            assert!(complete && text.len() <= MAX_PASTE_BYTES);
            let blob = encode_paste(kind, &sdp).expect("what came out of a blob fits into one");
            assert_eq!(decode_paste(kind, &blob).as_ref(), Ok(&sdp));
        }
        if let Ok(blob) = encode_paste(kind, text) {
            assert!(paste_is_complete(&blob) && blob.len() <= MAX_PASTE_BYTES);
            assert_eq!(decode_paste(kind, &blob).as_deref(), Ok(text));
        }
    }
}
