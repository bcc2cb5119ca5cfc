//! What a small loudspeaker adds to a sound by clipping it.

use crate::level::sane;
use crate::{BLOCK_RATE, Block, HighPass};

/// Resonance of a small closed box, below which it plays little: a second-order high-pass.
const RESONANCE_HZ: f32 = 300.0;
/// How hard it clips: full deflection is 1/DRIVE of full scale.
const DRIVE: f32 = 4.0;
/// The distortion is far weaker than the sound; the filter's first variances expect a reference of its size.
const GAIN: f32 = 3.0;
/// Memory of the mean below, per block: 5 s.
const MEMORY: f32 = 0.998;

/// The second reference: far end through the box, clipped softly, minus the far end itself.
#[derive(Clone, Debug)]
pub(super) struct Loudspeaker {
    high_pass: HighPass,
    drive: f32,
    /// Long-time products of distortion and sound, and of sound with itself.
    cross: f32,
    own: f32,
}

impl Loudspeaker {
    pub(super) fn new() -> Self {
        Self { high_pass: HighPass::new(RESONANCE_HZ, BLOCK_RATE), drive: DRIVE, cross: 0.0, own: 1e-6 }
    }

    /// What the loudspeaker adds to the next block.
    pub(super) fn process(&mut self, far: &Block) -> Block {
        let mut sound = *far;
        self.high_pass.process(&mut sound);
        let mut added = sound.map(|x| (self.drive * x).tanh() / self.drive - x);
        let (mut cross, mut own) = (0.0, 0.0);
        for (added, sound) in added.iter().zip(&sound) {
            cross += added * sound;
            own += sound * sound;
        }
        self.cross = MEMORY * self.cross + cross;
        self.own = (MEMORY * self.own + own).max(1e-6);
        // Clipping first of all makes a sound less loud, which the other reference can say: what is left is new.
        let same = self.cross / self.own;
        for (added, sound) in added.iter_mut().zip(&sound) {
            *added = sane(GAIN * (*added - same * sound));
        }
        added
    }
}
