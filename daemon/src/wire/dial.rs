//! From a dialer to an open WebSocket: connection, upgrade. Each step has a bound and names itself.

use std::pin::pin;
use std::time::Duration;

use pressel_live::event::Cause;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error as WsError};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{Endpoint, Way};
use crate::credential::{Credential, CredentialError, Headers};
use crate::net::http::Http;
use crate::net::{DialError, Stream};

const UPGRADE: Duration = Duration::from_secs(10);
/// Answers come in parts of some 16 kB; the service has sent a second of sound in one. Anything near this is a fault.
const MESSAGE_MAX: usize = 16 << 20;

/// Opens a WebSocket to the endpoint. What opens the service travels in a header, never in the URL, and is fetched while
/// the connection comes up. Where the service does not take it (401), another is fetched, once.
pub async fn dial(way: &Way) -> Result<WebSocketStream<Stream>, DialError> {
    let endpoint = &way.endpoint;
    let (stream, headers) = prepare(way).await?;
    match (upgrade(endpoint, stream, headers).await, &way.credential) {
        // A page where a WebSocket was asked for: the service has none. 511: RFC 6585, 6.
        (Err(error), _) if matches!(error.cause, Cause::Http(200..=399 | 511)) => {
            Err(way.dialer.look_for_portal(&endpoint.host, error).await)
        }
        (Err(error), Some(credential)) if error.cause == Cause::Http(401) && credential.refused() => {
            let (stream, headers) = prepare(way).await?;
            upgrade(endpoint, stream, headers).await.map_err(|error| hinted(error, credential))
        }
        (Err(error), Some(credential)) => Err(hinted(error, credential)),
        (result, _) => result,
    }
}

/// A connection, and what to open the service with.
async fn prepare(way: &Way) -> Result<(Stream, Headers), DialError> {
    let Way { dialer, endpoint, tls, credential } = way;
    let mut connecting = pin!(async {
        if endpoint.tls {
            dialer.tls(&endpoint.host, endpoint.port, tls).await
        } else {
            dialer.tcp(&endpoint.host, endpoint.port).await.map(Stream::Plain)
        }
    });
    let mut minting = pin!(async {
        match credential {
            Some(credential) => credential.headers(&Http::new(dialer.clone(), tls.clone())).await,
            None => Ok(Headers::new()),
        }
    });
    let refused = |error: CredentialError| DialError { cause: error.cause, reason: error.reason };
    tokio::select! {
        connected = &mut connecting => {
            let stream = connected?;
            Ok((stream, minting.await.map_err(refused)?))
        }
        headers = &mut minting => match headers {
            Err(error) if error.cause == (Cause::Credential { fatal: true }) => Err(refused(error)),
            // Where neither gets through, the network is what is told.
            headers => {
                let stream = connecting.await?;
                Ok((stream, headers.map_err(refused)?))
            }
        }
    }
}

/// The server's words, and what they may come from.
fn hinted(error: DialError, credential: &Credential) -> DialError {
    let hint = match error.cause {
        Cause::Http(status) => credential.hint(status),
        _ => None,
    };
    match hint {
        Some(hint) => DialError { reason: format!("{}; {hint}", error.reason), ..error },
        None => error,
    }
}

async fn upgrade(
    endpoint: &Endpoint,
    stream: Stream,
    headers: Headers,
) -> Result<WebSocketStream<Stream>, DialError> {
    let mut request =
        endpoint.url().into_client_request().map_err(|e| DialError::new(Cause::Cut, "request", e))?;
    request.headers_mut().extend(headers);
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
