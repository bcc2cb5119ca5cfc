//! The way to the service: its name, a connection, TLS. Done once, told as three checks.

use std::fmt::Display;
use std::path::Path;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Finding, Ground};
use crate::config::Config;
use crate::wire::Endpoint;

/// Bound of each step.
const STEP: Duration = Duration::from_secs(5);

/// How far one got.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    dns: Option<Result<String, String>>,
    connect: Option<Result<String, String>>,
    tls: Option<Result<String, String>>,
}

pub(super) fn dns(ground: &Ground) -> Finding {
    told(
        reached(ground).dns.as_ref(),
        "",
        "is there a network? ip route; resolvectl status. A Wi-Fi that is joined but asks for a log-in does this too",
    )
}

pub(super) fn connect(ground: &Ground) -> Finding {
    told(
        reached(ground).connect.as_ref(),
        "its name is not known",
        "a firewall or a proxy may be in the way; the daemon needs TCP to this port",
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
        match tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build() {
            Ok(runtime) => {
                let reached = runtime.block_on(reach(&endpoint, ca_file));
                // A look-up that hangs in libc cannot be called off; it is left behind.
                runtime.shutdown_background();
                reached
            }
            Err(error) => failed(format!("event loop: {error}")),
        }
    })
}

async fn reach(endpoint: &Endpoint, ca_file: Option<&Path>) -> Reached {
    let mut reached = Reached::default();
    let (host, port) = (endpoint.host.as_str(), endpoint.port);

    let started = Instant::now();
    let addresses = match bounded(lookup_host((host, port))).await {
        Ok(addresses) => addresses.collect::<Vec<_>>(),
        Err(error) => {
            reached.dns = Some(Err(format!("{host}: {error}")));
            return reached;
        }
    };
    let Some(&first) = addresses.first() else {
        reached.dns = Some(Err(format!("{host}: has no address")));
        return reached;
    };
    reached.dns =
        Some(Ok(format!("{host} is {} ({} in all), {}", first.ip(), addresses.len(), took(started))));

    let started = Instant::now();
    let stream = match bounded(TcpStream::connect(&*addresses)).await {
        Ok(stream) => stream,
        Err(error) => {
            reached.connect = Some(Err(format!("{host} port {port}: {error}")));
            return reached;
        }
    };
    let peer = stream.peer_addr().unwrap_or(first);
    reached.connect = Some(Ok(format!("{peer}, {}", took(started))));
    if endpoint.tls {
        reached.tls = Some(handshake(host, stream, ca_file).await);
    }
    reached
}

async fn handshake(host: &str, stream: TcpStream, ca_file: Option<&Path>) -> Result<String, String> {
    let started = Instant::now();
    let config = crate::tls::client(ca_file)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("{host}: {error}"))?;
    let stream = bounded(TlsConnector::from(config).connect(name, stream))
        .await
        .map_err(|error| format!("{host}: {error}"))?;
    let version = match stream.get_ref().1.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    Ok(format!("{version}, certificate of {host} is trusted, {}", took(started)))
}

async fn bounded<T, E: Display>(step: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match timeout(STEP, step).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", STEP.as_secs())),
    }
}

fn took(started: Instant) -> String {
    format!("{} ms", started.elapsed().as_millis())
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::*;
    use crate::config::load_from;
    use std::net::TcpListener;
    use std::sync::OnceLock;

    fn ground(endpoint: &str) -> Ground {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), format!("[live]\nendpoint = \"{endpoint}\"\n"))
            .unwrap();
        Ground { loaded: load_from(folder.path(), None, []), daemon: None, network: OnceLock::new() }
    }

    fn classes(ground: &Ground) -> [Class; 3] {
        [dns(ground).class, connect(ground).class, tls(ground).class]
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
        assert!(dns(&unknown).text.starts_with("pressel.invalid: "), "{:?}", dns(&unknown));
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
