//! The resampler's filter: one windowed sinc, tabulated at all positions an output can have between two inputs.
//!
//! The stop-band begins at half the lower rate, so that nothing folds back, not even near the edge. What the
//! length allows sets the rest: at 16 kHz and above -0.07 dB at 7/8 of the band, -1 dB at 9/10, -82 dB beyond.

/// Half the kernel's length in ms at low rates: nearly all of the delay.
const HALF_MS_MAX: f64 = 2.28;
/// The same in periods of the lower rate, which is shorter from 16 kHz on.
const HALF_PERIODS_MAX: f64 = 36.5;
/// Shape of the Kaiser window, for 82 dB.
const BETA: f64 = 8.0;
/// From the edge of the stop-band to the middle of the slope, times half the length: a property of `BETA`, found
/// by measuring. In shares of half the lower rate and periods of the lower rate.
const SLOPE: f64 = 0.07 * 36.5;
/// Taps come in runs of this many: four vector registers of sums, so that no addition waits for the one before.
const LANES: usize = 16;
/// Bound of the table in samples (1 MiB). All pairs of common rates stay below.
const TABLE_MAX: usize = 1 << 18;

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
        let (from, low) = (f64::from(from_hz), f64::from(from_hz.min(to_hz)));
        let periods = (HALF_MS_MAX / 1000.0 * low).min(HALF_PERIODS_MAX);
        let width = periods * from / low;
        let half = width.ceil() as usize;
        let taps = (2 * half).next_multiple_of(LANES);
        if phases * taps > TABLE_MAX {
            return None;
        }
        let corner = (1.0 - SLOPE / periods) * low / from;
        let scale = bessel_i0(BETA);
        let mut table = Vec::with_capacity(phases * taps);
        for phase in 0..phases {
            let kernel: Vec<f64> = (0..taps)
                .map(|tap| {
                    // distance of this input from the output's place, in inputs
                    let x = (tap + 1 + half) as f64 - taps as f64 - phase as f64 / phases as f64;
                    let inside = 1.0 - (x / width) * (x / width);
                    if inside < 0.0 {
                        0.0
                    } else {
                        sinc(corner * x) * bessel_i0(BETA * inside.sqrt()) / scale
                    }
                })
                .collect();
            // Each phase passes DC exactly, or a constant would come out as a tone.
            let sum: f64 = kernel.iter().sum();
            table.extend(kernel.iter().map(|value| (value / sum) as f32));
        }
        Some(Self { taps, half, table: table.into_boxed_slice() })
    }

    /// Inputs that make one output.
    pub(crate) fn taps(&self) -> usize {
        self.taps
    }

    /// Inputs from the kernel's middle to the newest one, at phase 0.
    pub(crate) fn half(&self) -> usize {
        self.half
    }

    /// The kernel of a phase, for the oldest input first.
    #[inline]
    pub(crate) fn at(&self, phase: usize) -> &[f32] {
        &self.table[phase * self.taps..][..self.taps]
    }
}

/// Sum of products of two slices of the same length, a multiple of `LANES`.
#[inline]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    // Adding up in a tree looks faster, but makes the compiler split the loop above into half registers.
    sums.iter().sum()
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
    fn a_dot_product_is_the_sum_of_all_products() {
        let a: Vec<f32> = (0..48).map(|n| n as f32).collect();
        assert_eq!(dot(&a, &a), (0..48).map(|n| n * n).sum::<i32>() as f32);
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
