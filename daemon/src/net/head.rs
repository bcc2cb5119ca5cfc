//! The head of an HTTP answer, read without taking a byte of what follows it: enough for a proxy's word and a probe.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Heads of proxies and portals have some hundred bytes.
const LENGTH_MAX: usize = 8 << 10;

/// Status and what else matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// The proxy's ways to log in, as it offers them.
    pub(super) authenticate: Vec<String>,
    /// Where else to go, without its query.
    pub(super) location: Option<String>,
}

/// Reads up to the empty line and no further.
///
/// # Errors
/// What the connection says; `InvalidData` for what is no HTTP.
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Head> {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        let seen = stream.peek(&mut piece).await?;
        if seen == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an answer"));
        }
        // The empty line may lie across two pieces.
        let known = head.len();
        head.extend_from_slice(&piece[..seen]);
        if let Some(at) = head.windows(4).position(|w| w == b"\r\n\r\n") {
            head.truncate(at + 4);
        }
        let taken = head.len() - known;
        stream.read_exact(&mut piece[..taken]).await?;
        if !head.starts_with(&b"HTTP/1."[..head.len().min(7)]) || head.len() > LENGTH_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"));
        }
    }
    parse(&head).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn parse(head: &[u8]) -> Option<Head> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok().filter(|s| (100..600).contains(s))?;
    let mut found = Head { status, ..Head::default() };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("proxy-authenticate") {
            found.authenticate.extend(value.split(' ').next().map(str::to_owned));
        } else if name.eq_ignore_ascii_case("location") {
            let plain = value.split(['?', '#']).next().unwrap_or_default();
            found.location = Some(plain.chars().filter(|c| c.is_ascii_graphic()).take(100).collect());
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nothing_behind_the_head_is_taken_however_it_is_cut() {
        let whole = b"HTTP/1.1 200 Connection established\r\nVia: a\r\n\r\nrest";
        for cut in [3, 20, whole.len() - 7, whole.len() - 5] {
            let (mut client, mut server) = pair().await;
            let write = async {
                server.write_all(&whole[..cut]).await.unwrap();
                tokio::task::yield_now().await;
                server.write_all(&whole[cut..]).await.unwrap();
            };
            let exchange = async {
                let (head, ()) = tokio::join!(read(&mut client), write);
                assert_eq!(head.unwrap(), Head { status: 200, ..Head::default() });
                let mut rest = [0; 4];
                client.read_exact(&mut rest).await.unwrap();
                assert_eq!(&rest, b"rest");
            };
            tokio::time::timeout(std::time::Duration::from_secs(5), exchange)
                .await
                .expect("it comes to an end");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_no_http_is_told_from_what_is_closed() {
        let check = |said: &'static [u8], kind| async move {
            let (mut client, mut server) = pair().await;
            server.write_all(said).await.unwrap();
            drop(server);
            assert_eq!(read(&mut client).await.unwrap_err().kind(), kind, "{said:?}");
        };
        check(b"SSH-2.0-OpenSSH\r\n\r\n", io::ErrorKind::InvalidData).await;
        check(b"HTTP/1.1 OK\r\n\r\n", io::ErrorKind::InvalidData).await;
        check(b"HTTP/1.1 200 OK\r\n", io::ErrorKind::UnexpectedEof).await;
        let long: &[u8] = Box::leak([b"HTTP/1.1 200 OK\r\n".to_vec(), vec![b'x'; 9000]].concat().into());
        check(long, io::ErrorKind::InvalidData).await;
    }

    #[test]
    fn headers_that_matter_are_kept_without_secrets_of_a_portal() {
        let head = parse(
            b"HTTP/1.1 302 Found\r\nLOCATION: http://hotel.example/in?mac=00:11\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
        );
        let expected = Head {
            status: 302,
            authenticate: vec!["Basic".into()],
            location: Some("http://hotel.example/in".into()),
        };
        assert_eq!(head, Some(expected));
    }
}
