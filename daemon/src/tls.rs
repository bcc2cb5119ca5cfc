//! Trust: which authorities may vouch for the server.
//!
//! Public authorities are compiled in, so that an image without `ca-certificates` works; the device's own are
//! added for networks that inspect TLS; a private one can be named in the configuration. The client
//! configuration is built once and shared by all links, so that sessions resume.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

/// Builds the client side of TLS 1.2 and 1.3 with the ring provider.
///
/// # Errors
/// A `ca_file` that cannot be read or holds no certificate, with its path. Broken certificates among the
/// device's own are passed over: one bad file must not silence the device.
pub fn client(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    Ok(Arc::new(builder(ca_file)?.with_no_client_auth()))
}

/// The same for a server that wants to know who asks: with a client certificate and its private key, both in PEM.
///
/// # Errors
/// As [`client`]; or what is wrong with which of the two files, and nothing of what is in it.
pub fn with_identity(
    ca_file: Option<&Path>,
    certificate: &Path,
    key: &Path,
) -> Result<Arc<ClientConfig>, String> {
    let at = format!("client certificate {}", certificate.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{at}: {error}"))?;
    if chain.is_empty() {
        return Err(format!("{at}: no PEM certificate in it"));
    }
    let at_key = format!("private key {}", key.display());
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        pem::Error::Io(error) => format!("{at_key}: {error}; the daemon's user must be able to read it"),
        _ => format!("{at_key}: no PEM private key in it"),
    })?;
    let config = builder(ca_file)?
        .with_client_auth_cert(chain, key)
        .map_err(|error| format!("{at}: it does not go with {at_key}, or one of them is broken: {error}"))?;
    Ok(Arc::new(config))
}

/// What tells a change of files: when each was last written, if it is there.
pub type Stamp = Vec<Option<SystemTime>>;

/// The stamp of these files as they stand.
pub fn stamp(files: &[&PathBuf]) -> Stamp {
    files.iter().map(|file| std::fs::metadata(file).and_then(|facts| facts.modified()).ok()).collect()
}

fn builder(ca_file: Option<&Path>) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
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
    Ok(ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots))
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
