//! The space bar of a terminal as the button, for trying things out at a desk.
//!
//! A terminal tells when a key is typed, never when it is let go. So each space is a press and, at once, its
//! release: enough to tap, not to hold ([`Button::has_release`] is false; `evdev` reads keyboards properly). Ctrl-C
//! interrupts the program as ever, and `q` does the same.
//!
//! The terminal gets its mode back when the button is dropped, when the program panics and when it exits in an
//! orderly way. A program that is killed outright leaves it without echo: `stty sane` helps.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use crate::os::{NO_FD, kind_of, wait_readable};
use crate::{Button, Edge, Error, ErrorKind, Wait, Wake};

/// A key held down types 10 to 40 times a second; nobody taps like that.
const REPEAT: Duration = Duration::from_millis(120);
/// How often a program in the background looks whether it is back in front.
const LOOK: Duration = Duration::from_secs(1);

/// The space bar of the terminal on standard input.
pub struct Keyboard {
    terminal: RawMode,
    quit: fn(),
    last: Option<Instant>,
    release: Option<Edge>,
}

/// Takes the terminal on standard input out of line mode.
///
/// # Errors
/// `Unsupported` where standard input is no terminal or the program runs in the background.
pub fn open_button() -> Result<Keyboard, Error> {
    let stdin = io::stdin().as_fd().try_clone_to_owned();
    let stdin = stdin.map_err(|error| Error::new(kind_of(&error), "open keyboard").caused_by(error))?;
    // SAFETY: takes no pointer. The signal is for whoever handles Ctrl-C.
    Keyboard::on(stdin, || unsafe { _ = libc::kill(libc::getpid(), libc::SIGINT) })
}

impl Keyboard {
    fn on(terminal: OwnedFd, quit: fn()) -> Result<Self, Error> {
        let refuse = |why: &str| Err(Error::new(ErrorKind::Unsupported, format!("open keyboard: {why}")));
        if !terminal.is_terminal() {
            return refuse("standard input is not a terminal; another kind of button is needed here");
        }
        if !is_in_front(terminal.as_raw_fd()) {
            return refuse("the program runs in the background, where it may not read the terminal");
        }
        let terminal = RawMode::enter(terminal).map_err(failed)?;
        Ok(Keyboard { terminal, quit, last: None, release: None })
    }

    /// Takes what was typed; a press if a space was among it that is no repetition.
    fn typed(&mut self, keys: &[u8], at: Instant) -> Option<Edge> {
        if keys.iter().any(|key| matches!(key, b'q' | b'Q')) {
            (self.quit)();
        }
        if !keys.contains(&b' ') {
            return None;
        }
        let before = self.last.replace(at);
        if before.is_some_and(|before| at.saturating_duration_since(before) < REPEAT) {
            return None;
        }
        self.release = Some(Edge { pressed: false, at });
        Some(Edge { pressed: true, at })
    }
}

impl Button for Keyboard {
    fn next(&mut self, wake: &Wake, timeout: Duration) -> Result<Option<Edge>, Error> {
        if let Some(release) = self.release.take() {
            return Ok(Some(release));
        }
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            let fd = self.terminal.fd.as_raw_fd();
            if !is_in_front(fd) {
                // Reading now would stop the whole program.
                match wait_readable(NO_FD, wake, left.min(LOOK)).map_err(failed)? {
                    Wait::TimedOut if left > LOOK => continue,
                    _ => return Ok(None),
                }
            }
            self.terminal.apply().map_err(failed)?; // a shell may have taken it back meanwhile
            match wait_readable(fd, wake, left).map_err(failed)? {
                Wait::Ready => {}
                Wait::Woken | Wait::TimedOut => return Ok(None),
            }
            let mut keys = [0u8; 64];
            // SAFETY: reads at most 64 bytes into a local of that size.
            let n = unsafe { libc::read(fd, keys.as_mut_ptr().cast(), keys.len()) };
            let n = match usize::try_from(n) {
                Ok(0) => return Err(Error::new(ErrorKind::Lost, "read keyboard: the terminal is closed")),
                Ok(n) => n,
                Err(_) => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => 0,
                    error => return Err(failed(error)),
                },
            };
            if let Some(press) = self.typed(&keys[..n], Instant::now()) {
                return Ok(Some(press));
            }
        }
    }

    fn has_release(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        "space bar of this terminal".into()
    }
}

fn failed(error: io::Error) -> Error {
    Error::new(kind_of(&error), "read keyboard").caused_by(error)
}

/// Whether the program may read the terminal; also true where it is not the one that governs our jobs.
fn is_in_front(fd: RawFd) -> bool {
    // SAFETY: neither call takes a pointer.
    let (front, ours) = unsafe { (libc::tcgetpgrp(fd), libc::getpgrp()) };
    front < 0 || front == ours
}

pub(crate) fn mode_of(fd: RawFd) -> io::Result<libc::termios> {
    // SAFETY: termios is plain numbers, filled by the call below before it is used.
    let mut mode: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: writes one termios, a local.
    match unsafe { libc::tcgetattr(fd, &raw mut mode) } {
        0 => Ok(mode),
        _ => Err(io::Error::last_os_error()),
    }
}

pub(crate) fn set_mode(fd: RawFd, mode: &libc::termios) -> io::Result<()> {
    // SAFETY: reads one termios.
    match unsafe { libc::tcsetattr(fd, libc::TCSANOW, std::ptr::from_ref(mode)) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Terminals to put back, with their former mode.
static CHANGED: Mutex<Vec<(RawFd, libc::termios)>> = Mutex::new(Vec::new());

/// Puts all terminals back; skipped when the list is in use by a thread that does so itself.
fn restore_all() {
    if let Ok(mut changed) = CHANGED.try_lock() {
        for (fd, mode) in changed.drain(..) {
            let _ = set_mode(fd, &mode); // nobody is left to tell
        }
    }
}

extern "C" fn restore_at_exit() {
    restore_all();
}

/// A terminal that hands over each key at once, without echo; signals stay.
struct RawMode {
    fd: OwnedFd,
    before: libc::termios,
}

impl RawMode {
    fn enter(fd: OwnedFd) -> io::Result<Self> {
        static WATCH_THE_END: Once = Once::new();
        WATCH_THE_END.call_once(|| {
            let former = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                restore_all(); // before the message, so that it is readable
                former(info);
            }));
            // SAFETY: registers a function that lives for ever and does not unwind. Failure only loses a comfort.
            unsafe { libc::atexit(restore_at_exit) };
        });
        let before = mode_of(fd.as_raw_fd())?;
        let raw = RawMode { fd, before };
        raw.apply()?;
        Ok(raw)
    }

    fn apply(&self) -> io::Result<()> {
        let fd = self.fd.as_raw_fd();
        let mut mode = mode_of(fd)?;
        let ours = mode.c_lflag & !(libc::ICANON | libc::ECHO);
        if mode.c_lflag == ours {
            return Ok(());
        }
        mode.c_lflag = ours;
        (mode.c_cc[libc::VMIN], mode.c_cc[libc::VTIME]) = (1, 0);
        if let Ok(mut changed) = CHANGED.lock() {
            if changed.iter().all(|(known, _)| *known != fd) {
                changed.push((fd, self.before));
            }
        }
        set_mode(fd, &mode)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let fd = self.fd.as_raw_fd();
        if let Ok(mut changed) = CHANGED.lock() {
            changed.retain(|(known, _)| *known != fd);
        }
        // In the background this would stop the program, and the shell has its own mode there anyway.
        if is_in_front(fd) {
            let _ = set_mode(fd, &self.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::FromRawFd;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{MutexGuard, PoisonError};

    use super::*;

    /// A panic puts back all terminals of the process, so these tests do not run side by side.
    fn one_at_a_time() -> MutexGuard<'static, ()> {
        static ONE: Mutex<()> = Mutex::new(());
        ONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Both ends of a new terminal: ours as the person at it, and the program's.
    fn terminal() -> (File, OwnedFd) {
        let (mut person, mut program) = (0, 0);
        let null = std::ptr::null_mut();
        // SAFETY: writes two descriptors into locals, which are then owned here; the optional parts are null.
        unsafe {
            assert_eq!(libc::openpty(&raw mut person, &raw mut program, null, null.cast(), null.cast()), 0);
            (File::from_raw_fd(person), OwnedFd::from_raw_fd(program))
        }
    }

    fn is_raw(fd: &OwnedFd) -> bool {
        mode_of(fd.as_raw_fd()).unwrap().c_lflag & (libc::ICANON | libc::ECHO) == 0
    }

    fn never() {
        panic!("nobody typed q");
    }

    const SOON: Duration = Duration::from_millis(20);

    #[test]
    fn a_space_is_a_press_and_at_once_its_release() {
        let _one = one_at_a_time();
        let (mut person, program) = terminal();
        let mut keyboard = Keyboard::on(program, never).unwrap();
        assert!(!keyboard.has_release());
        let wake = Wake::new();
        for _ in 0..2 {
            person.write_all(b"x \n").unwrap();
            let press = keyboard.next(&wake, Duration::from_secs(5)).unwrap().unwrap();
            let release = keyboard.next(&wake, Duration::from_secs(5)).unwrap().unwrap();
            assert_eq!((press.pressed, release.pressed, press.at), (true, false, release.at));
            assert_eq!(keyboard.next(&wake, REPEAT).unwrap(), None);
        }
    }

    #[test]
    fn a_space_held_down_is_one_press() {
        let _one = one_at_a_time();
        let (_person, program) = terminal();
        let mut keyboard = Keyboard::on(program, never).unwrap();
        let start = Instant::now();
        let mut pressed = |ms, keys: &[u8]| keyboard.typed(keys, start + Duration::from_millis(ms)).is_some();
        let repeated: Vec<bool> = (0..20).map(|n| pressed(n * 40, b"  ")).collect();
        assert_eq!(repeated.iter().position(|pressed| *pressed), Some(0));
        assert_eq!(repeated.iter().filter(|pressed| **pressed).count(), 1);
        assert!(pressed(1000, b" ") && pressed(1150, b" "), "let go in between");
    }

    #[test]
    fn q_interrupts_and_a_wake_ends_the_wait() {
        let _one = one_at_a_time();
        let (mut person, program) = terminal();
        static QUIT: AtomicBool = AtomicBool::new(false);
        let mut keyboard = Keyboard::on(program, || QUIT.store(true, Ordering::Relaxed)).unwrap();
        let wake = Wake::new();
        person.write_all(b"q").unwrap();
        assert_eq!(keyboard.next(&wake, SOON).unwrap(), None);
        assert!(QUIT.load(Ordering::Relaxed));
        wake.signal();
        assert_eq!(keyboard.next(&wake, Duration::MAX).unwrap(), None);
    }

    #[test]
    fn the_terminal_gets_its_mode_back() {
        let _one = one_at_a_time();
        let (_person, program) = terminal();
        let look = program.try_clone().unwrap();
        assert!(!is_raw(&look));
        let mut keyboard = Keyboard::on(program, never).unwrap();
        assert!(is_raw(&look));
        let mut mode = mode_of(look.as_raw_fd()).unwrap();
        assert_ne!(mode.c_lflag & libc::ISIG, 0, "Ctrl-C still makes a signal");
        mode.c_lflag |= libc::ICANON | libc::ECHO; // as a shell does to a stopped program
        set_mode(look.as_raw_fd(), &mode).unwrap();
        keyboard.next(&Wake::new(), Duration::ZERO).unwrap();
        assert!(is_raw(&look), "taken again");
        drop(keyboard);
        assert!(!is_raw(&look));
    }

    #[test]
    fn a_panic_puts_the_terminal_back() {
        let _one = one_at_a_time();
        let (_person, program) = terminal();
        let look = program.try_clone().unwrap();
        let keyboard = Keyboard::on(program, never).unwrap();
        assert!(std::thread::spawn(|| panic!("on purpose")).join().is_err());
        assert!(!is_raw(&look));
        drop(keyboard);
    }

    #[test]
    fn a_terminal_that_is_closed_is_lost_and_a_pipe_is_none() {
        let _one = one_at_a_time();
        let (person, program) = terminal();
        let mut keyboard = Keyboard::on(program, never).unwrap();
        drop(person);
        assert_eq!(keyboard.next(&Wake::new(), Duration::from_secs(5)).unwrap_err().kind, ErrorKind::Lost);
        let file = tempfile::tempfile().unwrap();
        let error = Keyboard::on(file.into(), never).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(error.to_string().contains("not a terminal"), "{error}");
    }
}
