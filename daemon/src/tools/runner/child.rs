//! The program of a call: started, watched, and ended with everything that it started.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Stdio};
use std::time::{Duration, Instant};

/// Of what a program says to stderr, the beginning is kept.
const COMPLAINT_MAX: usize = 2048;
/// What is still in the pipes when the program has ended is read for so long; a child of it may hold them open.
const LEFTOVER: Duration = Duration::from_millis(100);

/// A program at work.
pub(super) struct Child {
    process: process::Child,
    /// Readable when it has ended.
    ended: OwnedFd,
}

/// How it ended.
pub(super) enum End {
    /// By itself.
    Exited {
        /// `None`: by a signal.
        code: Option<i32>,
        /// stdout.
        output: Vec<u8>,
        /// The beginning of stderr.
        complaint: Vec<u8>,
    },
    /// It took too long.
    TooLate,
    /// It printed too much.
    TooMuch,
    /// Nobody waits for it any more.
    Unwanted,
    /// The system failed.
    Lost(io::Error),
}

impl Child {
    /// Starts it in a process group of its own, with an environment that holds nothing of ours.
    pub(super) fn start(argv: &[String], input: Option<String>) -> io::Result<Self> {
        // SAFETY: prctl with this argument sets a flag of this process and touches no memory.
        unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
        let mut process = process::Command::new(&argv[0])
            .args(&argv[1..])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .current_dir("/")
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        if let (Some(text), Some(mut pipe)) = (input, process.stdin.take()) {
            // A program that does not read its input must not hold the watch up. Without the write nothing is lost
            // that it wanted.
            std::thread::spawn(move || drop(pipe.write_all(text.as_bytes())));
        }
        // SAFETY: the child is ours and not yet waited for, so its number is its own.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, process.id(), 0) };
        let Ok(fd) = RawFd::try_from(fd).map_err(drop).and_then(|fd| if fd < 0 { Err(()) } else { Ok(fd) })
        else {
            let error = io::Error::last_os_error();
            let _ = process.kill();
            let _ = process.wait();
            return Err(error);
        };
        // SAFETY: the call above gave this descriptor to us alone.
        let ended = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Child { process, ended })
    }

    /// Reads what it prints until it ends, or until it must.
    pub(super) fn wait(mut self, until: Instant, wanted_only: bool, output_max: usize) -> End {
        let end = self.watch(until, wanted_only, output_max).unwrap_or_else(End::Lost);
        self.end_all();
        end
    }

    fn watch(&mut self, until: Instant, wanted_only: bool, output_max: usize) -> io::Result<End> {
        let mut stdout = Some(unblocked(self.process.stdout.take().expect("it is piped").into())?);
        let mut stderr = Some(unblocked(self.process.stderr.take().expect("it is piped").into())?);
        let (mut output, mut complaint) = (Vec::new(), Vec::new());
        let mut until = until;
        let mut code = None;
        loop {
            let fd = |file: &Option<File>| file.as_ref().map_or(-1, AsRawFd::as_raw_fd);
            let asked = |fd, events| libc::pollfd { fd, events, revents: 0 };
            let gone = if code.is_some() { -1 } else { self.ended.as_raw_fd() };
            // The socket on stdin: it says nothing more, so that anything on it is its end.
            let socket = if wanted_only { libc::STDIN_FILENO } else { -1 };
            let mut fds = [
                asked(fd(&stdout), libc::POLLIN),
                asked(fd(&stderr), libc::POLLIN),
                asked(gone, libc::POLLIN),
                asked(socket, libc::POLLRDHUP),
            ];
            let left = until.saturating_duration_since(Instant::now());
            let wait = i32::try_from(left.as_millis()).unwrap_or(i32::MAX).saturating_add(1);
            // SAFETY: `fds` is an array of this length that lives past the call.
            let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, wait) };
            if ready < 0 {
                let error = io::Error::last_os_error();
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                return Err(error);
            }
            if fds[3].revents != 0 {
                return Ok(End::Unwanted);
            }
            if fds[0].revents != 0 && !take(&mut stdout, &mut output, output_max + 1)? {
                return Ok(End::TooMuch);
            }
            if output.len() > output_max {
                return Ok(End::TooMuch);
            }
            if fds[1].revents != 0 {
                take(&mut stderr, &mut complaint, COMPLAINT_MAX)?;
            }
            if fds[2].revents != 0 {
                code = Some(self.process.wait()?);
                until = until.min(Instant::now() + LEFTOVER);
            }
            let late = Instant::now() >= until;
            if let Some(status) = code.filter(|_| late || (stdout.is_none() && stderr.is_none())) {
                let code = if status.signal().is_some() { None } else { status.code() };
                return Ok(End::Exited { code, output, complaint });
            }
            if late {
                return Ok(End::TooLate);
            }
        }
    }

    /// Ends the program, its group, and what left the group: this process is whom orphans go to.
    fn end_all(&mut self) {
        let group = libc::pid_t::try_from(self.process.id()).expect("process numbers are small");
        // SAFETY: a signal to the group that the child was started in; no memory is touched.
        unsafe { libc::kill(-group, libc::SIGKILL) };
        let _ = self.process.wait();
        loop {
            for child in children() {
                // SAFETY: as above, to a child that is not yet waited for.
                unsafe { libc::kill(child, libc::SIGKILL) };
            }
            // SAFETY: no status is asked for.
            let reaped = unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
            if reaped < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ECHILD) {
                return;
            }
        }
    }
}

/// Processes whose parent this is.
fn children() -> Vec<libc::pid_t> {
    let own = process::id();
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    all.filter_map(|entry| {
        let number: libc::pid_t = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        // Behind the name, which may hold anything: state, parent.
        let parent: u32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        (parent == own).then_some(number)
    })
    .collect()
}

/// Takes what is there; at the end of the file the pipe is put away. False when there is more than `max`.
fn take(pipe: &mut Option<File>, into: &mut Vec<u8>, max: usize) -> io::Result<bool> {
    let Some(file) = pipe else { return Ok(true) };
    let mut buffer = [0; 8192];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => {
                *pipe = None;
                return Ok(true);
            }
            Ok(count) => {
                let room = max.saturating_sub(into.len());
                into.extend_from_slice(&buffer[..count.min(room)]);
                if count > room {
                    return Ok(false);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn unblocked(fd: OwnedFd) -> io::Result<File> {
    // SAFETY: flags of a descriptor that this function owns.
    let done = unsafe {
        let flags = libc::fcntl(fd.as_raw_fd(), libc::F_GETFL);
        libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK)
    };
    if done == 0 { Ok(File::from(fd)) } else { Err(io::Error::last_os_error()) }
}
