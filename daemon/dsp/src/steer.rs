//! Brings the far end to where the microphone hears it, so that the echo canceller has only the room to learn.
//!
//! ```text
//! far → history → read at a lag that moves with the drift → far as the canceller gets it
//!          │                      ↑ place, rate
//!          └→ delay finder → tracker ← microphone
//! ```
//!
//! The finder says where the echo begins, 0 to 500 ms back, and whether it jumped. From there the tracker measures
//! four times a second how far the echo moves, to a fraction of a sample, and a Kalman filter turns that into the
//! drift of the two clocks. The direct sound is kept 4 ms inside the canceller's tail, so that the filter is causal
//! and short. Where the delay fits into the tail and the clocks agree, nothing happens: the far end comes through
//! bit for bit.
//!
//! It works while the far end sounds, and holds what it knows while it does not.

mod drift;
mod follow;
mod reference;
mod track;

use drift::Drift;
use reference::Reference;
use track::Track;

use crate::delay::{DelayFinder, Found};
use crate::level::sane;
use crate::{BLOCK, Block};

/// The direct sound lies this far behind the steered reference: 4 ms. Estimates are a ms wrong at worst, and a
/// band-limited room answers a little before its direct sound.
const LEAD: usize = 64;
/// A delay up to this fits into any canceller's tail and is left alone: 20 ms.
const SMALL: usize = 320;
/// The first delay must be beyond doubt.
const VOTES_TO_BEGIN: f32 = 20.0;
/// Where an echo has gone from one place, less will do for the other.
const VOTES_TO_JUMP: f32 = 9.0;
/// A finding this far from where the echo should be is a jump: 4 ms. The tracker sees what is less.
const APART: f64 = 64.0;
/// If so many votes are still for where the echo should be, it has not gone.
const STILL_THERE: f32 = 0.5;
/// Of an echo that is where it was the canceller finds at least this share; and follows one by itself within so many
/// samples: 100 ms.
const EXPLAINED: f32 = 0.7;
const FOLLOWED: f64 = 1_600.0;
/// A move of at least this is told to the canceller: 1 ms.
const TOLD: f64 = 16.0;

/// What is known of the echo's place in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SteerReading {
    /// From the far end as it came to the direct sound in the microphone, in ms; 0 until it is found.
    pub delay_ms: f32,
    /// How much faster the speaker's clock runs than the microphone's, in ppm; 0 until there is an idea.
    pub drift_ppm: f32,
    /// What the drift is probably wrong by, in ppm: one standard deviation.
    pub uncertainty_ppm: f32,
    /// The delay is found and the drift is known: the reference keeps step with the microphone.
    pub locked: bool,
    /// With this block the reference moved by more than 1 ms, because the echo was found or had jumped.
    pub jumped: bool,
}

impl SteerReading {
    /// Nothing is known yet, or nobody asks.
    pub(crate) const UNKNOWN: Self =
        Self { delay_ms: 0.0, drift_ppm: 0.0, uncertainty_ppm: 0.0, locked: false, jumped: false };
}

/// Finds delay and drift between far end and microphone, and corrects the far end.
#[derive(Clone, Debug)]
pub struct Steer {
    enabled: bool,
    reference: Reference,
    finder: DelayFinder,
    /// Blocks since the finder saw the echo where it should be.
    since_found: u32,
    /// Where the direct sound lies behind the reference, in samples, once the echo has been found.
    direct: Option<f64>,
    track: Track,
    drift: Drift,
    /// Sums over the windows of a measurement, by what they weigh: lag and blocks ago.
    windows: f64,
    lags: f64,
    ages: f64,
    in_vain: u32,
    /// The finder was asked because the tracker lost the echo.
    doubting: bool,
    /// A surprise that may be the first of a new place.
    surprise: Option<f64>,
    surprises: u32,
    known: bool,
    /// The reference was moved by the finder, and not yet put exactly in place.
    settling: bool,
    moved: f64,
    /// How much of the echo that the canceller predicts was in the last block.
    explained: f32,
}

impl Steer {
    /// Has heard nothing yet. Switched off, the far end comes through bit for bit and nothing is measured.
    pub fn new(enabled: bool) -> Self {
        Self {
            enabled,
            reference: Reference::new(),
            finder: DelayFinder::new(),
            since_found: 0,
            direct: None,
            track: Track::new(),
            drift: Drift::new(),
            windows: 0.0,
            lags: 0.0,
            ages: 0.0,
            in_vain: 0,
            doubting: false,
            surprise: None,
            surprises: 0,
            known: false,
            settling: false,
            moved: 0.0,
            explained: 0.0,
        }
    }

    /// Tells how much of the predicted echo the canceller found in the last block, 0 to 1. Where it finds it all, the
    /// reference is not moved away.
    pub fn heed(&mut self, explained: f32) {
        self.explained = explained;
    }

    /// Turns 10 ms of the far end into what the microphone hears of it in the same 10 ms, give or take the room.
    pub fn process(&mut self, far: &Block, mic: &Block, out: &mut Block) -> SteerReading {
        if !self.enabled {
            *out = *far;
            return SteerReading::UNKNOWN;
        }
        let mut sane_mic = *mic;
        sane_mic.iter_mut().for_each(|sample| *sample = sane(*sample));
        let mic = &sane_mic;
        self.moved = 0.0;
        self.reference.process(far, out);
        self.drift.pass(BLOCK as f64);
        self.since_found = self.since_found.saturating_add(1);
        let expected = self.direct.map(|direct| (self.reference.lag + direct).max(0.0) as usize);
        let busy = self.finder.is_busy();
        if let Some(found) = self.finder.process(far, mic, expected) {
            self.find(found);
        }
        self.ages += self.windows;
        if self.direct.is_some() && !self.reference.is_silent() {
            self.track.hear(out, mic);
            // Never two long transforms in one block.
            if !busy && self.track.is_due() {
                self.follow();
            }
        }
        self.reading()
    }

    /// The canceller found the echo so many samples later than it was: the reference goes after it, if it can.
    pub fn shift(&mut self, samples: i32) -> bool {
        let Some(direct) = self.direct.filter(|_| self.enabled) else { return false };
        let lag = self.reference.nearest(self.reference.lag + f64::from(samples));
        let by = lag - self.reference.lag;
        if (by - f64::from(samples)).abs() > 1.0 {
            return false;
        }
        self.drift.put(self.drift.place() + by, 0.0, 2.0);
        self.place(lag, lag + direct);
        self.finder.start_over();
        self.finder.alert(false);
        true
    }

    /// Block of the reference so many blocks ago, as if it had always been where it is now.
    pub fn recall(&self, ago: usize, out: &mut Block) {
        self.reference.recall(ago, out);
    }

    /// Sound was lost on either side: what is known of the place is a first guess from now on. The drift stays.
    pub fn reset(&mut self) {
        self.finder.reset();
        self.finder.alert(true);
        self.restart_measurement();
        self.track.moved();
        self.drift.put(self.drift.place(), 0.0, 50.0);
    }

    fn reading(&self) -> SteerReading {
        SteerReading {
            delay_ms: self.direct.map_or(0.0, |direct| ((self.reference.lag + direct) / 16.0) as f32),
            drift_ppm: ((0.0 - self.drift.rate()) * 1e6) as f32,
            uncertainty_ppm: (self.drift.rate_deviation() * 1e6) as f32,
            locked: self.known,
            jumped: self.moved.abs() >= TOLD,
        }
    }

    /// The finder saw an echo.
    fn find(&mut self, found: Found) {
        let Some(direct) = self.direct else {
            if found.votes > VOTES_TO_BEGIN {
                let lag = if found.delay <= SMALL { 0 } else { found.delay - LEAD };
                self.place(lag as f64, found.delay as f64);
            }
            return;
        };
        let off = found.delay as f64 - (self.reference.lag + direct);
        // Somebody who begins to speak hides the echo and may resemble the far end for a moment.
        let needed = if self.track.hears_more() { VOTES_TO_BEGIN } else { VOTES_TO_JUMP };
        if off.abs() <= APART {
            self.since_found = 0;
            if found.votes > VOTES_TO_JUMP {
                self.finder.alert(false);
                self.doubting = false;
            }
        } else if self.explained > EXPLAINED {
            // Either two people who speak at once resemble each other, or the canceller has followed by itself. Then
            // there is nothing better about the old place.
            let direct = found.delay as f64 - self.reference.lag;
            let within = (0.0..=FOLLOWED).contains(&direct);
            if within && found.votes > VOTES_TO_BEGIN && found.expected < STILL_THERE {
                self.drift.put(self.reference.lag, 0.0, 30.0);
                self.place(self.reference.lag, found.delay as f64);
                self.track.forget();
                self.settling = false;
            }
        } else if found.votes > needed && found.expected < STILL_THERE {
            let lag = self.reference.nearest(self.reference.lag + off);
            self.drift.put(self.drift.place() + off, 0.0, 30.0);
            self.place(lag, found.delay as f64);
        } else {
            self.finder.alert(true);
        }
    }

    /// Moves the reference because of what the finder said.
    fn place(&mut self, lag: f64, delay: f64) {
        self.moved = lag - self.reference.lag;
        self.settling = true;
        self.reference.lag = lag;
        self.direct = Some(delay - lag);
        self.finder.alert(false);
        self.doubting = false;
        self.restart_measurement();
        self.track.moved();
    }

    fn restart_measurement(&mut self) {
        (self.windows, self.lags, self.ages) = (0.0, 0.0, 0.0);
        self.surprise = None;
        self.surprises = 0;
        self.in_vain = 0;
    }
}

#[cfg(test)]
mod tests;
