//! Brings speech to one level, whoever speaks from wherever.

use crate::level::{from_db, mean_square, power_dbfs, sane};
use crate::{BLOCK, BLOCK_RATE, Block, Limiter, Reading};

/// How speech is brought to its level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GainSettings {
    /// Off it leaves every bit.
    pub on: bool,
    /// Where the RMS of speech is to lie, in dBFS, -40 to -10.
    pub target_dbfs: f32,
    /// It never boosts by more, in dB, 0 to 20.
    pub max_boost_db: f32,
}

impl Default for GainSettings {
    fn default() -> Self {
        // Peaks of speech reach 15 to 18 dB above its RMS.
        Self { on: true, target_dbfs: -23.0, max_boost_db: 20.0 }
    }
}

impl GainSettings {
    /// No gain.
    pub const OFF: Self = Self { on: false, target_dbfs: -23.0, max_boost_db: 20.0 };
}

/// No boost is greater, in dB, and nothing that was changed leaves further above the target than this.
const MOST_DB: f32 = 20.0;
/// Loud speech is turned down by no more than this: a voice that close is clipped in the card or not at all.
const MOST_CUT_DB: f32 = 10.0;
/// So far off the target nothing is done: a gain that always moves is worse than a level that is nearly right.
const DEAD_DB: f32 = 3.0;
/// Time constant of the speech's level, in blocks of speech (0.6 s).
const LEVEL_BLOCKS: f32 = 60.0;
/// Speech before anything is done, in blocks: a click or a cough says nothing of a voice's level.
const FIRST_BLOCKS: f32 = 12.0;
/// Upwards per block of speech, in dB: 6 dB per second.
const UP_DB: f32 = 0.06;
/// Downwards per block of speech, in dB: 40 dB per second.
const DOWN_DB: f32 = 0.4;
/// Blocks with a higher RMS are no speech but a card gone mad or a blow on the microphone, in dBFS.
const MAD_DBFS: f32 = -6.0;

/// Automatic gain: it learns only while the gate hears speech, goes up slowly and down quickly, and holds between
/// words, talks and answers. A limiter behind it keeps peaks within bounds.
#[derive(Clone, Debug)]
pub struct Gain {
    settings: GainSettings,
    /// Mean square of speech.
    speech_power: f32,
    /// Blocks of speech it was learnt from, as far as they count.
    heard: f32,
    gain_db: f32,
    /// Gain at the end of the last block.
    gain: f32,
    /// It is moving towards the target, until it has reached it.
    moving: bool,
    limiter: Limiter,
}

impl Gain {
    /// Starts at 0 dB.
    pub fn new(settings: GainSettings) -> Self {
        let target_dbfs = if settings.target_dbfs.is_finite() {
            settings.target_dbfs.clamp(-40.0, -10.0)
        } else {
            GainSettings::default().target_dbfs
        };
        // what is not a number is then no boost at all
        let max_boost_db = if settings.max_boost_db > 0.0 { settings.max_boost_db.min(MOST_DB) } else { 0.0 };
        Self {
            settings: GainSettings { target_dbfs, max_boost_db, ..settings },
            speech_power: 0.0,
            heard: 0.0,
            gain_db: 0.0,
            gain: 1.0,
            moving: false,
            limiter: Limiter::new((target_dbfs + MOST_DB).min(-1.0), BLOCK_RATE),
        }
    }

    /// Brings a block to the level, as `reading` says of the same block; `ours` is whether what is heard is a near
    /// speaker and not an echo.
    pub fn process(&mut self, reading: &Reading, ours: bool, block: &mut Block) {
        if !self.settings.on {
            return;
        }
        if reading.open && reading.speech && ours {
            self.learn(mean_square(block));
        }
        let (from, to) = (self.gain, from_db(self.gain_db));
        self.gain = to;
        if from == 1.0 && to == 1.0 {
            return;
        }
        let step = (to - from) / BLOCK as f32;
        let mut gain = from;
        for sample in block.iter_mut() {
            gain += step;
            *sample = sane(*sample) * gain;
        }
        self.limiter.process(block);
    }

    /// The gain of the newest block's end, in dB.
    pub fn gain_db(&self) -> f32 {
        self.gain_db
    }

    /// The level of speech as it came in, in dBFS; `None` until enough was heard.
    pub fn speech_dbfs(&self) -> Option<f32> {
        (self.heard >= FIRST_BLOCKS).then(|| power_dbfs(self.speech_power))
    }

    /// Back to 0 dB, as if nobody had spoken: for another microphone.
    pub fn reset(&mut self) {
        *self = Self::new(self.settings);
    }

    fn learn(&mut self, power: f32) {
        if power_dbfs(power) > MAD_DBFS {
            return;
        }
        self.heard = (self.heard + 1.0).min(LEVEL_BLOCKS);
        self.speech_power += (power - self.speech_power) / self.heard;
        let Some(speech_dbfs) = self.speech_dbfs() else { return };
        let wanted_db =
            (self.settings.target_dbfs - speech_dbfs).clamp(-MOST_CUT_DB, self.settings.max_boost_db);
        let off_db = wanted_db - self.gain_db;
        if off_db.abs() > DEAD_DB {
            self.moving = true;
        }
        if self.moving {
            self.gain_db += off_db.clamp(-DOWN_DB, UP_DB);
            self.moving = !(-DOWN_DB..=UP_DB).contains(&off_db);
        }
    }
}

#[cfg(test)]
mod tests;
