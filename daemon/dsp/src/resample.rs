//! From one sample rate to another: a polyphase FIR filter for any ratio of common audio rates.
//!
//! One windowed-sinc kernel is tabulated at all positions an output sample can have between two input samples.
//! An output is then one dot product over contiguous memory, which the compiler turns into vector code.

use std::fmt;

use crate::level::sane;

/// Half the kernel's length in ms where the lower rate is 16 kHz or less: the delay of a converter.
const HALF_MS_MAX: f64 = 2.28;
/// The same in periods of the lower rate, where that is shorter.
const HALF_PERIODS_MAX: f64 = 36.5;
/// Kaiser window: 81 dB of stop-band.
const BETA: f64 = 8.0;
/// The pass-band's middle of the slope, as a share of the lower rate's half: the stop-band begins at the half.
const CORNER: f64 = 0.93;
/// Dot products are done in runs of this many.
const LANES: usize = 16;
/// Input samples that are taken up at once.
const RUN: usize = 512;
/// Bound of the table in samples (1 MiB). All pairs of common rates stay far below.
const TABLE_MAX: usize = 1 << 18;

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
    /// Taps per phase, oldest sample first, a multiple of `LANES`.
    taps: usize,
    /// Input samples between the newest one used and the kernel's middle, at phase 0.
    half: usize,
    table: Box<[f32]>,
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
        self.filter.as_ref().map_or(0, |filter| filter.half)
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
        let (from, low) = (f64::from(from_hz), f64::from(from_hz.min(to_hz)));
        let width = (HALF_MS_MAX / 1000.0 * from).min(HALF_PERIODS_MAX * from / low);
        let half = width.ceil() as usize;
        let taps = (2 * half).next_multiple_of(LANES);
        if phases * taps > TABLE_MAX {
            return None;
        }
        let table = table(phases, taps, half, width, CORNER * low / from);
        let line = vec![0.0; taps - 1 + RUN.max(step / phases + 1)].into_boxed_slice();
        let (step_whole, step_phases) = (step / phases, step % phases);
        let mut filter = Self {
            phases,
            step_whole,
            step_phases,
            taps,
            half,
            table,
            line,
            filled: 0,
            next: 0,
            phase: 0,
            aligned,
        };
        filter.prime(0.0);
        Some(filter)
    }

    fn prime(&mut self, level: f32) {
        self.filled = self.taps - 1;
        self.line[..self.filled].fill(level);
        let (whole, phase) = self.first();
        self.next = self.filled + whole;
        self.phase = phase;
    }

    /// Position of output 0, in inputs and phases after input 0. As late as possible without losing count, so
    /// that the last output of 10 ms uses the newest input: this is what makes the delay small.
    fn first(&self) -> (usize, usize) {
        if self.aligned {
            return (self.half, 0);
        }
        let step = self.step_whole * self.phases + self.step_phases;
        ((step - 1) / self.phases, (step - 1) % self.phases)
    }

    fn delay_inputs(&self) -> f64 {
        let (whole, phase) = self.first();
        self.half as f64 - whole as f64 - phase as f64 / self.phases as f64
    }

    fn process(&mut self, input: &[f32], out: &mut [f32]) -> (usize, usize) {
        let (mut consumed, mut produced) = (0, 0);
        loop {
            while produced < out.len() && self.next < self.filled {
                let kernel = &self.table[self.phase * self.taps..][..self.taps];
                out[produced] = dot(kernel, &self.line[self.next + 1 - self.taps..][..self.taps]);
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
                let used = (self.next + 1 - self.taps).min(self.filled);
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

/// Sum of products in `LANES` independent sums, so that no addition waits for the one before.
#[inline]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Kernels of all phases. `corner` is the cut-off as a share of the input's half rate, `width` half the kernel's
/// length in inputs.
fn table(phases: usize, taps: usize, half: usize, width: f64, corner: f64) -> Box<[f32]> {
    let scale = bessel_i0(BETA);
    let mut table = Vec::with_capacity(phases * taps);
    for phase in 0..phases {
        let kernel: Vec<f64> = (0..taps)
            .map(|tap| {
                // distance of this input from the output's middle, in inputs
                let x = tap as f64 + 1.0 - taps as f64 + half as f64 - phase as f64 / phases as f64;
                let inside = 1.0 - (x / width) * (x / width);
                if inside < 0.0 { 0.0 } else { sinc(corner * x) * bessel_i0(BETA * inside.sqrt()) / scale }
            })
            .collect();
        // Each phase passes DC exactly, or a constant would come out as a tone.
        let sum: f64 = kernel.iter().sum();
        table.extend(kernel.iter().map(|value| (value / sum) as f32));
    }
    table.into_boxed_slice()
}

fn sinc(x: f64) -> f64 {
    let x = std::f64::consts::PI * x;
    if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
}

/// Modified Bessel function of the first kind, order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-12 {
        term *= (x / (2.0 * k)) * (x / (2.0 * k));
        sum += term;
        k += 1.0;
    }
    sum
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
