//! TLS to others, of 1.2 or 1.3: to whoever has a certificate of an authority that is trusted.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;

pub use tokio_rustls::rustls::pki_types::CertificateDer;
pub use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Whom the system trusts, or `SSL_CERT_FILE`. Reading it takes milliseconds and a megabyte.
pub fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The certificates of authorities in a PEM file; why not, if there are none.
pub fn certificates_in(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|error| failed(&error))?;
    // Whether they are what they look like.
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| failed(&error))?;
    }
    if roots.is_empty() { Err(failed(&"there is no certificate in it")) } else { Ok(certificates) }
}

/// What is spoken with whoever `roots` vouch for.
pub fn client(roots: RootCertStore) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    #[expect(clippy::expect_used, reason = "ring speaks TLS 1.2 and 1.3")]
    let builder = builder.expect("the provider knows the versions");
    builder.with_root_certificates(roots).with_no_client_auth()
}
