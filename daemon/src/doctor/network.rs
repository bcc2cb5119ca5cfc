//! The way to the service: proxy, its name, a connection, a sign-in page, TLS. Done once, told as five checks.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use pressel_live::event::Cause;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Finding, Ground};
use crate::config::Config;
use crate::net::{self, Dialer, Proxy, Route, Settings, is_loopback};
use crate::wire::Endpoint;

/// Bound of each step.
const STEP: Duration = Duration::from_secs(5);

type Step = Option<Result<String, String>>;

/// How far one got.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    proxy: Step,
    dns: Step,
    connect: Step,
    portal: Step,
    tls: Step,
}

pub(super) fn proxy(ground: &Ground) -> Finding {
    told(
        reached(ground).proxy.as_ref(),
        "its name is not known",
        "see [network] proxy, proxy_password_file and no_proxy, or https_proxy of the environment",
    )
}

pub(super) fn dns(ground: &Ground) -> Finding {
    let servers = ground.facts.text("/etc/resolv.conf").unwrap_or_default();
    let none = !servers.lines().any(|line| line.trim_start().starts_with("nameserver"));
    told(
        reached(ground).dns.as_ref(),
        "the proxy's settings are wrong",
        if none { NO_SERVER } else { NO_NAME },
    )
}

const NO_SERVER: &str = "/etc/resolv.conf names no name server: nmcli device show, resolvectl status";
const NO_NAME: &str = "is there a network? ip route; resolvectl status. A Wi-Fi that is joined but asks for a log-in does this too";

pub(super) fn connect(ground: &Ground) -> Finding {
    told(
        reached(ground).connect.as_ref(),
        "its name is not known",
        "a firewall or a proxy may be in the way; the daemon needs TCP to this port",
    )
}

pub(super) fn portal(ground: &Ground) -> Finding {
    told(
        reached(ground).portal.as_ref(),
        "there is no connection",
        "open a page with a phone in the same network and sign in there, or let the device use another network",
    )
}

pub(super) fn tls(ground: &Ground) -> Finding {
    let endpoint = endpoint(ground.config().unwrap_or(&Config::default()));
    if endpoint.is_ok_and(|endpoint| !endpoint.tls) {
        return Finding::ok("not used: the endpoint is this machine");
    }
    told(
        reached(ground).tls.as_ref(),
        "there is no connection",
        "is the clock right? Behind a proxy that looks into TLS, name its authority in [live] ca_file",
    )
}

fn told(result: Option<&Result<String, String>>, before: &str, hint: &str) -> Finding {
    match result {
        Some(Ok(text)) => Finding::ok(text.as_str()),
        Some(Err(text)) => Finding::fail(text.as_str(), hint),
        None => Finding::skip(before),
    }
}

fn endpoint(config: &Config) -> Result<Endpoint, String> {
    Endpoint::of(config)
}

/// Goes the way once, whichever check asks first; a configuration with mistakes means the default endpoint.
fn reached(ground: &Ground) -> &Reached {
    ground.network.get_or_init(|| {
        let default = Config::default();
        let config = ground.config().unwrap_or(&default);
        let failed = |text: String| Reached { dns: Some(Err(text)), ..Reached::default() };
        let endpoint = match endpoint(config) {
            Ok(endpoint) => endpoint,
            Err(text) => return failed(text),
        };
        let ca_file = Some(config.live.ca_file.as_str()).filter(|file| !file.is_empty()).map(Path::new);
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                runtime.block_on(reach(&endpoint, ca_file, Settings::from_config(&config.network)))
            }
            Err(error) => failed(format!("event loop: {error}")),
        }
    })
}

async fn reach(endpoint: &Endpoint, ca_file: Option<&Path>, settings: Settings) -> Reached {
    let mut reached = Reached::default();
    let (host, port) = (endpoint.host.as_str(), endpoint.port);
    if let Route::Broken(why) = &settings.route {
        reached.proxy = Some(Err(why.clone()));
        return reached;
    }
    let dialer = Dialer::new(settings);
    let proxy = dialer.proxy_for(host, port);
    if proxy.is_none() {
        reached.proxy = Some(Ok(format!("none for {host}")));
    }

    let started = Instant::now();
    match dialer.addresses(host, port).await {
        Ok(addresses) => reached.dns = Some(Ok(named(host, proxy, &addresses, started))),
        Err(error) => {
            reached.dns = Some(Err(error.reason));
            return reached;
        }
    }

    let started = Instant::now();
    let connected = dialer.tcp(host, port).await;
    reached.portal = Some(portal_of(&dialer, host, proxy).await);
    let stream = match connected {
        Ok(stream) => stream,
        Err(error) => {
            match error.cause {
                Cause::Proxy(_) => reached.proxy = Some(Err(error.reason)),
                _ => reached.connect = Some(Err(error.reason)),
            }
            return reached;
        }
    };
    if let Some(proxy) = proxy {
        let (place, origin) = (proxy.place(), proxy.origin());
        reached.proxy = Some(Ok(format!("{place}, named in {origin}, lets this device through to {host}")));
    }
    let peer = stream.peer_addr().map_or_else(|_| host.to_owned(), |peer| peer.to_string());
    reached.connect = Some(Ok(format!("{peer}, {}", took(started))));
    if endpoint.tls {
        reached.tls = Some(handshake(host, stream, ca_file).await);
    }
    reached
}

fn named(host: &str, proxy: Option<&Proxy>, addresses: &[SocketAddr], started: Instant) -> String {
    let first = addresses.first().map(|address| address.ip().to_string()).unwrap_or_default();
    let (count, took) = (addresses.len(), took(started));
    match proxy {
        None => format!("{host} is {first} ({count} in all), {took}"),
        Some(proxy) => {
            format!("the proxy {} is {first} ({count} in all), {took}; it looks {host} up", proxy.place())
        }
    }
}

async fn portal_of(dialer: &Dialer, host: &str, proxy: Option<&Proxy>) -> Result<String, String> {
    if proxy.is_some() || is_loopback(host) {
        return Ok("not looked for: the way does not lead through one".to_owned());
    }
    match dialer.portal().await {
        None => Ok("not looked for: [network] captive_check is empty".to_owned()),
        Some(Ok(())) => Ok("nobody wants to be signed in to first".to_owned()),
        Some(Err(words)) => Err(words),
    }
}

async fn handshake(host: &str, stream: TcpStream, ca_file: Option<&Path>) -> Result<String, String> {
    let started = Instant::now();
    let config = crate::tls::client(ca_file)?;
    let shaken = timeout(STEP, net::handshake(host, stream, &config)).await;
    let late = |_| Err(format!("{host}: no answer within {} s", STEP.as_secs()));
    let stream = shaken.unwrap_or_else(late)?;
    let version = match stream.get_ref().1.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    Ok(format!("{version}, certificate of {host} is trusted, {}", took(started)))
}

fn took(started: Instant) -> String {
    format!("{} ms", started.elapsed().as_millis())
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::facts::Facts;
    use super::*;
    use crate::config::load_from;
    use std::net::TcpListener;

    fn ground(endpoint: &str) -> Ground {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), format!("[live]\nendpoint = \"{endpoint}\"\n"))
            .unwrap();
        Ground::of(load_from(folder.path(), None, []), None, Facts::below("/".as_ref()))
    }

    fn classes(ground: &Ground) -> [Class; 3] {
        [dns(ground).class, connect(ground).class, tls(ground).class]
    }

    #[test]
    fn a_proxy_is_told_by_what_it_says() {
        use std::io::{Read, Write};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[live]\nendpoint = \"wss://live.example\"\n[network]\nproxy = \"http://{}\"\n",
            listener.local_addr().unwrap()
        );
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let loaded = load_from(folder.path(), None, []);
        let ground = Ground::of(loaded, None, Facts::below("/".as_ref()));
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let length = stream.read(&mut [0; 512]).unwrap();
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").unwrap();
            length
        });
        let found = proxy(&ground);
        assert!(server.join().unwrap() > 0);
        assert!(found.class == Class::Fail && found.text.contains("(403)"), "{found:?}");
        assert_eq!(classes(&ground), [Class::Ok, Class::Skip, Class::Skip]);
        assert_eq!(portal(&ground).class, Class::Ok);
    }

    #[test]
    fn a_plain_endpoint_on_this_machine_is_reached() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ground = ground(&format!("ws://{}", listener.local_addr().unwrap()));
        assert_eq!(classes(&ground), [Class::Ok, Class::Ok, Class::Ok]);
        assert!(connect(&ground).text.starts_with("127.0.0.1:"), "{:?}", connect(&ground));
    }

    #[test]
    fn each_step_that_fails_is_the_last_one_tried() {
        // A port that was just given back: nobody listens on it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let closed = ground(&format!("wss://127.0.0.1:{port}"));
        assert_eq!(classes(&closed), [Class::Ok, Class::Fail, Class::Skip]);
        // ".invalid" is never a name (RFC 2606).
        let unknown = ground("wss://pressel.invalid");
        assert_eq!(classes(&unknown), [Class::Fail, Class::Skip, Class::Skip]);
        assert!(dns(&unknown).text.starts_with("look up pressel.invalid: "), "{:?}", dns(&unknown));
    }

    #[test]
    fn a_server_that_speaks_no_tls_fails_there() {
        use std::io::Write;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ground = ground(&format!("wss://{}", listener.local_addr().unwrap()));
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        });
        assert_eq!(classes(&ground), [Class::Ok, Class::Ok, Class::Fail]);
        server.join().unwrap();
    }
}
