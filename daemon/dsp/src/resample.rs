//! From one sample rate to another: a polyphase FIR filter for any ratio of common audio rates.
//!
//! An output is one dot product of the newest inputs with the kernel (see kernel.rs) for its position between
//! them, over contiguous memory.

use std::fmt;

use crate::kernel::Kernels;
use crate::level::sane;

/// Input samples that are taken up at once.
const RUN: usize = 512;
/// Two rates that cannot be converted into each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateError {
    /// Rate of the input in Hz.
    pub from_hz: u32,
    /// Rate of the output in Hz.
    pub to_hz: u32,
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from_hz, to_hz } = self;
        write!(
            f,
            "cannot resample {from_hz} Hz to {to_hz} Hz: 8000 to 192000 Hz in a simple ratio are possible"
        )
    }
}

impl std::error::Error for RateError {}

/// Converts a mono stream from one rate to another. Equal rates are copied bit for bit without delay.
#[derive(Clone, Debug)]
pub struct Resampler {
    from_hz: u32,
    to_hz: u32,
    /// None for equal rates.
    filter: Option<Filter>,
}

#[derive(Clone, Debug)]
struct Filter {
    /// Positions of an output between two inputs.
    phases: usize,
    /// From one output to the next: whole inputs, and positions.
    step_whole: usize,
    step_phases: usize,
    kernels: Kernels,
    /// Input, oldest first; the first `taps - 1` are history.
    line: Box<[f32]>,
    filled: usize,
    /// Index in `line` of the newest input that the next output needs, and the output's position after it.
    next: usize,
    phase: usize,
    /// Whether output 0 lies on input 0.
    aligned: bool,
}

impl Resampler {
    /// For live streams: an output comes as soon as its position is reached, [`Resampler::delay`] late. The n-th
    /// 10 ms of input yield the n-th 10 ms of output, to the sample.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, RateError> {
        Self::build(from_hz, to_hz, false)
    }

    /// For stored or bursting sound: without delay (output 0 lies on input 0); to get the sound's very end, feed
    /// [`Resampler::tail`] samples of silence.
    pub fn aligned(from_hz: u32, to_hz: u32) -> Result<Self, RateError> {
        Self::build(from_hz, to_hz, true)
    }

    fn build(from_hz: u32, to_hz: u32, aligned: bool) -> Result<Self, RateError> {
        let error = RateError { from_hz, to_hz };
        let rates = 8_000..=192_000;
        if !rates.contains(&from_hz) || !rates.contains(&to_hz) {
            return Err(error);
        }
        let filter =
            if from_hz == to_hz { None } else { Some(Filter::new(from_hz, to_hz, aligned).ok_or(error)?) };
        Ok(Self { from_hz, to_hz, filter })
    }

    /// Converts until the input is used up or `out` is full; returns how much of each (consumed, produced).
    ///
    /// Call it again with what was left over. A full `out` may leave outputs pending that need no more input.
    pub fn process(&mut self, input: &[f32], out: &mut [f32]) -> (usize, usize) {
        match &mut self.filter {
            Some(filter) => filter.process(input, out),
            None => {
                let len = input.len().min(out.len());
                for (out, &sample) in out.iter_mut().zip(input) {
                    *out = sane(sample);
                }
                (len, len)
            }
        }
    }

    /// How far the output lags behind the input, in output frames.
    pub fn delay(&self) -> f32 {
        let Some(filter) = &self.filter else { return 0.0 };
        filter.delay_inputs() as f32 * self.to_hz as f32 / self.from_hz as f32
    }

    /// How far the output lags behind the input, in ms.
    pub fn delay_ms(&self) -> f32 {
        self.delay() * 1000.0 / self.to_hz as f32
    }

    /// Silent input samples that bring out the end of what was put in.
    pub fn tail(&self) -> usize {
        self.filter.as_ref().map_or(0, |filter| filter.kernels.half())
    }

    /// Forgets the stream: the next input is the first one, after silence.
    pub fn reset(&mut self) {
        self.prime(0.0);
    }

    /// As `reset`, but as if `level` had been there forever.
    pub fn prime(&mut self, level: f32) {
        if let Some(filter) = &mut self.filter {
            filter.prime(sane(level));
        }
    }
}

impl Filter {
    fn new(from_hz: u32, to_hz: u32, aligned: bool) -> Option<Self> {
        let divisor = greatest_common_divisor(from_hz, to_hz);
        let (phases, step) = ((to_hz / divisor) as usize, (from_hz / divisor) as usize);
        let kernels = Kernels::new(from_hz, to_hz, phases)?;
        let line = vec![0.0; kernels.taps() - 1 + RUN].into_boxed_slice();
        let (step_whole, step_phases) = (step / phases, step % phases);
        let mut filter =
            Self { phases, step_whole, step_phases, kernels, line, filled: 0, next: 0, phase: 0, aligned };
        filter.prime(0.0);
        Some(filter)
    }

    fn prime(&mut self, level: f32) {
        self.filled = self.kernels.taps() - 1;
        self.line[..self.filled].fill(level);
        let (whole, phase) = self.first();
        self.next = self.filled + whole;
        self.phase = phase;
    }

    /// Position of output 0, in inputs and phases after input 0. As late as possible without losing count, so
    /// that the last output of 10 ms uses the newest input: this is what makes the delay small.
    fn first(&self) -> (usize, usize) {
        if self.aligned {
            return (self.kernels.half(), 0);
        }
        let step = self.step_whole * self.phases + self.step_phases;
        ((step - 1) / self.phases, (step - 1) % self.phases)
    }

    fn delay_inputs(&self) -> f64 {
        let (whole, phase) = self.first();
        self.kernels.half() as f64 - whole as f64 - phase as f64 / self.phases as f64
    }

    fn process(&mut self, input: &[f32], out: &mut [f32]) -> (usize, usize) {
        let taps = self.kernels.taps();
        let (mut consumed, mut produced) = (0, 0);
        loop {
            while produced < out.len() && self.next < self.filled {
                let inputs = &self.line[self.next + 1 - taps..=self.next];
                out[produced] = self.kernels.apply(self.phase, inputs);
                produced += 1;
                self.next += self.step_whole;
                self.phase += self.step_phases;
                if self.phase >= self.phases {
                    self.phase -= self.phases;
                    self.next += 1;
                }
            }
            if produced == out.len() || consumed == input.len() {
                return (consumed, produced);
            }
            if self.filled == self.line.len() {
                let used = (self.next + 1 - taps).min(self.filled);
                self.line.copy_within(used..self.filled, 0);
                self.filled -= used;
                self.next -= used;
            }
            let room = &mut self.line[self.filled..];
            let taken = room.len().min(input.len() - consumed);
            for (slot, &sample) in room.iter_mut().zip(&input[consumed..]) {
                *slot = sane(sample);
            }
            self.filled += taken;
            consumed += taken;
        }
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests;
