//! The way to a server: name, TCP, TLS. Each step has a bound and names itself when it fails.
//!
//! Links, token requests and everything else that leaves the device go through one [`Dialer`], so that what a network
//! asks for is done once, for all of them.

pub mod http;
mod stream;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use pressel_live::event::Cause;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

pub use stream::Stream;

const LOOKUP: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(5);
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialError {
    /// What kind of trouble it is.
    pub cause: Cause,
    /// The step, what went wrong with it and what to do; fit for a log.
    pub reason: String,
}

impl DialError {
    /// An error of this cause: the step, and what went wrong with it.
    pub fn new(cause: Cause, step: impl Display, what: impl Display) -> Self {
        DialError { cause, reason: format!("{step}: {what}") }
    }
}

impl Display for DialError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for DialError {}

/// What the way to a server goes by.
#[derive(Clone, Debug, Default)]
pub struct Settings {}

/// Opens connections. Clones share what was learnt.
#[derive(Clone, Debug)]
pub struct Dialer {
    _settings: Arc<Settings>,
}

impl Dialer {
    /// Prepares; nothing is dialled yet.
    pub fn new(settings: Settings) -> Self {
        Dialer { _settings: Arc::new(settings) }
    }

    /// Opens a TCP connection to a host, by name or address (without brackets).
    ///
    /// # Errors
    /// [`DialError`], with [`Cause::Lookup`] or [`Cause::Connect`].
    pub async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let step = format!("look up {host}");
        let addresses: Vec<_> = timeout(LOOKUP, lookup_host((host, port)))
            .await
            .map_err(|_| DialError::new(Cause::Lookup, &step, "no answer in 5 s"))?
            .map_err(|e| DialError::new(Cause::Lookup, &step, e))?
            .collect();
        let mut last = DialError::new(Cause::Lookup, &step, "no address");
        for address in addresses {
            let step = format!("connect to {address}");
            match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Without it every second small message waits 41 ms for an acknowledgement.
                    stream
                        .set_nodelay(true)
                        .map_err(|e| DialError::new(Cause::Connect, "set TCP_NODELAY", e))?;
                    return Ok(stream);
                }
                Ok(Err(e)) => last = DialError::new(Cause::Connect, step, e),
                Err(_) => last = DialError::new(Cause::Connect, step, "no answer in 5 s"),
            }
        }
        Err(last)
    }

    /// Opens a TLS connection to a host whose certificate must bear its name. Share `config`, so that sessions resume.
    ///
    /// # Errors
    /// As [`Dialer::tcp`], or [`Cause::Tls`].
    pub async fn tls(&self, host: &str, port: u16, config: &Arc<ClientConfig>) -> Result<Stream, DialError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|e| DialError::new(Cause::Tls, format_args!("server name {host}"), e))?;
        let tcp = self.tcp(host, port).await?;
        let step = format!("TLS with {host}");
        let connecting = TlsConnector::from(config.clone()).connect(name, tcp);
        let stream = timeout(HANDSHAKE, connecting)
            .await
            .map_err(|_| DialError::new(Cause::Tls, &step, "no answer in 10 s"))?
            .map_err(|e| DialError::new(Cause::Tls, &step, e))?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}
