//! Short spectra: 20 ms of sound as 161 bins of 50 Hz, real and imaginary parts apart.

use realfft::num_complex::Complex32;

use crate::{BLOCK, fourier};

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

/// Forward and inverse transform of one frame, between rows and complex numbers.
#[derive(Clone, Debug)]
pub(super) struct Fourier {
    transform: fourier::Fourier,
    bins: Box<[Complex32]>,
}

impl Fourier {
    pub(super) fn new() -> Self {
        let bins = vec![Complex32::default(); BINS].into_boxed_slice();
        Self { transform: fourier::Fourier::new(FRAME), bins }
    }

    /// Spectrum of a frame; `frame` is used up.
    pub(super) fn forward(&mut self, frame: &mut [f32; FRAME], out: &mut Spectrum) {
        self.transform.forward(frame, &mut self.bins);
        for ((bin, re), im) in self.bins.iter().zip(&mut out.re).zip(&mut out.im) {
            (*re, *im) = (bin.re, bin.im);
        }
    }

    /// Frame of a spectrum, FRAME times too large (the transform is not normalised).
    pub(super) fn inverse(&mut self, spectrum: &Spectrum, out: &mut [f32; FRAME]) {
        for ((bin, &re), &im) in self.bins.iter_mut().zip(&spectrum.re).zip(&spectrum.im) {
            *bin = Complex32::new(re, im);
        }
        self.transform.inverse(&mut self.bins, out);
    }
}
