//! The daemon's end of the control socket: tasks on the event loop's thread, one per client.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pressel_live::event::ButtonInput;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::{Event, OPS, place};
use crate::config::nearest;

/// Longest request.
const LINE_MAX: usize = 64 << 10;
/// Clients at a time.
const CLIENTS_MAX: usize = 16;
/// Events a watcher may lag behind.
const EVENTS_MAX: usize = 256;
/// Requests the loop has not seen yet.
const REQUESTS_MAX: usize = 16;
/// A client that takes nothing for this long is let go.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// Why there is no control socket.
#[derive(Debug)]
pub struct BindError {
    /// Where it was to be.
    pub path: PathBuf,
    /// What was tried.
    pub step: &'static str,
    /// What the system said.
    pub error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "control socket {}: {}: {}", self.path.display(), self.step, self.error)
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// What a client wants of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The state, as [`crate::status::Status`].
    Status,
    /// A press or a release.
    Button(ButtonInput),
}

/// A request with the way to answer it.
#[derive(Debug)]
pub struct ControlRequest {
    /// What is wanted.
    pub op: Op,
    /// The way back.
    pub reply: Reply,
}

/// The way back to a client. Dropped without a word, it tells the client that there is no answer.
#[derive(Debug)]
pub struct Reply(oneshot::Sender<Value>);

impl Reply {
    /// Done, nothing to tell.
    pub fn done(self) {
        self.send(json!({ "ok": true }));
    }

    /// Done, and this is the answer.
    pub fn answer(self, value: &impl serde::Serialize) {
        match serde_json::to_value(value) {
            Ok(value) => self.send(json!({ "ok": value })),
            Err(error) => self.error(&format!("the answer is no JSON: {error}")),
        }
    }

    /// Refused, with a sentence.
    pub fn error(self, text: &str) {
        self.send(json!({ "error": text }));
    }

    fn send(self, value: Value) {
        // Fails when the client has gone, who then wants no answer.
        let _ = self.0.send(value);
    }
}

/// The socket, and everybody connected to it.
pub struct Control {
    requests: mpsc::Receiver<ControlRequest>,
    shared: Arc<Shared>,
    place: Option<(PathBuf, Option<(u64, u64)>)>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    watchers: Mutex<Vec<mpsc::Sender<Arc<str>>>>,
    clients: AtomicUsize,
    dropped: AtomicU64,
}

impl Control {
    /// Opens the socket at `path`; an empty path means none. Must be called inside the runtime.
    ///
    /// # Errors
    /// A folder that cannot be made, another daemon that answers there, a file in the way.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let shared = Arc::new(Shared::default());
        let (tell, requests) = mpsc::channel(REQUESTS_MAX);
        if path.as_os_str().is_empty() {
            return Ok(Control { requests, shared, place: None, accepting: None });
        }
        place::clear(path)?;
        let failed = |step, error| BindError { path: path.to_owned(), step, error };
        let listener = UnixListener::bind(path).map_err(|e| failed("open it", e))?;
        place::open_to_group(path).map_err(|e| failed("set its mode", e))?;
        let accepting = tokio::spawn(accept(listener, shared.clone(), tell));
        let place = Some((path.to_owned(), place::identity(path)));
        Ok(Control { requests, shared, place, accepting: Some(accepting) })
    }

    /// The next request. Cancel safe; waits for ever where there is no socket.
    pub async fn next(&mut self) -> ControlRequest {
        match self.requests.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }

    /// Tells every watcher. Never waits: a watcher whose queue is full is let go and counted.
    pub fn publish(&mut self, event: &Event<'_>, at: Instant) {
        let mut watchers = self.shared.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        if watchers.is_empty() {
            return;
        }
        let line: Arc<str> = event.line(at).into();
        watchers.retain(|watcher| match watcher.try_send(line.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.shared.dropped.fetch_add(1, Relaxed);
                false
            }
        });
    }

    /// Watchers that were let go because they read too slowly.
    pub fn watchers_dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        if let Some((path, identity)) = &self.place {
            // Another daemon may have put its own there meanwhile.
            if identity.is_some() && place::identity(path) == *identity {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

async fn accept(listener: UnixListener, shared: Arc<Shared>, tell: mpsc::Sender<ControlRequest>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (shared, tell) = (shared.clone(), tell.clone());
                tokio::spawn(async move {
                    let others = shared.clients.fetch_add(1, Relaxed);
                    let mut client = Client { stream, buffer: Vec::new() };
                    if others < CLIENTS_MAX {
                        client.serve(&shared, &tell).await;
                    } else {
                        client.write(&line(&json!({ "error": "too many clients" }))).await;
                    }
                    shared.clients.fetch_sub(1, Relaxed);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely; trying again at once would only spin.
                warn!(%error, "control socket");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

struct Client {
    stream: UnixStream,
    buffer: Vec<u8>,
}

enum Wanted {
    Engine(Op),
    Watch,
}

impl Client {
    async fn serve(&mut self, shared: &Shared, tell: &mpsc::Sender<ControlRequest>) {
        while let Some(request) = self.read_line().await {
            let answer = match request.and_then(|text| understand(&text)) {
                Ok(Wanted::Watch) => return self.watch(shared).await,
                Ok(Wanted::Engine(op)) => {
                    let (back, answer) = oneshot::channel();
                    let gone = || json!({ "error": "the daemon is on its way out" });
                    if tell.send(ControlRequest { op, reply: Reply(back) }).await.is_err() {
                        gone()
                    } else {
                        answer.await.unwrap_or_else(|_| gone())
                    }
                }
                Err(text) => json!({ "error": text }),
            };
            if !self.write(&line(&answer)).await {
                return;
            }
        }
    }

    async fn watch(&mut self, shared: &Shared) {
        let (watcher, mut events) = mpsc::channel::<Arc<str>>(EVENTS_MAX);
        shared.watchers.lock().unwrap_or_else(PoisonError::into_inner).push(watcher);
        if !self.write(&line(&json!({ "ok": true }))).await {
            return;
        }
        let mut ignored = [0; 256];
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => if !self.write(&event).await { return },
                    None => return, // too slow
                },
                read = self.stream.read(&mut ignored) => if !matches!(read, Ok(1..)) { return },
            }
        }
    }

    /// The next line without its end; `None` when the client has gone, an error when the line is too long or no
    /// text. After a line that is too long the client is let go, since its rest cannot be told from a request.
    async fn read_line(&mut self) -> Option<Result<String, String>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                let mut text = std::mem::replace(&mut self.buffer, rest);
                text.pop();
                return Some(String::from_utf8(text).map_err(|_| "the request is not UTF-8".to_owned()));
            }
            if self.buffer.len() > LINE_MAX {
                self.write(&line(&json!({ "error": format!("a request has at most {LINE_MAX} bytes") })))
                    .await;
                return None;
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
        }
    }

    async fn write(&mut self, text: &str) -> bool {
        match timeout(WRITE_MAX, self.stream.write_all(text.as_bytes())).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                debug!(%error, "a control client has gone");
                false
            }
            Err(_) => {
                debug!("a control client takes nothing");
                false
            }
        }
    }
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

fn understand(text: &str) -> Result<Wanted, String> {
    let request: Value = serde_json::from_str(text).map_err(|e| format!("the request is not JSON: {e}"))?;
    let member = |name: &str| request.get(name).and_then(Value::as_str);
    let op =
        member("op").ok_or_else(|| format!("the request has no \"op\"; there are {}", OPS.join(", ")))?;
    match op {
        "status" => Ok(Wanted::Engine(Op::Status)),
        "watch" => Ok(Wanted::Watch),
        "button" => match member("gesture") {
            Some("press") => Ok(Wanted::Engine(Op::Button(ButtonInput::Press))),
            Some("release") => Ok(Wanted::Engine(Op::Button(ButtonInput::Release))),
            Some(other) => Err(unknown("gesture", other, &["press", "release"])),
            None => Err("\"button\" needs a \"gesture\": press or release".to_owned()),
        },
        other => Err(unknown("op", other, &OPS)),
    }
}

fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    match nearest(found, known.iter().copied()) {
        Some(meant) => format!("no such {what} \"{found}\"; did you mean \"{meant}\"?"),
        None => format!("no such {what} \"{found}\"; there are {}", known.join(", ")),
    }
}
