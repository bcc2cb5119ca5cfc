//! Finds the channel that carries what the device itself plays.
//!
//! Microphones of one array hear everything within a fraction of a millisecond of each other; the loop hears the
//! loudspeaker's sound before any microphone does, and nothing of the room. So the loop is silent where the others
//! hear something, and does not look like them within a small shift where it sounds.

use crate::BLOCK;
use crate::level::{mean_square, power_dbfs, sane};

/// Channels that are compared.
const CHANNELS_MAX: usize = 16;
/// Largest shift between microphones: 0.4 ms, 14 cm.
const SHIFT_S: f32 = 0.000_4;
/// A block above this is heard, in dBFS; below the other one it is silence, whatever a converter adds.
const HEARD_DBFS: f32 = -65.0;
const SILENT_DBFS: f32 = -80.0;
/// Blocks that must speak for it.
const GAPS_MIN: u32 = 20;
const SOUNDING_MIN: u32 = 10;
/// Microphones look more alike than this on average; a loop and a microphone less, by the given factor.
const ALIKE_MIN: f32 = 0.3;
const UNLIKE: f32 = 0.6;

/// Compares the channels of a card while they are heard.
#[derive(Clone, Debug)]
pub struct Scout {
    width: usize,
    shift: usize,
    /// Offset-free copy of a block's channels, one after the other.
    line: Box<[f32]>,
    /// Per pair of channels: sum of likeness and its weight.
    alike: Box<[(f32, f32)]>,
    /// Per channel: blocks in which it was silent while others were heard, in which it sounded, and changes.
    gaps: [u32; CHANNELS_MAX],
    sounding: [u32; CHANNELS_MAX],
}

impl Scout {
    /// For frames of `width` samples at this rate.
    pub fn new(width: usize, rate_hz: u32) -> Self {
        let compared = width.min(CHANNELS_MAX);
        Self {
            width,
            shift: (rate_hz as f32 * SHIFT_S) as usize,
            line: vec![0.0; compared * BLOCK].into_boxed_slice(),
            alike: vec![(0.0, 0.0); compared * compared].into_boxed_slice(),
            gaps: [0; CHANNELS_MAX],
            sounding: [0; CHANNELS_MAX],
        }
    }

    /// Takes in interleaved frames; the first 160 of them are looked at.
    pub fn process(&mut self, frames: &[f32]) {
        let compared = self.compared();
        let mut loudest_dbfs = f32::MIN;
        let mut levels = [f32::MIN; CHANNELS_MAX];
        for (channel, level) in levels.iter_mut().enumerate().take(compared) {
            let line = &mut self.line[channel * BLOCK..][..BLOCK];
            line.fill(0.0);
            for (slot, &sample) in line.iter_mut().zip(frames.iter().skip(channel).step_by(self.width)) {
                *slot = sane(sample);
            }
            let mean = line.iter().sum::<f32>() / BLOCK as f32;
            line.iter_mut().for_each(|s| *s -= mean);
            *level = power_dbfs(mean_square(line));
            loudest_dbfs = loudest_dbfs.max(*level);
        }
        if loudest_dbfs < HEARD_DBFS {
            return;
        }
        for (channel, &level) in levels.iter().enumerate().take(compared) {
            self.gaps[channel] += u32::from(level < SILENT_DBFS);
            self.sounding[channel] += u32::from(level > HEARD_DBFS);
        }
        for a in 0..compared {
            for b in a + 1..compared {
                if levels[a] > HEARD_DBFS && levels[b] > HEARD_DBFS {
                    let alike = self.alike_now(a, b);
                    let (sum, weight) = &mut self.alike[a * compared + b];
                    *sum += alike;
                    *weight += 1.0;
                }
            }
        }
    }

    /// The channel that carries the device's own sound, if the last one does, and the channels of the microphones.
    ///
    /// A first channel that lags behind the others, as the processed one of six-channel boards does, is none.
    pub fn finding(&self) -> (Option<usize>, u32) {
        let compared = self.compared();
        let sounding = |channel: usize| self.sounding[channel] > 0;
        let mut microphones = (0..compared).filter(|&c| sounding(c)).fold(0u32, |bits, c| bits | 1 << c);
        if compared < 3 || self.width > CHANNELS_MAX {
            return (None, microphones);
        }
        let last = compared - 1;
        // The middle two of a row of microphones, or the only two.
        let among = (1..last)
            .flat_map(|a| (a + 1..last).map(move |b| (a, b)))
            .filter_map(|(a, b)| self.mean_alike(a, b))
            .fold((0.0, 0.0), |(sum, count), alike| (sum + alike, count + 1.0));
        let among = if among.1 > 0.0 { among.0 / among.1 } else { self.mean_alike(0, 1).unwrap_or(0.0) };
        let with_rest = |channel: usize| {
            (0..last)
                .filter(move |&c| c != channel)
                .filter_map(move |c| self.mean_alike(c.min(channel), c.max(channel)))
        };
        let unlike = |channel: usize| {
            let (mut sum, mut count) = (0.0, 0.0);
            with_rest(channel).for_each(|alike| (sum, count) = (sum + alike, count + 1.0));
            count > 0.0 && among > ALIKE_MIN && sum / count < UNLIKE * among
        };
        let others_gaps = (0..last).filter(|&c| sounding(c)).map(|c| self.gaps[c]).min().unwrap_or(0);
        // Boards with the layout of six that deliver nothing but their processed sound and the loop.
        let nothing_between = compared == 6 && (1..last).all(|c| !sounding(c)) && sounding(0);
        let factor = if nothing_between { 0 } else { 2 };
        let silent_alone = self.gaps[last] >= GAPS_MIN + factor * others_gaps;
        if self.sounding[last] < SOUNDING_MIN || !(silent_alone || unlike(last)) {
            return (None, microphones);
        }
        microphones &= !(1 << last);
        if compared > 3 && unlike(0) && (microphones & !1) != 0 {
            microphones &= !1;
        }
        (Some(last), microphones)
    }

    /// Forgets what was heard.
    pub fn reset(&mut self) {
        self.alike.fill((0.0, 0.0));
        self.gaps = [0; CHANNELS_MAX];
        self.sounding = [0; CHANNELS_MAX];
    }

    fn compared(&self) -> usize {
        self.width.min(CHANNELS_MAX)
    }

    fn mean_alike(&self, a: usize, b: usize) -> Option<f32> {
        let (sum, weight) = self.alike[a * self.compared() + b];
        (weight > 0.0).then(|| sum / weight)
    }

    /// Largest normalised cross-correlation within the shift.
    fn alike_now(&self, a: usize, b: usize) -> f32 {
        let (a, b) = (&self.line[a * BLOCK..][..BLOCK], &self.line[b * BLOCK..][..BLOCK]);
        let norm = (mean_square(a) * mean_square(b)).sqrt().max(1e-20) * BLOCK as f32;
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let shift = self.shift.min(BLOCK / 4);
        (0..=shift)
            .map(|shift| product(&a[shift..], b).abs().max(product(a, &b[shift..]).abs()))
            .fold(0.0, f32::max)
            / norm
    }
}
