//! The two descriptors of the kernel that tell: a netlink socket, and a timer that breaks off when the clock is set.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// netlink(7): datagrams are as large as a page, or 32 kB for listings.
const DATAGRAM_MAX: usize = 32 << 10;
const GROUPS: i32 = libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_IPV6_ROUTE;

/// A subscription to rtnetlink(7).
#[derive(Debug)]
pub(super) struct RouteSocket(AsyncFd<OwnedFd>);

impl RouteSocket {
    /// Subscribes to links, addresses and routes.
    pub(super) fn new() -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: no memory is involved.
        let socket = owned(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) })?;
        // SAFETY: all of its fields are numbers, for which zero is a value.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        address.nl_groups = GROUPS as u32;
        let length = size_of_val(&address) as libc::socklen_t;
        // SAFETY: `address` is of this length and lives through the call.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
        done(bound as isize)?;
        Ok(RouteSocket(watched(socket)?))
    }

    /// Sends a request.
    pub(super) fn send(&self, request: &[u8]) -> io::Result<()> {
        // SAFETY: the request is readable for its length.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) };
        done(sent).map(|_| ())
    }

    /// The next datagram. Cancel safe.
    pub(super) async fn receive(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; DATAGRAM_MAX];
        let length = self
            .0
            .async_io(Interest::READABLE, |socket| {
                // SAFETY: `bytes` may be written to for its length.
                done(unsafe { libc::recv(socket.as_raw_fd(), bytes.as_mut_ptr().cast(), DATAGRAM_MAX, 0) })
            })
            .await?;
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// A timer of the wall clock that never fires, and breaks off when somebody sets the clock (timerfd_create(2)).
#[derive(Debug)]
pub(super) struct ClockTimer(AsyncFd<OwnedFd>);

impl ClockTimer {
    pub(super) fn new() -> io::Result<Self> {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: no memory is involved.
        let timer = owned(unsafe { libc::timerfd_create(libc::CLOCK_REALTIME, flags) })?;
        let timer = ClockTimer(watched(timer)?);
        timer.arm()?;
        Ok(timer)
    }

    /// Returns when the clock was set. Slewing it is no setting. Cancel safe.
    pub(super) async fn set(&self) -> io::Result<()> {
        let read = self.0.async_io(Interest::READABLE, |timer| {
            let mut count = [0u8; 8];
            // SAFETY: `count` may be written to for its length.
            done(unsafe { libc::read(timer.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) })
        });
        match read.await {
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => self.arm(),
            result => result.map(|_| ()),
        }
    }

    fn arm(&self) -> io::Result<()> {
        // SAFETY: all of its fields are numbers, for which zero is a value.
        let mut time: libc::itimerspec = unsafe { std::mem::zeroed() };
        // As far away as every width of time_t can tell.
        time.it_value.tv_sec = libc::time_t::from(i32::MAX);
        let flags = libc::TFD_TIMER_ABSTIME | libc::TFD_TIMER_CANCEL_ON_SET;
        // SAFETY: `time` is read during the call only.
        let armed = unsafe { libc::timerfd_settime(self.0.as_raw_fd(), flags, &time, std::ptr::null_mut()) };
        done(armed as isize).map(|_| ())
    }
}

fn watched(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the AsyncFd owns the open descriptor, and nobody replaces or closes it meanwhile.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?)
}

fn owned(descriptor: i32) -> io::Result<OwnedFd> {
    done(descriptor as isize)?;
    // SAFETY: the kernel has just made it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn done(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
