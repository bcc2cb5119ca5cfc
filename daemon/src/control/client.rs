//! The other end: what `pressel status` and its like say to the daemon. Plain blocking calls, no runtime.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

/// A daemon that turns answers within milliseconds.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    /// Nobody listens there.
    NotRunning(PathBuf),
    /// The socket is not ours to use.
    Denied(PathBuf),
    /// The daemon says no, with a sentence.
    Refused(String),
    /// The daemon does not answer, or in no words we know.
    Failed(PathBuf, io::Error),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskError::NotRunning(path) => write!(
                f,
                "no daemon listens at {}; start it with: systemctl start pressel (or: pressel run)",
                path.display()
            ),
            AskError::Denied(path) => write!(
                f,
                "{}: permission denied; use sudo, or join the group with: sudo usermod -aG pressel $USER \
                 (then log in again)",
                path.display()
            ),
            AskError::Refused(text) => f.write_str(text),
            AskError::Failed(path, error) => {
                write!(f, "the daemon at {} does not answer: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for AskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            AskError::Failed(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Sends one request and returns what the daemon answers under `ok`.
///
/// # Errors
/// [`AskError`].
pub fn ask(path: &Path, request: &Value) -> Result<Value, AskError> {
    open(path)?.ask(request)
}

/// A client that follows what happens.
pub struct Watcher(Client);

/// Begins to watch: every event from now on is told.
///
/// # Errors
/// [`AskError`].
pub fn watch(path: &Path) -> Result<Watcher, AskError> {
    let mut client = open(path)?;
    client.ask(&json!({ "op": "watch" }))?;
    // Hours may pass between two events.
    client.reader.get_ref().set_read_timeout(None).map_err(|e| client.failed(e))?;
    Ok(Watcher(client))
}

impl Watcher {
    /// Waits for the next event; `None` when the daemon has ended, or let us go because we read too slowly.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn next_event(&mut self) -> Result<Option<Value>, AskError> {
        self.0.line()
    }
}

/// A client that asks again and again over one connection.
pub struct Asker(Client);

/// Connects to the daemon.
///
/// # Errors
/// [`AskError`].
pub fn connect(path: &Path) -> Result<Asker, AskError> {
    open(path).map(Asker)
}

impl Asker {
    /// Sends a request and returns what the daemon answers under `ok`.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn ask(&mut self, request: &Value) -> Result<Value, AskError> {
        self.0.ask(request)
    }
}

struct Client {
    path: PathBuf,
    reader: BufReader<UnixStream>,
}

fn open(path: &Path) -> Result<Client, AskError> {
    let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NotRunning(path.to_owned()),
        io::ErrorKind::PermissionDenied => AskError::Denied(path.to_owned()),
        _ => AskError::Failed(path.to_owned(), error),
    })?;
    let failed = |error| AskError::Failed(path.to_owned(), error);
    stream.set_read_timeout(Some(ANSWER_MAX)).map_err(failed)?;
    stream.set_write_timeout(Some(ANSWER_MAX)).map_err(failed)?;
    Ok(Client { path: path.to_owned(), reader: BufReader::new(stream) })
}

impl Client {
    fn ask(&mut self, request: &Value) -> Result<Value, AskError> {
        let line = format!("{request}\n");
        self.reader.get_mut().write_all(line.as_bytes()).map_err(|e| self.failed(e))?;
        let mut answer = match self.line()? {
            Some(answer) => answer,
            None => return Err(self.failed(io::ErrorKind::UnexpectedEof.into())),
        };
        if let Some(text) = answer.get("error").and_then(Value::as_str) {
            return Err(AskError::Refused(text.to_owned()));
        }
        Ok(answer["ok"].take())
    }

    fn line(&mut self) -> Result<Option<Value>, AskError> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => serde_json::from_str(&line).map(Some).map_err(|e| self.failed(e.into())),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, error: io::Error) -> AskError {
        AskError::Failed(self.path.clone(), error)
    }
}
