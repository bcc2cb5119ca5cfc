//! Names to addresses, by the system's own resolver, so that `/etc/hosts`, mDNS and VPN set-ups work as everywhere.
//!
//! `getaddrinfo` blocks and cannot be called off, for half a minute where no name server answers. So each look-up has a
//! thread of its own, which is left behind when its bound is over; so many of them at most.

use std::ffi::{CStr, CString};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// Bound of a look-up. glibc asks a name server again after 5 s.
const BOUND: Duration = Duration::from_secs(6);
/// Threads that may hang at once: one a second is begun at most, and libc gives up after some 10 s per server.
const THREADS_MAX: usize = 12;
/// Calls into the resolver's plugins; they were seen with 60 kB.
const STACK: usize = 256 << 10;

/// Looks names up. Clones share their bound on threads.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    hanging: Arc<AtomicUsize>,
    bound: Duration,
}

impl Default for Resolver {
    fn default() -> Self {
        Resolver { hanging: Arc::default(), bound: BOUND }
    }
}

/// Why there is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoAddress {
    /// A name server says that there is no such name, or it has no address.
    Unknown,
    /// Nobody could be asked: no network, no name server, no answer.
    Unanswered(String),
}

impl std::fmt::Display for NoAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoAddress::Unknown => f.write_str(
                "there is no such name; is it spelt right, and does the network's name server know it?",
            ),
            NoAddress::Unanswered(why) => {
                write!(f, "{why}; is there a network, and a name server in /etc/resolv.conf?")
            }
        }
    }
}

impl Resolver {
    /// The addresses of a host in the order of RFC 6724, never none.
    ///
    /// # Errors
    /// [`NoAddress`], at the latest after its bound.
    pub(super) async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, NoAddress> {
        self.look_up_by(host, port, system).await
    }

    async fn look_up_by(
        &self,
        host: &str,
        port: u16,
        resolve: fn(&CStr, u16) -> Result<Vec<SocketAddr>, NoAddress>,
    ) -> Result<Vec<SocketAddr>, NoAddress> {
        if let Ok(address) = host.parse::<std::net::IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let Ok(name) = CString::new(host) else { return Err(NoAddress::Unknown) };
        let Some(place) = Place::take(&self.hanging) else {
            return Err(NoAddress::Unanswered(format!("{THREADS_MAX} look-ups have no answer yet")));
        };
        let (tell, told) = oneshot::channel();
        let body = move || {
            // Fails when the bound is over and nobody listens any more.
            let _ = tell.send(resolve(&name, port));
            drop(place);
        };
        std::thread::Builder::new()
            .name("look-up".to_owned())
            .stack_size(STACK)
            .spawn(body)
            .map_err(|error| NoAddress::Unanswered(format!("no thread for it: {error}")))?;
        match timeout(self.bound, told).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(NoAddress::Unanswered("the look-up broke off".to_owned())),
            Err(_) => Err(NoAddress::Unanswered(format!("no answer in {:?}", self.bound))),
        }
    }
}

/// One of the threads that may hang; given back when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(hanging: &Arc<AtomicUsize>) -> Option<Self> {
        let free = |taken: usize| (taken < THREADS_MAX).then_some(taken + 1);
        hanging.fetch_update(Relaxed, Relaxed, free).ok().map(|_| Place(hanging.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// libc's `getaddrinfo`. Its codes tell a name that does not exist from nobody who could be asked, which the standard
/// library folds into one.
fn system(name: &CStr, port: u16) -> Result<Vec<SocketAddr>, NoAddress> {
    let hints = libc::addrinfo {
        ai_flags: 0,
        ai_family: libc::AF_UNSPEC,
        ai_socktype: libc::SOCK_STREAM,
        ai_protocol: 0,
        ai_addrlen: 0,
        ai_addr: std::ptr::null_mut(),
        ai_canonname: std::ptr::null_mut(),
        ai_next: std::ptr::null_mut(),
    };
    let mut list = std::ptr::null_mut();
    // SAFETY: the name ends with a zero byte, the hints live through the call, and `list` is where the answer goes.
    let code = unsafe { libc::getaddrinfo(name.as_ptr(), std::ptr::null(), &hints, &mut list) };
    if code != 0 {
        return Err(meaning(code));
    }
    let mut addresses = Vec::new();
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: entries of a list that getaddrinfo made are valid until it is freed below.
        let info = unsafe { &*entry };
        // SAFETY: as above; the address belongs to the entry.
        addresses.extend(unsafe { address(info, port) });
        entry = info.ai_next;
    }
    // SAFETY: getaddrinfo made the list, and nothing of it is used any more.
    unsafe { libc::freeaddrinfo(list) };
    if addresses.is_empty() { Err(NoAddress::Unknown) } else { Ok(addresses) }
}

/// # Safety
/// `info.ai_addr` must point to an address of `info.ai_family`, as getaddrinfo makes it.
unsafe fn address(info: &libc::addrinfo, port: u16) -> Option<SocketAddr> {
    match info.ai_family {
        libc::AF_INET => {
            // SAFETY: the family says that it is this type; getaddrinfo aligns its addresses.
            let found = unsafe { info.ai_addr.cast::<libc::sockaddr_in>().read_unaligned() };
            let address = Ipv4Addr::from(u32::from_be(found.sin_addr.s_addr));
            Some(SocketAddrV4::new(address, port).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let found = unsafe { info.ai_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
            let address = Ipv6Addr::from(found.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(address, port, 0, found.sin6_scope_id).into())
        }
        _ => None,
    }
}

fn meaning(code: i32) -> NoAddress {
    match code {
        libc::EAI_NONAME | libc::EAI_NODATA => NoAddress::Unknown,
        libc::EAI_AGAIN => NoAddress::Unanswered("no name server answers".to_owned()),
        libc::EAI_SYSTEM => NoAddress::Unanswered(io::Error::last_os_error().to_string()),
        _ => {
            // SAFETY: gai_strerror gives a text that lives for ever, for every code.
            let text = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
            NoAddress::Unanswered(text.to_string_lossy().into_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Condvar, Mutex};

    #[tokio::test(flavor = "current_thread")]
    async fn addresses_and_the_hosts_file_need_no_name_server() {
        let resolver = Resolver::default();
        let literal = resolver.look_up("2001:db8::1", 443).await.unwrap();
        assert_eq!(literal, ["[2001:db8::1]:443".parse().unwrap()]);
        let own = resolver.look_up("localhost", 80).await.unwrap();
        assert!(own.iter().all(|a| a.ip().is_loopback() && a.port() == 80), "{own:?}");
    }

    #[test]
    fn a_name_that_is_not_there_differs_from_nobody_who_could_be_asked() {
        assert_eq!(meaning(libc::EAI_NONAME), NoAddress::Unknown);
        assert_eq!(meaning(libc::EAI_AGAIN), NoAddress::Unanswered("no name server answers".to_owned()));
        assert!(matches!(meaning(libc::EAI_MEMORY), NoAddress::Unanswered(text) if !text.is_empty()));
        // ".invalid" is never a name (RFC 2606); which of the two it is depends on the machine's network.
        assert!(system(c"pressel.invalid", 443).is_err());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_resolver_that_hangs_costs_its_bound_and_so_many_threads() {
        static RELEASED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
        fn hang(_: &CStr, _: u16) -> Result<Vec<SocketAddr>, NoAddress> {
            let released = RELEASED.0.lock().unwrap();
            drop(RELEASED.1.wait_while(released, |released| !*released).unwrap());
            Err(NoAddress::Unknown)
        }
        let resolver = Resolver { bound: Duration::from_millis(5), ..Resolver::default() };
        for _ in 0..THREADS_MAX {
            let answer = resolver.look_up_by("name", 1, hang).await;
            assert_eq!(answer, Err(NoAddress::Unanswered("no answer in 5ms".to_owned())));
        }
        let answer = resolver.look_up_by("name", 1, hang).await;
        assert!(matches!(answer, Err(NoAddress::Unanswered(why)) if why.starts_with("12 look-ups")));
        *RELEASED.0.lock().unwrap() = true;
        RELEASED.1.notify_all();
        while resolver.hanging.load(Relaxed) > 0 {
            std::thread::yield_now();
        }
        let resolver = Resolver { bound: Duration::from_secs(60), ..resolver };
        assert_eq!(resolver.look_up_by("name", 1, hang).await, Err(NoAddress::Unknown));
    }
}
