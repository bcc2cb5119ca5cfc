//! A terminal that does not show what is typed, for keys and passwords.

use std::io::{self, BufRead, IsTerminal};
use std::os::fd::{AsRawFd, RawFd};

use crate::keyboard::{mode_of, set_mode};

/// What Ctrl-C types while it raises no signal.
const CTRL_C: char = '\u{3}';

/// Echo comes back when it is dropped.
struct Hidden {
    fd: RawFd,
    before: libc::termios,
}

impl Hidden {
    fn on(fd: RawFd) -> io::Result<Self> {
        let before = mode_of(fd)?;
        let mut mode = before;
        // Without signals: a program that is interrupted here would leave the terminal mute.
        mode.c_lflag = mode.c_lflag & !(libc::ECHO | libc::ISIG) | libc::ECHONL;
        set_mode(fd, &mode)?;
        Ok(Hidden { fd, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that has gone shows nothing anyway.
        let _ = set_mode(self.fd, &self.before);
    }
}

/// Reads a line from standard input into `line`, unseen where that is a terminal.
/// `ask` is called once nothing is shown any more: who answers at once must not be faster than the terminal.
///
/// # Errors
/// What `ask` or the system says; `Interrupted` after Ctrl-C; `UnexpectedEof` when nothing more comes.
pub fn read_unseen(line: &mut String, ask: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let stdin = io::stdin();
    let hidden = stdin.is_terminal().then(|| Hidden::on(stdin.as_raw_fd())).transpose()?;
    ask()?;
    let length = stdin.lock().read_line(line)?;
    drop(hidden);
    if line.contains(CTRL_C) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    if length == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
