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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_and_out_mirror_each_other_and_add_up_to_one() {
        let fade = Fade::new(240);
        for frame in 0..240 {
            assert_eq!(fade.gain_in(frame), fade.gain_out(239 - frame));
            assert!((fade.gain_in(frame) + fade.gain_out(frame) - 1.0).abs() < 1e-6);
        }
        assert!(fade.gain_in(0) < 1e-4 && fade.gain_in(239) > 0.9999);
        assert_eq!((fade.gain_in(240), fade.gain_out(240)), (1.0, 0.0));
    }

    #[test]
    fn no_two_frames_differ_by_more_than_a_soft_edge() {
        let mut samples = [1.0; 300];
        Fade::new(240).fade_out(&mut samples, 0);
        let step = samples.windows(2).map(|pair| pair[0] - pair[1]).fold(0.0, f32::max);
        assert!(step < 0.0066, "{step}");
        assert!(samples.windows(2).all(|pair| pair[1] <= pair[0]));
    }

    #[test]
    fn applied_in_pieces_it_is_the_same_fade() {
        let fade = Fade::new(100);
        let (mut whole_in, mut whole_out) = ([0.7; 160], [0.7; 160]);
        fade.fade_in(&mut whole_in, 0);
        fade.fade_out(&mut whole_out, 0);
        let (mut pieces_in, mut pieces_out) = ([0.7; 160], [0.7; 160]);
        for start in (0..160).step_by(23) {
            let end = 160.min(start + 23);
            fade.fade_in(&mut pieces_in[start..end], start);
            fade.fade_out(&mut pieces_out[start..end], start);
        }
        assert_eq!((whole_in, whole_out), (pieces_in, pieces_out));
    }

    #[test]
    fn after_its_end_sound_is_whole_or_gone() {
        let fade = Fade::new(10);
        let mut samples = [0.1, -0.3];
        fade.fade_in(&mut samples, 10);
        assert_eq!(samples, [0.1, -0.3]);
        fade.fade_out(&mut samples, 10);
        assert_eq!(samples, [0.0, 0.0]);
        fade.fade_in(&mut samples, usize::MAX);
        fade.fade_out(&mut samples, usize::MAX);
    }

    #[test]
    fn a_fade_of_no_frames_is_a_hard_edge() {
        let mut samples = [0.5; 4];
        Fade::new(0).fade_in(&mut samples, 0);
        assert_eq!(samples, [0.5; 4]);
        Fade::new(0).fade_out(&mut samples, 0);
        assert_eq!(samples, [0.0; 4]);
    }

    #[test]
    fn nonsense_under_a_fade_is_silence() {
        let mut samples = [f32::NAN; 8];
        Fade::new(4).fade_out(&mut samples, 0);
        assert_eq!(samples, [0.0; 8]);
    }
}
