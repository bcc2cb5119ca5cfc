//! When the network comes, goes or changes, and when the clock is set: told by the kernel, never asked for.

mod netlink;
mod picture;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;

use tracing::{debug, warn};

use self::netlink::Message;
use self::picture::{Picture, Usable};
use self::sources::{ClockTimer, RouteSocket};
use super::Clock;

/// Something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// An address and a way are there (told again for each new one), or the last is gone.
    Network(bool),
    /// This address is this device's no more; connections from it are dead.
    AddressGone(IpAddr),
    /// Somebody set the clock; whether it can be believed now.
    Clock(bool),
}

/// Follows network and clock.
#[derive(Debug)]
pub struct Watch {
    network: Option<Network>,
    clock: Option<ClockTimer>,
    told: VecDeque<Change>,
}

impl Watch {
    /// Begins to follow. `network` is off for a server on this machine, which needs none. What the system refuses is
    /// warned of and left out: dials then go by their own time alone.
    pub fn new(network: bool) -> Self {
        let warned = |what: &'static str| move |error: io::Error| warn!(%error, what, "cannot be followed: dials go by their own time alone");
        let mut told = VecDeque::new();
        if !Clock::read().is_set() {
            told.push_back(Change::Clock(false));
        }
        let network = network.then(|| Network::new().map_err(warned("network")).ok()).flatten();
        let clock = ClockTimer::new().map_err(warned("clock")).ok();
        Watch { network, clock, told }
    }

    /// The next change. Cancel safe.
    pub async fn next(&mut self) -> Change {
        loop {
            if let Some(change) = self.told.pop_front() {
                return change;
            }
            tokio::select! {
                changes = follow(&mut self.network) => self.told.extend(changes),
                set = set(&mut self.clock) => self.told.extend(set),
            }
        }
    }
}

async fn set(timer: &mut Option<ClockTimer>) -> Option<Change> {
    match timer {
        None => std::future::pending().await,
        Some(clock) => match clock.set().await {
            Ok(()) => Some(Change::Clock(Clock::read().is_set())),
            Err(error) => {
                warn!(%error, "the clock cannot be followed any more");
                *timer = None;
                None
            }
        },
    }
}

async fn follow(network: &mut Option<Network>) -> Vec<Change> {
    match network {
        None => std::future::pending().await,
        Some(watched) => match watched.next().await {
            Ok(changes) => changes,
            Err(error) => {
                warn!(%error, "the network cannot be followed any more");
                *network = None;
                Vec::new()
            }
        },
    }
}

/// Listings asked for one after the other: the kernel gives one at a time.
const LISTINGS: [u16; 3] = [libc::RTM_GETLINK, libc::RTM_GETADDR, libc::RTM_GETROUTE];

#[derive(Debug)]
struct Network {
    socket: RouteSocket,
    picture: Picture,
    /// What was told last; none before the first listing is complete.
    before: Option<Usable>,
    /// How many of [`LISTINGS`] are complete.
    listed: usize,
    /// A default route was there once.
    seen_default: bool,
}

impl Network {
    fn new() -> io::Result<Self> {
        let socket = RouteSocket::new()?;
        socket.send(&netlink::list(LISTINGS[0], 0))?;
        Ok(Network { socket, picture: Picture::default(), before: None, listed: 0, seen_default: false })
    }

    /// What the next messages of the kernel mean. Cancel safe.
    async fn next(&mut self) -> io::Result<Vec<Change>> {
        match self.socket.receive().await {
            Ok(bytes) => {
                for message in netlink::parse(&bytes) {
                    self.on_message(message)?;
                }
            }
            // Messages were lost: everything is asked for again.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                debug!("the kernel dropped news of the network");
                self.picture = Picture::default();
                self.listed = 0;
                self.socket.send(&netlink::list(LISTINGS[0], 0))?;
            }
            Err(error) => return Err(error),
        }
        Ok(self.changes())
    }

    fn on_message(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::Fact(fact) => self.picture.learn(fact),
            Message::Done => {
                self.listed += 1;
                if let Some(&next) = LISTINGS.get(self.listed) {
                    self.socket.send(&netlink::list(next, self.listed as u32))?;
                }
            }
            Message::Refused(code) => return Err(io::Error::from_raw_os_error(code)),
            Message::Other => {}
        }
        Ok(())
    }

    fn changes(&mut self) -> Vec<Change> {
        if self.listed < LISTINGS.len() {
            return Vec::new();
        }
        let usable = self.picture.usable();
        let mut changes = Vec::new();
        match &self.before {
            None => {
                // Nothing to tell where all is well from the start.
                self.seen_default = usable.has_default();
                changes.extend((!usable.reaches(self.seen_default)).then_some(Change::Network(false)));
            }
            Some(before) if *before == usable => return Vec::new(),
            Some(before) => {
                let reached = before.reaches(self.seen_default);
                self.seen_default |= usable.has_default();
                // An interface that only lost its carrier keeps its addresses, and perhaps its connections.
                let gone = usable.lost(before).filter(|address| !self.picture.has(*address));
                changes.extend(gone.map(Change::AddressGone));
                match usable.reaches(self.seen_default) {
                    true if !reached || usable.gained(before) => changes.push(Change::Network(true)),
                    false if reached => changes.push(Change::Network(false)),
                    _ => {}
                }
            }
        }
        self.before = Some(usable);
        changes
    }
}
