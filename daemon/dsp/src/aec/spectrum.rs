//! Short spectra: 20 ms of sound as 161 bins of 50 Hz, real and imaginary parts apart.

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::BLOCK;

/// Samples of a transform: the newest block and the one before.
pub(super) const FRAME: usize = 2 * BLOCK;
/// Bins of a spectrum, 0 to 8 kHz.
pub(super) const BINS: usize = FRAME / 2 + 1;

/// One number per bin.
pub(super) type Bins = [f32; BINS];

/// A spectrum. Both parts are rows of their own, so that loops over bins become vector instructions.
#[derive(Clone, Debug)]
pub(super) struct Spectrum {
    pub(super) re: Bins,
    pub(super) im: Bins,
}

impl Spectrum {
    pub(super) const ZERO: Self = Self { re: [0.0; BINS], im: [0.0; BINS] };

    /// Squared magnitude per bin.
    pub(super) fn power(&self, out: &mut Bins) {
        for ((out, re), im) in out.iter_mut().zip(&self.re).zip(&self.im) {
            *out = re * re + im * im;
        }
    }
}

/// Forward and inverse transform of one frame, with the memory they need.
#[derive(Clone)]
pub(super) struct Fourier {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    bins: Box<[Complex<f32>]>,
    scratch: Box<[Complex<f32>]>,
}

impl Fourier {
    pub(super) fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(FRAME), planner.plan_fft_inverse(FRAME));
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        let zeros = |len| vec![Complex::new(0.0, 0.0); len].into_boxed_slice();
        Self { forward, inverse, bins: zeros(BINS), scratch: zeros(scratch) }
    }

    /// Spectrum of a frame; `frame` is used up.
    pub(super) fn forward(&mut self, frame: &mut [f32; FRAME], out: &mut Spectrum) {
        let scratch = &mut self.scratch[..self.forward.get_scratch_len()];
        self.forward
            .process_with_scratch(frame, &mut self.bins, scratch)
            .expect("the buffers are as long as the plan says");
        for ((bin, re), im) in self.bins.iter().zip(&mut out.re).zip(&mut out.im) {
            (*re, *im) = (bin.re, bin.im);
        }
    }

    /// Frame of a spectrum, FRAME times too large (the transform is not normalised).
    pub(super) fn inverse(&mut self, spectrum: &Spectrum, out: &mut [f32; FRAME]) {
        for ((bin, &re), &im) in self.bins.iter_mut().zip(&spectrum.re).zip(&spectrum.im) {
            *bin = Complex::new(re, im);
        }
        // Both are real in the spectrum of real samples; the transform insists.
        self.bins[0].im = 0.0;
        self.bins[BINS - 1].im = 0.0;
        let scratch = &mut self.scratch[..self.inverse.get_scratch_len()];
        self.inverse
            .process_with_scratch(&mut self.bins, out, scratch)
            .expect("the buffers are as long as the plan says");
    }
}

impl fmt::Debug for Fourier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fourier")
    }
}
