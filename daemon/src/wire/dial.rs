//! From a name to an open WebSocket: look up, connect, TLS, upgrade. Each step has a bound and names itself.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pressel_live::event::Cause;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error as WsError};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::Endpoint;

const LOOKUP: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(5);
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Answers come in parts of some 16 kB; the service has sent a second of sound in one. Anything near this is a fault.
const MESSAGE_MAX: usize = 16 << 20;

/// Why there is no link.
#[derive(Debug)]
pub struct DialError {
    /// What was in the way.
    pub cause: Cause,
    /// The step and what went wrong with it.
    pub reason: String,
}

fn failed(cause: Cause, step: &str, why: impl std::fmt::Display) -> DialError {
    DialError { cause, reason: format!("{step}: {why}") }
}

/// Opens a WebSocket to the endpoint. The key travels in a header, never in the URL.
pub async fn dial(
    endpoint: &Endpoint,
    tls: Option<Arc<ClientConfig>>,
    key: Option<HeaderValue>,
) -> Result<WebSocketStream<Stream>, DialError> {
    let tcp = connect(&endpoint.host, endpoint.port).await?;
    // Without it every second small message waits 41 ms for an acknowledgement.
    tcp.set_nodelay(true).map_err(|e| failed(Cause::Cut, "set TCP_NODELAY", e))?;
    let stream = match tls {
        None => Stream::Plain(tcp),
        Some(config) => {
            let name = ServerName::try_from(endpoint.host.clone())
                .map_err(|e| failed(Cause::Tls, "server name", e))?;
            let step = format!("TLS with {}", endpoint.host);
            let connecting = TlsConnector::from(config).connect(name, tcp);
            let stream = timeout(HANDSHAKE, connecting)
                .await
                .map_err(|_| failed(Cause::Tls, &step, "no answer in 10 s"))?
                .map_err(|e| failed(Cause::Tls, &step, e))?;
            Stream::Tls(Box::new(stream))
        }
    };
    upgrade(endpoint, stream, key).await
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let step = format!("look up {host}");
    let addresses: Vec<_> = timeout(LOOKUP, lookup_host((host, port)))
        .await
        .map_err(|_| failed(Cause::Lookup, &step, "no answer in 5 s"))?
        .map_err(|e| failed(Cause::Lookup, &step, e))?
        .collect();
    let mut last = failed(Cause::Lookup, &step, "no address");
    for address in addresses {
        let step = format!("connect to {address}");
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(e)) => last = failed(Cause::Connect, &step, e),
            Err(_) => last = failed(Cause::Connect, &step, "no answer in 5 s"),
        }
    }
    Err(last)
}

async fn upgrade(
    endpoint: &Endpoint,
    stream: Stream,
    key: Option<HeaderValue>,
) -> Result<WebSocketStream<Stream>, DialError> {
    let mut request = endpoint.url().into_client_request().map_err(|e| failed(Cause::Cut, "request", e))?;
    if let Some(key) = key {
        request.headers_mut().insert("x-goog-api-key", key);
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
        .read_buffer_size(16 << 10)
        .write_buffer_size(0);
    let upgrading = client_async_with_config(request, stream, Some(config));
    match timeout(HANDSHAKE, upgrading).await {
        Err(_) => Err(failed(Cause::Cut, "WebSocket upgrade", "no answer in 10 s")),
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(WsError::Http(response))) => {
            let status = response.status();
            let body = response.body().as_deref().map(first_words).unwrap_or_default();
            Err(DialError {
                cause: Cause::Http(status.as_u16()),
                reason: format!("WebSocket upgrade: {status}{body}"),
            })
        }
        Ok(Err(e)) => Err(failed(Cause::Cut, "WebSocket upgrade", tungstenite_words(&e))),
    }
}

/// The start of an error page, on one line.
fn first_words(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

fn tungstenite_words(error: &tungstenite::Error) -> String {
    match error {
        WsError::Io(e) => e.to_string(),
        other => other.to_string(),
    }
}

/// Plain on loopback, TLS everywhere else.
pub enum Stream {
    /// No TLS.
    Plain(TcpStream),
    /// TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(s) => Pin::new(s).poll_read(cx, buf),
            Stream::Tls(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(s) => Pin::new(s).poll_write(cx, buf),
            Stream::Tls(s) => Pin::new(s).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(s) => Pin::new(s).poll_flush(cx),
            Stream::Tls(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(s) => Pin::new(s).poll_shutdown(cx),
            Stream::Tls(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}
