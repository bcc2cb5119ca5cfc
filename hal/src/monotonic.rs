//! Kernel timestamps as [`Instant`]s, and back.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Turns a kernel timestamp (CLOCK_MONOTONIC) into an [`Instant`], never one in the future.
#[cfg(any(feature = "alsa", feature = "evdev", feature = "gpio"))]
pub(crate) fn instant_of(kernel: Duration) -> Instant {
    let now = Instant::now();
    exact_instant_of(kernel).map_or(now, |at| at.min(now))
}

/// The same, wherever it lies; `None` for what no clock can show.
#[cfg(any(feature = "alsa", feature = "evdev", feature = "gpio"))]
pub(crate) fn exact_instant_of(kernel: Duration) -> Option<Instant> {
    let (instant, monotonic) = anchor();
    if kernel >= monotonic {
        instant.checked_add(kernel - monotonic)
    } else {
        instant.checked_sub(monotonic - kernel)
    }
}

/// A time in nanoseconds of CLOCK_MONOTONIC: a number that threads may share, the same for all cards.
pub fn monotonic_ns(at: Instant) -> u64 {
    let (instant, monotonic) = anchor();
    let kernel = match at.checked_duration_since(instant) {
        Some(since) => monotonic + since,
        None => monotonic.saturating_sub(instant.duration_since(at)),
    };
    kernel.as_nanos() as u64
}

fn monotonic() -> Duration {
    // SAFETY: a timespec is plain numbers; some targets have padding that cannot be named.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: writes one timespec, a local. CLOCK_MONOTONIC always exists, so it cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// One moment on both clocks. On Linux `Instant` is CLOCK_MONOTONIC, so one pair serves for ever; of a few, the one
/// with the least time between its two readings is taken, in case the thread was put aside just there.
fn anchor() -> (Instant, Duration) {
    static ANCHOR: OnceLock<(Instant, Duration)> = OnceLock::new();
    *ANCHOR.get_or_init(|| {
        let pair = || {
            let before = monotonic();
            let instant = Instant::now();
            let width = monotonic() - before;
            (width, (instant, before + width / 2))
        };
        let mut best = pair();
        for _ in 0..7 {
            let next = pair();
            if next.0 < best.0 {
                best = next;
            }
        }
        best.1
    })
}

#[cfg(all(test, any(feature = "alsa", feature = "evdev", feature = "gpio")))]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_timestamp_becomes_the_same_moment_and_is_never_in_the_future() {
        let before = Instant::now();
        let at = instant_of(monotonic());
        assert!(at >= before - Duration::from_micros(50) && at <= Instant::now(), "{at:?}");
        let earlier = instant_of(monotonic() - Duration::from_millis(250));
        let age = earlier.elapsed();
        assert!(age >= Duration::from_millis(249) && age < Duration::from_millis(1250), "{age:?}");
        assert!(instant_of(monotonic() + Duration::from_secs(9)) <= Instant::now());
    }

    #[test]
    fn a_time_becomes_the_kernel_s_and_back_to_the_nanosecond() {
        let now = Instant::now();
        for at in [now - Duration::from_millis(333), now, now + Duration::from_nanos(1_234_567)] {
            let kernel = Duration::from_nanos(monotonic_ns(at));
            assert_eq!(exact_instant_of(kernel), Some(at));
        }
        let (before, at, after) = (monotonic(), Instant::now(), monotonic());
        let slack = Duration::from_micros(50); // of the pair that both clocks are compared by
        let kernel = Duration::from_nanos(monotonic_ns(at));
        assert!(kernel + slack >= before && kernel <= after + slack, "{before:?} {kernel:?} {after:?}");
    }
}
