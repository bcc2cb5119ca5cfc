use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;

const WITHIN: Duration = Duration::from_secs(5);

/// Answers one request with these bytes; gives what was asked.
fn server(answer: &'static [u8]) -> (Url, JoinHandle<String>) {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/token?device=7", listener.local_addr().unwrap())).unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut piece = [0; 1024];
        loop {
            let count = stream.read(&mut piece).unwrap();
            asked.extend_from_slice(&piece[..count]);
            let text = String::from_utf8_lossy(&asked);
            let body = text
                .split_once("\r\n\r\n")
                .map(|(head, body)| (head.contains("content-length: 4"), body.len()));
            if count == 0 || body.is_some_and(|(long, length)| !long || length == 4) {
                break;
            }
        }
        // The client may have hung up already.
        let _ = stream.write_all(answer);
        String::from_utf8(asked).unwrap()
    });
    (url, thread)
}

async fn ask(url: Url, body: &[u8], within: Duration) -> Result<Answer, HttpError> {
    let http = Http::new(Dialer::new(super::super::Settings::default()), crate::tls::client(None).unwrap());
    let mut secret = HeaderValue::from_static("Bearer hush");
    secret.set_sensitive(true);
    let headers = vec![(hyper::header::AUTHORIZATION, secret)];
    let method = if body.is_empty() { Method::GET } else { Method::POST };
    let request = Request { method, url, headers, body: body.to_vec().into(), within, answer_max: 100 };
    assert!(!format!("{request:?}").contains("hush"));
    http.ask(request).await
}

#[tokio::test]
async fn what_is_asked_arrives_and_the_answer_comes_back() {
    let (url, server) =
        server(b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n");
    let host = url.authority().to_str().unwrap().to_owned();
    let answer = ask(url, b"body", WITHIN).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (403, b"no".as_slice()));
    let asked = server.join().unwrap();
    assert!(asked.starts_with("POST /token?device=7 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("host: {host}\r\n")) && asked.ends_with("\r\n\r\nbody"), "{asked}");
    assert!(asked.contains("authorization: Bearer hush\r\n"), "{asked}");
}

#[tokio::test]
async fn what_is_no_good_answer_is_an_error_that_says_so() {
    async fn check(answer: &'static [u8], expected: &str) {
        let (url, server) = server(answer);
        let error = ask(url, b"", WITHIN).await.err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("device=7") && !error.contains("hush"), "{error}");
        server.join().unwrap();
    }
    check(
        b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
        "redirects (302)",
    )
    .await;
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", "longer than 100 bytes").await;
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", "broke off").await;
    check(b"220 smtp.example ESMTP\r\n", "broke off").await;
    check(b"", "broke off").await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let within = Duration::from_millis(50);
    assert_eq!(ask(url, b"", within).await.err(), Some(HttpError::Late(within)));
}
