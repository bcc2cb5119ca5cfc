//! From the card's interleaved channels to one.

use crate::level::sane;

/// Channel map: picks one channel of each frame, or averages several.
#[derive(Clone, Debug)]
pub struct Downmix {
    channels: usize,
    chosen: Box<[usize]>,
    /// Share of each chosen channel, now and from the end of the next frames on.
    shares: Box<[f32]>,
    next: Box<[f32]>,
}

impl Downmix {
    /// Averages the `chosen` channels (from 0) of frames with `channels` samples.
    ///
    /// # Panics
    /// If none is chosen or one is not there; [`crate::FrontEnd::new`] checks that first.
    pub fn new(channels: usize, chosen: &[usize]) -> Self {
        assert!(!chosen.is_empty(), "no channel chosen");
        assert!(chosen.iter().all(|&channel| channel < channels), "channel not in the frame");
        let shares = vec![1.0 / chosen.len() as f32; chosen.len()].into_boxed_slice();
        Self { channels, chosen: chosen.into(), next: shares.clone(), shares }
    }

    /// Leaves out the channels whose bit is not set; if none would be left, nothing changes. The next frames fade
    /// to the new average.
    pub fn select(&mut self, present: u32) {
        let is_present = |channel: usize| channel >= 32 || present >> channel & 1 == 1;
        let count = self.chosen.iter().filter(|&&channel| is_present(channel)).count();
        if count == 0 {
            return;
        }
        for (share, &channel) in self.next.iter_mut().zip(&self.chosen) {
            *share = if is_present(channel) { 1.0 / count as f32 } else { 0.0 };
        }
    }

    /// Mixes as many whole frames as both sides hold. One chosen channel comes out bit for bit.
    pub fn process(&mut self, frames: &[f32], out: &mut [f32]) {
        if let [channel] = *self.chosen {
            for (out, frame) in out.iter_mut().zip(frames.chunks_exact(self.channels)) {
                *out = sane(frame[channel]);
            }
            return;
        }
        let step = 1.0 / (frames.len() / self.channels).max(1) as f32;
        out.fill(0.0);
        for ((&channel, share), &next) in self.chosen.iter().zip(&mut self.shares).zip(&self.next) {
            let sounds = out.iter_mut().zip(frames.chunks_exact(self.channels));
            if *share == next && next == 0.0 {
                continue;
            } else if *share == next {
                sounds.for_each(|(out, frame)| *out += sane(frame[channel]) * next);
            } else {
                let slope = (next - *share) * step;
                for (n, (out, frame)) in sounds.enumerate() {
                    *out += sane(frame[channel]) * (*share + slope * (n + 1) as f32);
                }
                *share = next;
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
    fn a_channel_that_is_left_out_fades_and_the_others_take_its_place() {
        let mut downmix = Downmix::new(2, &[0, 1]);
        downmix.select(0b10);
        let mut out = [0.0; 4];
        downmix.process(&[1.0, 0.5].repeat(4), &mut out);
        // from half of both to all of the second
        assert_eq!(out, [0.6875, 0.625, 0.5625, 0.5]);
        downmix.process(&[1.0, 0.5].repeat(4), &mut out);
        assert_eq!(out, [0.5; 4]);
        downmix.select(0);
        downmix.process(&[1.0, 0.5].repeat(4), &mut out);
        assert_eq!(out, [0.5; 4]);
    }

    #[test]
    #[should_panic(expected = "channel not in the frame")]
    fn a_channel_that_is_not_there_is_a_mistake_of_the_caller() {
        Downmix::new(2, &[2]);
    }
}
