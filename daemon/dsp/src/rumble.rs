//! Tells whether there is anything below speech that is worth removing.
//!
//! A high-pass costs a deep voice something: at 80 Hz .001 to .004 of its intelligibility (ESTOI), because it turns the
//! phase of the lowest harmonics. So it is let in only where a card's offset, mains hum or a machine's rumble would
//! take the room that gain needs.

use crate::level::{mean_square, power_dbfs, sane};
use crate::{BLOCK, Block, NoiseFloor, blocks_of_ms};

/// From here on rumble is removed, in dBFS: 20 dB of gain make -30 of it, as loud as soft speech.
const LOUD_DBFS: f32 = -50.0;
/// Below this it is left alone, in dBFS.
const SOFT_DBFS: f32 = -53.0;
/// It must have been one or the other for so long. The floor needs 2.1 s to be sure.
const SURE_BLOCKS: usize = blocks_of_ms(3_000);
/// The filter comes and goes within half a second.
const STEP: f32 = 0.02;
/// Samples that are summed before the band is cut: 1 kHz is enough for what lies below 70 Hz.
const DECIMATE: usize = 16;

/// Second-order low-pass at 70 Hz and 1 kHz (bilinear transform), given the quality of its poles; two make a
/// Butterworth filter of fourth order.
#[derive(Clone, Debug)]
struct LowPass {
    b: f32,
    a1: f32,
    a2: f32,
    s1: f32,
    s2: f32,
}

impl LowPass {
    fn new(quality: f32) -> Self {
        let k = (std::f32::consts::PI * 0.07).tan();
        let norm = 1.0 / (1.0 + k / quality + k * k);
        let (b, a1) = (k * k * norm, 2.0 * (k * k - 1.0) * norm);
        Self { b, a1, a2: (1.0 - k / quality + k * k) * norm, s1: 0.0, s2: 0.0 }
    }

    fn process(&mut self, x: f32) -> f32 {
        let y = self.b * x + self.s1;
        self.s1 = 2.0 * self.b * x - self.a1 * y + self.s2;
        self.s2 = self.b * x - self.a2 * y;
        if y.abs() < 1e-20 { 0.0 } else { y }
    }

    /// As if `level` had been there forever.
    fn prime(&mut self, level: f32) {
        self.s2 = (self.b - self.a2) * level;
        self.s1 = (1.0 - self.b) * level;
    }
}

/// Watches what lies below 70 Hz, and says how much of the high-pass is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Rumble {
    low_pass: [LowPass; 2],
    floor: NoiseFloor,
    wanted: bool,
    /// Blocks for which it has seemed to be otherwise.
    doubted: usize,
    share: f32,
}

impl Rumble {
    /// The high-pass is in until it proves to be needless.
    pub(crate) fn new() -> Self {
        Self {
            // poles of a fourth-order Butterworth filter
            low_pass: [LowPass::new(0.541), LowPass::new(1.307)],
            floor: NoiseFloor::new(),
            wanted: true,
            doubted: 0,
            share: 1.0,
        }
    }

    /// Starts as if `level` had been there forever.
    pub(crate) fn prime(&mut self, level: f32) {
        self.low_pass.iter_mut().for_each(|filter| filter.prime(sane(level)));
    }

    /// Takes in a block and returns the share of the high-pass at its start and at its end, 0 to 1.
    pub(crate) fn process(&mut self, block: &Block) -> [f32; 2] {
        let mut low = [0.0; BLOCK / DECIMATE];
        for (low, samples) in low.iter_mut().zip(block.chunks_exact(DECIMATE)) {
            let mean = samples.iter().map(|&sample| sane(sample)).sum::<f32>() / DECIMATE as f32;
            *low = self.low_pass.iter_mut().fold(mean, |x, filter| filter.process(x));
        }
        let power = mean_square(&low);
        // Digital silence is a card that is waking up: it says nothing.
        let floor_dbfs = if power > 0.0 { self.floor.process(power) } else { power_dbfs(power) };
        let least_dbfs = if self.wanted { SOFT_DBFS } else { LOUD_DBFS };
        self.doubted = if (floor_dbfs > least_dbfs) == self.wanted { 0 } else { self.doubted + 1 };
        if self.doubted == SURE_BLOCKS {
            self.wanted = !self.wanted;
            self.doubted = 0;
        }
        let before = self.share;
        self.share = (before + if self.wanted { STEP } else { -STEP }).clamp(0.0, 1.0);
        [before, self.share]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{at_level, pink, speech, tone};

    const S: usize = 16_000;

    /// Share of the high-pass at the end of each block.
    fn shares(rumble: &mut Rumble, sound: &[f32]) -> Vec<f32> {
        rumble.prime(sound[0]);
        sound.chunks_exact(BLOCK).map(|block| rumble.process(block.try_into().unwrap())[1]).collect()
    }

    fn talk(seed: u64, seconds: usize) -> Vec<f32> {
        let said = at_level(speech(seed, seconds * S), -26.0);
        said.iter().zip(at_level(pink(seed, seconds * S), -56.0)).map(|(a, b)| a + b).collect()
    }

    #[test]
    fn a_quiet_room_loses_the_filter_and_speech_does_not_bring_it_back() {
        for seed in 1..=6 {
            let shares = shares(&mut Rumble::new(), &talk(seed, 20));
            assert_eq!(shares[0], 1.0, "in until it is needless");
            assert!(shares[1_000..].iter().all(|&share| share == 0.0), "seed {seed}");
        }
    }

    #[test]
    fn offset_hum_and_rumble_keep_it_in_and_bring_it_back_within_6_s() {
        let offset = vec![0.02; 12 * S];
        let hum = |hz| at_level(tone(16_000, hz, 1.0, 12 * S), -44.0);
        for (name, sound) in [("offset", offset), ("50 Hz", hum(50.0)), ("60 Hz", hum(60.0))] {
            let with: Vec<f32> = talk(1, 12).iter().zip(&sound).map(|(a, b)| a + b).collect();
            assert!(shares(&mut Rumble::new(), &with).iter().all(|&share| share == 1.0), "{name}");
            let mut rumble = Rumble::new();
            shares(&mut rumble, &talk(2, 12));
            let later = with.chunks_exact(BLOCK).map(|block| rumble.process(block.try_into().unwrap())[1]);
            let back = later.take_while(|&share| share < 1.0).count();
            assert!((200..600).contains(&back), "{name}: back after {back} blocks");
        }
    }

    #[test]
    fn it_comes_and_goes_within_half_a_second_and_without_steps() {
        let mut rumble = Rumble::new();
        let shares = shares(&mut rumble, &talk(3, 8));
        assert!(shares.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.021));
        let between = shares.iter().filter(|&&share| share > 0.0 && share < 1.0).count();
        assert!((40..=50).contains(&between), "{between} blocks");
    }

    #[test]
    fn nonsense_and_silence_leave_it_sane() {
        let mut rumble = Rumble::new();
        for nonsense in [f32::NAN, f32::INFINITY, f32::MAX, 0.0] {
            let share = rumble.process(&[nonsense; BLOCK])[1];
            assert!((0.0..=1.0).contains(&share));
        }
        assert!(shares(&mut rumble, &talk(4, 20)).last() == Some(&0.0), "and it is forgotten");
    }
}
