//! What was learnt about the way of one reference to the microphone, block by block.

use super::heard::{Heard, Played};
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
            for k in 0..BINS {
                echo.re[k] += x.re[k] * w.re[k] - x.im[k] * w.im[k];
                echo.im[k] += x.re[k] * w.im[k] + x.im[k] * w.re[k];
                doubt[k] += power[k] * variance[k];
            }
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
            for k in 0..BINS {
                let v = variance[k];
                let (re, im) = (v * x.re[k], v * x.im[k]);
                w.re[k] += re * innovation.re[k] + im * innovation.im[k];
                w.im[k] += re * innovation.im[k] - im * innovation.re[k];
                let left = v * (1.0 - pace.trust * v * power[k] * step[k]);
                let energy = w.re[k] * w.re[k] + w.im[k] * w.im[k];
                variance[k] = (stays * left + moves * energy).max(LEAST_VARIANCE);
            }
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
