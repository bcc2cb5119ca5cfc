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

    /// Ends a ramp at once: for when the stream was cut anyway.
    pub fn reset(&mut self) {
        self.gain = self.target;
        self.left = 0;
    }
}
