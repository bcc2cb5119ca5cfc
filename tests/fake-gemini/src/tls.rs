//! An authority of our own, and TLS as the service would speak it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A certificate authority and what it vouches for: `localhost`, `127.0.0.1` and `::1`; and for tests of other ways to
/// it `live.test`, which no name server knows (RFC 6761), and `192.0.2.1`, which is nobody's (RFC 5737).
///
/// Clone it into the options of the next server where both are to be trusted by the same file.
#[derive(Clone)]
pub struct Authority {
    ca_pem: String,
    config: Arc<ServerConfig>,
    /// The same for clients with a certificate only.
    strict: Arc<ServerConfig>,
    client_pem: (String, String),
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    /// Makes a new authority and a server certificate of it.
    ///
    /// # Errors
    /// What the key generator or the TLS library objects to.
    pub fn new() -> io::Result<Self> {
        Self::valid_from(1975)
    }

    /// The same with certificates that are not valid before this year.
    ///
    /// # Errors
    /// As [`Authority::new`].
    pub fn valid_from(year: i32) -> io::Result<Self> {
        let begins = rcgen::date_time_ymd(year, 1, 1);
        let mut ca = CertificateParams::default();
        ca.not_before = begins;
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "fake-gemini authority");
        let ca_key = KeyPair::generate().map_err(io::Error::other)?;
        let issuer = CertifiedIssuer::self_signed(ca, ca_key).map_err(io::Error::other)?;

        let names = ["localhost", "127.0.0.1", "::1", "live.test", "192.0.2.1"].map(String::from);
        let mut leaf = CertificateParams::new(names).map_err(io::Error::other)?;
        leaf.not_before = begins;
        leaf.distinguished_name.push(DnType::CommonName, "fake-gemini");
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = leaf.signed_by(&key, &issuer).map_err(io::Error::other)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = || {
            ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .map_err(io::Error::other)
        };
        let chain = || vec![certificate.der().clone()];
        let private = || PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = builder()?.with_no_client_auth().with_single_cert(chain(), private());

        let mut client = CertificateParams::default();
        client.distinguished_name.push(DnType::CommonName, "device-7");
        let client_key = KeyPair::generate().map_err(io::Error::other)?;
        let client = client.signed_by(&client_key, &issuer).map_err(io::Error::other)?;
        let mut roots = RootCertStore::empty();
        let issuer_der = CertificateDer::from_pem_slice(issuer.pem().as_bytes()).map_err(io::Error::other)?;
        roots.add(issuer_der).map_err(io::Error::other)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = verifier.build().map_err(io::Error::other)?;
        let strict = builder()?.with_client_cert_verifier(verifier).with_single_cert(chain(), private());
        Ok(Self {
            ca_pem: issuer.pem(),
            config: Arc::new(config.map_err(io::Error::other)?),
            strict: Arc::new(strict.map_err(io::Error::other)?),
            client_pem: (client.pem(), client_key.serialize_pem()),
        })
    }

    /// The authority's certificate, for the client to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A client certificate of this authority and its private key, as PEM.
    pub fn client_pem(&self) -> (&str, &str) {
        (&self.client_pem.0, &self.client_pem.1)
    }

    /// TLS settings of a server that lets in whoever has such a certificate.
    pub(crate) fn strict_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.strict)
    }

    /// TLS settings of a server it vouches for, for a server of one's own.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Does the server's side of the handshake.
    pub(crate) async fn accept(&self, tcp: TcpStream) -> io::Result<Stream> {
        let tls = TlsAcceptor::from(Arc::clone(&self.config)).accept(tcp).await?;
        Ok(Stream::Tls(Box::new(tls)))
    }
}

/// A connection with or without TLS.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Closes with RST instead of FIN, as a network box that forgot the connection does.
    pub(crate) fn reset(self) {
        let tcp = match &self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        };
        // refused only where the socket is gone already, and then there is nothing left to reset
        let _ = tcp.set_zero_linger();
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
