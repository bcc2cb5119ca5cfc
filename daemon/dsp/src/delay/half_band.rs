//! Half the rate, for stages that look at the sound but do not pass it on.

use crate::level::sane;
use crate::{BLOCK, Block};

/// Halves the rate of 16 kHz. What folds back from above 4.4 kHz is 50 dB down: enough to look for a delay.
#[derive(Clone, Debug)]
pub(super) struct HalfBand {
    line: [f32; BLOCK + HISTORY],
}

/// Samples before a block that the filter reaches back to.
const HISTORY: usize = 30;
/// Taps 1, 3 … 15 beside the middle, sin(πk/2)/(πk) under a Hamming window and with a sum of a quarter. The even
/// ones are zero, the middle is a half.
const TAPS: [f32; 8] = [0.316_39, -0.098_15, 0.050_79, -0.028_72, 0.015_97, -0.008_25, 0.003_87, -0.001_89];

impl HalfBand {
    pub(super) fn new() -> Self {
        Self { line: [0.0; BLOCK + HISTORY] }
    }

    pub(super) fn process(&mut self, block: &Block, out: &mut [f32]) {
        self.line.copy_within(BLOCK.., 0);
        for (slot, &sample) in self.line[HISTORY..].iter_mut().zip(block) {
            *slot = sane(sample);
        }
        for (n, out) in out.iter_mut().enumerate() {
            let middle = 2 * n + HISTORY / 2;
            let mut sum = 0.5 * self.line[middle];
            for (tap, gain) in TAPS.iter().enumerate() {
                sum += gain * (self.line[middle - 2 * tap - 1] + self.line[middle + 2 * tap + 1]);
            }
            *out = sum;
        }
    }
}
