//! When the watchdog is fed.
//!
//! The event loop asks [`Watch`] whether all is well and only then feeds the watchdog: so it starves if the loop
//! does not turn, and if a watched thread does not. "Process alive, device deaf" ends in a restart.

use std::time::{Duration, Instant};

/// A thread at work promises to turn every 3 s, one that waits every 2 s; the rest is the distance between two looks at
/// it.
const TURNING_MAX: Duration = Duration::from_secs(4);
/// A thread that opens a device is inside a driver that may take its time to say no: a USB device that does not answer
/// costs 5 s per question. One that never returns is stuck all the same.
const OPENING_MAX: Duration = Duration::from_secs(11);

/// A thread's sign of life, read from its atomics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Counts up whenever the thread turns, at work or waiting.
    pub beats: u64,
    /// What it waits for, when it is not at work: `the card`.
    pub waiting: Option<&'static str>,
    /// It tries to open what it waits for.
    pub opening: bool,
}

/// Decides whether the watchdog is fed. The event loop calls [`Watch::check`], and so vouches for itself.
#[derive(Default)]
pub struct Watch {
    threads: Vec<Watched>,
    /// Who was stuck at the last look.
    stuck: Option<&'static str>,
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
    /// It was so at the last look as well. After a pause of the whole machine every thread looks stuck once.
    pub again: bool,
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

    /// Threads of this name are not there any more.
    pub fn forget(&mut self, name: &str) {
        self.threads.retain(|thread| thread.name != name);
    }

    /// Whether to feed: `Ok`, or the first thread that is stuck. Asked about as often as [`super::Notify::feed_every`]
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
            let allowed = if pulse.opening { OPENING_MAX } else { TURNING_MAX };
            if since > allowed && stuck.is_none() {
                stuck = Some(Stuck { thread: thread.name, since, again: self.stuck == Some(thread.name) });
            }
        }
        self.stuck = stuck.map(|stuck| stuck.thread);
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

    /// A pulse that the test drives: beats, and whether it opens the card.
    fn pulse() -> (Arc<(AtomicU64, AtomicBool)>, impl Fn() -> Pulse + Send + 'static) {
        let shared = Arc::new((AtomicU64::new(0), AtomicBool::new(false)));
        let read = shared.clone();
        (shared, move || Pulse {
            beats: read.0.load(Relaxed),
            waiting: read.1.load(Relaxed).then_some("the card"),
            opening: read.1.load(Relaxed),
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
        assert_eq!(stuck, Stuck { thread: "capture", since: Duration::from_secs(5), again: false });
        beat(&playback);
        assert!(watch.check(at(13_500)).unwrap_err().again);
        beat(&capture);
        beat(&playback);
        assert_eq!(watch.check(at(14_000)), Ok(()), "it came back");
        beat(&playback);
        assert!(!watch.check(at(18_500)).unwrap_err().again, "that was another time");
    }

    #[test]
    fn a_thread_that_waits_turns_all_the_same() {
        let start = Instant::now();
        let mut watch = Watch::new();
        watch.add("button", || Pulse { beats: 0, waiting: Some("an edge"), opening: false }, start);
        assert_eq!(watch.check(start + TURNING_MAX), Ok(()));
        let stuck = watch.check(start + TURNING_MAX + Duration::from_millis(1)).unwrap_err();
        assert_eq!(stuck.thread, "button");
    }

    #[test]
    fn a_thread_inside_a_driver_has_more_time_yet_not_for_ever() {
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
