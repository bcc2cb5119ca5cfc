//! Keeps sums and small loudspeakers within bounds.

use crate::level::{from_db, sane};

/// Time in which the gain comes back after a peak, in ms (to 1/e of the excess).
const RELEASE_MS: f32 = 80.0;

/// Peak limiter without look-ahead: it turns down at the very sample that would pass the ceiling, which leaves
/// the wave continuous, and comes back slowly. Below the ceiling samples come out bit for bit.
#[derive(Clone, Debug)]
pub struct Limiter {
    ceiling: f32,
    /// Factor per frame on the held peak.
    release: f32,
    /// Recent peak, decaying; at or below the ceiling it has no effect.
    peak: f32,
}

impl Limiter {
    /// `ceiling_dbfs` is 0 for full scale or below it for a small loudspeaker.
    pub fn new(ceiling_dbfs: f32, rate_hz: u32) -> Self {
        let release = (-1000.0 / (RELEASE_MS * rate_hz.max(1) as f32)).exp();
        Self { ceiling: from_db(ceiling_dbfs.min(0.0)), release, peak: 0.0 }
    }

    /// Limits mono samples in place; none leaves beyond the ceiling.
    pub fn process(&mut self, samples: &mut [f32]) {
        let ceiling = self.ceiling;
        // Written so that NaN counts as loud, and without leaving early, which would keep it from vector registers.
        let quiet = samples.iter().fold(true, |quiet, sample| quiet & (sample.abs() <= ceiling));
        if quiet && self.peak <= ceiling {
            self.peak = 0.0;
            return;
        }
        let mut peak = self.peak;
        for sample in samples {
            let x = sane(*sample);
            peak = x.abs().max(peak * self.release);
            *sample = if peak > ceiling { (x * (ceiling / peak)).clamp(-ceiling, ceiling) } else { x };
        }
        self.peak = peak;
    }

    /// How much it turns down now, in dB; 0.0 when it does nothing.
    pub fn reduction_db(&self) -> f32 {
        if self.peak > self.ceiling { 20.0 * (self.peak / self.ceiling).log10() } else { 0.0 }
    }

    /// Forgets the last peak.
    pub fn reset(&mut self) {
        self.peak = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_i16;
    use crate::synth::{at_level, rms, speech, tone, tone_in};

    #[test]
    fn every_16_bit_sample_passes_bit_for_bit() {
        let before: Vec<f32> = (i16::MIN..=i16::MAX).map(from_i16).collect();
        let mut samples = before.clone();
        Limiter::new(0.0, 48_000).process(&mut samples);
        assert_eq!(samples, before);
    }

    #[test]
    fn nothing_passes_the_ceiling() {
        for (ceiling_dbfs, ceiling) in [(0.0, 1.0), (-6.0, 0.501_19), (3.0, 1.0)] {
            let mut samples = at_level(speech(1, 32_000), 3.0);
            samples.extend([f32::MAX, f32::MIN, f32::NAN, f32::INFINITY]);
            Limiter::new(ceiling_dbfs, 16_000).process(&mut samples);
            assert!(samples.iter().all(|s| s.abs() <= ceiling), "{ceiling_dbfs} dBFS");
        }
    }

    #[test]
    fn a_sum_twice_too_loud_is_turned_down_not_clipped() {
        let mut samples = tone(48_000, 400.0, 2.0, 48_000);
        let mut limiter = Limiter::new(0.0, 48_000);
        limiter.process(&mut samples);
        let (amplitude, rest) = tone_in(&samples[24_000..], 48_000, 400.0);
        assert!((amplitude - 1.0).abs() < 0.02, "{amplitude}");
        assert!(rest < 0.01, "distortion {rest}; hard clipping has 0.16");
        assert!((limiter.reduction_db() - 6.0).abs() < 0.3);
    }

    #[test]
    fn it_turns_down_without_a_step() {
        let mut samples = tone(48_000, 200.0, 1.6, 4_800);
        let before = samples.clone();
        Limiter::new(0.0, 48_000).process(&mut samples);
        let step = |s: &[f32]| s.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step(&samples) <= step(&before), "{} against {}", step(&samples), step(&before));
    }

    #[test]
    fn after_a_peak_the_level_comes_back_and_then_every_bit() {
        let mut limiter = Limiter::new(0.0, 48_000);
        limiter.process(&mut tone(48_000, 400.0, 2.0, 480));
        let before = tone(48_000, 400.0, 0.5, 24_000);
        let mut samples = before.clone();
        limiter.process(&mut samples);
        assert!(rms(&samples[..480]) < 0.8 * rms(&before[..480]));
        assert_eq!(samples[4_800..], before[4_800..], "100 ms later");
        assert_eq!(limiter.reduction_db(), 0.0);
    }

    #[test]
    fn a_reset_forgets_the_peak() {
        let mut limiter = Limiter::new(0.0, 48_000);
        limiter.process(&mut [4.0; 10]);
        limiter.reset();
        let mut samples = [0.9; 10];
        limiter.process(&mut samples);
        assert_eq!(samples, [0.9; 10]);
    }
}
