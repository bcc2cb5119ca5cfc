//! Tells a voice from a noise: is there a pitch, and more than a hum?

use crate::dot::dot;
use crate::level::sane;
use crate::{BLOCK, Block};

/// One in four samples is enough for a pitch: 4 kHz.
const DECIMATE: usize = 4;
/// Samples of a block then.
const NEW: usize = BLOCK / DECIMATE;
/// Pitch from 400 down to 70 Hz, in samples at 4 kHz.
const SHORTEST: usize = 10;
const LONGEST: usize = 57;
/// Samples that are compared with those one period before: 20 ms, two periods of most voices.
const COMPARED: usize = 80;
const HISTORY: usize = COMPARED + LONGEST;
/// Likeness of a period to the one before that makes a voice. White noise reaches 0.45 once in a thousand blocks; a
/// voice 6 dB above noise has 0.7.
const PERIODIC: f32 = 0.55;
/// Mean frequency below which it is a hum: a closed mouth, a thump, mains. Vowels begin at 350 Hz.
const HUM_HZ: f32 = 280.0;
/// Below this mean square (-90 dBFS) there is nothing to judge.
const LEAST: f32 = 1e-9;

/// Finds voiced sound, block by block.
#[derive(Clone, Debug)]
pub(crate) struct Voice {
    history: [f32; HISTORY],
    last: f32,
    last_sum: f32,
}

impl Voice {
    pub(crate) fn new() -> Self {
        Self { history: [0.0; HISTORY], last: 0.0, last_sum: 0.0 }
    }

    /// Whether the newest block is voiced: it repeats itself with a voice's pitch, and is no hum.
    pub(crate) fn process(&mut self, block: &Block) -> bool {
        self.history.copy_within(NEW.., 0);
        let (mut power, mut slope) = (0.0, 0.0);
        for (kept, four) in self.history[HISTORY - NEW..].iter_mut().zip(block.chunks_exact(DECIMATE)) {
            let mut sum = 0.0;
            for &sample in four {
                let sample = sane(sample);
                sum += sample;
                power += sample * sample;
                slope += (sample - self.last) * (sample - self.last);
                self.last = sample;
            }
            // A sum of four is filter enough: what folds down from above 2 kHz is a voice's own. The difference from
            // four to four keeps a thump at 70 Hz from hiding what is above it.
            *kept = sum - self.last_sum;
            self.last_sum = sum;
        }
        if power < LEAST * BLOCK as f32 {
            return false;
        }
        // slope/power is the mean of (2π f / 16 kHz)² for what is well below 8 kHz
        let mean_hz = (slope / power).sqrt() * 16_000.0 / std::f32::consts::TAU;
        mean_hz > HUM_HZ && self.periodicity() > PERIODIC
    }

    /// Highest normalised correlation of the last 20 ms with what was a pitch period earlier, 0 to 1.
    fn periodicity(&self) -> f32 {
        let now = &self.history[LONGEST..];
        let power = dot::<2>(now, now);
        let mut best = 0.0f32;
        for lag in SHORTEST..=LONGEST {
            let before = &self.history[LONGEST - lag..][..COMPARED];
            let both = dot::<2>(now, before);
            if both > 0.0 {
                best = best.max(both / (power * dot::<2>(before, before)).sqrt().max(1e-12));
            }
        }
        best
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HighPass;
    use crate::synth::{at_level, compressor, cough, door, hum, pink, speech, white};

    /// Share of blocks that are voiced.
    fn voiced(mut sound: Vec<f32>) -> f32 {
        HighPass::new(80.0, 16_000).process(&mut sound);
        let mut voice = Voice::new();
        let blocks = sound.chunks_exact(BLOCK);
        let count = blocks.len() as f32;
        blocks.filter(|block| voice.process((*block).try_into().unwrap())).count() as f32 / count
    }

    #[test]
    fn speech_is_voiced_and_noises_are_not() {
        for seed in 1..=4 {
            let share = voiced(speech(seed, 80_000));
            assert!(share > 0.45, "speech {seed}: {share}");
            let noisy: Vec<f32> = at_level(speech(seed, 80_000), -30.0)
                .iter()
                .zip(at_level(pink(seed, 80_000), -40.0))
                .map(|(a, b)| a + b)
                .collect();
            let share = voiced(noisy);
            assert!(share > 0.35, "speech {seed} in noise: {share}");
            for (name, sound, most) in [
                ("white", white(seed, 320_000), 0.002),
                ("pink", pink(seed, 320_000), 0.02),
                ("compressor", compressor(seed, 320_000), 0.02),
                ("hum", hum(seed, 320_000), 0.02),
                ("cough", cough(seed), 0.05),
                ("door", door(seed), 0.05),
                ("silence", vec![0.0; 16_000], 0.0),
            ] {
                let share = voiced(sound);
                assert!(share <= most, "{name} {seed}: {share}");
            }
        }
    }

    #[test]
    fn it_is_heard_within_40_ms() {
        for seed in 1..=8 {
            let sound = [vec![0.0; 16_000], speech(seed, 16_000)].concat();
            let mut voice = Voice::new();
            let mut blocks = sound.chunks_exact(BLOCK);
            let first = blocks.position(|block| voice.process(block.try_into().unwrap())).unwrap();
            assert!((100..=104).contains(&first), "seed {seed}: block {first}");
        }
    }

    #[test]
    fn nonsense_is_no_voice() {
        let mut voice = Voice::new();
        for nonsense in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN] {
            let taken = (0..20).filter(|_| voice.process(&[nonsense; BLOCK])).count();
            assert!(taken <= 1, "{nonsense}: {taken}, more than the step itself");
        }
        voice.reset();
        assert!(!voice.process(&[0.0; BLOCK]));
    }
}
