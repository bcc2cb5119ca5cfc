//! From the card's interleaved channels to one.

use crate::level::sane;

/// Channel map: picks one channel of each frame, or averages several.
#[derive(Clone, Debug)]
pub struct Downmix {
    channels: usize,
    chosen: Box<[usize]>,
}

impl Downmix {
    /// Averages the `chosen` channels (from 0) of frames with `channels` samples.
    ///
    /// # Panics
    /// If none is chosen or one is not there; [`crate::FrontEnd::new`] checks that first.
    pub fn new(channels: usize, chosen: &[usize]) -> Self {
        assert!(!chosen.is_empty(), "no channel chosen");
        assert!(chosen.iter().all(|&channel| channel < channels), "channel not in the frame");
        Self { channels, chosen: chosen.into() }
    }

    /// Mixes as many whole frames as both sides hold. One chosen channel comes out bit for bit.
    pub fn process(&mut self, frames: &[f32], out: &mut [f32]) {
        match *self.chosen {
            [channel] => {
                for (out, frame) in out.iter_mut().zip(frames.chunks_exact(self.channels)) {
                    *out = sane(frame[channel]);
                }
            }
            ref chosen => {
                out.fill(0.0);
                let scale = 1.0 / chosen.len() as f32;
                for &channel in chosen {
                    for (out, frame) in out.iter_mut().zip(frames.chunks_exact(self.channels)) {
                        *out += sane(frame[channel]) * scale;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(channels: usize, chosen: &[usize], frames: &[f32], expected: &[f32]) {
        let mut out = vec![9.0; expected.len()];
        Downmix::new(channels, chosen).process(frames, &mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn one_channel_comes_out_bit_for_bit() {
        let odd = [0.1, -0.3, 1.0 / 3.0];
        check(1, &[0], &odd, &odd);
        check(2, &[1], &[9.0, 0.1, 9.0, -0.3], &[0.1, -0.3]);
    }

    #[test]
    fn several_channels_are_averaged() {
        check(4, &[0, 3], &[0.5, 7.0, 7.0, -0.25, 1.0, 7.0, 7.0, 1.0], &[0.125, 1.0]);
    }

    #[test]
    fn a_broken_channel_adds_silence_and_nothing_else() {
        check(2, &[0, 1], &[f32::NAN, 0.5, f32::INFINITY, -0.5], &[0.25, -0.25]);
        check(1, &[0], &[f32::NAN, f32::NEG_INFINITY, 0.5], &[0.0, 0.0, 0.5]);
    }

    #[test]
    #[should_panic(expected = "channel not in the frame")]
    fn a_channel_that_is_not_there_is_a_mistake_of_the_caller() {
        Downmix::new(2, &[2]);
    }
}
