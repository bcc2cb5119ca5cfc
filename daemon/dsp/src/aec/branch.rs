//! One reference and what was learnt about its way to the microphone, block by block.

use super::spectrum::{BINS, Bins, FRAME, Fourier, Spectrum};
use crate::{BLOCK, Block};

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

/// A block of the reference.
#[derive(Clone, Debug)]
struct Heard {
    spectrum: Spectrum,
    power: Bins,
}

/// A block of the path: its transfer function, and the variance of the error in it.
#[derive(Clone, Debug)]
struct Path {
    weight: Spectrum,
    variance: Bins,
}

/// A reference of some blocks and the path of as many.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    heard: Box<[Heard]>,
    /// Where the newest block is in `heard`; older ones follow, in a ring.
    head: usize,
    before: Block,
    paths: Box<[Path]>,
    turn: usize,
}

impl Branch {
    /// A path of `blocks` blocks, with nothing known.
    pub(super) fn new(blocks: usize) -> Self {
        let heard = Heard { spectrum: Spectrum::ZERO, power: [0.0; BINS] };
        let path = Path { weight: Spectrum::ZERO, variance: [0.0; BINS] };
        let mut branch = Self {
            heard: vec![heard; blocks].into(),
            head: 0,
            before: [0.0; BLOCK],
            paths: vec![path; blocks].into(),
            turn: 0,
        };
        branch.doubt_all(FIRST_VARIANCE);
        branch
    }

    /// Takes the next block of the reference.
    pub(super) fn hear(&mut self, block: &Block, fourier: &mut Fourier) {
        let mut frame = [0.0; FRAME];
        frame[..BLOCK].copy_from_slice(&self.before);
        frame[BLOCK..].copy_from_slice(block);
        self.before = *block;
        self.head = if self.head == 0 { self.heard.len() - 1 } else { self.head - 1 };
        let newest = &mut self.heard[self.head];
        fourier.forward(&mut frame, &mut newest.spectrum);
        newest.spectrum.power(&mut newest.power);
    }

    /// Adds the predicted echo to `echo` and the variance of that prediction to `doubt`.
    pub(super) fn predict(&self, echo: &mut Spectrum, doubt: &mut Bins) {
        for (Heard { spectrum: x, power }, Path { weight: w, variance }) in self.pairs() {
            for k in 0..BINS {
                echo.re[k] += x.re[k] * w.re[k] - x.im[k] * w.im[k];
                echo.im[k] += x.re[k] * w.im[k] + x.im[k] * w.re[k];
                doubt[k] += power[k] * variance[k];
            }
        }
    }

    /// Corrects the path. `step` is 1/(variance of the error) per bin, `innovation` the error times that.
    pub(super) fn learn(&mut self, innovation: &Spectrum, step: &Bins, pace: Pace, fourier: &mut Fourier) {
        let stays = pace.persistence * pace.persistence;
        let moves = 1.0 - stays;
        let (newer, older) = (&self.heard[self.head..], &self.heard[..self.head]);
        let mut frame = [0.0; FRAME];
        for (p, (heard, path)) in newer.iter().chain(older).zip(&mut self.paths).enumerate() {
            let Heard { spectrum: x, power } = heard;
            let Path { weight: w, variance } = path;
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
    pub(super) fn doubt_path(&mut self, share: f32) {
        let mut energy = [0.0; BINS];
        for Path { weight: w, .. } in &self.paths {
            for k in 0..BINS {
                energy[k] += w.re[k] * w.re[k] + w.im[k] * w.im[k];
            }
        }
        let mut share = share;
        for Path { variance, .. } in &mut self.paths {
            for k in 0..BINS {
                variance[k] = variance[k].max(share * energy[k]);
            }
            share *= crate::from_db(-VARIANCE_DECAY_DB).powi(2);
        }
    }

    /// Forgets the path.
    pub(super) fn forget(&mut self) {
        for Path { weight, .. } in &mut self.paths {
            *weight = Spectrum::ZERO;
        }
        self.turn = 0;
        self.doubt_all(FIRST_VARIANCE);
    }

    /// Forgets the reference, not the path.
    pub(super) fn silence(&mut self) {
        self.before = [0.0; BLOCK];
        self.head = 0;
        for Heard { spectrum, power } in &mut self.heard {
            *spectrum = Spectrum::ZERO;
            *power = [0.0; BINS];
        }
    }

    fn doubt_all(&mut self, first: f32) {
        let decay = crate::from_db(-VARIANCE_DECAY_DB).powi(2);
        let mut variance = first;
        for path in &mut self.paths {
            path.variance = [variance; BINS];
            variance *= decay;
        }
    }

    /// Newest block with the first of the path, and so on.
    fn pairs(&self) -> impl Iterator<Item = (&Heard, &Path)> {
        let (newer, older) = (&self.heard[self.head..], &self.heard[..self.head]);
        newer.iter().chain(older).zip(&self.paths)
    }
}
