//! A look at a link's socket from outside of its task: what the kernel knows about it.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::net::{Stream, TcpFacts};

/// Shared by a link's task, which owns the socket, and whoever asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Tap(Arc<Mutex<Option<Socket>>>);

/// A socket to look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    descriptor: RawFd,
    local: Option<IpAddr>,
    tls_resumed: bool,
}

/// What is known about a link's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// What TCP knows.
    pub tcp: TcpFacts,
    /// Whether TLS went on with an earlier session.
    pub tls_resumed: bool,
}

/// The socket may be looked at as long as this lives; it must go before the socket does.
pub(super) struct Open<'a>(&'a Tap);

impl Tap {
    /// Lets a socket be looked at.
    pub(super) fn open(&self, socket: Socket) -> Open<'_> {
        *self.lock() = Some(socket);
        Open(self)
    }

    /// What is known now; `None` before the link opens and after it ended.
    pub(super) fn look(&self) -> Option<Transport> {
        // The lock keeps the task from closing the descriptor meanwhile.
        let held = self.lock();
        let socket = held.as_ref()?;
        let tcp = TcpFacts::of(&socket.descriptor)?;
        Some(Transport { tcp, tls_resumed: socket.tls_resumed })
    }

    /// Whether the connection is from this address of the device.
    pub(super) fn is_from(&self, address: IpAddr) -> bool {
        self.lock().as_ref().is_some_and(|socket| socket.local == Some(address))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Socket>> {
        self.0.lock().expect("nothing panics while it is held")
    }
}

impl Socket {
    /// The socket below a stream.
    pub(super) fn of(stream: &Stream) -> Self {
        let socket = stream.socket();
        Socket {
            descriptor: socket.as_raw_fd(),
            local: socket.local_addr().ok().map(|address| address.ip()),
            tls_resumed: stream.resumed(),
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}
