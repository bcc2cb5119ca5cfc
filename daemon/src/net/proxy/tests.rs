use std::os::unix::fs::PermissionsExt;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;

fn proxy(url: &str) -> Proxy {
    Proxy::new(url, None, "", "[network] proxy").unwrap()
}

/// What a proxy that says `answer` makes of us, and what it was asked.
async fn asked(proxy: &Proxy, answer: &'static [u8]) -> (Result<TcpStream, DialError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer).await.unwrap();
        String::from_utf8(head).unwrap()
    };
    tokio::join!(proxy.pass(tcp, "live.example", 443), serve)
}

async fn refused(proxy: &Proxy, answer: &'static [u8]) -> DialError {
    asked(proxy, answer).await.0.expect_err("it refuses")
}

#[tokio::test(flavor = "current_thread")]
async fn it_is_asked_by_name_and_nothing_behind_its_word_is_lost() {
    let answer = b"HTTP/1.1 200 Connection established\r\n\r\nhello";
    let (passed, head) = asked(&proxy("http://proxy:3128"), answer).await;
    assert_eq!(head, "CONNECT live.example:443 HTTP/1.1\r\nHost: live.example:443\r\n\r\n");
    let mut first = [0; 5];
    passed.unwrap().read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"hello");
}

#[tokio::test(flavor = "current_thread")]
async fn user_and_password_go_into_one_header_and_the_file_wins() {
    let ok = b"HTTP/1.1 200 OK\r\n\r\n";
    let (_, head) = asked(&proxy("http://Aladdin:open%20sesame@proxy:1"), ok).await;
    // The example of RFC 7617, 2.
    assert!(head.contains("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "{head}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "open sesame\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let with_file = Proxy::new("http://Aladdin@proxy:1", Some(path.clone()), "", "[network] proxy").unwrap();
    assert!(asked(&with_file, ok).await.1.contains("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));

    std::fs::remove_file(&path).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let error = with_file.pass(tcp, "live.example", 443).await.unwrap_err();
    assert_eq!(error.cause, Cause::Proxy(None));
    assert!(error.reason.starts_with("proxy proxy:1: its password in /"), "{error}");
}

#[tokio::test(flavor = "current_thread")]
async fn each_refusal_says_what_to_do_and_shows_no_password() {
    let (plain, with_user) = (proxy("http://proxy:1"), proxy("http://me:s3cret@proxy:1"));
    let check = |proxy: Proxy, answer: &'static [u8], status: Option<u16>, part: &'static str| async move {
        let error = refused(&proxy, answer).await;
        assert_eq!(error.cause, Cause::Proxy(status), "{error}");
        assert!(error.reason.starts_with("proxy proxy:1: ") && error.reason.contains(part), "{error}");
        assert!(!format!("{error} {error:?} {proxy:?}").contains("s3cret"));
    };
    let wants = b"HTTP/1.1 407 Log in\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n";
    check(plain.clone(), wants, Some(407), "wants a user and a password").await;
    check(with_user, wants, Some(407), "does not take this user").await;
    let other = b"HTTP/1.1 407 Log in\r\nproxy-authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n";
    check(plain.clone(), other, Some(407), "by NTLM, Negotiate").await;
    check(plain.clone(), b"HTTP/1.1 403 No\r\n\r\n", Some(403), "through to live.example:443").await;
    check(plain.clone(), b"HTTP/1.1 502 Bad\r\n\r\n", Some(502), "cannot reach live.example:443 itself")
        .await;
    check(plain.clone(), b"HTTP/1.1 400 Bad\r\n\r\n", Some(400), "is it a proxy for HTTPS?").await;
    check(plain.clone(), b"\x15\x03\x01\x00\x02\x02\x28", None, "its port for plain HTTP?").await;
}

#[test]
fn exceptions_are_names_with_what_is_below_networks_and_this_machine() {
    let with = |list| Proxy::new("proxy:1", None, list, "no_proxy").unwrap();
    let check = |list, host: &str, left_out| {
        assert_eq!(with(list).leaves_out(host, 443), left_out, "{host} in \"{list}\"");
    };
    check("", "example.org", false);
    for own in ["localhost", "127.0.0.1", "::1", "169.254.169.254", "fe80::1", "metadata.google.internal"] {
        check("", own, true);
    }
    check("example.org", "example.org", true);
    check("example.org", "api.EXAMPLE.org.", true);
    check("example.org", "notexample.org", false);
    check(" .example.net, *.example.org", "a.example.org", true);
    check("example.org:443", "example.org", true);
    check("example.org:80", "example.org", false);
    check("*", "example.org", true);
    check("10.0.0.0/8", "10.1.2.3", true);
    check("10.0.0.0/8", "11.1.2.3", false);
    check("192.0.2.7", "192.0.2.7", true);
    check("192.0.2.7", "192.0.2.70", false);
    check("2001:db8::/32", "2001:db8:1::1", true);
    check("2001:db8::/32", "10.0.0.1", false);
    check("10.0.0.0/8", "10.example.org", false);
}

#[test]
fn urls_that_are_none_are_told_without_their_password() {
    let why = Proxy::new("https://me:s3cret@proxy", None, "", "https_proxy").unwrap_err();
    assert_eq!(why, "https_proxy: only http:// is spoken to it; allowed: http://[user@]host:port");
}
