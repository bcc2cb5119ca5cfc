//! Applies gains per bin to sound without waiting for more of it: as a minimum-phase filter.

use super::spectrum::{BINS, Bins, FRAME, Fourier, Spectrum};
use crate::{BLOCK, Block};

/// Samples until a new filter has taken over: gains belong to the block they were measured in.
const RAMP: f32 = 40.0;

/// Filter of 10 ms whose magnitude follows the gains of each block.
///
/// Overlap-add would cost a block of delay. A minimum-phase filter (from the cepstrum, Oppenheim & Schafer) has its
/// energy at the start, so that what it lets through is not late.
#[derive(Clone, Debug)]
pub(super) struct Shaper {
    before: Block,
    /// The filter of the block before; `None` is no filter at all.
    old: Option<Spectrum>,
    /// How the new filter takes over from the old one.
    ramp: Block,
}

impl Shaper {
    pub(super) fn new() -> Self {
        let ramp = std::array::from_fn(|n| (((n + 1) as f32) / RAMP).min(1.0));
        Self { before: [0.0; BLOCK], old: None, ramp }
    }

    /// Filters the next block. Gains are of amplitude, above 0 and at most 1.
    pub(super) fn process(&mut self, gains: &Bins, fourier: &mut Fourier, block: &mut Block) {
        let new =
            if gains.iter().all(|&gain| gain > 0.999) { None } else { Some(minimum_phase(gains, fourier)) };
        let newest = *block;
        if self.old.is_some() || new.is_some() {
            let mut frame = [0.0; FRAME];
            frame[..BLOCK].copy_from_slice(&self.before);
            frame[BLOCK..].copy_from_slice(block);
            let mut sound = Spectrum::ZERO;
            fourier.forward(&mut frame, &mut sound);
            let mut from = newest;
            if let Some(old) = &self.old {
                filter(&sound, old, fourier, &mut from);
            }
            if let Some(new) = &new {
                filter(&sound, new, fourier, block);
            }
            for ((to, from), ramp) in block.iter_mut().zip(from).zip(&self.ramp) {
                *to = from + (*to - from) * ramp;
            }
        }
        self.before = newest;
        self.old = new;
    }

    /// A block passes untouched.
    pub(super) fn rest(&mut self, block: &Block) {
        self.before = *block;
        self.old = None;
    }
}

/// Applies gains by overlap-add: a block later, and exactly as they were meant.
#[derive(Clone, Debug)]
pub(super) struct OverlapAdd {
    /// The end of the last frame, which the next one is added to.
    tail: Block,
    /// The newest block in, of the sound and of the microphone.
    before: Block,
    mic: Block,
}

impl OverlapAdd {
    pub(super) fn new() -> Self {
        Self { tail: [0.0; BLOCK], before: [0.0; BLOCK], mic: [0.0; BLOCK] }
    }

    /// The block before. `sound` is the spectrum of the newest two under a Hann window, `block` the newest.
    pub(super) fn process(
        &mut self,
        sound: &Spectrum,
        gains: &Bins,
        fourier: &mut Fourier,
        block: &mut Block,
    ) {
        let mut product = Spectrum::ZERO;
        for k in 0..BINS {
            product.re[k] = sound.re[k] * gains[k];
            product.im[k] = sound.im[k] * gains[k];
        }
        let mut frame = [0.0; FRAME];
        fourier.inverse(&product, &mut frame);
        self.before = *block;
        for ((out, tail), sample) in block.iter_mut().zip(&self.tail).zip(&frame) {
            *out = tail + sample / FRAME as f32;
        }
        for (tail, sample) in self.tail.iter_mut().zip(&frame[BLOCK..]) {
            *tail = sample / FRAME as f32;
        }
    }

    /// The block before, untouched.
    pub(super) fn rest(&mut self, window: &[f32; FRAME], block: &mut Block) {
        std::mem::swap(&mut self.before, block);
        self.tail = self.before;
        self.tail.iter_mut().zip(&window[BLOCK..]).for_each(|(sample, window)| *sample *= window);
    }

    /// The microphone, as late.
    pub(super) fn microphone(&mut self, mic: &Block) -> Block {
        std::mem::replace(&mut self.mic, *mic)
    }
}

/// The newest block of `sound` through `filter`.
fn filter(sound: &Spectrum, filter: &Spectrum, fourier: &mut Fourier, out: &mut Block) {
    let mut product = Spectrum::ZERO;
    for k in 0..BINS {
        product.re[k] = sound.re[k] * filter.re[k] - sound.im[k] * filter.im[k];
        product.im[k] = sound.re[k] * filter.im[k] + sound.im[k] * filter.re[k];
    }
    let mut frame = [0.0; FRAME];
    fourier.inverse(&product, &mut frame);
    for (out, sample) in out.iter_mut().zip(&frame[BLOCK..]) {
        *out = sample / FRAME as f32;
    }
}

/// The filter of these magnitudes with the least delay, one block long.
fn minimum_phase(gains: &Bins, fourier: &mut Fourier) -> Spectrum {
    let mut spectrum = Spectrum::ZERO;
    for (log, gain) in spectrum.re.iter_mut().zip(gains) {
        *log = gain.max(1e-4).ln();
    }
    let mut frame = [0.0; FRAME];
    fourier.inverse(&spectrum, &mut frame);
    // The cepstrum, folded onto the side of what comes later.
    let scale = 1.0 / FRAME as f32;
    frame[0] *= scale;
    frame[1..BLOCK].iter_mut().for_each(|c| *c *= 2.0 * scale);
    frame[BLOCK] *= scale;
    frame[BLOCK + 1..].fill(0.0);
    fourier.forward(&mut frame, &mut spectrum);
    for (re, im) in spectrum.re.iter_mut().zip(&mut spectrum.im) {
        let ((sin, cos), magnitude) = (im.sin_cos(), re.exp());
        (*re, *im) = (magnitude * cos, magnitude * sin);
    }
    fourier.inverse(&spectrum, &mut frame);
    frame[..BLOCK].iter_mut().for_each(|tap| *tap *= scale);
    frame[BLOCK..].fill(0.0);
    fourier.forward(&mut frame, &mut spectrum);
    spectrum
}
