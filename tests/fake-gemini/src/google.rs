//! What hands tokens out: Google's token endpoint, a machine's metadata server, and a service that mints ephemeral tokens
//! for devices. One of each on loopback, as strict as the real ones; what they hand out passes [`crate::FakeGemini`].

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::door::Passes;
use crate::tls::Authority;

/// The bearer token that the minting service knows its devices by.
pub const BEARER: &str = "device-7-of-the-tests";
/// How far a JWT's time may be from now, as the endpoint has it.
const SKEW_S: u64 = 300;
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running service. Dropping it ends it.
pub struct FakeGoogle {
    address: SocketAddr,
    tls: bool,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    passes: Passes,
    authority: Option<Authority>,
    /// Method and path of each request, with its `authorization`'s scheme.
    asked: Mutex<Vec<String>>,
    /// Answered instead of anything else.
    failing: Mutex<Option<(u16, Value)>>,
    minted: AtomicU64,
    over: AtomicBool,
}

impl FakeGoogle {
    /// Starts it. With an authority it speaks TLS and wants a client certificate of that authority.
    ///
    /// # Errors
    /// No port or thread to be had.
    pub fn start(passes: Passes, authority: Option<Authority>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let tls = authority.is_some();
        let shared = Arc::new(Shared {
            passes,
            authority,
            asked: Mutex::default(),
            failing: Mutex::default(),
            minted: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let body = {
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming() {
                    if shared.over.load(SeqCst) {
                        return;
                    }
                    // A client that hangs up or is refused is none of the next one's business.
                    let _ = stream.and_then(|stream| shared.serve(stream));
                }
            }
        };
        let thread = std::thread::Builder::new().name("fake-google".to_owned()).spawn(body)?;
        Ok(FakeGoogle { address, tls, shared, thread: Some(thread) })
    }

    /// Base URL, without a path.
    pub fn url(&self) -> String {
        if self.tls {
            format!("https://localhost:{}", self.address.port())
        } else {
            format!("http://{}", self.address)
        }
    }

    /// Host and port, as GCE_METADATA_HOST wants them.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What was asked so far: method and path.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().expect("nobody panics while they hold it").clone()
    }

    /// Answers everything with this from now on; `None` = as it should.
    pub fn fail(&self, answer: Option<(u16, Value)>) {
        *self.shared.failing.lock().expect("nobody panics while they hold it") = answer;
    }
}

impl Drop for FakeGoogle {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
        // Wakes the thread; where that fails it has ended already.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self, tcp: TcpStream) -> io::Result<()> {
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        match &self.authority {
            None => self.exchange(tcp),
            Some(authority) => {
                let session = ServerConnection::new(authority.strict_config()).map_err(io::Error::other)?;
                let mut stream = StreamOwned::new(session, tcp);
                self.exchange(&mut stream)?;
                stream.conn.send_close_notify();
                stream.flush()
            }
        }
    }

    fn exchange(&self, mut stream: impl Read + Write) -> io::Result<()> {
        let request = Request::read(&mut stream)?;
        let line = format!("{} {}", request.method, request.path);
        self.asked.lock().expect("nobody panics while they hold it").push(line);
        let failing = self.failing.lock().expect("nobody panics while they hold it").clone();
        let (status, body) = failing.unwrap_or_else(|| self.answer(&request));
        let body = body.as_str().map_or_else(|| format!("{body:#}\n"), str::to_owned);
        let location =
            if (300..400).contains(&status) { "Location: https://elsewhere.example/\r\n" } else { "" };
        let head = format!("HTTP/1.1 {status} Answer\r\n{location}Content-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes())?;
        stream.flush()
    }

    fn answer(&self, request: &Request) -> (u16, Value) {
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/token") => self.token(request),
            ("GET", "/computeMetadata/v1/instance/service-accounts/default/token") => {
                if request.header("metadata-flavor") == Some("Google") {
                    (200, self.bearer())
                } else {
                    (403, json!("Missing Metadata-Flavor:Google header."))
                }
            }
            ("POST" | "GET", "/mint") => {
                // Over TLS the client certificate has been looked at already.
                let known = self.authority.is_some()
                    || request.header("authorization") == Some(&format!("Bearer {BEARER}"));
                if !known {
                    return (401, json!("no device of ours"));
                }
                let token = format!("auth_tokens/fake-{}", self.minted.fetch_add(1, SeqCst));
                self.passes.add_token(&token);
                (200, json!({ "name": token }))
            }
            _ => (404, json!("nothing here")),
        }
    }

    fn bearer(&self) -> Value {
        let token = format!("ya29.fake-{}", self.minted.fetch_add(1, SeqCst));
        self.passes.add_bearer(&token);
        json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" })
    }

    fn token(&self, request: &Request) -> (u16, Value) {
        let refuse = |error: &str, text: &str| (400, json!({ "error": error, "error_description": text }));
        if request.header("content-type") != Some("application/x-www-form-urlencoded") {
            return refuse("invalid_request", "Bad Request");
        }
        match request.field("grant_type") {
            Some("refresh_token") if request.field("refresh_token").is_some() => (200, self.bearer()),
            Some("urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer") => {
                match check_jwt(request.field("assertion").unwrap_or_default()) {
                    Ok(()) => (200, self.bearer()),
                    Err(text) => refuse("invalid_grant", text),
                }
            }
            _ => refuse("unsupported_grant_type", "Invalid grant_type"),
        }
    }
}

/// Everything but the signature: who signed is looked at where the key is.
fn check_jwt(jwt: &str) -> Result<(), &'static str> {
    let mut parts = jwt.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap_or_default());
    let mut part = || serde_json::from_slice::<Value>(&parts.next().unwrap_or_default()).unwrap_or_default();
    let (head, claims) = (part(), part());
    if head["alg"] != "RS256" || parts.next().is_none_or(|signature| signature.len() != 256) {
        return Err("Invalid JWT Signature.");
    }
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    let (issued, ends) = (claims["iat"].as_u64().unwrap_or(0), claims["exp"].as_u64().unwrap_or(0));
    if issued.abs_diff(now) > SKEW_S || ends.saturating_sub(issued) > 3600 || ends < now {
        return Err(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. \
                    Check your iat and exp values in the JWT claim.",
        );
    }
    let audience = claims["aud"].as_str().is_some_and(|url| url.ends_with("/token"));
    let scope = claims["scope"] == "https://www.googleapis.com/auth/cloud-platform";
    if !audience || !scope || claims["iss"].as_str().is_none_or(str::is_empty) {
        return Err("Invalid JWT: Failed audience check.");
    }
    Ok(())
}

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn read(stream: &mut impl Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        loop {
            if let Some(request) = Self::parse(&bytes) {
                return Ok(request);
            }
            let count = stream.read(&mut piece)?;
            if count == 0 || bytes.len() > 1 << 16 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes.extend_from_slice(&piece[..count]);
        }
    }

    /// `None` until it is whole.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ').map(str::to_owned);
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
        let path = |target: String| target.split('?').next().unwrap_or_default().to_owned();
        let (method, path) = (words.next()?, path(words.next()?));
        let request = Request { method, path, headers, body: body.to_owned() };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        (body.len() >= length).then_some(request)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.body
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(found, _)| *found == name)
            .map(|(_, v)| v)
    }
}
