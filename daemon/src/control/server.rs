//! The daemon's end of the control socket: tasks on the event loop's thread, one per client.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pressel_live::event::ButtonInput;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::warn;

use super::connection::Client;
use super::{Event, place};
use crate::gesture::Act;
use crate::usage::count::Count;
use crate::volume::VolumeChange;

/// Clients at a time.
const CLIENTS_MAX: usize = 16;
/// Requests the loop has not seen yet.
const REQUESTS_MAX: usize = 16;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// The state, as [`crate::status::Status`].
    Status,
    /// What was used, as [`crate::usage::report::UsageReport`].
    Usage,
    /// What the sound path measures, as [`crate::levels::Levels`].
    Levels,
    /// The configuration read again.
    Reload,
    /// An edge of the button.
    Button {
        /// Name of the line; `None`: the button's own.
        line: Option<String>,
        /// Down or up.
        gesture: ButtonInput,
    },
    /// What a gesture would do.
    Act(Act),
    /// Changes the volume, if there is something to change, and tells it, as [`crate::volume::VolumeStatus`].
    Volume(Option<VolumeChange>),
    /// Another program used this beside the daemon; it is to stand in the daemon's ledger.
    Used(Count),
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
    pub(super) fn new(back: oneshot::Sender<Value>) -> Self {
        Reply(back)
    }

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

/// What the loop and the clients' tasks share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) watchers: Mutex<Vec<mpsc::Sender<Arc<str>>>>,
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
                    let mut client = Client::new(stream);
                    if others < CLIENTS_MAX {
                        client.serve(&shared, &tell).await;
                    } else {
                        client.refuse("too many clients").await;
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
