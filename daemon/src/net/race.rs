//! Which of a host's addresses answers first (RFC 8305, "Happy Eyeballs"): families in turn, a head start for each, and
//! whoever is through wins. A network whose IPv6 leads nowhere then costs a quarter of a second, not a minute.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::socket;

/// Head start of one address before the next is tried beside it (RFC 8305, 8).
const STAGGER: Duration = Duration::from_millis(250);
/// Bound of one attempt: the first SYN and those that follow after 1 and 3 s.
const ATTEMPT: Duration = Duration::from_secs(5);
/// More addresses of one host are not tried.
const ADDRESSES_MAX: usize = 8;

/// The order to try: families in turn, beginning with the first address's, or with what won the last time.
pub(super) fn order(addresses: &[SocketAddr], won: Option<IpAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.iter().copied().partition(|address| address.is_ipv6() == first_is_v6);
    let mut ordered = Vec::with_capacity(addresses.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = (first.next(), second.next());
        ordered.extend(pair.0);
        ordered.extend(pair.1);
        if pair == (None, None) {
            break;
        }
    }
    if let Some(place) = ordered.iter().position(|address| Some(address.ip()) == won) {
        ordered[..=place].rotate_right(1);
    }
    ordered.truncate(ADDRESSES_MAX);
    ordered
}

/// Connects to whichever of the addresses answers first; the others' attempts are dropped.
///
/// # Errors
/// What each attempt came to, in words that begin with `connect to`.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let mut waiting = addresses.iter().copied();
    let mut running = FuturesUnordered::new();
    let mut failed = Vec::new();
    loop {
        running.extend(waiting.next().map(attempt));
        if running.is_empty() {
            return Err(in_words(&failed));
        }
        // The last one has nobody to make room for, and a bound of its own.
        let head_start = if waiting.len() > 0 { STAGGER } else { ATTEMPT * 2 };
        match timeout(head_start, running.next()).await {
            Ok(Some(Ok(stream))) => return Ok(stream),
            Ok(Some(Err(why))) => failed.push(why), // the next one at once
            Ok(None) | Err(_) => {}
        }
    }
}

async fn attempt(address: SocketAddr) -> Result<TcpStream, (SocketAddr, String)> {
    let connecting = async {
        let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
        socket::prepare(&socket)?;
        socket.connect(address).await
    };
    match timeout(ATTEMPT, connecting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err((address, words(&error))),
        Err(_) => Err((address, format!("no answer in {} s", ATTEMPT.as_secs()))),
    }
}

fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENETUNREACH) => "there is no way to that network".to_owned(),
        _ => error.to_string(),
    }
}

/// `connect to A: refused; to B: no answer`. Addresses that came to the same are told together.
fn in_words(failed: &[(SocketAddr, String)]) -> String {
    let mut told: Vec<(String, &str)> = Vec::new();
    for (address, why) in failed {
        match told.iter_mut().find(|(_, known)| known == why) {
            Some((addresses, _)) => {
                addresses.push_str(", ");
                addresses.push_str(&address.to_string());
            }
            None => told.push((address.to_string(), why)),
        }
    }
    let told: Vec<String> = told.iter().map(|(addresses, why)| format!("to {addresses}: {why}")).collect();
    format!("connect {}", told.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use tokio::net::TcpListener;

    fn all(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_what_won_before_comes_first() {
        let found =
            all(&["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "192.0.2.1:1", "192.0.2.2:1"]);
        let turns =
            all(&["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "192.0.2.2:1", "[2001:db8::3]:1"]);
        assert_eq!(order(&found, None), turns);
        let won = order(&found, Some("192.0.2.2".parse().unwrap()));
        let expected =
            all(&["192.0.2.2:1", "[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "[2001:db8::3]:1"]);
        assert_eq!(won, expected);
        assert_eq!(order(&found, Some("192.0.2.9".parse().unwrap())), turns);
        assert_eq!(order(&[], None), []);
    }

    /// A listener whose queue is full: the kernel answers no SYN any more, as a network that swallows them.
    async fn black_hole(address: &str) -> (TcpListener, Vec<TcpStream>) {
        let socket =
            if address.starts_with('[') { TcpSocket::new_v6() } else { TcpSocket::new_v4() }.unwrap();
        socket.bind(address.parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let mut held = Vec::new();
        loop {
            let connecting = TcpStream::connect(listener.local_addr().unwrap());
            match timeout(Duration::from_millis(100), connecting).await {
                Ok(stream) => held.push(stream.unwrap()),
                Err(_) => return (listener, held),
            }
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_ipv6_that_swallows_everything_costs_its_head_start() {
        let (hole, _held) = black_hole("[::1]:0").await;
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let began = Instant::now();
        let addresses = [hole.local_addr().unwrap(), server.local_addr().unwrap()];
        let stream = connect(&addresses).await.unwrap();
        assert!(stream.peer_addr().unwrap().is_ipv4());
        let took = began.elapsed();
        assert!(took >= STAGGER && took < STAGGER * 3, "{took:?}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_slow_first_still_wins_over_a_second_that_is_slower() {
        // Both swallow; the first is freed by its listener taking a connection.
        let (first, held) = black_hole("127.0.0.1:0").await;
        let (second, _kept) = black_hole("[::1]:0").await;
        let addresses = [first.local_addr().unwrap(), second.local_addr().unwrap()];
        let free = async {
            drop(held);
            loop {
                first.accept().await.unwrap();
            }
        };
        let stream = tokio::select! {
            stream = connect(&addresses) => stream.unwrap(),
            () = free => unreachable!("it accepts for ever"),
        };
        assert!(stream.peer_addr().unwrap().is_ipv4());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_refusal_makes_way_at_once_and_all_are_told() {
        let gone = |address| async move { TcpListener::bind(address).await.unwrap().local_addr().unwrap() };
        let (a, b) = (gone("127.0.0.1:0").await, gone("[::1]:0").await);
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let began = Instant::now();
        assert!(connect(&[a, b, server.local_addr().unwrap()]).await.is_ok());
        assert!(began.elapsed() < STAGGER, "{:?}", began.elapsed());
        let words = connect(&[a, b]).await.unwrap_err();
        assert!(words.starts_with(&format!("connect to {a}, {b}: Connection refused")), "{words}");
    }
}
