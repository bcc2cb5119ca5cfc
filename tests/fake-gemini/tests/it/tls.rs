//! TLS with the server's own authority.

use std::sync::Arc;

use fake_gemini::{FakeGemini, Options, What};
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::client::{PATH, PATIENCE, setup_of};

fn connector(ca_pem: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn is_trusted(server: &FakeGemini, ca_pem: &str, name: &'static str) -> bool {
    let tcp = TcpStream::connect(server.address()).await.unwrap();
    connector(ca_pem).connect(ServerName::try_from(name).unwrap(), tcp).await.is_ok()
}

#[tokio::test]
async fn a_setup_over_tls_from_a_server_on_its_own_thread() {
    let server = FakeGemini::spawn_thread(Options { realtime: true, ..Options::default() }).unwrap();
    assert!(server.url().starts_with("wss://localhost:"), "{}", server.url());
    let tcp = TcpStream::connect(server.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = connector(server.ca_pem()).connect(name, tcp).await.unwrap();
    let mut request = format!("{}{PATH}", server.url()).into_client_request().unwrap();
    request.headers_mut().insert("x-goog-api-key", "k".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(request, tls).await.unwrap();
    socket.send(Message::text(setup_of("gemini-3.8-live").to_string())).await.unwrap();
    let reply = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert!(reply.into_text().unwrap().contains("setupComplete"));
    assert!(server.wait_blocking(PATIENCE, |events| events.iter().any(|e| e.what == What::Secured)));
    socket.close(None).await.unwrap();
    assert!(server.wait_blocking(PATIENCE, |events| events.iter().any(|e| e.what == What::Gone)));
}

#[tokio::test]
async fn only_its_authority_vouches_for_it_and_only_for_loopback() {
    let server = FakeGemini::start(Options::default()).await.unwrap();
    let other = FakeGemini::start(Options::default()).await.unwrap();
    let same =
        FakeGemini::start(Options { authority: server.authority(), ..Options::default() }).await.unwrap();
    let ca_pem = server.ca_pem();
    assert!(is_trusted(&server, ca_pem, "localhost").await);
    assert!(is_trusted(&server, ca_pem, "127.0.0.1").await);
    assert!(!is_trusted(&server, ca_pem, "example.org").await);
    assert!(!is_trusted(&other, ca_pem, "localhost").await);
    assert!(is_trusted(&same, ca_pem, "localhost").await);
}
