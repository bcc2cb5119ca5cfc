use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// A wake-up call between threads: an eventfd. Signals coalesce; signalling is safe in a real-time thread.
#[derive(Clone, Debug)]
pub struct Wake(Arc<OwnedFd>);

impl Wake {
    /// Creates one, unsignalled.
    ///
    /// # Panics
    /// When the process has no file descriptor left: nothing could work then.
    pub fn new() -> Self {
        // SAFETY: eventfd takes no pointers; the descriptor it returns is owned by nobody else.
        let fd = unsafe {
            let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            assert!(fd >= 0, "eventfd: {}", std::io::Error::last_os_error());
            OwnedFd::from_raw_fd(fd)
        };
        Wake(Arc::new(fd))
    }

    /// Wakes who waits, or the next one who will.
    pub fn signal(&self) {
        let one: u64 = 1;
        // SAFETY: writes 8 bytes from a local. It can only fail with EAGAIN, when the counter is full: signalled anyway.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Consumes pending signals; true if there was one.
    pub fn take(&self) -> bool {
        let mut count: u64 = 0;
        // SAFETY: reads 8 bytes into a local.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) == 8 }
    }

    /// Sleeps until signalled (true, the signal is consumed) or until `timeout` is over.
    pub fn wait(&self, timeout: Duration) -> bool {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one pollfd, a local.
        unsafe { libc::poll(&raw mut poll, 1, millis) };
        self.take()
    }
}

impl Default for Wake {
    fn default() -> Self {
        Self::new()
    }
}

impl AsRawFd for Wake {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
