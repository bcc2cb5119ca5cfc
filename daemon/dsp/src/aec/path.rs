//! What was learnt about the way of one reference to the microphone, block by block.

use super::heard::{Heard, Played};
use super::lane::{Lane, PerBin};
use super::spectrum::{BINS, Bins, FRAME, Fourier, Spectrum};
use crate::BLOCK;

/// Variance of the first block of the path before anything is known: an amplifier may make the echo three times as
/// loud as the far end. Ten times less took five seconds longer to cancel a loud echo by 20 dB.
const FIRST_VARIANCE: f32 = 10.0;
/// And how much less it is per block of path: a room's sound decays.
const VARIANCE_DECAY_DB: f32 = 0.6;
/// No variance is ever below this: far below what can matter, far above what makes floats slow.
const LEAST_VARIANCE: f32 = 1e-12;
/// A path is kept to causal blocks by two transforms per partition. Done for a fifth of the partitions per block it
/// costs a fifth, and cancels as well (measured: 24.8 against 24.3 dB).
const CONSTRAINED_EVERY: usize = 5;

/// How a path is learnt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How much of the path stays itself from block to block, in amplitude.
    pub(super) persistence: f32,
    /// How much surer each block makes the filter: 0.5 is the theory (half of a frame is zeros).
    pub(super) trust: f32,
}

/// A block of the path: its transfer function, and the variance of the error in it.
#[derive(Clone, Debug)]
struct Piece {
    weight: Spectrum,
    variance: Bins,
}

/// Adds the echo of one block of path.
struct Predict<'a> {
    x: &'a Spectrum,
    power: &'a Bins,
    w: &'a Spectrum,
    variance: &'a Bins,
    echo: &'a mut Spectrum,
    doubt: &'a mut Bins,
}

impl PerBin for Predict<'_> {
    #[inline(always)]
    fn at<L: Lane>(&mut self, k: usize) {
        let (re, im) = (L::of(&self.x.re, k), L::of(&self.x.im, k));
        let (w_re, w_im) = (L::of(&self.w.re, k), L::of(&self.w.im, k));
        (L::of(&self.echo.re, k) + (re * w_re - im * w_im)).put(&mut self.echo.re, k);
        (L::of(&self.echo.im, k) + (re * w_im + im * w_re)).put(&mut self.echo.im, k);
        (L::of(self.doubt, k) + L::of(self.power, k) * L::of(self.variance, k)).put(self.doubt, k);
    }
}

/// Corrects one block of path.
struct Learn<'a> {
    x: &'a Spectrum,
    power: &'a Bins,
    w: &'a mut Spectrum,
    variance: &'a mut Bins,
    innovation: &'a Spectrum,
    step: &'a Bins,
    trust: f32,
    stays: f32,
    moves: f32,
}

impl PerBin for Learn<'_> {
    #[inline(always)]
    fn at<L: Lane>(&mut self, k: usize) {
        let v = L::of(self.variance, k);
        let (re, im) = (v * L::of(&self.x.re, k), v * L::of(&self.x.im, k));
        let (to_re, to_im) = (L::of(&self.innovation.re, k), L::of(&self.innovation.im, k));
        let w_re = L::of(&self.w.re, k) + (re * to_re + im * to_im);
        let w_im = L::of(&self.w.im, k) + (re * to_im - im * to_re);
        w_re.put(&mut self.w.re, k);
        w_im.put(&mut self.w.im, k);
        let surer = L::all(self.trust) * v * L::of(self.power, k) * L::of(self.step, k);
        let left = v * (L::all(1.0) - surer);
        let energy = w_re * w_re + w_im * w_im;
        let now = L::all(self.stays) * left + L::all(self.moves) * energy;
        now.at_least(L::all(LEAST_VARIANCE)).put(self.variance, k);
    }
}

/// The path, as long as its reference is kept.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pieces: Box<[Piece]>,
    turn: usize,
}

impl Path {
    /// A path of `blocks` blocks, with nothing known.
    pub(super) fn new(blocks: usize) -> Self {
        let piece = Piece { weight: Spectrum::ZERO, variance: [0.0; BINS] };
        let mut path = Self { pieces: vec![piece; blocks].into(), turn: 0 };
        path.doubt_all(FIRST_VARIANCE);
        path
    }

    /// Adds the predicted echo to `echo` and the variance of that prediction to `doubt`.
    pub(super) fn predict(&self, heard: &Heard, echo: &mut Spectrum, doubt: &mut Bins) {
        for (Played { spectrum: x, power }, Piece { weight: w, variance }) in heard.iter().zip(&self.pieces) {
            Predict { x, power, w, variance, echo, doubt }.run();
        }
    }

    /// Corrects the path. `step` is 1/(variance of the error) per bin, `innovation` the error times that.
    pub(super) fn learn(
        &mut self,
        heard: &Heard,
        innovation: &Spectrum,
        step: &Bins,
        pace: Pace,
        fourier: &mut Fourier,
    ) {
        let stays = pace.persistence * pace.persistence;
        let moves = 1.0 - stays;
        let mut frame = [0.0; FRAME];
        for (p, (played, piece)) in heard.iter().zip(&mut self.pieces).enumerate() {
            let Played { spectrum: x, power } = played;
            let Piece { weight: w, variance } = piece;
            Learn { x, power, w, variance, innovation, step, trust: pace.trust, stays, moves }.run();
            if (p + self.turn) % CONSTRAINED_EVERY == 0 {
                fourier.inverse(w, &mut frame);
                frame[..BLOCK].iter_mut().for_each(|tap| *tap *= 1.0 / FRAME as f32);
                frame[BLOCK..].fill(0.0);
                fourier.forward(&mut frame, w);
            }
        }
        self.turn = (self.turn + 1) % CONSTRAINED_EVERY;
    }

    /// Doubts what was learnt: each block of the path may be wrong by `share` of the energy of the whole path.
    pub(super) fn doubt(&mut self, share: f32) {
        let mut energy = [0.0; BINS];
        for Piece { weight: w, .. } in &self.pieces {
            for k in 0..BINS {
                energy[k] += w.re[k] * w.re[k] + w.im[k] * w.im[k];
            }
        }
        let mut share = share;
        for Piece { variance, .. } in &mut self.pieces {
            for k in 0..BINS {
                variance[k] = variance[k].max(share * energy[k]);
            }
            share *= crate::from_db(-VARIANCE_DECAY_DB).powi(2);
        }
    }

    /// Takes over what another of the same length has learnt.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.pieces.clone_from_slice(&other.pieces);
        self.turn = other.turn;
    }

    /// Forgets the path.
    pub(super) fn forget(&mut self) {
        for Piece { weight, .. } in &mut self.pieces {
            *weight = Spectrum::ZERO;
        }
        self.turn = 0;
        self.doubt_all(FIRST_VARIANCE);
    }

    fn doubt_all(&mut self, first: f32) {
        let decay = crate::from_db(-VARIANCE_DECAY_DB).powi(2);
        let mut variance = first;
        for piece in &mut self.pieces {
            piece.variance = [variance; BINS];
            variance *= decay;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spectrum(seed: f32) -> Spectrum {
        let row = |seed: f32| std::array::from_fn(|k| ((k as f32 + seed) * 1.7).sin());
        Spectrum { re: row(seed), im: row(seed + 0.5) }
    }

    #[test]
    fn four_bins_at_once_become_what_each_becomes_by_itself() {
        let (x, w, innovation) = (spectrum(1.0), spectrum(2.0), spectrum(3.0));
        let (mut power, step) = ([0.0; BINS], [0.3; BINS]);
        x.power(&mut power);
        let outcome = |all: bool| {
            let (mut w, mut variance, mut echo, mut doubt) = (w.clone(), power, spectrum(4.0), [0.1; BINS]);
            let mut predict = Predict {
                x: &x,
                power: &power,
                w: &w,
                variance: &variance,
                echo: &mut echo,
                doubt: &mut doubt,
            };
            if all {
                predict.run()
            } else {
                (0..BINS).for_each(|k| predict.at::<f32>(k))
            }
            let (x, power, innovation, step) = (&x, &power, &innovation, &step);
            let (trust, stays, moves) = (0.5, 0.999, 0.001);
            let (to, variance_to) = (&mut w, &mut variance);
            let mut learn =
                Learn { x, power, w: to, variance: variance_to, innovation, step, trust, stays, moves };
            if all {
                learn.run()
            } else {
                (0..BINS).for_each(|k| learn.at::<f32>(k))
            }
            [echo.re, echo.im, doubt, w.re, w.im, variance]
        };
        assert_eq!(outcome(true), outcome(false));
        assert_ne!(outcome(true)[0], spectrum(4.0).re, "nothing was added");
    }
}
