//! A peer's long-lived identity: an ECDSA P-256 key and its self-signed certificate.
//!
//! The certificate is what WebRTC authenticates in the DTLS handshake (RFC 8827, section 6.5) and its
//! [`Fingerprint`] is the peer's name, so an identity is made once and kept. [`Identity::to_pem`] and
//! [`Identity::from_pem`] carry it to whatever stores it; [`Identity::load_or_create`] keeps it in a file that
//! only its owner can read.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use gatelodge_wire::{Fingerprint, signed_bytes};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SigningKey,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

/// The subject of new certificates. It names the kind of peer and nothing about the person or the machine.
const SUBJECT: &str = "mcp-webrtc";

/// No identity file comes near this; anything larger is not one.
const MAX_PEM_BYTES: u64 = 64 * 1024;

/// An ECDSA P-256 key with its self-signed certificate.
///
/// Cloning copies the key. `Debug` shows the fingerprint only.
#[derive(Clone)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: Zeroizing<Vec<u8>>,
    fingerprint: Fingerprint,
}

impl Identity {
    /// Makes a new key and certificate. The certificate does not expire in practice (its end is the year 4096),
    /// since a peer that is pinned by fingerprint gains nothing from a date.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Generate`] if the system's random source fails.
    pub fn generate() -> Result<Self, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(IdentityError::Generate)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, SUBJECT);
        let certificate = parameters.self_signed(&key).map_err(IdentityError::Generate)?;
        let certificate = certificate.der().clone();
        let fingerprint = Fingerprint::of_certificate(&certificate);
        Ok(Self { certificate, key: Zeroizing::new(key.serialize_der()), fingerprint })
    }

    /// Reads an identity from PEM: one `PRIVATE KEY` block (PKCS#8, RFC 5958) and one `CERTIFICATE` block, in any
    /// order.
    ///
    /// # Errors
    ///
    /// Says which block is missing or damaged, that the key is not ECDSA P-256, or that key and certificate do
    /// not belong together.
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(IdentityError::PrivateKey)?;
        let certificate =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(IdentityError::Certificate)?;
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256)
            .map_err(IdentityError::KeyKind)?;
        let (rest, parsed) = X509Certificate::from_der(&certificate)
            .map_err(|error| IdentityError::CertificateEncoding(error.to_string()))?;
        if !rest.is_empty() {
            return Err(IdentityError::CertificateEncoding("bytes follow the certificate".to_owned()));
        }
        if parsed.public_key().subject_public_key.data.as_ref() != pair.der_bytes() {
            return Err(IdentityError::Mismatch);
        }
        let key = Zeroizing::new(key.secret_pkcs8_der().to_vec());
        let fingerprint = Fingerprint::of_certificate(&certificate);
        Ok(Self { certificate, key, fingerprint })
    }

    /// Writes key and certificate as PEM. The text holds the private key: it belongs into a keychain or a file of
    /// mode 0600. It is wiped from memory when it is dropped.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(self.key.as_slice()),
            &PKCS_ECDSA_P256_SHA256,
        )
        .expect("the key was accepted when this identity was made");
        let mut pem = Zeroizing::new(pair.serialize_pem());
        pem.push_str(&certificate_pem(&self.certificate));
        pem
    }

    /// Loads the identity that is kept at `path`, or makes one and keeps it there.
    ///
    /// A new file appears whole or not at all, with mode 0600; if two processes start at once, both end with the
    /// same identity. Folders on the way are not created.
    ///
    /// # Errors
    ///
    /// Apart from what [`Identity::from_pem`] refuses: an unreadable or unwritable place, and (on Unix) a file
    /// that other users of the machine could read.
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<Self, IdentityError> {
        let path = path.as_ref();
        if let Some(identity) = Self::load(path)? {
            return Ok(identity);
        }
        let identity = Self::generate()?;
        let at = |source| IdentityError::File { path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Temporary files are made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(at)?;
        file.write_all(identity.to_pem().as_bytes()).map_err(at)?;
        file.as_file().sync_all().map_err(at)?;
        match file.persist_noclobber(path) {
            Ok(_) => Ok(identity),
            // Another process was faster; its identity is the one that counts.
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
                Self::load(path)?.ok_or_else(|| at(error.error))
            }
            Err(error) => Err(at(error.error)),
        }
    }

    fn load(path: &Path) -> Result<Option<Self>, IdentityError> {
        let at = |source| IdentityError::File { path: path.to_owned(), source };
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(error)),
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(IdentityError::Permissions { path: path.to_owned(), mode });
            }
        }
        if metadata.len() > MAX_PEM_BYTES {
            return Err(at(std::io::Error::new(ErrorKind::InvalidData, "too large to be an identity")));
        }
        let pem = Zeroizing::new(std::fs::read_to_string(path).map_err(at)?);
        Self::from_pem(&pem).map(Some)
    }

    /// Returns the SHA-256 fingerprint of the certificate: this peer's name.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Returns the certificate in DER form. It is public.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// Signs `content` with ECDSA P-256 and SHA-256, as something that means what `domain` says and nothing else: what is
    /// signed is [`signed_bytes`](gatelodge_wire::signed_bytes) of both, which no DTLS handshake signs. Returns the
    /// signature in ASN.1 DER form.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Sign`] if the system's random source fails.
    ///
    /// # Panics
    ///
    /// Panics if the domain, which should be a constant, has a zero byte.
    pub fn sign(&self, domain: &str, content: &[u8]) -> Result<Vec<u8>, IdentityError> {
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(self.key.as_slice()),
            &PKCS_ECDSA_P256_SHA256,
        );
        pair.and_then(|pair| pair.sign(&signed_bytes(domain, content))).map_err(IdentityError::Sign)
    }

    pub(crate) fn private_key_der(&self) -> &[u8] {
        &self.key
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

fn certificate_pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    // RFC 7468, section 2: lines of 64 characters.
    for line in text.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// Why an identity could not be made, read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Key or certificate could not be made.
    #[error("could not make a key and certificate")]
    Generate(#[source] rcgen::Error),
    /// The PEM text has no readable `PRIVATE KEY` block.
    #[error("no usable PRIVATE KEY block in the PEM text")]
    PrivateKey(#[source] rustls_pki_types::pem::Error),
    /// The PEM text has no readable `CERTIFICATE` block.
    #[error("no usable CERTIFICATE block in the PEM text")]
    Certificate(#[source] rustls_pki_types::pem::Error),
    /// The certificate block is not an X.509 certificate.
    #[error("the CERTIFICATE block does not hold an X.509 certificate: {0}")]
    CertificateEncoding(String),
    /// The key is of another kind.
    #[error("the private key is not an ECDSA P-256 key in PKCS#8 form")]
    KeyKind(#[source] rcgen::Error),
    /// The certificate was made for another key.
    #[error("the certificate does not belong to the private key")]
    Mismatch,
    /// Nothing could be signed.
    #[error("could not sign with the identity's key")]
    Sign(#[source] rcgen::Error),
    /// Other users could read the key.
    #[error("{} can be read by others (mode {mode:03o}); make it private with chmod 600", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file could not be read or written.
    #[error("could not use the identity file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_round_trip_keeps_key_certificate_and_fingerprint() {
        let identity = Identity::generate().unwrap();
        let again = Identity::from_pem(&identity.to_pem()).unwrap();
        assert_eq!(again.fingerprint(), identity.fingerprint());
        assert_eq!(again.certificate_der(), identity.certificate_der());
        assert_eq!(again.private_key_der(), identity.private_key_der());
    }

    #[test]
    fn certificate_is_p256_and_lasts_for_decades() {
        let identity = Identity::generate().unwrap();
        let (_, certificate) = X509Certificate::from_der(identity.certificate_der()).unwrap();
        assert_eq!(certificate.subject().to_string(), "CN=mcp-webrtc");
        assert!(certificate.validity().not_after.to_datetime().year() >= 2100);
        // An uncompressed P-256 point (SEC 1, section 2.3.3).
        let point = certificate.public_key().subject_public_key.data.as_ref();
        assert_eq!((point.len(), point[0]), (65, 4));
    }

    #[test]
    fn another_identitys_certificate_is_refused() {
        let (a, b) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let a = a.to_pem();
        let mixed = format!(
            "{}{}",
            &a[..a.find("-----BEGIN CERTIFICATE").unwrap()],
            certificate_pem(b.certificate_der())
        );
        assert!(matches!(Identity::from_pem(&mixed), Err(IdentityError::Mismatch)));
    }

    #[test]
    fn damaged_pem_says_what_is_missing() {
        let pem = Identity::generate().unwrap().to_pem();
        let certificate = &pem[pem.find("-----BEGIN CERTIFICATE").unwrap()..];
        let key = &pem[..pem.find("-----BEGIN CERTIFICATE").unwrap()];
        assert!(matches!(Identity::from_pem(certificate), Err(IdentityError::PrivateKey(_))));
        assert!(matches!(Identity::from_pem(key), Err(IdentityError::Certificate(_))));
        assert!(matches!(Identity::from_pem(""), Err(IdentityError::PrivateKey(_))));
        let rsa =
            "-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----\n".to_owned() + certificate;
        assert!(matches!(Identity::from_pem(&rsa), Err(IdentityError::KeyKind(_))));
    }

    #[test]
    fn a_signature_is_good_for_its_domain_and_content() {
        use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
        let identity = Identity::generate().unwrap();
        // As it is kept and loaded again.
        let identity = Identity::from_pem(&identity.to_pem()).unwrap();
        let signature = identity.sign("test v1", b"content").unwrap();
        let (_, certificate) = X509Certificate::from_der(identity.certificate_der()).unwrap();
        let key = certificate.public_key().subject_public_key.data.to_vec();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key);
        let signed = [&[b' '; 64][..], b"test v1\0content"].concat();
        key.verify(&signed, &signature).unwrap();
        assert!(key.verify(&signed_bytes("test v2", b"content"), &signature).is_err());
        assert!(key.verify(&signed_bytes("test v1", b"Content"), &signature).is_err());
    }

    #[test]
    fn debug_output_holds_no_key() {
        let identity = Identity::generate().unwrap();
        let shown = format!("{identity:?}");
        assert!(shown.contains("fingerprint"));
        assert!(shown.len() < 300, "{shown}");
    }

    #[test]
    fn the_same_identity_is_loaded_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.pem");
        let first = Identity::load_or_create(&path).unwrap();
        let second = Identity::load_or_create(&path).unwrap();
        assert_eq!(first.fingerprint(), second.fingerprint());
    }

    #[test]
    fn processes_that_start_together_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.pem");
        let start = std::sync::Barrier::new(8);
        let fingerprints: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        Identity::load_or_create(&path).unwrap().fingerprint()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(fingerprints.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.pem");
        Identity::load_or_create(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            Identity::load_or_create(&path),
            Err(IdentityError::Permissions { mode: 0o644, .. })
        ));
    }
}
