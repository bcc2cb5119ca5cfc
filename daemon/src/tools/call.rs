//! One call as the daemon sees it: hand it to a runner, wait for its line.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::runner::{Call, Reply};

/// A runner's line is never longer: the largest output, escaped.
const REPLY_MAX: u64 = 8 << 20;
/// What a runner may take beyond the tool's own time.
const GRACE: Duration = Duration::from_secs(5);

/// What a tool found, or a sentence about what went wrong.
pub type Outcome = Result<Map<String, Value>, String>;

/// Where runners come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runners {
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

impl Runners {
    /// systemd's, if its socket is there.
    pub fn find(socket: &Path, program: PathBuf, folder: PathBuf) -> Self {
        if socket.exists() { Runners::Socket(socket.to_owned()) } else { Runners::Own { program, folder } }
    }

    async fn connect(&self) -> io::Result<UnixStream> {
        match self {
            Runners::Socket(path) => UnixStream::connect(path).await,
            Runners::Own { program, folder } => {
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
            let mut socket = self.connect().await?;
            let mut call = serde_json::to_string(&Call { tool: tool.to_owned(), args })?;
            call.push('\n');
            socket.write_all(call.as_bytes()).await?;
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
