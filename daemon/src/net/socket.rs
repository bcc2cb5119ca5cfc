//! What the kernel is asked for on each connection, and what it knows about one.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use tokio::net::TcpSocket;

/// Sent and not acknowledged for so long, a connection is dead and its socket fails with ETIMEDOUT (tcp(7)). The kernel
/// sends again after 1, 2 and 4 times the round trip meanwhile, so 600 ms and one packet in twenty lost are survived;
/// without it the kernel tries for a quarter of an hour.
pub const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(8);

/// Sets up a socket that is not connected yet: small messages at once, half-open connections found.
///
/// There is no keep-alive: together with the bound above a single lost probe would end a healthy connection.
///
/// # Errors
/// What the kernel says.
pub(super) fn prepare(socket: &TcpSocket) -> io::Result<()> {
    // Without it every second small message waits 41 ms for an acknowledgement.
    socket.set_nodelay(true)?;
    let bound_ms = libc::c_uint::try_from(UNACKNOWLEDGED_MAX.as_millis()).expect("8 s are few milliseconds");
    // SAFETY: the descriptor is open as long as `socket` lives, and the option is a number of this size.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_USER_TIMEOUT,
            (&raw const bound_ms).cast(),
            size_of_val(&bound_ms) as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What the kernel knows about a connection (TCP_INFO).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFacts {
    /// Segments on their way that nobody has acknowledged.
    pub unacked: u32,
    /// Segments sent again since the connection began.
    pub resent: u32,
    /// Smoothed round trip.
    pub rtt: Duration,
    /// Since the last acknowledgement came.
    pub last_ack: Duration,
}

impl TcpFacts {
    /// Asks the kernel; `None` for a socket that is not TCP, or gone.
    pub fn of(socket: &impl AsRawFd) -> Option<Self> {
        // SAFETY: all of its fields are numbers, for which zero is a value.
        let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
        let mut length = size_of_val(&info) as libc::socklen_t;
        // SAFETY: `info` may be written to for `length` bytes; the caller holds the socket open.
        let done = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                (&raw mut info).cast(),
                &mut length,
            )
        };
        (done == 0).then(|| TcpFacts {
            unacked: info.tcpi_unacked,
            resent: info.tcpi_total_retrans,
            rtt: Duration::from_micros(info.tcpi_rtt.into()),
            last_ack: Duration::from_millis(info.tcpi_last_ack_recv.into()),
        })
    }
}

impl std::fmt::Display for TcpFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TcpFacts { unacked, resent, rtt, last_ack } = self;
        let (rtt_ms, ago_ms) = (rtt.as_millis(), last_ack.as_millis());
        write!(f, "{unacked} segments unacknowledged, {resent} sent again, round trip {rtt_ms} ms, ")?;
        write!(f, "last acknowledgement {ago_ms} ms ago")
    }
}
