//! What buttons, lights and simulated cards share at the kernel's edge: waiting, and what an errno means.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use crate::{ErrorKind, Wait, Wake};

/// Stands for "no descriptor, only the wake": poll skips negative ones.
pub(crate) const NO_FD: RawFd = -1;

/// Waits until `fd` is readable, `wake` is signalled or `timeout` is over, to the nanosecond.
///
/// # Errors
/// `ENODEV` when the other side of `fd` is gone and nothing is left to read; else what poll said.
pub(crate) fn wait_readable(fd: RawFd, wake: &Wake, timeout: Duration) -> io::Result<Wait> {
    let deadline = Instant::now().checked_add(timeout);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut fds = [entry(fd), entry(wake.as_raw_fd())];
        let time = left.map(timespec);
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: two pollfd in a local array, a timespec that outlives the call or null, no signal mask.
        let ready = unsafe { libc::ppoll(fds.as_mut_ptr(), 2, time, std::ptr::null()) };
        if ready < 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return Err(error);
        }
        if fds[1].revents != 0 && wake.take() {
            return Ok(Wait::Woken);
        }
        if fds[0].revents & libc::POLLIN != 0 {
            return Ok(Wait::Ready);
        }
        if fds[0].revents != 0 {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        if ready == 0 || left == Some(Duration::ZERO) {
            return Ok(Wait::TimedOut);
        }
    }
}

fn timespec(duration: Duration) -> libc::timespec {
    // SAFETY: a timespec is plain numbers; some targets have padding that cannot be named.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    time.tv_sec = duration.as_secs().try_into().unwrap_or(libc::time_t::MAX);
    time.tv_nsec = duration.subsec_nanos() as _;
    time
}

/// Waits for `wake` or until `at`, whichever comes first; true if woken.
pub(crate) fn wait_until(at: Option<Instant>, wake: &Wake) -> io::Result<bool> {
    let timeout = at.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
    Ok(wait_readable(NO_FD, wake, timeout)? == Wait::Woken)
}

/// What an error means for who tries again.
pub(crate) fn kind_of(error: &io::Error) -> ErrorKind {
    match error.raw_os_error() {
        Some(libc::EBUSY) => ErrorKind::Busy,
        Some(libc::ENOENT) => ErrorKind::NotFound,
        Some(libc::EACCES | libc::EPERM) => ErrorKind::PermissionDenied,
        Some(libc::ENODEV | libc::ENXIO | libc::EBADFD | libc::EIO) => ErrorKind::Lost,
        // 524 is ENOTSUPP, which kernel drivers leak to user space and libc does not name.
        Some(libc::EINVAL | libc::EOPNOTSUPP | libc::ENOTTY | libc::ENOSYS | 524) => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}

/// Joins names for an error text, a few of them; "none" if there are none.
pub(crate) fn some_of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    const SHOWN_MAX: usize = 8;
    let all: Vec<S> = names.into_iter().collect();
    if all.is_empty() {
        return "none".into();
    }
    let shown: Vec<&str> = all.iter().take(SHOWN_MAX).map(AsRef::as_ref).collect();
    let more = all.len() - shown.len();
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{FromRawFd, OwnedFd};

    use super::*;

    fn pipe() -> (OwnedFd, OwnedFd) {
        let mut fds = [0; 2];
        // SAFETY: writes two descriptors into a local; both are then owned here.
        unsafe {
            assert_eq!(libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC), 0);
            (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1]))
        }
    }

    #[test]
    fn waiting_ends_with_data_wake_time_or_loss() {
        let (read, write) = pipe();
        let wake = Wake::new();
        let wait = |ms| wait_readable(read.as_raw_fd(), &wake, Duration::from_millis(ms));
        let start = Instant::now();
        assert_eq!(wait(5).unwrap(), Wait::TimedOut);
        assert!(start.elapsed() >= Duration::from_millis(5));
        wake.signal();
        assert_eq!(wait(1000).unwrap(), Wait::Woken);
        assert_eq!(wait(0).unwrap(), Wait::TimedOut, "the signal is consumed");
        // SAFETY: one byte from a static string.
        unsafe { libc::write(write.as_raw_fd(), c"x".as_ptr().cast(), 1) };
        assert_eq!(wait(1000).unwrap(), Wait::Ready);
        drop(write);
        assert_eq!(wait(1000).unwrap(), Wait::Ready, "what is left is read first");
        let mut byte = [0u8];
        // SAFETY: one byte into a local.
        unsafe { libc::read(read.as_raw_fd(), byte.as_mut_ptr().cast(), 1) };
        assert_eq!(kind_of(&wait(1000).unwrap_err()), ErrorKind::Lost);
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(some_of(Vec::<String>::new()), "none");
        assert_eq!(some_of(["a", "b"]), "a, b");
        assert_eq!(some_of((0..10).map(|n| n.to_string())), "0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
    }
}
