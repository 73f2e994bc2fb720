//! Whether a registration proves what it claims.

use gatelodge_wire::{
    Fingerprint, Nonce, REGISTRATION_DOMAIN, RendezvousRole, registration_content, signed_bytes,
};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The object identifier of keys on elliptic curves (RFC 5480, section 2.1.1).
const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";

/// The object identifier of the curve P-256 (RFC 5480, section 2.1.1.1).
const P256: &str = "1.2.840.10045.3.1.7";

/// Checks that whoever sent the certificate has its key, and meant this registration. Returns the certificate's fingerprint.
///
/// The certificate's signature on itself is not looked at: the fingerprint names these very bytes, and a certificate that
/// somebody else put together around the same key is only another name.
pub(crate) fn check(
    role: RendezvousRole,
    authority: &str,
    nonce: &Nonce,
    certificate: &[u8],
    signature: &[u8],
) -> Option<Fingerprint> {
    let (rest, parsed) = X509Certificate::from_der(certificate).ok()?;
    let key = parsed.public_key();
    let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
    if !rest.is_empty()
        || key.algorithm.algorithm.to_id_string() != EC_PUBLIC_KEY
        || curve.to_id_string() != P256
    {
        return None;
    }
    let fingerprint = Fingerprint::of_certificate(certificate);
    let content = registration_content(role, authority, nonce, &fingerprint);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.subject_public_key.data)
        .verify(&signed_bytes(REGISTRATION_DOMAIN, &content), signature)
        .ok()?;
    Some(fingerprint)
}

#[cfg(test)]
mod tests {
    use mcp_webrtc::Identity;

    use super::*;

    const NONCE: Nonce = Nonce([7; 32]);

    fn sign(identity: &Identity, role: RendezvousRole, authority: &str, nonce: &Nonce) -> Vec<u8> {
        let content = registration_content(role, authority, nonce, &identity.fingerprint());
        identity.sign(REGISTRATION_DOMAIN, &content).unwrap()
    }

    #[test]
    fn a_proof_is_good_for_what_it_was_made_for_and_nothing_else() {
        let (identity, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let signature = sign(&identity, RendezvousRole::Agent, "a:1", &NONCE);
        let certificate = identity.certificate_der();
        let agent = RendezvousRole::Agent;
        assert_eq!(check(agent, "a:1", &NONCE, certificate, &signature), Some(identity.fingerprint()));
        assert_eq!(check(RendezvousRole::Desktop, "a:1", &NONCE, certificate, &signature), None);
        assert_eq!(check(agent, "b:1", &NONCE, certificate, &signature), None);
        assert_eq!(check(agent, "a:1", &Nonce([8; 32]), certificate, &signature), None);
        assert_eq!(check(agent, "a:1", &NONCE, other.certificate_der(), &signature), None);
        assert_eq!(check(agent, "a:1", &NONCE, certificate, &signature[1..]), None);
        assert_eq!(check(agent, "a:1", &NONCE, &certificate[1..], &signature), None);
        let longer = [certificate, b"x"].concat();
        assert_eq!(check(agent, "a:1", &NONCE, &longer, &signature), None);
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        assert_eq!(check(RendezvousRole::Agent, "a:1", &NONCE, certificate.der(), &[0; 64]), None);
    }
}
