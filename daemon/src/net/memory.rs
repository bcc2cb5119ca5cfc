//! Which addresses hosts had and which of them answered, for the next dial.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Endpoint, proxy, token server, portal check, and some room.
const HOSTS_MAX: usize = 8;
/// Addresses of services move within days.
const ADDRESSES_FOR: Duration = Duration::from_secs(24 * 3600);
/// What answered first is tried first for so long (RFC 8305, 8 suggests ten minutes).
const WINNER_FOR: Duration = Duration::from_secs(600);

/// The newest last.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Vec<Known>>);

#[derive(Debug)]
struct Known {
    host: String,
    addresses: Vec<IpAddr>,
    winner: Option<IpAddr>,
    at: Instant,
}

impl Memory {
    /// A connection to one of these came about.
    pub(super) fn remember(&self, host: &str, addresses: &[SocketAddr], winner: Option<SocketAddr>) {
        let mut known = self.lock();
        known.retain(|known| known.host != host);
        if known.len() == HOSTS_MAX {
            known.remove(0);
        }
        known.push(Known {
            host: host.to_owned(),
            addresses: addresses.iter().map(SocketAddr::ip).collect(),
            winner: winner.map(|address| address.ip()),
            at: Instant::now(),
        });
    }

    /// Addresses that a host had not long ago.
    pub(super) fn known(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let known = self.lock();
        let known = known.iter().find(|known| known.host == host && known.at.elapsed() < ADDRESSES_FOR)?;
        Some(known.addresses.iter().map(|&ip| SocketAddr::new(ip, port)).collect())
    }

    /// The address that answered first.
    pub(super) fn winner(&self, host: &str) -> Option<IpAddr> {
        let known = self.lock();
        known.iter().find(|known| known.host == host && known.at.elapsed() < WINNER_FOR)?.winner
    }

    /// Another network has other ways.
    pub(super) fn forget_winners(&self) {
        for known in self.lock().iter_mut() {
            known.winner = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().expect("nothing panics while it is held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_hosts_are_remembered_and_the_oldest_goes() {
        let memory = Memory::default();
        let address: SocketAddr = "192.0.2.1:443".parse().unwrap();
        for number in 0..=HOSTS_MAX {
            memory.remember(&number.to_string(), &[address], Some(address));
        }
        assert_eq!(memory.known("0", 443), None);
        assert_eq!(memory.known("1", 80), Some(vec!["192.0.2.1:80".parse().unwrap()]));
        assert_eq!(memory.winner("8"), Some(address.ip()));
        memory.forget_winners();
        assert_eq!((memory.winner("8"), memory.known("8", 443)), (None, Some(vec![address])));
    }
}
