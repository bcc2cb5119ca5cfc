//! The clock of a simulated card: frame `n` exists from `start + n / rate` on.

use std::time::{Duration, Instant};

const NANOS: u128 = 1_000_000_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) start: Instant,
    pub(super) rate_hz: u32,
}

impl Pace {
    /// Frames that exist by now.
    pub(super) fn now(&self) -> u64 {
        self.frame_at(Instant::now())
    }

    /// Frames that exist by then.
    pub(super) fn frame_at(&self, at: Instant) -> u64 {
        let nanos = at.saturating_duration_since(self.start).as_nanos();
        u64::try_from(nanos * u128::from(self.rate_hz) / NANOS).unwrap_or(u64::MAX)
    }

    /// When `frame` frames exist: the first moment at which [`Pace::frame_at`] says so. `None` is never.
    pub(super) fn instant(&self, frame: u64) -> Option<Instant> {
        let nanos = (u128::from(frame) * NANOS).div_ceil(u128::from(self.rate_hz));
        self.start.checked_add(Duration::from_nanos(u64::try_from(nanos).ok()?))
    }

    /// Frames in so many ms, at least one.
    pub(super) fn frames(&self, ms: u32) -> usize {
        (ms as usize * self.rate_hz as usize / 1000).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_exists_exactly_from_its_moment_on() {
        for rate_hz in [16_000, 44_100, 48_000] {
            let pace = Pace { start: Instant::now(), rate_hz };
            for frame in (1..2000).chain([u64::from(rate_hz) * 86_400 + 1]) {
                let at = pace.instant(frame).unwrap();
                assert_eq!(
                    (pace.frame_at(at), pace.frame_at(at - Duration::from_nanos(1))),
                    (frame, frame - 1)
                );
            }
        }
    }

    #[test]
    fn a_frame_beyond_the_end_of_time_never_comes() {
        assert_eq!(Pace { start: Instant::now(), rate_hz: 1 }.instant(u64::MAX), None);
    }
}
