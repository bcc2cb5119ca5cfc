//! What was played lately, block by block, as the filters want it.

use super::spectrum::{BINS, Bins, FRAME, Fourier, Spectrum};
use crate::{BLOCK, Block};

/// A block of a reference.
#[derive(Clone, Debug)]
pub(super) struct Played {
    pub(super) spectrum: Spectrum,
    pub(super) power: Bins,
}

/// The last blocks of a reference, in a ring.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    ring: Box<[Played]>,
    /// Where the newest block is; older ones follow.
    head: usize,
    before: Block,
}

impl Heard {
    /// As many `blocks` of silence.
    pub(super) fn new(blocks: usize) -> Self {
        let silence = Played { spectrum: Spectrum::ZERO, power: [0.0; BINS] };
        Self { ring: vec![silence; blocks].into(), head: 0, before: [0.0; BLOCK] }
    }

    /// How many blocks are kept.
    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Takes the next block.
    pub(super) fn hear(&mut self, block: &Block, fourier: &mut Fourier) {
        let mut frame = [0.0; FRAME];
        frame[..BLOCK].copy_from_slice(&self.before);
        frame[BLOCK..].copy_from_slice(block);
        self.before = *block;
        self.head = if self.head == 0 { self.ring.len() - 1 } else { self.head - 1 };
        let newest = &mut self.ring[self.head];
        fourier.forward(&mut frame, &mut newest.spectrum);
        newest.spectrum.power(&mut newest.power);
    }

    /// Newest block first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Played> {
        let (newer, older) = (&self.ring[self.head..], &self.ring[..self.head]);
        newer.iter().chain(older)
    }

    /// Forgets what was played.
    pub(super) fn silence(&mut self) {
        self.before = [0.0; BLOCK];
        self.head = 0;
        for Played { spectrum, power } in &mut self.ring {
            *spectrum = Spectrum::ZERO;
            *power = [0.0; BINS];
        }
    }
}
