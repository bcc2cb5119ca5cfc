use std::time::Duration;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Longer than anything here takes.
const WAIT: Duration = Duration::from_secs(10);

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn direct() -> Dialer {
    Dialer::new(Settings::default())
}

fn by_proxy(port: u16) -> Dialer {
    let proxy = Proxy::new(&format!("http://127.0.0.1:{port}"), None, "", "[network] proxy").unwrap();
    Dialer::new(Settings { route: Route::Proxy(proxy), ..Settings::default() })
}

fn checked(port: u16) -> Dialer {
    let url = HttpUrl::parse(&format!("http://127.0.0.1:{port}/generate_204")).ok();
    Dialer::new(Settings { captive_check: url, ..Settings::default() })
}

/// A server's and a client's side of TLS; the certificate's time is `change`d.
fn trust(change: impl FnOnce(&mut CertificateParams)) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let mut authority = CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let mut leaf = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    change(&mut leaf);
    let key = KeyPair::generate().unwrap();
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    let provider = || Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

#[tokio::test(flavor = "current_thread")]
async fn a_second_link_resumes_the_tls_session_of_the_first() {
    let (listener, port) = listener().await;
    let (server, client) = trust(|_| {});
    let serve = async {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut stream = TlsAcceptor::from(server.clone()).accept(tcp).await.unwrap();
            stream.write_all(b"x").await.unwrap();
            let _ = stream.read_u8().await; // until the client is gone
        }
    };
    let dial = async {
        let mut resumed = Vec::new();
        for _ in 0..3 {
            let mut stream = direct().tls("127.0.0.1", port, &client).await.unwrap();
            stream.read_u8().await.unwrap(); // tickets come with the first bytes
            resumed.push(stream.resumed());
        }
        resumed
    };
    let resumed = tokio::select! {
        resumed = dial => resumed,
        () = serve => unreachable!("it serves for ever"),
    };
    assert_eq!(resumed, [false, true, true]);
}

#[tokio::test(flavor = "current_thread")]
async fn sockets_send_small_messages_at_once_and_find_half_open_links() {
    let (listener, port) = listener().await;
    let stream = direct().tcp("127.0.0.1", port).await.unwrap();
    let _peer = listener.accept().await.unwrap();
    assert!(stream.nodelay().unwrap());
    let mut bound_ms: libc::c_uint = 0;
    let mut length = size_of_val(&bound_ms) as libc::socklen_t;
    // SAFETY: the option is a number of this size.
    let done = unsafe {
        libc::getsockopt(
            std::os::fd::AsRawFd::as_raw_fd(&stream),
            libc::IPPROTO_TCP,
            libc::TCP_USER_TIMEOUT,
            (&raw mut bound_ms).cast(),
            &mut length,
        )
    };
    assert_eq!((done, u128::from(bound_ms)), (0, UNACKNOWLEDGED_MAX.as_millis()));
    let facts = TcpFacts::of(&stream).unwrap();
    assert_eq!((facts.unacked, facts.resent), (0, 0));
}

#[tokio::test(flavor = "current_thread")]
async fn a_name_that_cannot_be_looked_up_is_named_and_known_addresses_stand_in_for_it() {
    let (listener, port) = listener().await;
    let dialer = direct();
    let error = dialer.tcp("pressel.invalid", port).await.unwrap_err();
    assert_eq!(error.cause, Cause::Lookup);
    assert!(error.reason.starts_with("look up pressel.invalid: "), "{error}");

    let address = listener.local_addr().unwrap();
    dialer.0.memory.remember("pressel.invalid", &[address], Some(address));
    assert!(dialer.tcp("pressel.invalid", port).await.is_ok());
    drop(listener);
    assert_eq!(dialer.tcp("pressel.invalid", port).await.unwrap_err().cause, Cause::Lookup);
}

#[tokio::test(flavor = "current_thread")]
async fn the_proxy_looks_names_up_and_its_absence_is_its_own_trouble() {
    let (proxy, port) = listener().await;
    let serve = async {
        let (mut stream, _) = proxy.accept().await.unwrap();
        let mut head = [0; 39];
        stream.read_exact(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        (String::from_utf8(head.to_vec()).unwrap(), stream)
    };
    let dialer = by_proxy(port);
    let both = async { tokio::join!(dialer.tcp("pressel.invalid", 443), serve) };
    let (passed, (head, _stream)) = timeout(WAIT, both).await.unwrap();
    assert!(passed.is_ok() && head.starts_with("CONNECT pressel.invalid:443 "), "{head}");
    drop(proxy);
    let error = dialer.tcp("pressel.invalid", 443).await.unwrap_err();
    assert_eq!(error.cause, Cause::Proxy(None));
    assert!(
        error.reason.contains("Connection refused") && error.reason.ends_with("named in [network] proxy")
    );
    // This machine is reached without it.
    let (_own, port) = listener().await;
    assert!(dialer.tcp("127.0.0.1", port).await.is_ok());
}

#[tokio::test(flavor = "current_thread")]
async fn a_proxy_that_cannot_be_understood_is_told_at_each_dial() {
    let settings = Settings { route: Route::Broken("https_proxy: no host".into()), ..Settings::default() };
    let error = Dialer::new(settings).tcp("127.0.0.1", 1).await.unwrap_err();
    assert_eq!((error.cause, error.reason.as_str()), (Cause::Proxy(None), "https_proxy: no host"));
}

/// Answers every connection with `said`.
async fn always(listener: &TcpListener, said: &'static [u8]) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut some = [0; 1024];
        let _ = stream.read(&mut some).await;
        let _ = stream.write_all(said).await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_portal_in_place_of_the_server_is_told_apart_from_a_broken_server() {
    let (server, port) = listener().await;
    let (web, web_port) = listener().await;
    let (_, client) = trust(|_| {});
    let page = b"HTTP/1.1 302 Found\r\nLocation: http://hotel.example/\r\n\r\n";
    let dialer = checked(web_port);
    let error = tokio::select! {
        result = dialer.tls("127.0.0.1", port, &client) => result.err().expect("that was no TLS"),
        () = always(&server, b"HTTP/1.1 200 OK\r\n\r\n") => unreachable!(),
        () = always(&web, page) => unreachable!(),
    };
    assert_eq!(error.cause, Cause::Captive);
    assert!(error.reason.contains("sign in at http://hotel.example/"), "{error}");

    let dialer = checked(web_port);
    let error = tokio::select! {
        result = dialer.tls("127.0.0.1", port, &client) => result.err().expect("that was no TLS"),
        () = always(&server, b"HTTP/1.1 200 OK\r\n\r\n") => unreachable!(),
        () = always(&web, b"HTTP/1.1 204 No Content\r\n\r\n") => unreachable!(),
    };
    assert_eq!(error.cause, Cause::Tls);
    assert!(error.reason.contains("does not speak TLS"), "{error}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_refused_connection_asks_for_a_portal_as_well() {
    let gone = listener().await.1;
    let (web, web_port) = listener().await;
    let dialer = checked(web_port);
    let error = tokio::select! {
        result = dialer.tcp("127.0.0.1", gone) => result.unwrap_err(),
        () = always(&web, b"HTTP/1.1 200 OK\r\n\r\n") => unreachable!(),
    };
    assert_eq!(error.cause, Cause::Captive);
}

#[tokio::test(flavor = "current_thread")]
async fn a_certificate_of_tomorrow_is_the_clock_s_trouble_where_the_clock_is_not_kept_right() {
    let (listener, port) = listener().await;
    let (server, client) = trust(|leaf| {
        leaf.not_before = rcgen::date_time_ymd(2090, 1, 1);
        leaf.not_after = rcgen::date_time_ymd(2091, 1, 1);
    });
    let serve = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let _ = TlsAcceptor::from(server).accept(tcp).await;
    };
    let dialer = direct();
    let both = async { tokio::join!(dialer.tls("127.0.0.1", port, &client), serve) };
    let (result, ()) = timeout(WAIT, both).await.unwrap();
    let error = result.err().expect("it is not valid yet");
    let expected = if Clock::read().may_be_wrong() { Cause::Clock } else { Cause::Tls };
    assert_eq!(error.cause, expected, "{error}");
    assert!(error.reason.contains(&Clock::read().date()), "{error}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_reset_while_hands_are_shaken_is_a_cut_and_not_a_wrong_certificate() {
    let (listener, port) = listener().await;
    let (_, client) = trust(|_| {});
    let serve = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.read_u8().await.unwrap();
        tcp.set_zero_linger().unwrap();
    };
    let dialer = direct();
    let both = async { tokio::join!(dialer.tls("127.0.0.1", port, &client), serve) };
    let (result, ()) = timeout(WAIT, both).await.unwrap();
    assert_eq!(result.err().expect("it was reset").cause, Cause::Cut);
}
