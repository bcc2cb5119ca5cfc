//! The resampler's filter: one windowed sinc, tabulated at all positions an output can have between two inputs.
//!
//! The stop-band begins at half the lower rate, so that nothing folds back, not even near the edge. What the
//! length allows sets the rest: at 16 kHz and above -0.07 dB at 7/8 of the band, -1 dB at 9/10, -82 dB beyond.

use crate::dot::{Sums, dot};

/// Half the kernel's length in ms at low rates: nearly all of the delay.
const HALF_MS_MAX: f64 = 2.28;
/// The same in periods of the lower rate, which is shorter from 16 kHz on.
const HALF_PERIODS_MAX: f64 = 36.5;
/// Shape of the Kaiser window, for 82 dB.
const BETA: f64 = 8.0;
/// From the edge of the stop-band to the middle of the slope, times half the length: a property of `BETA`, found
/// by measuring. In shares of half the lower rate and periods of the lower rate.
const SLOPE: f64 = 0.07 * 36.5;
/// Vector registers of sums. Taps come in runs of as many as they hold.
const REGISTERS: usize = 4;
/// Bound of the table in samples (1 MiB). All pairs of common rates stay below.
const TABLE_MAX: usize = 1 << 18;

/// Phases for reading at any position: the error of a straight line between them is 1 / PHASES² at worst.
const PHASES_BETWEEN: f64 = 256.0;
/// Half the kernel's length at rates that differ by clock drift only: nothing has to be kept from folding back,
/// so the slope may lie across the edge of the band. 1.5 ms at 16 kHz; flat within 0.1 dB to 7 kHz.
const HALF_LEVEL: f64 = 24.0;

/// Length and corner of a kernel.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// Half the length in inputs.
    width: f64,
    /// Middle of the slope, in shares of half the input's rate.
    corner: f64,
}

impl Shape {
    fn steep(from_hz: u32, to_hz: u32) -> Self {
        let (from, low) = (f64::from(from_hz), f64::from(from_hz.min(to_hz)));
        let periods = (HALF_MS_MAX / 1000.0 * low).min(HALF_PERIODS_MAX);
        Self { width: periods * from / low, corner: (1.0 - SLOPE / periods) * low / from }
    }

    /// At whole positions every input but one is met by a zero of the sinc: sound comes through bit for bit.
    fn level() -> Self {
        Self { width: HALF_LEVEL, corner: 1.0 }
    }

    fn half(self) -> usize {
        self.width.ceil() as usize
    }

    fn taps(self) -> usize {
        (2 * self.half()).next_multiple_of(Sums::<REGISTERS>::LANES)
    }
}

/// The kernels of a ratio, one per phase.
#[derive(Clone, Debug)]
pub(crate) struct Kernels {
    taps: usize,
    half: usize,
    table: Box<[f32]>,
}

impl Kernels {
    /// Tabulates `phases` kernels; none if the ratio has so many that the table would pass its bound.
    pub(crate) fn new(from_hz: u32, to_hz: u32, phases: usize) -> Option<Self> {
        let shape = Shape::steep(from_hz, to_hz);
        let taps = shape.taps();
        if phases * taps > TABLE_MAX {
            return None;
        }
        Some(Self::tabulate(shape, phases, phases))
    }

    /// Kernels to be mixed for any position between two inputs: `phases`, and one more that is the first again,
    /// an input later. Between two of them lies a straight line, 96 dB from the sinc at the edge of the band.
    pub(crate) fn between(from_hz: u32, to_hz: u32) -> (Self, usize) {
        let shape = if from_hz == to_hz { Shape::level() } else { Shape::steep(from_hz, to_hz) };
        // Sound that varies slowly in inputs, because its band ends lower, needs fewer.
        let low = f64::from(from_hz.min(to_hz));
        let phases = (PHASES_BETWEEN * low / f64::from(from_hz)).ceil() as usize;
        (Self::tabulate(shape, phases, phases + 1), phases)
    }

    fn tabulate(shape: Shape, phases: usize, rows: usize) -> Self {
        let (taps, half, width) = (shape.taps(), shape.half(), shape.width);
        let scale = bessel_i0(BETA);
        let mut table = Vec::with_capacity(rows * taps);
        for phase in 0..rows {
            let kernel: Vec<f64> = (0..taps)
                .map(|tap| {
                    // distance of this input from the output's place, in inputs
                    let x = (tap + 1 + half) as f64 - taps as f64 - phase as f64 / phases as f64;
                    let inside = 1.0 - (x / width) * (x / width);
                    if inside < 0.0 {
                        0.0
                    } else {
                        sinc(shape.corner * x) * bessel_i0(BETA * inside.sqrt()) / scale
                    }
                })
                .collect();
            // Each phase passes DC exactly, or a constant would come out as a tone.
            let sum: f64 = kernel.iter().sum();
            table.extend(kernel.iter().map(|value| (value / sum) as f32));
        }
        Self { taps, half, table: table.into_boxed_slice() }
    }

    /// Inputs that make one output.
    pub(crate) fn taps(&self) -> usize {
        self.taps
    }

    /// Inputs from the kernel's middle to the newest one, at phase 0.
    pub(crate) fn half(&self) -> usize {
        self.half
    }

    /// What the kernel of a phase makes of as many inputs as it has taps, the oldest first.
    #[inline]
    pub(crate) fn apply(&self, phase: usize, inputs: &[f32]) -> f32 {
        dot::<REGISTERS>(self.at(phase), inputs)
    }

    /// The same with a kernel that lies `share` of the way to the next phase.
    #[inline]
    pub(crate) fn apply_between(&self, phase: usize, share: f32, inputs: &[f32]) -> f32 {
        let mut sums = Sums::<REGISTERS>::new();
        sums.add_between(self.at(phase), self.at(phase + 1), share, inputs);
        sums.total()
    }

    /// The kernel of a phase, for the oldest input first.
    #[inline]
    pub(crate) fn at(&self, phase: usize) -> &[f32] {
        &self.table[phase * self.taps..][..self.taps]
    }
}

/// Correlates a sound with a template, whose length is a multiple of 16, at each shift that `out` has a place for.
///
/// # Panics
/// If the sound is shorter than the template and all shifts together.
pub fn correlate(sound: &[f32], template: &[f32], out: &mut [f32]) {
    for (shift, out) in out.iter_mut().enumerate() {
        *out = dot::<REGISTERS>(&sound[shift..shift + template.len()], template);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlation_is_highest_where_the_template_lies() {
        let mut sound = vec![0.0; 64];
        sound[20..36].fill(1.0);
        let mut out = [0.0; 40];
        correlate(&sound, &[1.0; 16], &mut out);
        assert_eq!((out[20], out[19], out[3]), (16.0, 15.0, 0.0));
    }

    #[test]
    fn the_bessel_function_has_its_known_values() {
        for (x, expected) in [(0.0, 1.0), (1.0, 1.266_065_877_752), (8.0, 427.564_115_721_804)] {
            assert!((bessel_i0(x) / expected - 1.0).abs() < 1e-10, "I0({x})");
        }
    }

    #[test]
    fn every_kernel_passes_a_constant_unchanged() {
        let kernels = Kernels::new(44_100, 16_000, 160).unwrap();
        for phase in 0..160 {
            let sum: f32 = kernels.at(phase).iter().sum();
            assert!((sum - 1.0).abs() < 1e-5, "phase {phase}: {sum}");
        }
    }

    #[test]
    fn an_output_on_an_input_has_a_symmetrical_kernel() {
        let kernels = Kernels::new(48_000, 16_000, 1).unwrap();
        let (kernel, middle) = (kernels.at(0), kernels.taps() - 1 - kernels.half());
        for distance in 1..kernels.half() {
            assert_eq!(kernel[middle - distance], kernel[middle + distance], "{distance}");
        }
    }
}
