//! Fades at the edges of sound: the start of an answer, the cut of a flush.

use crate::level::sane;

/// A raised-cosine fade of a fixed length, applied to any part of it at a time.
///
/// It keeps no position: the caller says which frame of the fade a slice begins with, because a flush writes the
/// fade over sound that is already in the card's ring.
#[derive(Clone, Debug)]
pub struct Fade {
    /// Gain of a fade in, frame by frame.
    rising: Box<[f32]>,
}

impl Fade {
    /// A fade over `frames` frames; with 0 it is a hard edge.
    pub fn new(frames: usize) -> Self {
        // Half a frame off the ends: frame 0 already sounds, the last one is not yet full, in and out mirror.
        let gain =
            |n: usize| (0.5 - 0.5 * (std::f64::consts::PI * (n as f64 + 0.5) / frames as f64).cos()) as f32;
        Self { rising: (0..frames).map(gain).collect() }
    }

    /// Its length in frames.
    pub fn frames(&self) -> usize {
        self.rising.len()
    }

    /// Gain of frame `frame` when fading in: 1.0 after the end.
    pub fn gain_in(&self, frame: usize) -> f32 {
        self.rising.get(frame).copied().unwrap_or(1.0)
    }

    /// Gain of frame `frame` when fading out: 0.0 after the end.
    pub fn gain_out(&self, frame: usize) -> f32 {
        if frame < self.rising.len() { self.rising[self.rising.len() - 1 - frame] } else { 0.0 }
    }

    /// Fades in mono samples whose first is frame `offset` of the fade; what lies after its end stays untouched.
    pub fn fade_in(&self, samples: &mut [f32], offset: usize) {
        let rising = self.rising.get(offset..).unwrap_or_default();
        for (sample, &gain) in samples.iter_mut().zip(rising) {
            *sample = sane(*sample) * gain;
        }
    }

    /// Fades out mono samples whose first is frame `offset` of the fade; what lies after its end becomes silence.
    pub fn fade_out(&self, samples: &mut [f32], offset: usize) {
        let left = self.rising.len().saturating_sub(offset);
        let (fading, silent) = samples.split_at_mut(left.min(samples.len()));
        for (sample, &gain) in fading.iter_mut().zip(self.rising[..left].iter().rev()) {
            *sample = sane(*sample) * gain;
        }
        silent.fill(0.0);
    }
}
