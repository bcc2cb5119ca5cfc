//! Following an echo that was found: what the tracker measures becomes drift, and drift the lag of the reference.

use super::reference::Reference;
use super::track::{self, Shift};
use super::{Steer, TOLD};
use crate::BLOCK;

/// Phases that agree less than this say nothing; more than that, that the echo is where it was.
const AGREES: f32 = 0.2;
/// The same for single windows, which say less.
const FITS: f32 = 0.25;
/// Measurements in vain before the template is given up, if the finder says that the echo is there: 1.5 s.
const IN_VAIN: u32 = 6;
/// Surprises beyond this many deviations are no noise.
const SURPRISING: f64 = 4.0;
/// No measurement is better than this, in samples: the template is not perfect either.
const DEVIATION_LEAST: f64 = 0.05;
/// But a move of more samples than this, on which more phases than this agree, needs no second look.
const CLEARLY_MOVED: f64 = 4.0;
const CLEARLY: f32 = 0.5;
/// So many in a row that do not agree with each other mean that the rate is wrong.
const SURPRISES: u32 = 4;
/// A rate this well known counts as known; a smaller rate is none: 4 and 1.5 ppm.
const RATE_KNOWN: f64 = 4e-6;
const RATE_NONE: f64 = 1.5e-6;
/// An offset of the reference is worked off with at most 2 ppm, in about 4 s.
const SLEW_MAX: f64 = 2e-6;
const SLEW_SAMPLES: f64 = 64_000.0;
/// An offset beyond this is made good at once: 0.2 ms.
const STEP: f64 = 3.0;
/// The same after a jump.
const SETTLED: f64 = 0.6;

impl Steer {
    /// Lets the tracker do its next piece of work.
    pub(super) fn follow(&mut self) {
        let before = self.track.windows();
        let shift = self.track.work();
        let windows = self.track.windows();
        if windows != before && self.track.last_fit() < FITS {
            self.doubt();
        }
        if windows == 1 && before != 1 {
            (self.windows, self.lags, self.ages) = (0.0, 0.0, 0.0);
        }
        if windows > before || (windows == 1 && before != 1) {
            // The middle of the window is 64 ms back.
            let half = 0.5 * track::WINDOW as f64;
            let weight = self.track.weight();
            self.windows += weight;
            self.lags += weight * (self.reference.lag - self.reference.slope * half);
            self.ages += weight * half / BLOCK as f64;
        }
        if self.track.is_first() {
            // The first template defines where the echo is.
            let (lag, age) = self.middle();
            self.drift.put(lag, age, 0.05);
        }
        if let Some(shift) = shift {
            self.measured(shift);
        }
    }

    /// The echo is not where it was, or somebody speaks over it: the finder shall tell.
    fn doubt(&mut self) {
        if !std::mem::replace(&mut self.doubting, true) {
            self.finder.start_over();
        }
    }

    /// Mean lag of the windows, and how long ago they were, in samples.
    fn middle(&self) -> (f64, f64) {
        let windows = self.windows.max(f64::MIN_POSITIVE);
        (self.lags / windows, self.ages / windows * BLOCK as f64)
    }

    fn measured(&mut self, shift: Shift) {
        let (lag, age) = self.middle();
        if shift.agreement < AGREES {
            self.track.refuse();
            self.in_vain += 1;
            self.doubt();
            if self.in_vain >= IN_VAIN && self.since_found < 60 {
                // The room has changed so much that nothing agrees: begin anew, from the same place.
                self.track.forget();
                self.in_vain = 0;
            }
            return;
        }
        let place = lag + f64::from(shift.samples);
        // A window counts by its sound, so when a measurement was is known to about 45 ms only.
        let slide = (self.drift.rate() - self.reference.slope).abs() + self.drift.rate_deviation();
        let deviation = f64::from(shift.deviation).hypot(DEVIATION_LEAST).hypot(slide * 700.0);
        let (surprise, spread) = self.drift.surprise(place, age, deviation);
        if surprise.abs() > SURPRISING * spread + 0.3 {
            let clear = surprise.abs() > CLEARLY_MOVED && shift.agreement > CLEARLY;
            let again = clear || self.surprise.is_some_and(|before| (before - surprise).abs() < 1.0);
            self.surprise = Some(surprise);
            self.surprises += 1;
            if self.surprises >= SURPRISES {
                self.drift.doubt_rate();
            } else if !again {
                self.track.refuse();
                return;
            }
            self.drift.put(place, age, 2.0 * deviation);
        } else {
            self.drift.update(place, age, deviation);
        }
        self.surprise = None;
        self.surprises = 0;
        self.in_vain = 0;
        self.doubting = false;
        self.finder.alert(false);
        if let Some(absorbed) = self.correct() {
            // As measured, not as believed: a belief would pull the next measurements after it.
            self.track.accept(shift.samples - absorbed, shift.agreement * shift.agreement);
        }
    }

    /// Decides how the lag goes on from here. Returns by how much what is late now counts as in time; none if the
    /// reference was moved, which ends the measurement.
    fn correct(&mut self) -> Option<f32> {
        let (rate, deviation) = (self.drift.rate(), self.drift.rate_deviation());
        let known = deviation < RATE_KNOWN;
        let before = self.reference.lag;
        let mut absorbed = 0.0;
        let mut off = self.drift.place() - self.reference.lag;
        if known && !self.known && off.abs() < TOLD {
            // While the drift was unknown the echo slid away from where it was found. There is nothing better about
            // the old place: the canceller has followed.
            self.track.shift_template(off as f32);
            self.drift.shift(-off);
            self.direct = self.direct.map(|direct| direct + off);
            absorbed = off as f32;
            off = 0.0;
        }
        self.known = known;
        let drifts = rate.abs() > RATE_NONE.max(4.0 * deviation);
        if !self.reference.correcting && (drifts || (known && !self.settling && off.abs() > STEP / 2.0)) {
            self.begin_to_correct();
            off = self.drift.place() - self.reference.lag;
        }
        // After a jump the tracker knows better than the finder where the echo was when the canceller learnt it.
        let step = if self.settling { SETTLED } else { STEP };
        if off.abs() > step && self.drift.place_deviation() < step / 2.0 && known {
            let lag = self.reference.nearest(self.reference.lag + off);
            self.moved += lag - self.reference.lag;
            self.reference.lag = lag;
            self.track.moved();
            self.restart_measurement();
            off = 0.0;
        }
        self.settling &= self.drift.place_deviation() > SETTLED / 2.0;
        if self.reference.correcting {
            let slew = if known { (off / SLEW_SAMPLES).clamp(-SLEW_MAX, SLEW_MAX) } else { 0.0 };
            self.reference.slope = rate + slew;
        }
        (self.reference.lag == before).then_some(absorbed)
    }

    /// From now on the reference is read between samples, for which it must lie far enough back.
    fn begin_to_correct(&mut self) {
        let (least, Some(direct)) = (Reference::LEAST, self.direct) else { return };
        let push = (least - self.reference.lag).max(0.0);
        if direct - push < 8.0 {
            // The echo is too early: what would have to be read has not come yet.
            return;
        }
        if push > 0.0 {
            // The echo moves toward the reference, and nothing else changes.
            self.reference.lag += push;
            self.moved += push;
            self.direct = Some(direct - push);
            self.drift.shift(push);
            self.track.shift_template(-push as f32);
            self.track.moved();
            self.restart_measurement();
        }
        self.reference.correcting = true;
    }
}
