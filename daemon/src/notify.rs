//! Words with systemd, and when the watchdog is fed.
//!
//! The event loop asks [`Watch`] whether all is well and only then feeds the watchdog: so it starves if the loop
//! does not turn, and if a watched thread does not. "Process alive, device deaf" ends in a restart.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// A thread at work promises to turn every 3 s; the rest is the distance between two looks at it.
const WORKING_MAX: Duration = Duration::from_secs(4);
/// A thread that waits in a named state may be inside a driver that takes its time to say no: a USB device that
/// does not answer costs 5 s per question. One that never returns is stuck all the same.
const WAITING_MAX: Duration = Duration::from_secs(11);

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

/// A thread's sign of life, read from its atomics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Counts up whenever the thread turns, at work or waiting.
    pub beats: u64,
    /// What it waits for, when it is not at work: `the card`.
    pub waiting: Option<&'static str>,
}

/// Decides whether the watchdog is fed. The event loop calls [`Watch::check`], and so vouches for itself.
#[derive(Default)]
pub struct Watch {
    threads: Vec<Watched>,
}

struct Watched {
    name: &'static str,
    pulse: Box<dyn Fn() -> Pulse + Send>,
    seen: u64,
    moved: Instant,
}

/// A thread that does not turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Its name.
    pub thread: &'static str,
    /// How long since it was seen to turn.
    pub since: Duration,
}

impl Watch {
    /// Watches nothing yet: only the loop counts.
    pub fn new() -> Self {
        Watch::default()
    }

    /// Watches a thread by its pulse; it counts as alive `now`.
    pub fn add(&mut self, name: &'static str, pulse: impl Fn() -> Pulse + Send + 'static, now: Instant) {
        let seen = pulse().beats;
        self.threads.push(Watched { name, pulse: Box::new(pulse), seen, moved: now });
    }

    /// Whether to feed: `Ok`, or the first thread that is stuck. Asked about as often as [`Notify::feed_every`]
    /// says.
    ///
    /// # Errors
    /// Who is stuck, and since when it was.
    pub fn check(&mut self, now: Instant) -> Result<(), Stuck> {
        let mut stuck = None;
        for thread in &mut self.threads {
            let pulse = (thread.pulse)();
            if pulse.beats != thread.seen {
                thread.seen = pulse.beats;
                thread.moved = now;
                continue;
            }
            let since = now.saturating_duration_since(thread.moved);
            let allowed = if pulse.waiting.is_some() { WAITING_MAX } else { WORKING_MAX };
            if since > allowed && stuck.is_none() {
                stuck = Some(Stuck { thread: thread.name, since });
            }
        }
        stuck.map_or(Ok(()), Err)
    }

    /// What each thread that is not at work waits for.
    pub fn waiting(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        self.threads.iter().filter_map(|thread| Some((thread.name, (thread.pulse)().waiting?)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

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

    /// A pulse that the test drives: beats, and whether it waits.
    fn pulse() -> (Arc<(AtomicU64, AtomicBool)>, impl Fn() -> Pulse + Send + 'static) {
        let shared = Arc::new((AtomicU64::new(0), AtomicBool::new(false)));
        let read = shared.clone();
        (shared, move || Pulse {
            beats: read.0.load(Relaxed),
            waiting: read.1.load(Relaxed).then_some("the card"),
        })
    }

    #[test]
    fn a_thread_that_stops_turning_starves_the_watchdog() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let ((capture, capture_pulse), (playback, playback_pulse)) = (pulse(), pulse());
        let beat = |thread: &(AtomicU64, AtomicBool)| thread.0.fetch_add(1, Relaxed);
        let mut watch = Watch::new();
        watch.add("capture", capture_pulse, start);
        watch.add("playback", playback_pulse, start);
        for turn in 1..=4 {
            beat(&capture);
            beat(&playback);
            assert_eq!(watch.check(at(turn * 2000)), Ok(()));
        }
        beat(&playback);
        assert_eq!(watch.check(at(12_000)), Ok(()), "one late turn is no death");
        beat(&playback);
        let stuck = watch.check(at(13_000)).unwrap_err();
        assert_eq!(stuck, Stuck { thread: "capture", since: Duration::from_secs(5) });
        beat(&capture);
        beat(&playback);
        assert_eq!(watch.check(at(14_000)), Ok(()), "it came back");
    }

    #[test]
    fn a_thread_in_a_named_waiting_state_has_more_time_yet_not_for_ever() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (capture, capture_pulse) = pulse();
        let mut watch = Watch::new();
        watch.add("capture", capture_pulse, start);
        capture.1.store(true, Relaxed);
        assert_eq!(watch.check(at(10_900)), Ok(()));
        assert_eq!(watch.waiting().collect::<Vec<_>>(), [("capture", "the card")]);
        assert!(watch.check(at(11_100)).is_err());
        capture.0.fetch_add(1, Relaxed);
        assert_eq!(watch.check(at(11_200)), Ok(()));
        capture.1.store(false, Relaxed);
        assert_eq!(watch.waiting().count(), 0);
    }
}
