//! Trust: which authorities may vouch for the server.
//!
//! Public authorities are compiled in, so that an image without `ca-certificates` works; the device's own are
//! added for networks that inspect TLS; a private one can be named in the configuration. The client
//! configuration is built once and shared by all links, so that sessions resume.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Builds the client side of TLS 1.2 and 1.3 with the ring provider.
///
/// # Errors
/// A `ca_file` that cannot be read or holds no certificate, with its path. Broken certificates among the
/// device's own are passed over: one bad file must not silence the device.
pub fn client(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let name = path.display();
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|e| format!("[live] ca_file \"{name}\": {e}"))?;
        if certificates.is_empty() {
            return Err(format!("[live] ca_file \"{name}\": no PEM certificate in it"));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|e| format!("[live] ca_file \"{name}\": {e}"))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_empty_ca_file_is_named() {
        let missing = client(Some(Path::new("/nowhere/ca.pem"))).unwrap_err();
        assert!(missing.starts_with("[live] ca_file \"/nowhere/ca.pem\": "), "{missing}");
        let empty = tempfile::NamedTempFile::new().unwrap();
        let text = client(Some(empty.path())).unwrap_err();
        assert!(text.ends_with("no PEM certificate in it"), "{text}");
    }

    #[test]
    fn works_without_a_ca_file() {
        assert!(client(None).is_ok());
    }
}
