//! One call as the daemon sees it: hand it to a runner, wait for its line.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::runner::{Call, Reply};

/// A runner's line is never longer: the largest output, escaped.
const REPLY_MAX: u64 = 8 << 20;
/// What a runner may take beyond the tool's own time.
const GRACE: Duration = Duration::from_secs(5);
/// A runner that was started ahead waits so long for its call (`RuntimeMaxSec` of pressel-tool@.service allows for it).
const AHEAD: Duration = Duration::from_secs(60);

/// What a tool found, or a sentence about what went wrong.
pub type Outcome = Result<Map<String, Value>, String>;

/// Where runners come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// systemd starts one for each connection, as a user of its own.
    Socket(PathBuf),
    /// The daemon starts its own program again, as its own user.
    Own {
        /// The program.
        program: PathBuf,
        /// The folder with the tools.
        folder: PathBuf,
    },
}

/// Runners of calls, one for each. Clones share the one that was started ahead.
#[derive(Clone, Debug)]
pub struct Runners {
    source: Source,
    ahead: Arc<Mutex<Option<Ahead>>>,
}

/// A runner that has not been asked yet.
#[derive(Debug)]
struct Ahead {
    socket: UnixStream,
    since: Instant,
}

impl Ahead {
    /// Whether it waits: its end of the socket is there, and has said nothing.
    fn waits(&self) -> bool {
        let said = self.socket.try_read(&mut [0]);
        said.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Runners {
    /// systemd's, if its socket is there.
    pub fn find(socket: &Path, program: PathBuf, folder: PathBuf) -> Self {
        let source =
            if socket.exists() { Source::Socket(socket.to_owned()) } else { Source::Own { program, folder } };
        Runners { source, ahead: Arc::default() }
    }

    /// Whether they are the daemon's own user.
    pub fn are_own_user(&self) -> bool {
        matches!(self.source, Source::Own { .. })
    }

    /// Starts one that waits for a call, which may come soon: systemd takes a tenth of a second for a unit. Not asked for
    /// [`AHEAD`], it ends.
    pub fn prepare(&self) {
        if self.are_own_user() {
            return; // a process of its own is there in a moment
        }
        if self.slot().as_ref().is_some_and(|ahead| ahead.since.elapsed() < AHEAD / 2 && ahead.waits()) {
            return;
        }
        let runners = self.clone();
        tokio::spawn(async move {
            // What is wrong the call will tell.
            let Ok(socket) = runners.connect().await else { return };
            let since = Instant::now();
            *runners.slot() = Some(Ahead { socket, since });
            tokio::time::sleep(AHEAD).await;
            let mut slot = runners.slot();
            if slot.as_ref().is_some_and(|ahead| ahead.since == since) {
                *slot = None;
            }
        });
    }

    fn slot(&self) -> MutexGuard<'_, Option<Ahead>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a call to the runner that waits, or to a new one.
    async fn ask(&self, call: &[u8]) -> io::Result<UnixStream> {
        let ahead = self.slot().take().filter(Ahead::waits);
        if let Some(Ahead { mut socket, .. }) = ahead {
            if socket.write_all(call).await.is_ok() {
                return Ok(socket);
            }
        }
        let mut socket = self.connect().await?;
        socket.write_all(call).await?;
        Ok(socket)
    }

    async fn connect(&self) -> io::Result<UnixStream> {
        match &self.source {
            Source::Socket(path) => UnixStream::connect(path).await,
            Source::Own { program, folder } => {
                let (ours, theirs) = Pair::pair()?;
                let theirs = OwnedFd::from(theirs);
                // It ends by itself when our end of the socket is gone; the runtime reaps it.
                tokio::process::Command::new(program)
                    .args(["tools", "run", "--folder"])
                    .arg(folder)
                    .env_clear()
                    .stdin(Stdio::from(theirs.try_clone()?))
                    .stdout(Stdio::from(theirs))
                    .stderr(Stdio::inherit())
                    .spawn()?;
                ours.set_nonblocking(true)?;
                UnixStream::from_std(ours)
            }
        }
    }

    /// Runs a call to its end. Dropped before, the runner sees its socket end.
    pub async fn run(&self, tool: &str, args: Map<String, Value>, timeout: Duration) -> Outcome {
        let lost = |error: io::Error| {
            tracing::error!(tool, %error, "no runner for a tool");
            "failed: the device could not run it".to_owned()
        };
        let talk = async {
            let mut call = serde_json::to_string(&Call { tool: tool.to_owned(), args })?;
            call.push('\n');
            let socket = self.ask(call.as_bytes()).await?;
            let mut line = Vec::new();
            BufReader::new(socket.take(REPLY_MAX)).read_until(b'\n', &mut line).await?;
            Ok(line)
        };
        let line = match tokio::time::timeout(timeout + GRACE, talk).await {
            Err(_) => return Err(format!("failed: not done after {} s", (timeout + GRACE).as_secs())),
            Ok(Err(error)) => return Err(lost(error)),
            Ok(Ok(line)) => line,
        };
        match serde_json::from_slice(&line) {
            Ok(Reply::Done(object)) => Ok(object),
            Ok(Reply::Failed(sentence)) => Err(sentence),
            Err(error) => Err(lost(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::net::UnixListener;

    use super::*;

    /// systemd's end: what it was asked on a connection, which it answers with the connection's number.
    async fn serve(runner: UnixStream, number: u64) -> Call {
        let mut runner = BufReader::new(runner);
        let mut line = String::new();
        runner.read_line(&mut line).await.unwrap();
        let reply = Reply::Done(Map::from_iter([("number".to_owned(), number.into())]));
        runner.write_all((serde_json::to_string(&reply).unwrap() + "\n").as_bytes()).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn listen() -> (tempfile::TempDir, UnixListener, Runners) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let runners = Runners::find(&path, PathBuf::new(), PathBuf::new());
        (folder, listener, runners)
    }

    async fn call(runners: &Runners) -> Outcome {
        runners.run("lamp", Map::new(), Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn a_call_goes_to_the_runner_that_was_started_ahead_and_the_next_to_a_new_one() {
        let (_folder, listener, runners) = listen();
        runners.prepare();
        let (first, _) = listener.accept().await.unwrap();
        while runners.slot().is_none() {
            tokio::task::yield_now().await;
        }
        runners.prepare();
        let (asked, outcome) = tokio::join!(serve(first, 1), call(&runners));
        assert_eq!((asked.tool.as_str(), Value::Object(outcome.unwrap())), ("lamp", json!({ "number": 1 })));
        let next = async { serve(listener.accept().await.unwrap().0, 2).await };
        let (_, outcome) = tokio::join!(next, call(&runners));
        assert_eq!(Value::Object(outcome.unwrap()), json!({ "number": 2 }));
    }

    #[tokio::test]
    async fn a_runner_that_has_ended_is_asked_nothing() {
        let (_folder, listener, runners) = listen();
        runners.prepare();
        let (first, _) = listener.accept().await.unwrap();
        while runners.slot().is_none() {
            tokio::task::yield_now().await;
        }
        drop(first);
        let ahead = runners.slot().take().unwrap();
        ahead.socket.readable().await.unwrap();
        *runners.slot() = Some(ahead);
        let next = async { serve(listener.accept().await.unwrap().0, 2).await };
        let (asked, outcome) = tokio::join!(next, call(&runners));
        assert_eq!((asked.tool.as_str(), Value::Object(outcome.unwrap())), ("lamp", json!({ "number": 2 })));
    }
}
