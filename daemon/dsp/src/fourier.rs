//! A real FFT with the memory it works in: the one place that plans transforms of single precision.

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// Forward and inverse transform of one length. A clone has memory of its own.
#[derive(Clone)]
pub(crate) struct Fourier {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    scratch: Box<[Complex32]>,
}

impl fmt::Debug for Fourier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fourier({})", self.forward.len())
    }
}

impl Fourier {
    /// Plans both ways for `len` real samples, `len` / 2 + 1 bins.
    pub(crate) fn new(len: usize) -> Self {
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(len), planner.plan_fft_inverse(len));
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        Self { forward, inverse, scratch: vec![Complex32::default(); scratch].into_boxed_slice() }
    }

    /// Spectrum of `time`, which is overwritten.
    pub(crate) fn forward(&mut self, time: &mut [f32], spectrum: &mut [Complex32]) {
        self.forward
            .process_with_scratch(time, spectrum, &mut self.scratch)
            .expect("buffers are made for this length");
    }

    /// `len` times the sound of `spectrum`, which is overwritten.
    pub(crate) fn inverse(&mut self, spectrum: &mut [Complex32], time: &mut [f32]) {
        // A real sound has real ends of its spectrum; what else is there cannot be transformed.
        spectrum[0].im = 0.0;
        let last = spectrum.len() - 1;
        spectrum[last].im = 0.0;
        self.inverse
            .process_with_scratch(spectrum, time, &mut self.scratch)
            .expect("buffers are made for this length");
    }
}
