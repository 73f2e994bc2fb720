//! TLS of the server's own, and whom a client trusts.

use std::fs;
use std::path::Path;

use gatelodge_rendezvous::{AuthorityRule, TlsFiles};
use mcp_webrtc::Identity;
use mcp_webrtc::signaling::RendezvousUrl;
use mcp_webrtc::signaling::rendezvous::{RendezvousAgent, RendezvousError};

use crate::desks::{config, options, server};

/// Writes a certificate that is its own authority.
fn write_certificate(folder: &Path) {
    let signed =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    fs::write(folder.join("key.pem"), signed.signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("cert.pem"), signed.cert.pem()).unwrap();
}

#[tokio::test]
async fn tls_is_trusted_by_its_authority_and_can_be_renewed() {
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path());
    let mut with_tls = config();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    with_tls.tls = Some(TlsFiles { certificate: certificate.clone(), key });
    with_tls.authority = AuthorityRule::SocketAddress;
    let (server, _) = server(with_tls.clone()).await;
    let url: RendezvousUrl = format!("https://{}", server.local_addr()).parse().unwrap();
    let identity = Identity::generate().unwrap();

    let distrusted = RendezvousAgent::connect(&identity, &url, options()).await.unwrap_err();
    assert!(matches!(distrusted, RendezvousError::Tls { .. }), "{distrusted}");
    let trusting = options().ca_file(&certificate);
    RendezvousAgent::connect(&identity, &url, trusting.clone()).await.unwrap();

    // A new certificate comes into use by a reload; a damaged one does not.
    let old = folder.path().join("old.pem");
    fs::copy(&certificate, &old).unwrap();
    write_certificate(folder.path());
    server.reload(with_tls.clone()).unwrap();
    RendezvousAgent::connect(&identity, &url, trusting.clone()).await.unwrap();
    let outdated = RendezvousAgent::connect(&identity, &url, options().ca_file(&old)).await.unwrap_err();
    assert!(matches!(outdated, RendezvousError::Tls { .. }), "{outdated}");
    fs::write(folder.path().join("key.pem"), "nothing").unwrap();
    assert!(server.reload(with_tls).is_err());
    RendezvousAgent::connect(&identity, &url, trusting).await.unwrap();

    let missing = options().ca_file(folder.path().join("none.pem"));
    let missing = RendezvousAgent::connect(&identity, &url, missing).await.unwrap_err();
    assert!(matches!(missing, RendezvousError::CaFile { .. }), "{missing}");
}
