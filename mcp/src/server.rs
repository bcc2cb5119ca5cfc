//! One server: connected to for as long as its file says so, again and again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rmcp::service::{Peer, RoleClient};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::answer::Outcome;
use crate::file::Keys;
use crate::link::{self, Failure, Link, Listed};

/// Until a server is tried again, doubled each time; one that stayed for a minute begins anew.
const AGAIN: Duration = Duration::from_millis(500);
const AGAIN_MAX: Duration = Duration::from_secs(60);
const STAYED: Duration = Duration::from_secs(60);

/// How a server is, for the daemon.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Now {
    name: String,
    state: State,
    #[serde(skip_serializing_if = "String::is_empty")]
    why: String,
    /// What it listed last: one that is away for a moment keeps its tools.
    tools: Vec<Listed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Starting,
    Up,
    Down,
}

/// A server, and the task that keeps it. Dropped, it is left.
pub struct Server {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    keys: Keys,
    now: Mutex<Now>,
    peer: Mutex<Option<Peer<RoleClient>>>,
    /// A call found the connection gone.
    lost: Notify,
    /// Counts changes of any server.
    changes: watch::Sender<u64>,
}

impl Server {
    /// Begins with a server.
    pub fn start(name: String, keys: Keys, changes: watch::Sender<u64>) -> Self {
        let now = Now { name, state: State::Starting, why: String::new(), tools: Vec::new() };
        let shared = Shared { keys, now: now.into(), peer: None.into(), lost: Notify::new(), changes };
        let shared = Arc::new(shared);
        Server { task: tokio::spawn(keep(shared.clone())), shared }
    }

    /// As its file has it.
    pub fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    /// How it is.
    pub fn now(&self) -> Now {
        self.shared.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a call, which may outlive this server's file. `None`: nobody waits for it any more.
    pub fn call<U: Future<Output = ()>>(
        &self,
        tool: String,
        args: Map<String, Value>,
        unwanted: U,
    ) -> impl Future<Output = Option<Outcome>> + use<U> {
        let shared = self.shared.clone();
        async move { shared.call(tool, args, unwanted).await }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        // A call that waits for it to begin waits no longer.
        self.shared.tell(State::Down, "its file is gone, or another".to_owned(), None);
    }
}

impl Shared {
    async fn call(
        &self,
        tool: String,
        args: Map<String, Value>,
        unwanted: impl Future<Output = ()>,
    ) -> Option<Outcome> {
        if !self.keys.allows(&tool) {
            return Some(Err("not done: this device does not allow it".to_owned()));
        }
        let mut unwanted = std::pin::pin!(unwanted);
        let peer = tokio::select! {
            peer = self.begun() => peer,
            () = &mut unwanted => return None,
        };
        let Some(peer) = peer else {
            return Some(Err("failed: the service behind it is not there now".to_owned()));
        };
        let bytes_max = self.keys.answer_max_kb.unwrap_or(32) * 1024;
        Some(match link::call(&peer, tool, args, bytes_max, unwanted).await? {
            Ok(outcome) => outcome,
            Err(Failure::Refused(sentence)) => Err(sentence),
            Err(Failure::Lost(why)) => {
                warn!(server = self.name(), why, "lost during a call");
                self.lost.notify_one();
                Err("failed: the connection to the service behind it was lost".to_owned())
            }
        })
    }

    /// The connection, once the first attempt at one has come to something.
    async fn begun(&self) -> Option<Peer<RoleClient>> {
        let mut changes = self.changes.subscribe();
        while self.now.lock().unwrap_or_else(PoisonError::into_inner).state == State::Starting {
            changes.changed().await.ok()?;
        }
        self.peer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn name(&self) -> String {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).name.clone()
    }

    fn tell(&self, state: State, why: String, tools: Option<Vec<Listed>>) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let before = now.clone();
        (now.state, now.why) = (state, why);
        if let Some(tools) = tools {
            now.tools = tools;
        }
        if *now != before {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// A connection from its begin to its end; why it ended.
    async fn live(&self) -> String {
        let name = self.name();
        let changed = Arc::new(Notify::new());
        let within = Duration::from_secs(self.keys.start_timeout_s.unwrap_or(30));
        let begin = async {
            let link = Link::open(&name, &self.keys, changed.clone()).await?;
            let tools = link::list(&link.peer(), &self.keys).await?;
            Ok::<_, String>((link, tools))
        };
        let (link, tools) = match tokio::time::timeout(within, begin).await {
            Ok(Ok(begun)) => begun,
            Ok(Err(why)) => return why,
            Err(_) => return format!("it has not said what it has within {} s", within.as_secs()),
        };
        info!(server = name, tools = tools.len(), "up");
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.peer());
        self.tell(State::Up, String::new(), Some(tools));
        let peer = link.peer();
        let mut ended = std::pin::pin!(link.ended());
        loop {
            tokio::select! {
                () = &mut ended => return "it ended".to_owned(),
                () = self.lost.notified() => return "its connection was lost".to_owned(),
                () = changed.notified() => {
                    let listed = tokio::time::timeout(within, link::list(&peer, &self.keys));
                    tokio::select! {
                        () = &mut ended => return "it ended".to_owned(),
                        listed = listed => match listed {
                            Ok(Ok(tools)) => self.tell(State::Up, String::new(), Some(tools)),
                            Ok(Err(why)) => return why,
                            Err(_) => return "it does not say what it has".to_owned(),
                        },
                    }
                }
            }
        }
    }
}

async fn keep(shared: Arc<Shared>) {
    let mut again = AGAIN;
    loop {
        let begun = Instant::now();
        let why = shared.live().await;
        *shared.peer.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if begun.elapsed() > STAYED {
            again = AGAIN;
        }
        warn!(server = shared.name(), why, again_ms = again.as_millis(), "down");
        shared.tell(State::Down, why, None);
        tokio::time::sleep(again).await;
        again = (again * 2).min(AGAIN_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_does_not_wait_for_a_server_that_is_gone() {
        let keys =
            Keys { command: vec!["/bin/cat".to_owned()], allow: vec!["*".to_owned()], ..Keys::default() };
        let server = Server::start("stock".to_owned(), keys, watch::Sender::new(0));
        let mut call = std::pin::pin!(server.call("order".to_owned(), Map::new(), std::future::pending()));
        let none_yet = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_pending()));
        assert!(none_yet.await, "it waits for the server to begin");
        drop(server);
        let outcome = tokio::time::timeout(Duration::from_secs(10), call).await;
        assert_eq!(outcome, Ok(Some(Err("failed: the service behind it is not there now".to_owned()))));
    }
}
