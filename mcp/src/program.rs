//! A server that is a program: lines over its pipes, in a process group of its own, ended with everything in it.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tracing::{info, warn};

use crate::answer::clean;
use crate::file::Keys;
use crate::secret;

/// A message is never longer: the largest answer, escaped. A server that sends more is ended.
const LINE_MAX: usize = 8 << 20;
/// Of what a server says on stderr, so many lines go to the journal, each cut.
const WORDS_MAX: usize = 100;
const WORD_MAX: usize = 300;

/// A server at work. Dropped, it is killed with its group.
#[derive(Debug)]
pub struct Program {
    child: Child,
    group: libc::pid_t,
}

impl Program {
    /// Starts one; its stdout and stdin.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn start(name: &str, keys: &Keys) -> Result<(Self, Bounded<ChildStdout>, ChildStdin), String> {
        let mut command = Command::new(&keys.command[0]);
        command.args(&keys.command[1..]).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8");
        command.env("HOME", std::env::var_os("STATE_DIRECTORY").unwrap_or_else(|| "/nonexistent".into()));
        command.envs(keys.env.iter().filter_map(|line| line.split_once('=')));
        if let Some(secret) = secret::read(&keys.secret_file)? {
            command.env(&keys.secret_env, secret.as_str());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // SAFETY: between fork and exec only this one call is made, which is async-signal-safe and touches no memory.
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            });
        }
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", keys.command[0]))?;
        let group = child.id().and_then(|id| libc::pid_t::try_from(id).ok()).expect("it was just started");
        let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        tokio::spawn(journal(name.to_owned(), child.stderr.take().expect("piped")));
        Ok((Program { child, group }, Bounded { inner: stdout, line: 0 }, stdin))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: a signal to the group that the child was started in, which lives as long as it is not waited for or
        // somebody else is in it; no memory is touched.
        unsafe { libc::kill(-self.group, libc::SIGKILL) };
        let _ = self.child.start_kill(); // the runtime reaps it
    }
}

async fn journal(name: String, stderr: ChildStderr) {
    let mut lines = BufReader::new(stderr);
    let mut said = 0;
    loop {
        let mut line = Vec::new();
        match (&mut lines).take(4096).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        said += 1;
        let words = clean(&String::from_utf8_lossy(&line), WORD_MAX);
        match said {
            ..=WORDS_MAX if !words.is_empty() => info!(server = name, "{words}"),
            n if n == WORDS_MAX + 1 => warn!(server = name, "says more than is kept"),
            _ => {}
        }
    }
}

/// A stream that ends when a line of it is too long.
#[derive(Debug)]
pub struct Bounded<R> {
    inner: R,
    line: usize,
}

impl<R: AsyncRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let new = &buf.filled()[before..];
        self.line = match new.iter().rposition(|&byte| byte == b'\n') {
            Some(at) => new.len() - at - 1,
            None => self.line + new.len(),
        };
        if self.line > LINE_MAX {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a message is far too long")));
        }
        Poll::Ready(Ok(()))
    }
}
