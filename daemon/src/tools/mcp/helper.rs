//! The socket of `pressel-mcp`: one connection to follow what its servers have, one for each call.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::{Listing, State};
use crate::tools::call::Outcome;
use crate::tools::runner::Reply;

/// A line is never longer: every server with all its tools, or the largest answer, escaped.
const LINE_MAX: u64 = 8 << 20;
/// Until the socket is tried again, doubled each time.
const AGAIN: Duration = Duration::from_millis(500);
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// What is asked of it, a line each.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Ask<'a> {
    /// What there is, now and whenever it changes. It reads its files again.
    Watch {},
    /// One call; it ends when the connection does.
    Call { server: &'a str, tool: &'a str, args: Map<String, Value> },
}

/// Where `pressel-mcp` is.
#[derive(Clone, Debug)]
pub struct Helper {
    socket: PathBuf,
}

type Lines = BufReader<tokio::io::Take<UnixStream>>;

impl Helper {
    /// At this socket.
    pub fn new(socket: PathBuf) -> Self {
        Helper { socket }
    }

    async fn ask(&self, ask: &Ask<'_>) -> io::Result<Lines> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        let mut line = serde_json::to_string(ask)?;
        line.push('\n');
        stream.write_all(line.as_bytes()).await?;
        Ok(BufReader::new(stream.take(LINE_MAX)))
    }

    /// Makes a call. Dropped before it ends, the server is told that nobody waits for it any more.
    pub(super) async fn call(
        &self,
        server: &str,
        tool: &str,
        args: Map<String, Value>,
        within: Duration,
    ) -> Outcome {
        let talk = async { next::<Reply>(&mut self.ask(&Ask::Call { server, tool, args }).await?).await };
        match tokio::time::timeout(within, talk).await {
            Err(_) => Err(format!("failed: not done after {} s", within.as_secs())),
            Ok(Ok(Reply::Done(object))) => Ok(object),
            Ok(Ok(Reply::Failed(sentence))) => Err(sentence),
            Ok(Err(error)) => {
                tracing::error!(server, tool, %error, "no answer from pressel-mcp");
                Err("failed: the device could not ask for it".to_owned())
            }
        }
    }

    /// What there is, once each of these servers has said so or failed, or when the time is over.
    ///
    /// # Errors
    /// The system's; nobody is there.
    pub async fn look(&self, names: &[&str], within: Duration) -> io::Result<Listing> {
        let mut lines = self.ask(&Ask::Watch {}).await?;
        let mut listing = next::<Listing>(&mut lines).await?;
        let wait = async {
            loop {
                let known = |name: &&str| {
                    listing.servers.iter().any(|one| one.name == **name && one.state != State::Starting)
                };
                if names.iter().all(known) {
                    return Ok(());
                }
                listing = next(&mut lines).await?;
            }
        };
        match tokio::time::timeout(within, wait).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) | Err(_) => Ok(listing),
        }
    }

    /// Follows what there is, for as long as the result lives.
    pub fn follow(&self) -> Follow {
        Follow { helper: self.clone(), begun: None }
    }

    async fn keep_telling(&self, tell: &mpsc::Sender<Listing>) {
        let mut again = AGAIN;
        let mut said = false;
        loop {
            let ended = async {
                let mut lines = self.ask(&Ask::Watch {}).await?;
                loop {
                    let listing = next::<Listing>(&mut lines).await?;
                    (again, said) = (AGAIN, false);
                    if tell.send(listing).await.is_err() {
                        return Ok::<(), io::Error>(()); // nobody follows any more
                    }
                }
            };
            let Err(error) = ended.await else { return };
            if !said {
                said = true;
                warn!(socket = %self.socket.display(), %error, "pressel-mcp is not there: no tools of MCP servers until it is");
            }
            tokio::time::sleep(again).await;
            again = (again * 2).min(AGAIN_MAX);
        }
    }
}

/// The next line.
async fn next<T: serde::de::DeserializeOwned>(lines: &mut Lines) -> io::Result<T> {
    let mut line = Vec::new();
    lines.get_mut().set_limit(LINE_MAX);
    lines.read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&line)?)
}

/// What there is, whenever it changes.
#[derive(Debug)]
pub struct Follow {
    helper: Helper,
    /// From the first look on: the event loop turns by then.
    begun: Option<(mpsc::Receiver<Listing>, JoinHandle<()>)>,
}

impl Follow {
    /// The next listing.
    pub async fn next(&mut self) -> Listing {
        let begin = || {
            let (tell, listings) = mpsc::channel(1);
            let helper = self.helper.clone();
            (listings, tokio::spawn(async move { helper.keep_telling(&tell).await }))
        };
        let (listings, _) = self.begun.get_or_insert_with(begin);
        let Some(listing) = listings.recv().await else { return std::future::pending().await };
        for server in &listing.servers {
            let (state, tools) = (server.state, server.tools.len());
            info!(server = server.name, ?state, tools, why = server.why, "MCP server");
        }
        listing
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.begun {
            task.abort();
        }
    }
}
