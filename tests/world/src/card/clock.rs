//! The card's clock: a straight line through an anchor; the same arithmetic as the plugin's `clock.c`.

use super::{Card, Direction};

/// Positions are in millionths of a frame.
const UNIT: i128 = 1_000_000;

/// One direction's clock, as of now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) rate_hz: u32,
    pub(super) stalled: bool,
    pub(super) at_ns: u64,
    pub(super) position: i64,
    pub(super) drift_ppb: i64,
}

impl Clock {
    fn speed(&self) -> i128 {
        i128::from(self.rate_hz) * i128::from(1_000_000_000 + self.drift_ppb)
    }

    pub(super) fn position_at(&self, ns: u64) -> i64 {
        if self.stalled {
            return self.position;
        }
        let passed = (i128::from(ns) - i128::from(self.at_ns)) * self.speed();
        self.position + passed.div_euclid(1_000_000_000_000) as i64
    }

    fn frame_at(&self, ns: u64) -> u64 {
        (i128::from(self.position_at(ns)).max(0) / UNIT) as u64
    }

    fn time_of(&self, frame: u64) -> u64 {
        let ahead = (i128::from(frame) * UNIT - i128::from(self.position)) * 1_000_000_000_000;
        let speed = self.speed();
        (i128::from(self.at_ns) - (-ahead).div_euclid(speed)).max(0) as u64
    }
}

/// CLOCK_MONOTONIC in nanoseconds, the time base of the card.
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to a local; this clock always exists on Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sleeps until CLOCK_MONOTONIC has reached a time.
pub fn sleep_until_ns(ns: u64) {
    let time = libc::timespec { tv_sec: (ns / 1_000_000_000) as _, tv_nsec: (ns % 1_000_000_000) as _ };
    // SAFETY: reads a local; a signal ends the sleep early, hence the loop.
    while unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &raw const time,
            std::ptr::null_mut(),
        )
    } == libc::EINTR
    {}
}

impl Card {
    pub(super) fn clock(&self, direction: Direction) -> Clock {
        self.control.clock(direction, self.stream(direction).rate_hz)
    }

    /// The number of samples (frames of the sound file) that exist by now; the next one is this number.
    pub fn now_sample(&self, direction: Direction) -> u64 {
        self.sample_at(direction, monotonic_ns())
    }

    /// The same at a time of CLOCK_MONOTONIC. Before the last stall or change of drift it is an extrapolation.
    pub fn sample_at(&self, direction: Direction, ns: u64) -> u64 {
        self.clock(direction).frame_at(ns)
    }

    /// When a sample begins, in nanoseconds of CLOCK_MONOTONIC: a microphone has heard it one sample later, a
    /// speaker starts to play it now.
    pub fn time_of(&self, direction: Direction, sample: u64) -> u64 {
        self.clock(direction).time_of(sample)
    }

    /// Sleeps until a sample begins. Never returns on a card that is stalled before it.
    pub fn sleep_until(&self, direction: Direction, sample: u64) {
        while self.now_sample(direction) < sample {
            sleep_until_ns(self.time_of(direction, sample).max(monotonic_ns() + 1_000_000));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_frame_are_inverse_with_drift() {
        for (rate_hz, drift_ppb) in [(48_000, 0), (44_100, 120_000), (16_000, -75_000)] {
            let clock =
                Clock { rate_hz, stalled: false, at_ns: 5_000_000_123, position: 77_500_000, drift_ppb };
            for frame in [78, 79, 480, 1_000_003, 14_400_000] {
                let ns = clock.time_of(frame);
                assert_eq!(clock.frame_at(ns), frame, "{rate_hz} {drift_ppb}");
                assert_eq!(clock.frame_at(ns - 1), frame - 1, "{rate_hz} {drift_ppb}");
            }
        }
    }
}
