//! Finds gains that take away what the filter left, and says how much of the rest is a person.

use super::spectrum::{BINS, Bins, FRAME, Fourier, Spectrum};
use crate::{BLOCK, Block};

/// Share of the filter's own doubt that is taken for residual echo. The filter counts its mistakes twice over, as
/// neighbouring bins and blocks err together: measured, a fifth is left.
const DOUBT: f32 = 0.2;
/// Share of the leak, likewise.
const LEAK: f32 = 0.5;
/// Bounds of the leak: residual over predicted echo, in power.
const LEAST_LEAK: f32 = 1e-4;
const MOST_LEAK: f32 = 0.5;
const FIRST_LEAK: f32 = 0.01;
/// How fast the leak is learnt per block, in parts of itself.
const LEAK_STEP: f32 = 0.02;
/// Share of a residual that is still there in the next block: the end of a room's decay, which is longer than the
/// tail.
const DECAY: f32 = 0.4;
/// Share of the last block's clean sound in the estimate of this one's (Ephraim & Malah 1984). More smears
/// consonants, less lets single bins through.
const DECISION_DIRECTED: f32 = 0.8;
/// No bin is made softer than this: -25 dB.
const FLOOR: f32 = 0.056;
/// Keeps divisions finite: -110 dBFS in the unit of a bin.
const LEAST_POWER: f32 = 1e-9;
/// Mean square of a block from a sum over bins: both halves of the spectrum, length and window (energy 120).
const TO_MEAN_SQUARE: f32 = 2.0 / (FRAME as f32 * 120.0);
/// Bins in which people speak: 200 Hz to 5 kHz.
const VOICE: std::ops::Range<usize> = 4..100;

/// Soft residual suppressor: Wiener gains against filter doubt and leak, not below the room's own noise.
#[derive(Clone, Debug)]
pub(super) struct Suppressor {
    pub(super) window: [f32; FRAME],
    error_before: Block,
    echo_before: Block,
    /// Of the newest two blocks under the window.
    pub(super) error: Spectrum,
    echo: Spectrum,
    /// Amplitude gains of the newest block.
    pub(super) gains: Bins,
    /// Power of the last block after its gains.
    clean: Bins,
    /// Power of the error, smoothed, and the floor of that: the room's noise.
    smooth: Bins,
    noise: Bins,
    residual: Bins,
    /// Residual over predicted echo, slowly learnt while only the far end speaks.
    leak: Bins,
    /// How much of the error is neither residual nor noise, 0 to 1.
    pub(super) near_end: f32,
    /// Mean square of the residual after the gains.
    pub(super) residual_power: f32,
}

impl Suppressor {
    pub(super) fn new() -> Self {
        let phase = |n: usize| std::f32::consts::TAU * (n as f32 + 0.5) / FRAME as f32;
        Self {
            window: std::array::from_fn(|n| 0.5 - 0.5 * phase(n).cos()),
            error_before: [0.0; BLOCK],
            echo_before: [0.0; BLOCK],
            error: Spectrum::ZERO,
            echo: Spectrum::ZERO,
            gains: [1.0; BINS],
            clean: [0.0; BINS],
            smooth: [1e-3; BINS],
            noise: [1e-3; BINS],
            residual: [0.0; BINS],
            leak: [FIRST_LEAK; BINS],
            near_end: 1.0,
            residual_power: 0.0,
        }
    }

    /// Judges the newest block of error and predicted echo. `doubt` is the variance of the prediction.
    pub(super) fn process(&mut self, error: &Block, echo: &Block, doubt: &Bins, fourier: &mut Fourier) {
        transform(&mut self.error_before, error, &self.window, fourier, &mut self.error);
        transform(&mut self.echo_before, echo, &self.window, fourier, &mut self.echo);
        let (mut left, mut taken) = ([0.0; BINS], [0.0; BINS]);
        self.error.power(&mut left);
        self.echo.power(&mut taken);
        self.estimate(&left, &taken, doubt);
        self.gate(&left);
        // What the microphone heard: the filter alone must not be louder.
        let mut mic = [0.0; BINS];
        for k in 0..BINS {
            let (re, im) = (self.error.re[k] + self.echo.re[k], self.error.im[k] + self.echo.im[k]);
            mic[k] = re * re + im * im;
        }
        let raw = self.gains;
        for k in 0..BINS {
            let (a, b) = (k.saturating_sub(1), (k + 1).min(BINS - 1));
            let most = (mic[a] + mic[k] + mic[b]) / (left[a] + left[k] + left[b] + LEAST_POWER);
            let smooth = 0.25 * raw[a] + 0.5 * raw[k] + 0.25 * raw[b];
            self.gains[k] = smooth.min(most.sqrt()).max(1e-3);
        }
    }

    /// Residual, noise and leak, and from them the near end.
    fn estimate(&mut self, left: &Bins, taken: &Bins, doubt: &Bins) {
        let (mut near, mut all) = (0.0, LEAST_POWER);
        for k in 0..BINS {
            let residual = DOUBT * doubt[k] + LEAK * self.leak[k] * taken[k];
            self.residual[k] = residual.max(DECAY * self.residual[k]);
            self.smooth[k] += 0.1 * (left[k] - self.smooth[k]);
            let smooth = self.smooth[k];
            // Down within 100 ms, up by 1 dB a second: between words there is only noise.
            self.noise[k] = if smooth < self.noise[k] {
                self.noise[k] + 0.1 * (smooth - self.noise[k])
            } else {
                (1.002 * self.noise[k]).min(smooth)
            };
            if VOICE.contains(&k) {
                near += (left[k] - 2.0 * (self.residual[k] + self.noise[k])).max(0.0);
                all += left[k];
            }
        }
        let now = near / all;
        self.near_end += (now - self.near_end) * if now > self.near_end { 0.5 } else { 0.15 };
        let alone = (1.0 - self.near_end) * (1.0 - self.near_end);
        for k in 0..BINS {
            // Only where the echo stands out from the noise does the ratio say something.
            if taken[k] > 4.0 * self.noise[k] + 1e-4 {
                let step = if left[k] > self.leak[k] * taken[k] { alone } else { -1.0 };
                self.leak[k] = (self.leak[k] * (1.0 + LEAK_STEP * step)).clamp(LEAST_LEAK, MOST_LEAK);
            }
        }
    }

    /// The gain of each bin alone.
    fn gate(&mut self, left: &Bins) {
        let mut residual_power = 0.0;
        for k in 0..BINS {
            let residual = self.residual[k] + LEAST_POWER;
            let now = (left[k] / residual - 1.0).max(0.0);
            let prior = DECISION_DIRECTED * self.clean[k] / residual + (1.0 - DECISION_DIRECTED) * now;
            let gain = prior / (1.0 + prior);
            self.clean[k] = gain * gain * left[k];
            // Where the residual was, the room's noise remains: a gap in it would be heard.
            let comfort = (self.noise[k] / (left[k] + LEAST_POWER)).sqrt().min(1.0);
            let gain = gain.max(FLOOR).max(comfort);
            residual_power += gain * gain * self.residual[k].min(left[k]);
            self.gains[k] = gain;
        }
        self.residual_power = TO_MEAN_SQUARE * residual_power;
    }

    /// Nothing to suppress in this block.
    pub(super) fn rest(&mut self, mic: &Block) {
        self.error_before = *mic;
        self.echo_before = [0.0; BLOCK];
        self.gains = [1.0; BINS];
        self.clean = [0.0; BINS];
        self.residual = [0.0; BINS];
        self.near_end = 1.0;
    }
}

/// Windowed spectrum of the newest block and the one before.
fn transform(
    before: &mut Block,
    now: &Block,
    window: &[f32; FRAME],
    fourier: &mut Fourier,
    out: &mut Spectrum,
) {
    let mut frame = [0.0; FRAME];
    frame[..BLOCK].copy_from_slice(before);
    frame[BLOCK..].copy_from_slice(now);
    frame.iter_mut().zip(window).for_each(|(sample, window)| *sample *= window);
    fourier.forward(&mut frame, out);
    *before = *now;
}
