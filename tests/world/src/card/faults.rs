//! Things that go wrong, switched while the card is in use.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::clock::Clock;
use super::{Card, Direction, monotonic_ns};

/// As in `card.h`: beyond any errno.
const FAILS_POLL: i32 = 0x1_0000;

/// The way from the speaker to the microphone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Echo {
    /// From the DAC to the ADC.
    pub delay: Duration,
    /// 1.0 = as loud as played.
    pub gain: f32,
}

impl Card {
    /// Pulls the plug: an open stream dies, opening fails with ENODEV until [`Card::replug`].
    pub fn unplug(&self, direction: Direction) {
        let plugs = &self.control.faults(direction).plugs;
        if plugs.load(Ordering::Acquire) % 2 == 1 {
            plugs.fetch_add(1, Ordering::AcqRel);
            if direction == Direction::Playback {
                self.silence_from_now();
            }
            self.kick(direction);
        }
    }

    /// Plugs it in again. A stream that was open meanwhile stays dead.
    pub fn replug(&self, direction: Direction) {
        let plugs = &self.control.faults(direction).plugs;
        if plugs.load(Ordering::Acquire) % 2 == 0 {
            plugs.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Stops the clock of one direction, without an error: no sample, no wake-up, until [`Card::resume`].
    pub fn stall(&self, direction: Direction) {
        self.anchor(direction, |clock| clock.stalled = true);
    }

    /// Lets a stalled clock go on from where it stands.
    pub fn resume(&self, direction: Direction) {
        self.anchor(direction, |clock| clock.stalled = false);
        self.kick(direction);
    }

    /// Makes one direction's clock run faster (or slower, below 0) than CLOCK_MONOTONIC.
    pub fn set_drift(&self, direction: Direction, parts_per_million: f64) {
        self.anchor(direction, |clock| clock.drift_ppb = (parts_per_million * 1000.0).round() as i64);
        self.kick(direction);
    }

    /// Opening fails with EBUSY, as if another program had the card.
    pub fn set_busy(&self, direction: Direction, busy: bool) {
        self.set_open_errno(direction, if busy { libc::EBUSY } else { 0 });
    }

    /// Opening fails with EACCES, as for a user outside the group audio.
    pub fn set_denied(&self, direction: Direction, denied: bool) {
        self.set_open_errno(direction, if denied { libc::EACCES } else { 0 });
    }

    fn set_open_errno(&self, direction: Direction, errno: i32) {
        self.control.faults(direction).open_errno.store(errno as u32, Ordering::Release);
    }

    /// Every call of an open stream fails with this errno, and no stream can be set up, as on a card whose driver has
    /// given it up; 0 mends it.
    pub fn break_calls(&self, direction: Direction, errno: i32) {
        self.control.faults(direction).stream_errno.store(errno as u32, Ordering::Release);
        self.kick(direction);
    }

    /// Poll reports POLLERR and no call says why; or not any more.
    pub fn break_poll(&self, direction: Direction, broken: bool) {
        self.break_calls(direction, if broken { FAILS_POLL } else { 0 });
    }

    /// One overrun or underrun, whatever the ring holds.
    pub fn force_xrun(&self, direction: Direction) {
        self.control.faults(direction).forced_xruns.fetch_add(1, Ordering::AcqRel);
        self.kick(direction);
    }

    /// Lets the microphone hear the speaker (the mean of its channels, on every channel), or not.
    pub fn set_echo(&self, echo: Option<Echo>) {
        let faults = self.control.faults(Direction::Capture);
        let (delay, gain) = echo.map_or((Duration::ZERO, 0.0), |echo| (echo.delay, echo.gain));
        faults.echo_delay_ns.store(delay.as_nanos() as u64, Ordering::Release);
        faults.echo_gain_q16.store((gain * 65536.0).round() as u32, Ordering::Release);
    }

    /// Re-anchors a clock at now, so that what has passed stays as it was.
    fn anchor(&self, direction: Direction, change: impl FnOnce(&mut Clock)) {
        let mut clock = self.clock(direction);
        let now_ns = monotonic_ns();
        clock.position = clock.position_at(now_ns);
        clock.at_ns = now_ns;
        change(&mut clock);
        self.control.set_clock(direction, &clock);
    }
}
