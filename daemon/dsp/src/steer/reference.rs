//! The far end's past, read at a lag that may move.

use crate::level::sane;
use crate::{Asynchronous, BLOCK, BLOCK_RATE, Block};

/// Longest lag in samples, with room for drift beyond the 500 ms that are found.
const LAG_MAX: usize = 9_600;
/// Samples of the far end that are kept, and moved at once when their place is used up.
const KEPT: usize = LAG_MAX + 64;
const ROOM: usize = 32 * BLOCK;
/// What reading between samples needs after them: half a kernel.
const AFTER: usize = 24;

/// What the canceller gets: whole samples as they came, or sound between them while a drift is corrected.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    history: Box<[f32]>,
    /// Samples in `history`; the newest is the last of them.
    filled: usize,
    /// Blocks since a far end that was not digital silence.
    silent: usize,
    read: Asynchronous,
    /// How far back the newest sample of the reference was read; whole while no drift is corrected.
    pub(super) lag: f64,
    /// What the lag changes by per sample.
    pub(super) slope: f64,
    /// Whether it is read between samples.
    pub(super) correcting: bool,
}

impl Reference {
    /// Least lag at which sound between samples can be read.
    pub(super) const LEAST: f64 = AFTER as f64 + 1.0;

    pub(super) fn new() -> Self {
        Self {
            history: vec![0.0; KEPT + ROOM].into_boxed_slice(),
            filled: KEPT,
            silent: KEPT,
            read: Asynchronous::new(BLOCK_RATE, BLOCK_RATE).expect("the block's rate is a common one"),
            lag: 0.0,
            slope: 0.0,
            correcting: false,
        }
    }

    /// Takes in 10 ms and gives out 10 ms of the past.
    pub(super) fn process(&mut self, far: &Block, out: &mut Block) {
        self.push(far);
        let start = (self.filled - BLOCK) as f64 - self.lag;
        if !self.correcting {
            out.copy_from_slice(&self.history[start as usize..][..BLOCK]);
            return;
        }
        let end = self.nearest(self.lag + self.slope * BLOCK as f64);
        if self.is_silent() {
            out.fill(0.0);
        } else {
            let step = 1.0 - (end - self.lag) / BLOCK as f64;
            self.read.read(&self.history[..self.filled], start, step, out);
        }
        self.lag = end;
    }

    /// A block of the past, at the lag of now.
    pub(super) fn recall(&self, ago: usize, out: &mut Block) {
        let start = self.filled as f64 - ((ago + 1) * BLOCK) as f64 - self.lag;
        if start < AFTER as f64 {
            out.fill(0.0);
        } else if self.correcting {
            self.read.read(&self.history[..self.filled], start, 1.0, out);
        } else {
            out.copy_from_slice(&self.history[start as usize..][..BLOCK]);
        }
    }

    /// Whether the whole past is digital silence.
    pub(super) fn is_silent(&self) -> bool {
        self.silent >= KEPT.div_ceil(BLOCK)
    }

    /// The lag next to this one that can be read.
    pub(super) fn nearest(&self, lag: f64) -> f64 {
        if self.correcting {
            lag.clamp(Self::LEAST, LAG_MAX as f64)
        } else {
            lag.clamp(0.0, LAG_MAX as f64).round()
        }
    }

    fn push(&mut self, far: &Block) {
        if self.filled + BLOCK > self.history.len() {
            self.history.copy_within(self.filled - KEPT..self.filled, 0);
            self.filled = KEPT;
        }
        let mut any = false;
        for (slot, &sample) in self.history[self.filled..].iter_mut().zip(far) {
            *slot = sane(sample);
            any |= *slot != 0.0;
        }
        self.filled += BLOCK;
        self.silent = if any { 0 } else { self.silent.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_between_samples_needs_no_more_of_the_future_than_it_says() {
        assert_eq!(Reference::new().read.after(), AFTER);
    }
}
