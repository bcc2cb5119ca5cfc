//! The socket: a line of JSON comes in, lines go out; the connection's end is the end of what was asked.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::servers::Servers;

/// The daemon makes eight calls at a time and follows once; people look beside it.
const CONNECTIONS_MAX: usize = 32;
/// A request is never longer.
const LINE_MAX: u64 = 256 * 1024;
/// And it comes at once.
const LINE_WITHIN: Duration = Duration::from_secs(5);
/// The first descriptor that systemd hands over (sd_listen_fds(3)).
const FIRST: i32 = 3;

/// What may be asked.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ask {
    /// What there is, now and whenever it changes.
    Watch {},
    /// A call of a tool.
    Call { server: String, tool: String, args: Map<String, Value> },
}

/// What a call came to.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Reply {
    Done(Map<String, Value>),
    Failed(String),
}

/// Listens at a path, or where systemd says.
///
/// # Errors
/// What is wrong with it.
pub fn open(path: Option<PathBuf>) -> Result<UnixListener, String> {
    let ours = std::env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    if path.is_none() && ours && std::env::var("LISTEN_FDS").is_ok_and(|count| count == "1") {
        // SAFETY: systemd gave this descriptor to this process alone, and this is the one place that takes it.
        let socket = unsafe { OwnedFd::from_raw_fd(FIRST) };
        let socket = std::os::unix::net::UnixListener::from(socket);
        socket.set_nonblocking(true).map_err(|error| format!("the socket of systemd's: {error}"))?;
        return UnixListener::from_std(socket).map_err(|error| format!("the socket of systemd's: {error}"));
    }
    let path = path.unwrap_or_else(|| "/run/pressel-mcp/socket".into());
    bind(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Answers whoever comes.
pub async fn answer_all(listener: &UnixListener, servers: &Arc<Servers>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = places.clone().acquire_owned().await.expect("nobody closes it");
        match listener.accept().await {
            Ok((stream, _)) => {
                let servers = servers.clone();
                tokio::spawn(async move {
                    let _ = answer(stream, &servers).await; // whoever asked is gone
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await; // too many files: somebody must leave first
            }
        }
    }
}

async fn answer(stream: UnixStream, servers: &Servers) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = String::new();
    let mut bounded = (&mut read).take(LINE_MAX);
    tokio::time::timeout(LINE_WITHIN, bounded.read_line(&mut line)).await.map_err(io::Error::other)??;
    match serde_json::from_str(&line) {
        Ok(Ask::Watch {}) => {
            servers.read();
            tokio::select! {
                told = tell(servers, &mut write) => told,
                () = end(&mut read) => Ok(()),
            }
        }
        Ok(Ask::Call { server, tool, args }) => {
            match servers.call(&server, tool, args, end(&mut read)).await {
                Some(Ok(object)) => say(&mut write, &Reply::Done(object)).await,
                Some(Err(sentence)) => say(&mut write, &Reply::Failed(sentence)).await,
                None => {
                    info!(server, "a call was cancelled");
                    Ok(())
                }
            }
        }
        Err(_) => say(&mut write, &Reply::Failed("the call could not be read".to_owned())).await,
    }
}

async fn tell(servers: &Servers, write: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut changes = servers.changes();
    loop {
        changes.borrow_and_update();
        say(write, &servers.listing()).await?;
        if changes.changed().await.is_err() {
            return Ok(());
        }
    }
}

async fn say(write: &mut OwnedWriteHalf, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(what)?;
    line.push('\n');
    write.write_all(line.as_bytes()).await
}

/// Whoever asked says nothing more, so that anything from there is the end.
async fn end(read: &mut BufReader<OwnedReadHalf>) {
    let _ = read.read(&mut [0]).await;
}
