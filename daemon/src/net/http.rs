//! One small HTTP/1.1 client, for tokens and whatever else is asked for once in a while.
//!
//! One connection for each request; time and body have a bound. Redirects are an error: what is asked here is asked with
//! a secret, and that goes to the host that was named and to no other.

mod io;
mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Buf, Bytes};
use hyper::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request as Head, StatusCode};
use rustls::ClientConfig;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{DialError, Dialer, Settings, Stream};
use io::Io;
pub use url::Url;

/// What the other side may call us.
const AGENT: &str = concat!("pressel/", env!("CARGO_PKG_VERSION"));

/// What is asked. Its `Debug` leaves the body out: it holds what is secret.
#[derive(Clone)]
pub struct Request {
    /// GET or POST.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// Beside Host, User-Agent and Content-Length. Secrets must be marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Empty = none.
    pub body: Zeroizing<Vec<u8>>,
    /// From the look-up to the last byte of the answer.
    pub within: Duration,
    /// Bytes; a longer answer is an error.
    pub answer_max: usize,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?} {} bytes", self.method, self.url, self.headers, self.body.len())
    }
}

/// What came back.
pub struct Answer {
    /// Any but a redirect.
    pub status: StatusCode,
    /// Whole, and wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// There was no connection.
    Dial(DialError),
    /// It took longer than this.
    Late(Duration),
    /// The answer is longer than so many bytes.
    TooLong(usize),
    /// It sent us elsewhere, with this status.
    Redirected(u16),
    /// What came is no HTTP, or broke off.
    Broken(String),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpError::Dial(error) => error.fmt(f),
            HttpError::Late(within) => write!(f, "no answer in {} s", within.as_secs()),
            HttpError::TooLong(bytes) => write!(f, "the answer is longer than {bytes} bytes"),
            HttpError::Redirected(status) => {
                write!(f, "it redirects ({status}), which is not followed; name the final address")
            }
            HttpError::Broken(what) => write!(f, "the answer broke off: {what}"),
        }
    }
}

impl std::error::Error for HttpError {}

/// Asks over connections of a [`Dialer`]. Clones share it.
#[derive(Clone)]
pub struct Http {
    dialer: Dialer,
    tls: Arc<ClientConfig>,
}

impl Http {
    /// Prepares; `tls` says whom to trust.
    pub fn new(dialer: Dialer, tls: Arc<ClientConfig>) -> Self {
        Http { dialer, tls }
    }

    /// The same with another TLS configuration, such as one with a client certificate.
    pub fn with_tls(&self, tls: Arc<ClientConfig>) -> Self {
        Http { dialer: self.dialer.clone(), tls }
    }

    /// The same without a proxy: for what is only there for this machine.
    pub fn direct(&self) -> Self {
        Http { dialer: Dialer::new(Settings::default()), tls: self.tls.clone() }
    }

    /// Whether the host of an address is known, and one that may be asked.
    ///
    /// # Errors
    /// As [`Dialer::addresses`].
    pub async fn find(&self, url: &Url) -> Result<(), DialError> {
        self.dialer.addresses(&url.host, url.port).await.map(|_| ())
    }

    /// Asks, and waits for the whole answer. Cancel safe: dropped, it hangs up.
    ///
    /// # Errors
    /// [`HttpError`]. A status of failure is no error here.
    pub async fn ask(&self, request: Request) -> Result<Answer, HttpError> {
        let within = request.within;
        timeout(within, self.exchange(request)).await.unwrap_or(Err(HttpError::Late(within)))
    }

    async fn exchange(&self, request: Request) -> Result<Answer, HttpError> {
        let url = &request.url;
        let stream = if url.tls {
            self.dialer.tls(&url.host, url.port, &self.tls).await
        } else {
            self.dialer.tcp(&url.host, url.port).await.map(Stream::Plain)
        };
        let stream = stream.map_err(HttpError::Dial)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Full<Bytes>>(Io::new(stream)).await.map_err(broken)?;
        let answer_max = request.answer_max;
        let exchange = async {
            let response = sender.send_request(head(request)).await.map_err(broken)?;
            let status = response.status();
            if status.is_redirection() {
                return Err(HttpError::Redirected(status.as_u16()));
            }
            if response.body().size_hint().lower() > answer_max as u64 {
                return Err(HttpError::TooLong(answer_max));
            }
            let body = Limited::new(response.into_body(), answer_max).collect().await.map_err(|error| {
                match error.downcast::<hyper::Error>() {
                    Ok(error) => broken(*error),
                    Err(_) => HttpError::TooLong(answer_max),
                }
            })?;
            let mut rest = body.aggregate();
            let mut body = Zeroizing::new(Vec::with_capacity(rest.remaining()));
            while rest.has_remaining() {
                let chunk = rest.chunk();
                body.extend_from_slice(chunk);
                let length = chunk.len();
                rest.advance(length);
            }
            Ok(Answer { status, body })
        };
        // The connection is driven beside the exchange; its own end is told to the exchange as well.
        let drive = async {
            let _ = connection.await;
            std::future::pending().await
        };
        tokio::select! {
            answer = exchange => answer,
            () = drive => unreachable!("it never comes back"),
        }
    }
}

fn broken(error: hyper::Error) -> HttpError {
    let below = std::error::Error::source(&error).map(|below| format!(": {below}")).unwrap_or_default();
    HttpError::Broken(format!("{error}{below}"))
}

fn head(request: Request) -> Head<Full<Bytes>> {
    let Request { method, url, headers, body, .. } = request;
    let mut head = Head::new(Full::new(Bytes::copy_from_slice(&body)));
    *head.method_mut() = method;
    *head.uri_mut() = url.target();
    head.headers_mut().insert(HOST, url.authority());
    head.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
    head.headers_mut().extend(headers);
    head
}

#[cfg(test)]
mod tests;
