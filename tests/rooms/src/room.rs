//! From the speaker's samples to what the microphone hears of them.

use std::f32::consts::PI;

use realfft::RealFftPlanner;

use crate::random::Random;

/// sin(πx)/(πx).
pub(crate) fn sinc(x: f32) -> f32 {
    if x.abs() < 1e-6 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// A second-order filter (R. Bristow-Johnson's formulas, Q 0.707).
#[derive(Clone, Debug)]
pub struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
    x: [f32; 2],
    y: [f32; 2],
}

impl Biquad {
    /// Passes what is above `hz`.
    pub fn high_pass(hz: f32) -> Self {
        let (sin, cos) = (2.0 * PI * hz / 16_000.0).sin_cos();
        let (alpha, norm) = (sin / std::f32::consts::SQRT_2, 1.0 + sin / std::f32::consts::SQRT_2);
        let b = [(1.0 + cos) / 2.0 / norm, -(1.0 + cos) / norm, (1.0 + cos) / 2.0 / norm];
        Self { b, a: [-2.0 * cos / norm, (1.0 - alpha) / norm], x: [0.0; 2], y: [0.0; 2] }
    }

    /// Passes what is below `hz`.
    pub fn low_pass(hz: f32) -> Self {
        let (sin, cos) = (2.0 * PI * hz / 16_000.0).sin_cos();
        let (alpha, norm) = (sin / std::f32::consts::SQRT_2, 1.0 + sin / std::f32::consts::SQRT_2);
        let b = [(1.0 - cos) / 2.0 / norm, (1.0 - cos) / norm, (1.0 - cos) / 2.0 / norm];
        Self { b, a: [-2.0 * cos / norm, (1.0 - alpha) / norm], x: [0.0; 2], y: [0.0; 2] }
    }

    /// The next sample.
    pub fn process(&mut self, x: f32) -> f32 {
        let y = self.b[0] * x + self.b[1] * self.x[0] + self.b[2] * self.x[1]
            - self.a[0] * self.y[0]
            - self.a[1] * self.y[1];
        self.x = [x, self.x[0]];
        self.y = [y, self.y[0]];
        y
    }
}

/// How an amplifier clips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clip {
    /// By a hyperbolic tangent, the shape that the canceller has for it, too.
    Soft,
    /// At an edge, and on one side before the other.
    Edge,
}

impl Clip {
    /// 1.0 is full deflection.
    fn of(self, sample: f32) -> f32 {
        match self {
            Clip::Soft => sample.tanh(),
            Clip::Edge => sample.clamp(-EDGES.0, EDGES.1),
        }
    }
}

/// Where the edges are: there speech is distorted as much as by the soft clip, on one side before the other.
const EDGES: (f32, f32) = (0.7, 1.0);

/// A small loudspeaker: a band-pass, then an amplifier that clips.
/// `drive` is the RMS of `samples` relative to full deflection; 0 does not clip. Below `low_hz` it plays little.
pub fn loudspeaker(samples: &[f32], drive: f32, low_hz: f32, clip: Clip) -> Vec<f32> {
    let mut stages = [Biquad::high_pass(low_hz), Biquad::low_pass(HIGH_HZ)];
    let passed: Vec<f32> =
        samples.iter().map(|&s| stages.iter_mut().fold(s, |s, stage| stage.process(s))).collect();
    if drive == 0.0 {
        return passed;
    }
    let gain = drive / crate::level::rms(&passed).max(1e-9);
    passed.iter().map(|s| clip.of(gain * s) / gain).collect()
}

/// Where the loudspeaker of the known scenes begins to play.
pub const LOW_HZ: f32 = 300.0;
const HIGH_HZ: f32 = 6000.0;

/// Reverberation time of the rooms in seconds (60 dB).
pub const DECAY_S: f32 = 0.3;

/// Energy of a room's tail relative to the direct sound, in dB.
pub const TAIL_DB: f32 = 0.0;

/// A room's response of 300 ms: the direct sound, then a decaying tail of `tail_db` relative energy.
pub fn response(random: &mut Random, decay_s: f32, tail_db: f32) -> Vec<f32> {
    let mut taps: Vec<f32> =
        (0..4800).map(|n| random.bell() * (-6.908 * n as f32 / 16_000.0 / decay_s).exp()).collect();
    let energy: f32 = taps.iter().map(|t| t * t).sum();
    let gain = crate::level::amplitude(tail_db) / energy.sqrt();
    taps.iter_mut().for_each(|tap| *tap *= gain);
    taps[0] = 1.0;
    taps
}

/// `samples` through `taps`, cut to the length of `samples`.
pub fn convolve(samples: &[f32], taps: &[f32]) -> Vec<f32> {
    const SIZE: usize = 16_384;
    assert!(taps.len() <= SIZE / 2, "a response of more than half a second");
    let step = SIZE - taps.len();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, inverse) = (planner.plan_fft_forward(SIZE), planner.plan_fft_inverse(SIZE));
    let mut time = forward.make_input_vec();
    let (mut bins, mut filter) = (forward.make_output_vec(), forward.make_output_vec());
    time[..taps.len()].copy_from_slice(taps);
    forward.process(&mut time, &mut filter).expect("the buffers are the plan's own");
    let mut out = vec![0.0; samples.len() + SIZE];
    for (start, piece) in (0..).step_by(step).zip(samples.chunks(step)) {
        time.fill(0.0);
        time[..piece.len()].copy_from_slice(piece);
        forward.process(&mut time, &mut bins).expect("the buffers are the plan's own");
        bins.iter_mut().zip(&filter).for_each(|(bin, f)| *bin *= f / SIZE as f32);
        // rounding leaves crumbs where a real spectrum has none
        (bins[0].im, bins[SIZE / 2].im) = (0.0, 0.0);
        inverse.process(&mut bins, &mut time).expect("the buffers are the plan's own");
        out[start..].iter_mut().zip(&time).for_each(|(sum, sample)| *sum += sample);
    }
    out.truncate(samples.len());
    out
}

/// Reads samples at places between samples: 48 taps of a windowed sinc, error below -70 dB to 5 kHz, -50 dB at 7.
pub struct Between<'a> {
    samples: &'a [f32],
    /// Taps for `PHASES` + 1 places between two samples.
    taps: Vec<[f32; TAPS]>,
}

const TAPS: usize = 48;
const PHASES: usize = 512;

impl<'a> Between<'a> {
    /// Prepares the taps.
    pub fn new(samples: &'a [f32]) -> Self {
        let taps = (0..=PHASES)
            .map(|phase| {
                let place = phase as f32 / PHASES as f32;
                std::array::from_fn(|k| {
                    let t = k as f32 - (TAPS / 2 - 1) as f32 - place;
                    sinc(t) * (PI * t / (TAPS as f32 + 1.0)).cos().powi(2)
                })
            })
            .collect();
        Self { samples, taps }
    }

    /// The value at `place`, counted in samples; silence outside.
    pub fn at(&self, place: f64) -> f32 {
        let whole = place.floor();
        let phase = (place - whole) as f32 * PHASES as f32;
        let (low, part) = ((phase as usize).min(PHASES - 1), phase.fract());
        let start = whole as isize - (TAPS / 2 - 1) as isize;
        let (from, to) = (&self.taps[low], &self.taps[low + 1]);
        if start < 0 || start as usize + TAPS > self.samples.len() {
            return (0..TAPS)
                .filter_map(|k| {
                    let sample = self.samples.get(usize::try_from(start + k as isize).ok()?)?;
                    Some(sample * (from[k] + (to[k] - from[k]) * part))
                })
                .sum();
        }
        let samples = &self.samples[start as usize..start as usize + TAPS];
        (0..TAPS).map(|k| samples[k] * (from[k] + (to[k] - from[k]) * part)).sum()
    }
}

#[cfg(test)]
mod tests;
