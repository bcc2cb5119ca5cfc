use std::net::SocketAddr;

use pressel_live::event::Cause;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;

use super::*;
use crate::config::{Backend, Config};
use crate::net::Settings;

fn way(address: SocketAddr) -> Way {
    Way {
        dialer: Dialer::new(Settings::default()),
        endpoint: Endpoint::parse(&format!("ws://{address}"), "v1beta").expect("a loopback address"),
        tls: crate::tls::client(None).unwrap(),
        credential: None,
    }
}

fn wire(address: SocketAddr) -> Wire {
    Wire::new(way(address))
}

/// A credential as this configuration has it.
fn credential(change: impl FnOnce(&mut Config)) -> Option<Arc<Credential>> {
    let mut config = Config::default();
    change(&mut config);
    Some(Arc::new(Credential::find(&config).unwrap()))
}

/// A file that only its owner reads.
fn secret_file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_that_is_not_there_is_named_with_its_address() {
    let (listener, address) = listener().await;
    drop(listener);
    let mut wire = wire(address);
    wire.dial(1);
    let news = wire.next().await;
    let LinkInput::Failed { cause: Cause::Connect, reason } = news.input else { panic!("{:?}", news.input) };
    assert!(reason.starts_with(&format!("connect to {address}: ")), "{reason}");
    assert_eq!(news.link, 1);
}

#[tokio::test(flavor = "current_thread")]
async fn the_key_is_in_the_header_and_nowhere_else_and_a_refusal_keeps_its_status_and_words() {
    let (listener, address) = listener().await;
    let file = secret_file("secret-key\n");
    let credential = credential(|config| config.live.key_file = file.path().to_str().unwrap().into());
    let mut wire = Wire::new(Way { credential, ..way(address) });
    wire.dial(7);
    let (mut stream, _) = listener.accept().await.unwrap();
    let head = request(&mut stream).await;
    assert!(head.to_lowercase().contains("\r\nx-goog-api-key: secret-key\r\n"), "{head}");
    assert!(!head.lines().next().unwrap().contains("secret"), "{head}");
    stream.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 11\r\n\r\ntry   later").await.unwrap();
    let LinkInput::Failed { cause, reason } = wire.next().await.input else { panic!("it opened") };
    assert_eq!(cause, Cause::Http(503));
    assert!(reason.contains("503") && !reason.contains("secret"), "{reason}");
}

#[tokio::test(flavor = "current_thread")]
async fn messages_pass_both_ways_text_or_binary_and_a_close_keeps_its_code_and_reason() {
    let (listener, address) = listener().await;
    let mut wire = wire(address);
    wire.dial(1);
    let mut server = accept_async(listener.accept().await.unwrap().0).await.unwrap();
    assert_eq!(wire.next().await.input, LinkInput::Opened);
    wire.send(1, "{\"setup\":{}}".into());
    assert_eq!(server.next().await.unwrap().unwrap().into_text().unwrap().as_str(), "{\"setup\":{}}");
    server.send(Message::text("a")).await.unwrap();
    server.send(Message::binary(b"b".to_vec())).await.unwrap();
    assert_eq!(wire.next().await.input, LinkInput::Message(b"a".to_vec()));
    assert_eq!(wire.next().await.input, LinkInput::Message(b"b".to_vec()));
    let frame = CloseFrame { code: 1011.into(), reason: "out of order".into() };
    server.close(Some(frame)).await.unwrap();
    let closed = LinkInput::Closed { code: 1011, reason: "out of order".into() };
    assert_eq!(wire.next().await.input, closed);
    assert_eq!(wire.traffic().bytes_up.load(Relaxed), 12);
    assert_eq!(wire.traffic().messages_down.load(Relaxed), 2);
}

#[tokio::test(flavor = "current_thread")]
async fn our_close_says_its_code_after_what_was_queued() {
    let (listener, address) = listener().await;
    let mut wire = wire(address);
    wire.dial(1);
    let mut server = accept_async(listener.accept().await.unwrap().0).await.unwrap();
    assert_eq!(wire.next().await.input, LinkInput::Opened);
    wire.send(1, "last words".into());
    wire.close(1, 1000);
    assert_eq!(server.next().await.unwrap().unwrap().into_text().unwrap().as_str(), "last words");
    let Message::Close(Some(frame)) = server.next().await.unwrap().unwrap() else { panic!("no close frame") };
    assert_eq!(u16::from(frame.code), 1000);
    assert!(wire.is_busy());
    assert!(matches!(wire.next().await.input, LinkInput::Closed { .. }));
}

#[tokio::test(flavor = "current_thread")]
async fn a_dial_that_is_closed_before_it_opens_is_given_up() {
    let (listener, address) = listener().await;
    let mut wire = wire(address);
    wire.dial(1);
    let (mut stream, _) = listener.accept().await.unwrap();
    request(&mut stream).await; // and no answer
    wire.close(1, 1000);
    let LinkInput::Closed { code, .. } = wire.next().await.input else { panic!("it opened") };
    assert_eq!(code, ABNORMAL);
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0, "the socket is gone");
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_that_reads_nothing_any_more_is_a_dead_link_not_a_growing_queue() {
    let (listener, address) = listener().await;
    let mut wire = wire(address);
    wire.dial(1);
    let _server = accept_async(listener.accept().await.unwrap().0).await.unwrap();
    assert_eq!(wire.next().await.input, LinkInput::Opened);
    let large = "x".repeat(16 << 10);
    for _ in 0..OUT_MAX * 2 {
        wire.send(1, large.clone());
    }
    let LinkInput::Closed { code, reason } = wire.next().await.input else { panic!("it goes on") };
    assert_eq!(code, ABNORMAL);
    assert!(reason.starts_with("nothing got through for too long: 0 segments"), "{reason}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_token_that_is_refused_is_fetched_once_more_and_no_more() {
    let (listener, address) = listener().await;
    let counter = tempfile::tempdir().unwrap();
    let count = counter.path().join("n").display().to_string();
    // Another token each time: auth_tokens/x, auth_tokens/xx, ...
    let script = format!("printf x >> {count}; printf auth_tokens/; cat {count}");
    let credential = credential(|config| {
        config.live.backend = Backend::Token;
        config.token.command = ["/bin/sh", "-c", &script].map(str::to_owned).to_vec();
    });
    let mut wire = Wire::new(Way { credential, ..way(address) });
    wire.dial(1);
    for expected in ["x", "xx"] {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = request(&mut stream).await.to_lowercase();
        assert!(head.contains(&format!("\r\nauthorization: token auth_tokens/{expected}\r\n")), "{head}");
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
    }
    let LinkInput::Failed { cause, reason } = wire.next().await.input else { panic!("it opened") };
    assert_eq!(cause, Cause::Http(401));
    assert!(reason.contains("token command /bin/sh") && !reason.contains("auth_tokens/"), "{reason}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_credential_that_only_a_person_can_mend_ends_the_dial_at_once() {
    let (_listener, address) = listener().await;
    let file = secret_file("AIzaNoToken");
    let credential = credential(|config| {
        config.live.backend = Backend::Token;
        config.token.file = file.path().to_str().unwrap().into();
    });
    // A server that never answers the handshake: nobody waits for that.
    let endpoint = Endpoint::parse(&format!("wss://{address}"), "v1beta").unwrap();
    let mut wire = Wire::new(Way { credential, endpoint, ..way(address) });
    let dialled = Instant::now();
    wire.dial(1);
    let LinkInput::Failed { cause, reason } = wire.next().await.input else { panic!("it opened") };
    assert_eq!(cause, Cause::Credential { fatal: true });
    assert!(dialled.elapsed() < Duration::from_secs(5), "it waited for the handshake");
    assert!(reason.contains("holds an API key") && !reason.contains("AIzaNoToken"), "{reason}");
}

#[tokio::test(flavor = "current_thread")]
async fn where_neither_gets_through_the_network_is_told() {
    let (listener, address) = listener().await;
    drop(listener);
    let credential = credential(|config| {
        config.live.backend = Backend::Token;
        config.token.file = "/nowhere/token".into();
    });
    let mut wire = Wire::new(Way { credential, ..way(address) });
    wire.dial(1);
    let LinkInput::Failed { cause, .. } = wire.next().await.input else { panic!("it opened") };
    assert_eq!(cause, Cause::Connect);
}

/// A link to a server of the test's own, and that server's side of the socket.
async fn linked() -> (Wire, tokio_tungstenite::WebSocketStream<TcpStream>, SocketAddr) {
    let (listener, address) = listener().await;
    let mut wire = wire(address);
    wire.dial(1);
    let server = accept_async(listener.accept().await.unwrap().0).await.unwrap();
    assert_eq!(wire.next().await.input, LinkInput::Opened);
    (wire, server, address)
}

#[tokio::test(flavor = "current_thread")]
async fn a_reset_in_mid_sentence_is_told_at_once() {
    let (mut wire, server, _) = linked().await;
    wire.send(1, "half a sen".into());
    server.get_ref().set_zero_linger().unwrap();
    let at = Instant::now();
    drop(server);
    let news = wire.next().await;
    let LinkInput::Closed { code: ABNORMAL, reason } = news.input else { panic!("{:?}", news.input) };
    assert!(reason.contains("reset"), "{reason}");
    assert!(at.elapsed() < Duration::from_millis(20), "{:?}", at.elapsed());
}

#[tokio::test(flavor = "current_thread")]
async fn a_close_frame_in_front_of_a_reset_is_still_read() {
    let (mut wire, mut server, _) = linked().await;
    let frame = CloseFrame { code: 1011.into(), reason: "Internal error".into() };
    server.send(Message::Close(Some(frame))).await.unwrap();
    server.get_ref().set_zero_linger().unwrap();
    drop(server);
    for _ in 0..20 {
        wire.send(1, "words".into());
    }
    let closed = LinkInput::Closed { code: 1011, reason: "Internal error".into() };
    assert_eq!(wire.next().await.input, closed);
}

#[tokio::test(flavor = "current_thread")]
async fn a_frame_as_large_as_the_bound_passes_and_a_larger_one_ends_the_link_before_it_is_read() {
    let (mut wire, mut server, _) = linked().await;
    let large = Message::binary(vec![b'x'; 16 << 20]);
    let (sent, news) = tokio::join!(server.send(large), wire.next());
    sent.unwrap();
    assert!(matches!(news.input, LinkInput::Message(bytes) if bytes.len() == 16 << 20));
    // A binary frame of a terabyte (RFC 6455, 5.2): only its head is ever sent.
    let head = [[0x82, 127].as_slice(), &(1u64 << 40).to_be_bytes()].concat();
    server.get_mut().write_all(&head).await.unwrap();
    let LinkInput::Closed { code: ABNORMAL, reason } = wire.next().await.input else { panic!("it goes on") };
    assert!(reason.to_lowercase().contains("too long") || reason.contains("Space limit"), "{reason}");
}

#[tokio::test(flavor = "current_thread")]
async fn garbage_in_place_of_frames_ends_the_link_with_words() {
    let (mut wire, mut server, _) = linked().await;
    server.get_mut().write_all(&[0xff; 64]).await.unwrap();
    let LinkInput::Closed { code: ABNORMAL, reason } = wire.next().await.input else { panic!("it goes on") };
    assert!(!reason.is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn the_socket_of_a_link_can_be_looked_at_while_it_is_open() {
    let (mut wire, server, address) = linked().await;
    let known = wire.transport().unwrap();
    assert!(!known.tls_resumed && known.tcp.last_ack < Duration::from_secs(5), "{known:?}");
    wire.address_gone([192, 0, 2, 1].into());
    wire.address_gone(address.ip());
    let LinkInput::Closed { code: ABNORMAL, reason } = wire.next().await.input else { panic!("it goes on") };
    assert_eq!(reason, "the device lost its address 127.0.0.1");
    drop(server);
    while wire.is_busy() {
        wire.next().await;
    }
    assert_eq!(wire.transport(), None);
}

/// Takes the network away under a link that is up. The kernel itself must notice: nobody reads or writes on the other
/// side, and no packet arrives any more.
#[test]
fn a_half_open_link_is_noticed_by_what_it_does_not_acknowledge() {
    const INSIDE: &str = "PRESSEL_TEST_NAMESPACE";
    let unshare = || {
        let mut command = std::process::Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net"]);
        command
    };
    let lo = |state: &str| {
        let done = std::process::Command::new("ip").args(["link", "set", "lo", state]).status();
        assert!(done.is_ok_and(|status| status.success()));
    };
    if std::env::var_os(INSIDE).is_none() {
        if !unshare().args(["ip", "link", "set", "lo", "up"]).status().is_ok_and(|s| s.success()) {
            eprintln!("no network namespace is granted here");
            return;
        }
        let mut inside = unshare();
        inside.arg(std::env::current_exe().unwrap()).env(INSIDE, "1");
        inside.args(["--exact", "wire::tests::a_half_open_link_is_noticed_by_what_it_does_not_acknowledge"]);
        let output = inside.args(["--nocapture"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    lo("up");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut wire, _server, _) = linked().await;
        lo("down");
        let at = Instant::now();
        wire.send(1, "is anybody there?".into());
        let news = wire.next().await;
        let LinkInput::Closed { code: ABNORMAL, reason } = news.input else { panic!("{:?}", news.input) };
        let took = at.elapsed();
        assert!(took > UNACKNOWLEDGED_MAX / 2 && took < Duration::from_secs(10), "{took:?}");
        assert!(
            reason.contains("nothing was acknowledged for 8 s: ") && reason.contains("sent again"),
            "{reason}"
        );
    });
}
