//! From a dialer to an open WebSocket: connection, upgrade. Each step has a bound and names itself.

use std::sync::Arc;
use std::time::Duration;

use pressel_live::event::Cause;
use rustls::ClientConfig;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error as WsError};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::Endpoint;
use crate::net::{DialError, Dialer, Stream};

const UPGRADE: Duration = Duration::from_secs(10);
/// Answers come in parts of some 16 kB; the service has sent a second of sound in one. Anything near this is a fault.
const MESSAGE_MAX: usize = 16 << 20;

/// Opens a WebSocket to the endpoint. The key travels in a header, never in the URL.
pub async fn dial(
    dialer: &Dialer,
    endpoint: &Endpoint,
    tls: Option<&Arc<ClientConfig>>,
    key: Option<HeaderValue>,
) -> Result<WebSocketStream<Stream>, DialError> {
    let stream = match tls {
        None => Stream::Plain(dialer.tcp(&endpoint.host, endpoint.port).await?),
        Some(config) => dialer.tls(&endpoint.host, endpoint.port, config).await?,
    };
    upgrade(endpoint, stream, key).await
}

async fn upgrade(
    endpoint: &Endpoint,
    stream: Stream,
    key: Option<HeaderValue>,
) -> Result<WebSocketStream<Stream>, DialError> {
    let mut request =
        endpoint.url().into_client_request().map_err(|e| DialError::new(Cause::Cut, "request", e))?;
    if let Some(key) = key {
        request.headers_mut().insert("x-goog-api-key", key);
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
        .read_buffer_size(16 << 10)
        .write_buffer_size(0);
    let upgrading = client_async_with_config(request, stream, Some(config));
    match timeout(UPGRADE, upgrading).await {
        Err(_) => Err(DialError::new(Cause::Cut, "WebSocket upgrade", "no answer in 10 s")),
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(WsError::Http(response))) => {
            let status = response.status();
            let body = response.body().as_deref().map(first_words).unwrap_or_default();
            Err(DialError {
                cause: Cause::Http(status.as_u16()),
                reason: format!("WebSocket upgrade: {status}{body}"),
            })
        }
        Ok(Err(e)) => Err(DialError::new(Cause::Cut, "WebSocket upgrade", tungstenite_words(&e))),
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
