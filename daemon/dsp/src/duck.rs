//! Turns the answer down while somebody may be speaking over it, and back up if nobody was.

use crate::level::sane;

/// How deep and how fast the answer is turned down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DuckSettings {
    /// How far it is turned down, in dB: 0 or more, and 0 switches the stage off.
    pub depth_db: f32,
    /// From full to down, in ms.
    pub down_ms: f32,
    /// From down to full, in ms.
    pub up_ms: f32,
}

impl Default for DuckSettings {
    fn default() -> Self {
        // 12 dB are reached after 70 % of the way down. Slower would be heard later than the ear forgives, faster
        // clicks. Upwards a voice that swells within a syllable sounds natural.
        Self { depth_db: 15.0, down_ms: 8.0, up_ms: 150.0 }
    }
}

/// Smooth gain between full and turned down; at full the samples pass bit for bit.
///
/// It is small and [`Copy`]: whoever writes over sound that is already in the card's ring keeps the state of an
/// earlier frame and goes on from there, or walks forward with [`Duck::skip`].
#[derive(Clone, Copy, Debug)]
pub struct Duck {
    /// Natural logarithm of the deepest gain.
    ln_depth: f32,
    down_step: f32,
    up_step: f32,
    ducked: bool,
    /// Way from full (0.0) to down (1.0).
    way: f32,
}

impl Duck {
    /// Starts at full; `rate_hz` only sets the length of the ramps.
    pub fn new(settings: DuckSettings, rate_hz: u32) -> Self {
        let step = |ms: f32| 1.0 / (ms.max(0.0) * rate_hz as f32 / 1000.0).max(1.0);
        let depth_db = if settings.depth_db.is_finite() { settings.depth_db.clamp(0.0, 60.0) } else { 0.0 };
        Self {
            ln_depth: -depth_db * std::f32::consts::LN_10 / 20.0,
            down_step: step(settings.down_ms),
            up_step: step(settings.up_ms),
            ducked: false,
            way: 0.0,
        }
    }

    /// Turns down from the next sample on, or back up. A change of mind in mid-ramp goes on from there.
    pub fn set(&mut self, ducked: bool) {
        self.ducked = ducked;
    }

    /// Where it is going.
    pub fn ducked(&self) -> bool {
        self.ducked
    }

    /// The gain of the next sample.
    pub fn gain(&self) -> f32 {
        gain(self.ln_depth, self.way)
    }

    /// The gain of the next sample, in dB.
    pub fn gain_db(&self) -> f32 {
        20.0 * self.gain().log10()
    }

    /// At full and staying there: `process` leaves every bit.
    pub fn idle(&self) -> bool {
        !self.ducked && self.way == 0.0
    }

    /// Applies the gain to mono samples in place.
    pub fn process(&mut self, samples: &mut [f32]) {
        if self.idle() || self.ln_depth == 0.0 {
            self.skip(samples.len());
            return;
        }
        let mut samples = samples.iter_mut();
        while self.moving() {
            let Some(sample) = samples.next() else { return };
            *sample = sane(*sample) * self.gain();
            self.advance(1.0);
        }
        let rest = self.gain();
        samples.for_each(|sample| *sample = sane(*sample) * rest);
    }

    /// Walks over `frames` without samples: driver silence, or sound that is written later.
    pub fn skip(&mut self, frames: usize) {
        if self.moving() {
            self.advance(frames as f32);
        }
    }

    /// At full at once: for when the stream was cut anyway.
    pub fn reset(&mut self) {
        self.ducked = false;
        self.way = 0.0;
    }

    fn moving(&self) -> bool {
        self.way != if self.ducked { 1.0 } else { 0.0 }
    }

    fn advance(&mut self, frames: f32) {
        self.way = if self.ducked {
            (self.way + frames * self.down_step).min(1.0)
        } else {
            (self.way - frames * self.up_step).max(0.0)
        };
    }
}

/// The way is walked with soft ends, and in dB, which is what the ear measures: `3w² - 2w³`.
fn gain(ln_depth: f32, way: f32) -> f32 {
    (ln_depth * way * way * (3.0 - 2.0 * way)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{tone, white};

    fn duck() -> Duck {
        Duck::new(DuckSettings::default(), 48_000)
    }

    #[test]
    fn at_full_every_bit_stays_and_so_it_does_when_it_came_back() {
        let before = white(1, 960);
        let mut duck = duck();
        let mut samples = before.clone();
        duck.process(&mut samples);
        assert_eq!(samples, before);
        duck.set(true);
        duck.process(&mut vec![0.5; 480]);
        duck.set(false);
        duck.process(&mut vec![0.5; 7_300]);
        assert!(duck.idle());
        duck.process(&mut samples);
        assert_eq!(samples, before);
    }

    #[test]
    fn switched_off_it_leaves_every_bit_even_when_asked() {
        let before = white(2, 960);
        let mut duck = Duck::new(DuckSettings { depth_db: 0.0, ..DuckSettings::default() }, 48_000);
        duck.set(true);
        let mut samples = before.clone();
        duck.process(&mut samples);
        assert_eq!(samples, before);
    }

    #[test]
    fn twelve_db_are_reached_within_6_ms_and_fifteen_within_8() {
        let mut duck = duck();
        duck.set(true);
        let mut samples = vec![1.0; 480];
        duck.process(&mut samples);
        let db = |ms: usize| 20.0 * samples[ms * 48].log10();
        assert!(db(6) < -12.0 && db(2) > -5.0, "{} and {}", db(6), db(2));
        assert!((db(8) + 15.0).abs() < 0.01 && (db(9) + 15.0).abs() < 0.01);
        assert!((duck.gain_db() + 15.0).abs() < 0.01);
    }

    #[test]
    fn it_comes_back_within_150_ms_without_a_step_however_the_stream_is_cut() {
        let mut duck = duck();
        duck.set(true);
        duck.process(&mut [0.0; 480]);
        duck.set(false);
        let mut samples = vec![1.0; 7_440];
        for piece in samples.chunks_mut(77) {
            duck.process(piece);
        }
        let step = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step < 0.001, "{step}");
        assert!(samples[3_600] < 0.6 && samples[7_300..].iter().all(|&s| s == 1.0));
    }

    #[test]
    fn turning_down_makes_no_click() {
        // A 300 Hz tone cut hard by 15 dB leaves a step of 0.82 of its height; its own steepest step is 0.039.
        for start in 0..160 {
            let mut duck = duck();
            let mut samples = tone(48_000, 300.0, 1.0, 1_200);
            duck.process(&mut samples[..start]);
            duck.set(true);
            duck.process(&mut samples[start..]);
            let step = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
            assert!(step < 0.042, "from {start}: {step}");
        }
    }

    #[test]
    fn a_change_of_mind_in_mid_ramp_goes_on_from_there() {
        let mut duck = duck();
        duck.set(true);
        duck.process(&mut [1.0; 200]);
        let middle = duck.gain();
        duck.set(false);
        let mut samples = [1.0; 10];
        duck.process(&mut samples);
        assert!(middle < 0.6 && (samples[0] - middle).abs() < 0.01 && samples[9] > middle);
    }

    #[test]
    fn skipping_and_copying_land_where_processing_does() {
        let mut duck = duck();
        duck.set(true);
        let mut copy = duck;
        let mut samples = vec![1.0; 600];
        duck.process(&mut samples);
        copy.skip(250);
        assert!((copy.gain() - samples[250]).abs() < 1e-3, "{} and {}", copy.gain(), samples[250]);
        copy.skip(10_000);
        assert_eq!(copy.gain(), duck.gain());
    }

    #[test]
    fn nonsense_is_silence_and_a_reset_is_at_full() {
        let mut duck = duck();
        duck.set(true);
        let mut samples = [f32::NAN, f32::INFINITY, 0.5];
        duck.process(&mut samples);
        assert!(samples[0] == 0.0 && samples[1] == 0.0 && samples[2] > 0.4);
        duck.reset();
        assert!(duck.idle() && duck.gain() == 1.0);
        let odd = DuckSettings { depth_db: f32::NAN, down_ms: f32::NAN, up_ms: -1.0 };
        assert_eq!(Duck::new(odd, 0).gain(), 1.0);
    }
}
