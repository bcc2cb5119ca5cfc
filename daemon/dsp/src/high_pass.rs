//! Removes DC and rumble.

use crate::level::sane;
use crate::{BLOCK, Block};

/// Second-order Butterworth high-pass: flat above the corner, 12 dB per octave below, nothing at DC.
#[derive(Clone, Debug)]
pub struct HighPass {
    /// None when off.
    coefficients: Option<Coefficients>,
    s1: f32,
    s2: f32,
}

#[derive(Clone, Copy, Debug)]
struct Coefficients {
    b0: f32,
    b1: f32,
    b2: f32,
    a1: f32,
    a2: f32,
}

impl HighPass {
    /// `corner_hz` is where 3 dB are lost; 0 or less switches the stage off. At most a quarter of the rate.
    pub fn new(corner_hz: f32, rate_hz: u32) -> Self {
        let coefficients = (corner_hz > 0.0).then(|| {
            // bilinear transform of s² / (s² + √2 s + 1)
            let rate = f64::from(rate_hz);
            let k = (std::f64::consts::PI * f64::from(corner_hz).min(rate / 4.0) / rate).tan();
            let norm = 1.0 / (1.0 + std::f64::consts::SQRT_2 * k + k * k);
            Coefficients {
                b0: norm as f32,
                b1: (-2.0 * norm) as f32,
                b2: norm as f32,
                a1: (2.0 * (k * k - 1.0) * norm) as f32,
                a2: ((1.0 - std::f64::consts::SQRT_2 * k + k * k) * norm) as f32,
            }
        });
        Self { coefficients, s1: 0.0, s2: 0.0 }
    }

    /// Filters in place; switched off it leaves the samples as they are.
    pub fn process(&mut self, samples: &mut [f32]) {
        let Some(Coefficients { b0, b1, b2, a1, a2 }) = self.coefficients else { return };
        let (mut s1, mut s2) = (self.s1, self.s2);
        for sample in samples {
            // transposed direct form II: the one that rounds least in f32 at low corners
            let x = sane(*sample);
            let y = b0 * x + s1;
            s1 = b1 * x - a1 * y + s2;
            s2 = b2 * x - a2 * y;
            *sample = y;
        }
        // A decaying tail ends in denormals, which are slow on most cores.
        let rests = |s: f32| if s.abs() < 1e-20 { 0.0 } else { s };
        (self.s1, self.s2) = (rests(s1), rests(s2));
    }

    /// Filters in place, but only this share of what it removes goes: from the first sample's to the last one's. A
    /// share of 0 throughout leaves the samples as they are.
    pub(crate) fn process_share(&mut self, samples: &mut Block, [from, to]: [f32; 2]) {
        if from == 1.0 && to == 1.0 {
            return self.process(samples);
        }
        let mut filtered = *samples;
        self.process(&mut filtered);
        if from == 0.0 && to == 0.0 {
            return;
        }
        for (n, (sample, filtered)) in samples.iter_mut().zip(filtered).enumerate() {
            let share = from + (to - from) * (n + 1) as f32 / BLOCK as f32;
            let whole = sane(*sample);
            *sample = whole + share * (filtered - whole);
        }
    }

    /// Forgets what was heard.
    pub fn reset(&mut self) {
        self.prime(0.0);
    }

    /// Starts as if `level` had been there forever, so that a card's DC offset makes no thump.
    pub fn prime(&mut self, level: f32) {
        let Some(Coefficients { b0, b2, .. }) = self.coefficients else { return };
        let level = sane(level);
        // at rest y = 0: s1 = -b0·level, s2 = b2·level
        (self.s1, self.s2) = (-b0 * level, b2 * level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{to_db, tone, tone_in, white};

    fn gain_db(corner_hz: f32, hz: f64) -> f64 {
        let mut samples = tone(16_000, hz, 0.5, 32_000);
        HighPass::new(corner_hz, 16_000).process(&mut samples);
        to_db(tone_in(&samples[16_000..], 16_000, hz).0 / 0.5)
    }

    #[test]
    fn it_is_a_butterworth_of_second_order() {
        for (corner, hz, expected_db) in [
            (80.0, 80.0, -3.01),
            (80.0, 40.0, -12.3),
            (80.0, 20.0, -24.1),
            (80.0, 160.0, -0.26),
            (80.0, 300.0, -0.02),
            (80.0, 7_000.0, 0.0),
            (400.0, 400.0, -3.01),
            (400.0, 100.0, -24.1),
        ] {
            let db = gain_db(corner, hz);
            assert!((db - expected_db).abs() < 0.15, "{corner} Hz corner, {hz} Hz: {db:.2} dB");
        }
    }

    #[test]
    fn an_offset_is_gone_within_a_tenth_of_a_second() {
        let mut samples = [0.5; 3_200];
        HighPass::new(80.0, 16_000).process(&mut samples);
        assert!(samples[1_600..].iter().all(|s| s.abs() < 1e-5));
    }

    #[test]
    fn an_offset_it_was_primed_with_is_never_heard() {
        let mut high_pass = HighPass::new(80.0, 16_000);
        high_pass.prime(0.5);
        let mut samples = [0.5; 160];
        high_pass.process(&mut samples);
        assert!(samples.iter().all(|s| s.abs() < 1e-5), "{samples:?}");
    }

    #[test]
    fn switched_off_it_leaves_every_bit() {
        let before = white(1, 480);
        let mut samples = before.clone();
        HighPass::new(0.0, 16_000).process(&mut samples);
        assert_eq!(samples, before);
    }

    #[test]
    fn nonsense_is_silence_and_does_not_stay_inside() {
        let mut high_pass = HighPass::new(80.0, 16_000);
        let mut samples = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX].repeat(40);
        high_pass.process(&mut samples);
        assert!(samples.iter().all(|s| s.is_finite() && s.abs() < 20.0));
        let mut block = [0.0; 160];
        for _ in 0..50 {
            block = [0.0; 160];
            high_pass.process(&mut block);
        }
        assert!(block.iter().all(|&s| s == 0.0), "half a second later: {}", block[0]);
    }

    #[test]
    fn after_a_reset_nothing_is_left() {
        let mut high_pass = HighPass::new(80.0, 16_000);
        high_pass.process(&mut white(2, 160));
        high_pass.reset();
        let mut samples = [0.0; 160];
        high_pass.process(&mut samples);
        assert_eq!(samples, [0.0; 160]);
    }
}
