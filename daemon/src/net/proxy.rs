//! A proxy that passes connections through: HTTP CONNECT (RFC 9110, 9.3.6) with basic authentication (RFC 7617).
//!
//! It looks the name up itself, so a device behind it needs no name server. What is on this machine or its own wire is
//! never asked of it.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pressel_live::event::Cause;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::head::{self, Head};
use super::url::{HttpUrl, place};
use super::{DialError, password};

/// It may first look the name up and try some addresses.
const ANSWER: Duration = Duration::from_secs(15);

/// Where a proxy is and who we are to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: HttpUrl,
    password_file: Option<PathBuf>,
    bypass: Bypass,
    /// Which setting names it.
    origin: &'static str,
}

/// It shows no password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}, from {})", self.place(), self.origin)
    }
}

impl Proxy {
    /// Takes a proxy's URL; `password_file` is read at each connection, `no_proxy` lists who is reached without it and
    /// `origin` names the setting.
    ///
    /// # Errors
    /// What is wrong with the URL; quotes none of it.
    pub fn new(
        url: &str,
        password_file: Option<PathBuf>,
        no_proxy: &str,
        origin: &'static str,
    ) -> Result<Self, String> {
        let wrong = |why: &str| format!("{origin}: {why}; allowed: http://[user@]host:port");
        let url = HttpUrl::parse(url).map_err(wrong)?;
        Ok(Proxy { url, password_file, bypass: Bypass::parse(no_proxy), origin })
    }

    /// `host:port`.
    pub fn place(&self) -> String {
        self.url.place()
    }

    pub(super) fn host(&self) -> &str {
        &self.url.host
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port
    }

    /// The setting that names it.
    pub fn origin(&self) -> &'static str {
        self.origin
    }

    /// Whether this host is reached without it.
    pub fn leaves_out(&self, host: &str, port: u16) -> bool {
        self.bypass.holds(host, port)
    }

    /// Asks it for a connection to a host.
    ///
    /// # Errors
    /// [`Cause::Proxy`], with its status if it gave one.
    pub(super) async fn pass(
        &self,
        mut tcp: TcpStream,
        host: &str,
        port: u16,
    ) -> Result<TcpStream, DialError> {
        let target = place(host, port);
        let login = self.login()?;
        let failed = |why: String| DialError::new(Cause::Proxy(None), self.step(), why);
        let mut request = Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"));
        if let Some(login) = &login {
            request.push_str("Proxy-Authorization: Basic ");
            request.push_str(login);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        let asking = async {
            tcp.write_all(request.as_bytes()).await?;
            head::read(&mut tcp).await
        };
        let head = timeout(ANSWER, asking)
            .await
            .map_err(|_| failed(format!("no answer in {} s; is it a proxy?", ANSWER.as_secs())))?
            .map_err(|error| failed(broken(&error)))?;
        match head.status {
            200..=299 => Ok(tcp),
            status => {
                let cause = Cause::Proxy(Some(status));
                Err(DialError::new(cause, self.step(), self.refusal(&head, &target, login.is_some())))
            }
        }
    }

    pub(super) fn step(&self) -> String {
        format!("proxy {}", self.place())
    }

    /// User and password as the header wants them; `None` without a user.
    fn login(&self) -> Result<Option<Zeroizing<String>>, DialError> {
        let Some((user, password)) = &self.url.user else { return Ok(None) };
        let from_file = match &self.password_file {
            Some(path) => Some(password::read(path).map_err(|why| {
                DialError::new(Cause::Proxy(None), self.step(), format_args!("its password in {why}"))
            })?),
            None => None,
        };
        let password = from_file.as_ref().or(password.as_ref()).map_or("", |password| password.as_str());
        let mut both = Zeroizing::new(String::with_capacity(user.len() + password.len() + 1));
        both.push_str(user);
        both.push(':');
        both.push_str(password);
        Ok(Some(Zeroizing::new(STANDARD.encode(both.as_bytes()))))
    }

    /// What a refusal means and what to do.
    fn refusal(&self, head: &Head, target: &str, logged_in: bool) -> String {
        let status = head.status;
        let basic =
            head.authenticate.is_empty() || head.authenticate.iter().any(|w| w.eq_ignore_ascii_case("basic"));
        let origin = self.origin;
        match status {
            407 if !basic => {
                let ways = head.authenticate.join(", ");
                format!(
                    "it wants a log-in by {ways} (407), and only Basic is spoken here; ask its administrator to let \
                     this device through"
                )
            }
            407 if logged_in => format!(
                "it does not take this user and password (407); look at {origin} and the password's file"
            ),
            407 => format!(
                "it wants a user and a password (407); put the user into {origin} and the password into a file of \
                 [network] proxy_password_file"
            ),
            403 | 405 => format!(
                "it does not let this device through to {target} ({status}); its administrator must allow that"
            ),
            502..=504 => format!("it cannot reach {target} itself ({status})"),
            _ => format!("it does not pass a connection to {target} ({status}); is it a proxy for HTTPS?"),
        }
    }
}

fn broken(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidData => format!("{error}; is it a proxy, and this its port for plain HTTP?"),
        _ => error.to_string(),
    }
}

/// Who is reached without the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bypass(Vec<Exception>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    Everybody,
    /// A name and all below it, perhaps at one port only.
    Name(String, Option<u16>),
    /// Addresses whose first bits are these.
    Network(IpAddr, u32),
}

impl Bypass {
    /// Reads what `no_proxy` holds in most programs: names with what is below them, addresses, networks, `*`.
    fn parse(list: &str) -> Self {
        let words = list.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
        Bypass(words.map(Exception::parse).collect())
    }

    fn holds(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        let own = match address {
            // The second is the link's own: a cloud's metadata server (169.254.169.254) knows no proxy.
            Some(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
            Some(IpAddr::V6(address)) => address.is_loopback() || address.segments()[0] & 0xffc0 == 0xfe80,
            None => host == "localhost" || host.ends_with(".localhost") || host == "metadata.google.internal",
        };
        own || self.0.iter().any(|exception| match exception {
            Exception::Everybody => true,
            Exception::Network(network, bits) => address.is_some_and(|a| begins_alike(a, *network, *bits)),
            Exception::Name(name, only) => {
                let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                address.is_none() && (host == *name || below) && only.is_none_or(|only| only == port)
            }
        })
    }
}

impl Exception {
    fn parse(word: &str) -> Self {
        if word == "*" {
            return Exception::Everybody;
        }
        let (network, bits) = match word.split_once('/') {
            Some((network, bits)) => (network, bits.parse().ok()),
            None => (word, Some(128)),
        };
        let network = network.trim_start_matches('[').trim_end_matches(']');
        if let (Ok(address), Some(bits)) = (network.parse(), bits) {
            return Exception::Network(address, bits);
        }
        let (name, port) = match word.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
            Some((name, Ok(port))) => (name, Some(port)),
            _ => (word, None),
        };
        let name = name.trim_start_matches('*').trim_matches('.').to_ascii_lowercase();
        Exception::Name(name, port)
    }
}

fn begins_alike(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let differ = u32::from(one) ^ u32::from(other);
            differ.leading_zeros() >= bits.min(32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let differ = u128::from(one) ^ u128::from(other);
            differ.leading_zeros() >= bits.min(128)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
