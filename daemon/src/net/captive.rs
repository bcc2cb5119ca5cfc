//! A network that wants a person to sign in first answers for everybody, with its own page. A web address that is known
//! to answer "204 No Content" tells: any other answer is the portal's.
//!
//! It is asked only after a link failed in a way that fits, and seldom: the answer holds for a while.

use std::fmt;
use std::future::Future;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::head::{self, Head};
use super::url::HttpUrl;

/// Bound of the whole probe: a dial that failed waits for it.
const PROBE: Duration = Duration::from_secs(2);
/// How long an answer holds; a portal is asked sooner, since somebody may sign in at any time.
const FINE_FOR: Duration = Duration::from_secs(60);
const CAPTIVE_FOR: Duration = Duration::from_secs(4);

/// The web address that tells, and what it told last.
pub(super) struct Check {
    url: HttpUrl,
    last: Mutex<Option<(Instant, Answer)>>,
}

/// What is known of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// No portal, or nobody could tell.
    Fine,
    /// A portal, in words.
    Captive(String),
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({})", self.url.place())
    }
}

impl Check {
    pub(super) fn new(url: HttpUrl) -> Self {
        Check { url, last: Mutex::default() }
    }

    pub(super) fn host(&self) -> &str {
        &self.url.host
    }

    /// Asks, or remembers. `connect` opens the connection.
    pub(super) async fn ask<F>(&self, connect: impl FnOnce(String, u16) -> F) -> Answer
    where
        F: Future<Output = Option<TcpStream>>,
    {
        if let Some(answer) = self.known(Instant::now()) {
            return answer;
        }
        let probe = async {
            let mut tcp = connect(self.url.host.clone(), self.url.port).await?;
            let (path, place) = (&self.url.path, self.url.place());
            // Nothing about the device: the address tells what it is about by itself.
            let request = format!("GET {path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n");
            tcp.write_all(request.as_bytes()).await.ok()?;
            head::read(&mut tcp).await.ok()
        };
        let answer = match timeout(PROBE, probe).await {
            Ok(Some(head)) => judge(&head),
            // Nothing gets through: that is no portal.
            Ok(None) | Err(_) => Answer::Fine,
        };
        *self.lock() = Some((Instant::now(), answer.clone()));
        answer
    }

    fn known(&self, now: Instant) -> Option<Answer> {
        let last = self.lock();
        let (at, answer) = last.as_ref()?;
        let holds = if *answer == Answer::Fine { FINE_FOR } else { CAPTIVE_FOR };
        (now.saturating_duration_since(*at) < holds).then(|| answer.clone())
    }

    /// What was told holds no more: a link came up, or the network changed.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Answer)>> {
        self.last.lock().expect("nothing panics while it is held")
    }
}

fn judge(head: &Head) -> Answer {
    match (head.status, &head.location) {
        (204, _) => Answer::Fine,
        // A server error may be the address's own.
        (status @ (500..=510 | 512..), _) => {
            tracing::debug!(status, "the captive check's address has trouble of its own");
            Answer::Fine
        }
        (_, Some(location)) => Answer::Captive(format!(
            "the network wants somebody to sign in at {location}: open any page with a phone in the same network, or \
             use another network"
        )),
        (status, None) => Answer::Captive(format!(
            "the network wants somebody to sign in (it answers {status} for everybody): open any page with a phone \
             in the same network, or use another network"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn asked(answer: &'static [u8]) -> (Answer, Check) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/generate_204", listener.local_addr().unwrap());
        let check = Check::new(HttpUrl::parse(&url).unwrap_or_else(|why| panic!("{why}")));
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 512];
            let length = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /generate_204 HTTP/1.1\r\nHost: 127.0.0.1:"));
            stream.write_all(answer).await.unwrap();
        };
        let connect = |host: String, port| async move { TcpStream::connect((host, port)).await.ok() };
        let (told, ()) = tokio::join!(check.ask(connect), serve);
        (told, check)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn only_what_answers_otherwise_is_a_portal() {
        let check = |answer, expected: Option<&'static str>| async move {
            match (asked(answer).await.0, expected) {
                (Answer::Fine, None) => {}
                (Answer::Captive(words), Some(part)) => assert!(words.contains(part), "{words}"),
                (got, expected) => panic!("{got:?}, expected {expected:?}"),
            }
        };
        check(b"HTTP/1.1 204 No Content\r\n\r\n", None).await;
        check(b"HTTP/1.1 503 Busy\r\n\r\n", None).await;
        check(b"SSH-2.0\r\n\r\n", None).await;
        check(b"HTTP/1.1 200 OK\r\n\r\n<html>", Some("answers 200")).await;
        check(b"HTTP/1.1 511 Network Authentication Required\r\n\r\n", Some("511")).await;
        let moved = b"HTTP/1.1 302 Found\r\nLocation: http://hotel.example/in?mac=1\r\n\r\n";
        check(moved, Some("sign in at http://hotel.example/in:")).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_answer_holds_for_a_while_and_a_portal_s_for_less() {
        let never = |_: String, _: u16| async { panic!("it asks again") };
        let (fine, check) = asked(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(check.ask(never).await, fine);
        assert_eq!(check.known(Instant::now() + FINE_FOR), None);
        check.forget();
        assert_eq!(check.known(Instant::now()), None);
        let (captive, check) = asked(b"HTTP/1.1 200 OK\r\n\r\n").await;
        assert_eq!(check.known(Instant::now()), Some(captive));
        assert_eq!(check.known(Instant::now() + CAPTIVE_FOR), None);
    }
}
