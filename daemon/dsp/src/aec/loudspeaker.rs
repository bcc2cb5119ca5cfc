//! What a small loudspeaker adds to a sound by clipping it.

use crate::level::sane;
use crate::{BLOCK_RATE, Block, HighPass};

/// Resonances of small closed boxes in Hz, below which they play little: a second-order high-pass. A third apart, which
/// is near enough: half a step off costs a dB.
const RESONANCES_HZ: [f32; 8] = [120.0, 160.0, 220.0, 300.0, 400.0, 540.0, 720.0, 960.0];
/// The one that is taken until another is found to fit better.
const FIRST: usize = 3;
/// How hard it clips: full deflection is 1/DRIVE of full scale.
const DRIVE: f32 = 4.0;
/// The distortion is far weaker than the sound; the filter's first variances expect a reference of its size.
const GAIN: f32 = 3.0;
/// Memory of the mean below, per block: 5 s.
const MEMORY: f32 = 0.998;

/// The second reference: far end through the box, clipped softly, minus the far end itself.
#[derive(Clone, Debug)]
pub(super) struct Loudspeaker {
    /// Which resonance.
    box_size: usize,
    high_pass: HighPass,
    /// Long-time products of distortion and sound, and of sound with itself.
    cross: f32,
    own: f32,
}

impl Loudspeaker {
    pub(super) fn new() -> Self {
        Self::with(FIRST)
    }

    fn with(box_size: usize) -> Self {
        let high_pass = HighPass::new(RESONANCES_HZ[box_size], BLOCK_RATE);
        Self { box_size, high_pass, cross: 0.0, own: 1e-6 }
    }

    /// The box whose resonance is a step higher or lower, if there is one.
    pub(super) fn beside(&self, higher: bool) -> Option<Self> {
        let box_size = if higher { self.box_size + 1 } else { self.box_size.checked_sub(1)? };
        let beside = (box_size < RESONANCES_HZ.len()).then(|| Self::with(box_size))?;
        Some(Self { cross: self.cross, own: self.own, ..beside })
    }

    /// What is taken for the resonance, in Hz.
    #[cfg(test)]
    pub(super) fn resonance_hz(&self) -> f32 {
        RESONANCES_HZ[self.box_size]
    }

    /// What the loudspeaker adds to the next block.
    pub(super) fn process(&mut self, far: &Block) -> Block {
        let mut sound = *far;
        self.high_pass.process(&mut sound);
        let mut added = sound.map(|x| (DRIVE * x).tanh() / DRIVE - x);
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
