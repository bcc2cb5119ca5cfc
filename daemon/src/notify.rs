//! Words with systemd: ready, status, reloading, stopping, and the watchdog's food.

mod watch;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

pub use watch::{Pulse, Stuck, Watch};

/// The socket of the service manager, if one started us.
#[derive(Debug)]
pub struct Notify {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
    status: String,
}

impl Notify {
    /// Takes the address and the watchdog's interval from the environment that systemd sets.
    pub fn from_environment() -> Self {
        let text = |name| std::env::var(name).ok();
        Notify::new(
            std::env::var_os("NOTIFY_SOCKET"),
            watchdog_interval(text("WATCHDOG_USEC"), text("WATCHDOG_PID"), std::process::id()),
        )
    }

    /// As [`Notify::from_environment`], with both as arguments. An address that does not answer counts as none.
    pub fn new(address: Option<OsString>, watchdog: Option<Duration>) -> Self {
        let socket = address.filter(|a| !a.is_empty()).and_then(|address| connect(&address).ok());
        Notify { socket, watchdog, status: String::new() }
    }

    /// Whether a service manager listens.
    pub fn is_supervised(&self) -> bool {
        self.socket.is_some()
    }

    /// How often to ask the [`Watch`] and feed; `None` without a watchdog. Four times per interval, so that a few
    /// late turns do not kill.
    pub fn feed_every(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.socket.is_some()).map(|interval| interval / 4)
    }

    /// The daemon does its work from now on.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// One sentence for `systemctl status`; sent only when it changes.
    pub fn status(&mut self, text: &str) {
        if self.status != text {
            text.clone_into(&mut self.status);
            self.send(&format!("STATUS={}", text.replace('\n', " ")));
        }
    }

    /// The configuration is being read again; [`Notify::ready`] ends it.
    pub fn reloading(&self) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()));
    }

    /// The daemon is on its way out.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Feeds the watchdog.
    pub fn feed(&self) {
        self.send("WATCHDOG=1");
    }

    /// Has the manager restart us now, as if the watchdog had starved (systemd 243).
    pub fn give_up(&self) {
        self.send("WATCHDOG=trigger");
    }

    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            // A manager that does not read is no reason to stop talking to people.
            let _ = socket.send(message.as_bytes());
        }
    }
}

fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let bytes = address.as_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?; // the loop never waits for anybody
    Ok(socket)
}

fn watchdog_interval(usec: Option<String>, pid: Option<String>, own: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(own)) {
        return None; // meant for another process of the unit
    }
    let usec: u64 = usec?.parse().ok()?;
    (usec > 0).then(|| Duration::from_micros(usec))
}

/// CLOCK_MONOTONIC in µs, the clock systemd compares a reload with.
fn monotonic_us() -> u64 {
    // SAFETY: fills a local struct.
    let now = unsafe {
        let mut now: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now);
        now
    };
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
    // both are never negative; widths differ by target
    {
        now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn the_manager_hears_each_word_and_a_status_only_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut notify = Notify::new(Some(path.into()), Some(Duration::from_secs(6)));
        assert!(notify.is_supervised());
        assert_eq!(notify.feed_every(), Some(Duration::from_millis(1500)));
        notify.status("waiting for the card");
        notify.status("waiting for the card");
        notify.ready();
        notify.feed();
        notify.status("two\nlines");
        notify.reloading();
        notify.stopping();
        for expected in ["STATUS=waiting for the card", "READY=1", "WATCHDOG=1", "STATUS=two lines"] {
            assert_eq!(received(&manager), expected);
        }
        let reloading = received(&manager);
        let (first, time) = reloading.split_once("\nMONOTONIC_USEC=").unwrap();
        assert!(first == "RELOADING=1" && time.parse::<u64>().unwrap() > 0, "{reloading}");
        assert_eq!(received(&manager), "STOPPING=1");
    }

    #[test]
    fn an_abstract_address_works() {
        let name = format!("pressel-notify-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        Notify::new(Some(format!("@{name}").into()), None).ready();
        assert_eq!(received(&manager), "READY=1");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let mut notify = Notify::new(Some("/nowhere/notify".into()), Some(Duration::from_secs(6)));
        assert!(!notify.is_supervised());
        assert_eq!(notify.feed_every(), None);
        notify.status("nobody hears this");
        notify.ready();
    }

    #[test]
    fn a_full_manager_never_blocks_us() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _manager = UnixDatagram::bind(&path).unwrap(); // never reads
        let notify = Notify::new(Some(path.into()), None);
        for _ in 0..10_000 {
            notify.feed();
        }
    }

    #[test]
    fn the_interval_counts_only_when_it_is_meant_for_us() {
        let interval = |usec: &str, pid: Option<&str>| {
            watchdog_interval(Some(usec.to_owned()), pid.map(str::to_owned), 42)
        };
        assert_eq!(interval("6000000", None), Some(Duration::from_secs(6)));
        assert_eq!(interval("6000000", Some("42")), Some(Duration::from_secs(6)));
        assert_eq!(interval("6000000", Some("43")), None);
        assert_eq!(interval("0", None), None);
        assert_eq!(interval("soon", None), None);
        assert_eq!(watchdog_interval(None, None, 42), None);
    }
}
