//! The way to a server: name, TCP, perhaps a proxy, TLS. Each step has a bound and names itself when it fails.
//!
//! Links, token requests and everything else that leaves the device go through one [`Dialer`], so that what a network
//! asks for is done once, for all of them. `watch` tells when network or clock change.

mod captive;
mod clock;
mod handshake;
mod head;
pub mod http;
mod lookup;
mod memory;
mod password;
mod proxy;
mod public;
mod race;
mod settings;
mod socket;
mod stream;
mod url;
pub mod watch;

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pressel_live::event::Cause;
use rustls::ClientConfig;
use tokio::net::TcpStream;

pub use clock::Clock;
pub(crate) use handshake::shake as handshake;
pub use proxy::Proxy;
pub use settings::{Route, Settings};
pub use socket::{TcpFacts, UNACKNOWLEDGED_MAX};
pub use stream::Stream;
pub(crate) use url::{HttpUrl, encode, place, split_place, without_password};

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

/// Opens connections. Clones share what was learnt.
#[derive(Clone, Debug)]
pub struct Dialer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    route: Route,
    public_only: bool,
    captive: Option<captive::Check>,
    resolver: lookup::Resolver,
    memory: memory::Memory,
}

impl Dialer {
    /// Prepares; nothing is dialled yet.
    pub fn new(settings: Settings) -> Self {
        Dialer(Arc::new(Inner {
            route: settings.route,
            public_only: settings.public_only,
            captive: settings.captive_check.map(captive::Check::new),
            resolver: lookup::Resolver::default(),
            memory: memory::Memory::default(),
        }))
    }

    /// Opens a TCP connection to a host, by name or address (without brackets), through the proxy if there is one for it.
    ///
    /// # Errors
    /// [`DialError`], with [`Cause::Lookup`], [`Cause::Connect`], [`Cause::Proxy`] or [`Cause::Captive`].
    pub async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        match self.open(host, port).await {
            Err(error) if error.cause == Cause::Connect => Err(self.look_for_portal(host, error).await),
            result => result,
        }
    }

    /// Opens a TLS connection to a host whose certificate must bear its name. Share `config`, so that sessions resume.
    ///
    /// # Errors
    /// As [`Dialer::tcp`], or [`Cause::Tls`], [`Cause::Clock`] or [`Cause::Cut`].
    pub async fn tls(&self, host: &str, port: u16, config: &Arc<ClientConfig>) -> Result<Stream, DialError> {
        let tcp = self.tcp(host, port).await?;
        match handshake::tls(host, tcp, config).await {
            Ok(stream) => {
                if let Some(check) = &self.0.captive {
                    check.forget();
                }
                Ok(Stream::Tls(Box::new(stream)))
            }
            Err((error, true)) => Err(self.look_for_portal(host, error).await),
            Err((error, false)) => Err(error),
        }
    }

    /// The proxy that a host is reached through.
    pub fn proxy_for(&self, host: &str, port: u16) -> Option<&Proxy> {
        match &self.0.route {
            Route::Proxy(proxy) if !proxy.leaves_out(host, port) => Some(proxy),
            _ => None,
        }
    }

    /// Addresses of a host, in the order they are tried; for a proxied host, of the proxy.
    ///
    /// # Errors
    /// [`Cause::Lookup`] or [`Cause::Proxy`]; or an address is none that may be dialled.
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        self.route_works()?;
        let proxied = self.proxy_for(host, port).is_some();
        let (host, port) =
            self.proxy_for(host, port).map_or((host, port), |proxy| (proxy.host(), proxy.port()));
        let found = self.0.resolver.look_up(host, port).await;
        let found =
            found.map_err(|why| DialError::new(Cause::Lookup, format_args!("look up {host}"), why))?;
        if self.0.public_only && !proxied {
            found.iter().try_for_each(|address| allowed(host, address.ip()))?;
        }
        Ok(race::order(&found, None))
    }

    /// What was learnt about the network holds no more: it changed.
    pub fn network_changed(&self) {
        self.0.memory.forget_winners();
        if let Some(check) = &self.0.captive {
            check.forget();
        }
    }

    fn route_works(&self) -> Result<(), DialError> {
        match &self.0.route {
            Route::Broken(why) => Err(DialError { cause: Cause::Proxy(None), reason: why.clone() }),
            _ => Ok(()),
        }
    }

    async fn open(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        self.route_works()?;
        let Some(proxy) = self.proxy_for(host, port) else { return self.direct(host, port).await };
        if let (true, Ok(address)) = (self.0.public_only, host.parse()) {
            allowed(host, address)?; // of a name the proxy alone knows the address
        }
        let tcp = self.reach(proxy.host(), proxy.port(), false).await.map_err(|error| {
            DialError::new(
                Cause::Proxy(None),
                proxy.step(),
                format_args!("{error}; it is named in {}", proxy.origin()),
            )
        })?;
        proxy.pass(tcp, host, port).await
    }

    async fn direct(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        self.reach(host, port, self.0.public_only).await
    }

    /// `public_only`: the addresses that were found are judged, and just those are dialled.
    async fn reach(&self, host: &str, port: u16, public_only: bool) -> Result<TcpStream, DialError> {
        let memory = &self.0.memory;
        let (addresses, missing) = match self.0.resolver.look_up(host, port).await {
            Ok(found) => (found, None),
            Err(why) => {
                let error = DialError::new(Cause::Lookup, format_args!("look up {host}"), why);
                // Name servers fail on their own; the certificate tells whether the address is still right.
                match memory.known(host, port) {
                    Some(known) => (known, Some(error)),
                    None => return Err(error),
                }
            }
        };
        if public_only {
            addresses.iter().try_for_each(|address| allowed(host, address.ip()))?;
        }
        match race::connect(&race::order(&addresses, memory.winner(host))).await {
            Ok(stream) => {
                memory.remember(host, &addresses, stream.peer_addr().ok());
                Ok(stream)
            }
            Err(reason) => Err(missing.unwrap_or(DialError { cause: Cause::Connect, reason })),
        }
    }

    /// What failed may be a portal's doing: then that is the error. Waits two seconds at most, and seldom.
    pub async fn look_for_portal(&self, host: &str, error: DialError) -> DialError {
        let Some(check) = &self.0.captive else { return error };
        // A proxy, or a server on this machine, is behind no portal.
        let local = is_loopback(host) && !is_loopback(check.host());
        if local || !matches!(self.0.route, Route::Direct) {
            return error;
        }
        let dialer = self.clone();
        let connect = |host: String, port| async move { dialer.direct(&host, port).await.ok() };
        match check.ask(connect).await {
            captive::Answer::Fine => error,
            captive::Answer::Captive(words) => DialError { cause: Cause::Captive, reason: words },
        }
    }

    /// Whether a portal stands between this device and the network, in words; `None` where nobody looks for one.
    pub async fn portal(&self) -> Option<Result<(), String>> {
        let check = self.0.captive.as_ref()?;
        let dialer = self.clone();
        let connect = |host: String, port| async move { dialer.direct(&host, port).await.ok() };
        match check.ask(connect).await {
            captive::Answer::Fine => Some(Ok(())),
            captive::Answer::Captive(words) => Some(Err(words)),
        }
    }
}

fn allowed(host: &str, address: IpAddr) -> Result<(), DialError> {
    if public::is_public(address) {
        return Ok(());
    }
    let what = "an address of this machine or its neighbours, which is not allowed here";
    Err(DialError::new(Cause::Connect, format_args!("connect {host}"), what))
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
