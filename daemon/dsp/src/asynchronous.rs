//! Reads sound at any position between its samples: what corrects a clock that runs a little fast or slow.
//!
//! A windowed sinc, tabulated finely and mixed along a straight line in between. It keeps no stream of its own:
//! whoever holds the samples hands over the stretch around the positions wanted, and decides how fast they move.
//! Positions that go on where the last block ended make sound without a seam, whatever the step does.

use crate::kernel::Kernels;
use crate::level::sane;
use crate::resample::RateError;

/// Reads a mono stream at fractional positions, from one rate to another give or take the drift of two clocks.
#[derive(Clone, Debug)]
pub struct Asynchronous {
    kernels: Kernels,
    phases: usize,
    ratio: f64,
}

impl Asynchronous {
    /// From `from_hz` to about `to_hz`; whatever the upper part of the band would fold into is 80 dB down. Equal
    /// rates get a shorter kernel that is exact at whole positions.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, RateError> {
        let rates = 8_000..=192_000;
        if !rates.contains(&from_hz) || !rates.contains(&to_hz) {
            return Err(RateError { from_hz, to_hz });
        }
        let (kernels, phases) = Kernels::between(from_hz, to_hz);
        Ok(Self { kernels, phases, ratio: f64::from(from_hz) / f64::from(to_hz) })
    }

    /// From one output to the next in source samples, if both clocks were right.
    pub fn ratio(&self) -> f64 {
        self.ratio
    }

    /// Source samples needed before the whole part of a position.
    pub fn before(&self) -> usize {
        self.kernels.taps() - 1 - self.kernels.half()
    }

    /// Source samples needed after the whole part of a position: the delay, where sound is read as it comes.
    pub fn after(&self) -> usize {
        self.kernels.half()
    }

    /// Fills `out` with the sound at `start`, `start + step`, and so on, counted in samples of `source`, and
    /// returns the position that comes next. What lies outside of `source` is silence.
    ///
    /// `start` may be anything within i32; a `step` that is not a finite number reads as 0.
    pub fn read(&self, source: &[f32], start: f64, step: f64, out: &mut [f32]) -> f64 {
        let start = if start.is_finite() { start.clamp(-2e9, 2e9) } else { -2e9 };
        let step = if step.is_finite() { step } else { 0.0 };
        for (n, out) in out.iter_mut().enumerate() {
            // Not summed up: that would collect rounding over long blocks.
            let position = start + n as f64 * step;
            *out = sane(self.at(source, position));
        }
        start + out.len() as f64 * step
    }

    #[inline]
    fn at(&self, source: &[f32], position: f64) -> f32 {
        let whole = position.floor();
        let fine = (position - whole) * self.phases as f64;
        let phase = (fine as usize).min(self.phases - 1);
        let share = (fine - phase as f64) as f32;
        let first = whole as i64 - self.before() as i64;
        let taps = self.kernels.taps();
        if let Ok(first) = usize::try_from(first) {
            if let Some(inputs) = source.get(first..first + taps) {
                return self.kernels.apply_between(phase, share, inputs);
            }
        }
        self.at_the_edge(source, first, phase, share)
    }

    /// As above where the kernel reaches over an end of the source.
    #[cold]
    fn at_the_edge(&self, source: &[f32], first: i64, phase: usize, share: f32) -> f32 {
        let (a, b) = (self.kernels.at(phase), self.kernels.at(phase + 1));
        let mut sum = 0.0;
        for (tap, (a, b)) in a.iter().zip(b).enumerate() {
            let input = usize::try_from(first + tap as i64).ok().and_then(|n| source.get(n));
            sum += (a + share * (b - a)) * input.copied().unwrap_or(0.0);
        }
        sum
    }
}

#[cfg(test)]
mod tests;
