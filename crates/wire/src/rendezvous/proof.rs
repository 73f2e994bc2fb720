//! What a registration signs: exact bytes that mean one thing only.

use super::{Nonce, RendezvousRole};
use crate::Fingerprint;

/// The domain of a registration's signature.
pub const REGISTRATION_DOMAIN: &str = "gatelodge rendezvous registration v1";

/// Returns the bytes that are signed for some content within a domain: 64 spaces, the domain, a zero byte, the content.
///
/// It is the form of TLS 1.3 (RFC 8446, section 4.4.3), and for its reason: the same key signs in DTLS handshakes, where
/// the peer chooses the first 32 of the signed bytes. 64 bytes of which half would have to come out of this side's random
/// source cannot be had there.
///
/// # Panics
///
/// Panics if the domain has a zero byte: domains are constants.
pub fn signed_bytes(domain: &str, content: &[u8]) -> Vec<u8> {
    assert!(!domain.bytes().any(|byte| byte == 0), "a domain has no zero byte");
    let mut bytes = vec![b' '; 64];
    bytes.extend_from_slice(domain.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(content);
    bytes
}

/// Returns the content that a registration signs in [`REGISTRATION_DOMAIN`]: role, authority, nonce and fingerprint, each
/// with its length in front (u16, big-endian).
///
/// The authority is the rendezvous' `host:port` as the client was told it, in lower case and always with the port. A
/// rendezvous that passes on the challenge of another one gets a signature that is of no use there.
pub fn registration_content(
    role: RendezvousRole,
    authority: &str,
    nonce: &Nonce,
    fingerprint: &Fingerprint,
) -> Vec<u8> {
    let parts: [&[u8]; 4] =
        [role.as_str().as_bytes(), authority.as_bytes(), &nonce.0, fingerprint.as_bytes()];
    let mut content = Vec::with_capacity(parts.iter().map(|part| 2 + part.len()).sum());
    for part in parts {
        // Authorities come from URLs or from messages, both of which are far shorter; a longer one would not verify.
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        content.extend_from_slice(&length.to_be_bytes());
        content.extend_from_slice(part);
    }
    content
}
