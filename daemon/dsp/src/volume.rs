//! How loud the answer is.

use crate::level::sane;

/// Ramp from one volume to another in ms: short enough to feel at once, long enough not to click.
const RAMP_MS: u32 = 20;

/// Gain of a volume in percent: its cube, so that equal steps sound equal (50 % is -18 dB, 100 % exactly 1.0).
pub fn gain_of_percent(percent: f32) -> f32 {
    (percent / 100.0).clamp(0.0, 1.0).powi(3)
}

/// Volume that moves without clicks.
#[derive(Clone, Debug)]
pub struct Volume {
    ramp_frames: u32,
    gain: f32,
    target: f32,
    /// Change per frame while moving.
    step: f32,
    /// Frames until the target is reached.
    left: u32,
}

impl Volume {
    /// Starts at `percent` (0 to 100) without a ramp; `rate_hz` only sets the ramp's length.
    pub fn new(percent: f32, rate_hz: u32) -> Self {
        let gain = gain_of_percent(percent);
        Self { ramp_frames: (rate_hz * RAMP_MS / 1000).max(1), gain, target: gain, step: 0.0, left: 0 }
    }

    /// Moves to `percent` (0 to 100) over the next 20 ms of sound.
    pub fn set_percent(&mut self, percent: f32) {
        self.set_gain(gain_of_percent(percent));
    }

    /// Moves to a gain (0.0 to 1.0) over the next 20 ms of sound.
    pub fn set_gain(&mut self, gain: f32) {
        let gain = if gain.is_finite() { gain.clamp(0.0, 1.0) } else { 0.0 };
        if gain != self.target {
            self.target = gain;
            self.left = self.ramp_frames;
            self.step = (gain - self.gain) / self.ramp_frames as f32;
        }
    }

    /// The gain that the next sample is given.
    pub fn gain(&self) -> f32 {
        self.gain
    }

    /// Applies the volume to mono samples in place; at 100 % they come out bit for bit.
    pub fn process(&mut self, samples: &mut [f32]) {
        let ramp = samples.len().min(self.left as usize);
        let (moving, settled) = samples.split_at_mut(ramp);
        for sample in moving {
            self.left -= 1;
            self.gain = if self.left == 0 { self.target } else { self.gain + self.step };
            *sample = sane(*sample) * self.gain;
        }
        for sample in settled {
            *sample = sane(*sample) * self.gain;
        }
    }

    /// Walks over `frames` without samples: driver silence, or sound that is written already.
    pub fn skip(&mut self, frames: usize) {
        let passed = frames.min(self.left as usize) as u32;
        self.left -= passed;
        self.gain = if self.left == 0 { self.target } else { self.gain + self.step * passed as f32 };
    }

    /// Ends a ramp at once: for when the stream was cut anyway.
    pub fn reset(&mut self) {
        self.gain = self.target;
        self.left = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::white;

    #[test]
    fn the_curve_is_a_cube_from_nothing_to_exactly_one() {
        for (percent, gain) in [(0.0, 0.0), (50.0, 0.125), (100.0, 1.0), (140.0, 1.0), (-3.0, 0.0)] {
            assert_eq!(gain_of_percent(percent), gain, "{percent} %");
        }
        assert!((20.0 * gain_of_percent(80.0).log10() + 5.8).abs() < 0.1);
    }

    #[test]
    fn at_100_percent_every_bit_stays() {
        let before = white(1, 960);
        let mut samples = before.clone();
        Volume::new(100.0, 48_000).process(&mut samples);
        assert_eq!(samples, before);
    }

    #[test]
    fn a_change_takes_20_ms_without_a_step_however_the_stream_is_cut() {
        let mut volume = Volume::new(100.0, 48_000);
        volume.set_percent(50.0);
        let mut samples = vec![1.0; 1_200];
        for piece in samples.chunks_mut(77) {
            volume.process(piece);
        }
        let steps = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(steps < 0.001, "{steps}");
        assert!(samples[958] > 0.125 && samples[959..].iter().all(|&s| s == 0.125));
    }

    #[test]
    fn a_change_of_mind_in_mid_ramp_goes_on_from_there() {
        let mut volume = Volume::new(0.0, 48_000);
        volume.set_percent(100.0);
        let mut samples = vec![1.0; 480 + 960];
        volume.process(&mut samples[..480]);
        let middle = volume.gain();
        volume.set_percent(0.0);
        volume.process(&mut samples[480..]);
        assert!((middle - 0.5).abs() < 0.01);
        assert!((samples[480] - middle).abs() < 0.002 && samples[1_439] == 0.0);
    }

    #[test]
    fn walking_over_frames_is_the_same_ramp() {
        let mut volume = Volume::new(20.0, 48_000);
        volume.set_percent(90.0);
        let mut whole = vec![1.0; 1_200];
        let mut skipping = volume.clone();
        volume.process(&mut whole);
        for at in [0, 1, 300, 958, 959, 960, 1_100] {
            let mut part = [1.0];
            let mut volume = skipping.clone();
            volume.skip(at);
            volume.process(&mut part);
            assert!((part[0] - whole[at]).abs() < 1e-5, "{at}");
        }
        skipping.skip(usize::MAX);
        assert_eq!(skipping.gain(), gain_of_percent(90.0));
    }

    #[test]
    fn back_at_100_percent_every_bit_stays_again() {
        let mut volume = Volume::new(30.0, 16_000);
        volume.set_percent(100.0);
        volume.process(&mut [0.5; 320]);
        let before = white(2, 320);
        let mut samples = before.clone();
        volume.process(&mut samples);
        assert_eq!(samples, before);
    }

    #[test]
    fn nonsense_is_silence_in_samples_and_settings() {
        let mut volume = Volume::new(100.0, 16_000);
        let mut samples = [f32::NAN, f32::INFINITY, 0.5];
        volume.process(&mut samples);
        assert_eq!(samples, [0.0, 0.0, 0.5]);
        volume.set_gain(f32::NAN);
        volume.reset();
        assert_eq!(volume.gain(), 0.0);
    }

    #[test]
    fn a_reset_ends_the_ramp() {
        let mut volume = Volume::new(0.0, 48_000);
        volume.set_percent(100.0);
        volume.reset();
        let mut samples = [0.3; 10];
        volume.process(&mut samples);
        assert_eq!(samples, [0.3; 10]);
    }
}
