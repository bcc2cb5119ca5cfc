//! Decides when somebody speaks.

use crate::level::{mean_square, power_dbfs};
use crate::voice::Voice;
use crate::{BargeIn, Block, NoiseFloor, blocks_of_ms};

/// When the gate takes something for speech.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateSettings {
    /// Speech is this far above the noise floor, in dB.
    pub above_floor_db: f32,
    /// And never below this level, in dBFS.
    pub min_level_dbfs: f32,
    /// Shorter bursts do not open it, in ms.
    pub min_burst_ms: u32,
    /// It stays open this long after the last speech, in ms.
    pub hangover_ms: u32,
    /// Only what has a voice's pitch opens it; such sound counts as speech from 5 dB above the floor on.
    pub voice: bool,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self { above_floor_db: 9.0, min_level_dbfs: -60.0, min_burst_ms: 60, hangover_ms: 700, voice: true }
    }
}

/// Sound with a voice's pitch is speech from here on, in dB above the floor.
const VOICED_ABOVE_FLOOR_DB: f32 = 5.0;
/// Two voiced blocks within so many make a voice: 200 ms, less than the pre-roll.
const VOICE_BLOCKS: usize = 20;

/// What the capture path says of one block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// This block alone is loud enough to be speech.
    pub speech: bool,
    /// It has a pitch as a voice has.
    pub voiced: bool,
    /// Somebody speaks, or did within the hangover.
    pub open: bool,
    /// It opened with this block: the pre-roll is due.
    pub opened: bool,
    /// It closed with this block.
    pub closed: bool,
    /// RMS of the block in dBFS.
    pub level_dbfs: f32,
    /// Noise floor in dBFS.
    pub floor_dbfs: f32,
    /// What the near-end detector has to say; never anything from the gate alone.
    pub barge_in: Option<BargeIn>,
    /// What the automatic gain does to the block, in dB; 0 from the gate alone, whose levels are those before it.
    pub gain_db: f32,
}

/// RMS gate over an adaptive noise floor, with minimum burst and hangover.
#[derive(Clone, Debug)]
pub struct Gate {
    above_floor_db: f32,
    min_level_dbfs: f32,
    burst_blocks: usize,
    hangover_blocks: usize,
    floor: NoiseFloor,
    voice: Option<Voice>,
    /// Blocks until a voiced one is forgotten, for each of the last two.
    voiced: [usize; 2],
    /// Blocks of speech lately: up with each, down with each that is none, so that a flicker at an onset counts
    /// and a row of clicks does not.
    burst: usize,
    /// Blocks since the last speech, while open.
    quiet: usize,
    open: bool,
}

impl Gate {
    /// Starts closed, without any idea of the noise.
    pub fn new(settings: GateSettings) -> Self {
        Self {
            above_floor_db: settings.above_floor_db,
            min_level_dbfs: settings.min_level_dbfs,
            burst_blocks: blocks_of_ms(settings.min_burst_ms).max(1),
            hangover_blocks: blocks_of_ms(settings.hangover_ms).max(1),
            floor: NoiseFloor::new(),
            voice: settings.voice.then(Voice::new),
            voiced: [0; 2],
            burst: 0,
            quiet: 0,
            open: false,
        }
    }

    /// Judges the next block.
    pub fn process(&mut self, block: &Block) -> Reading {
        let power = mean_square(block);
        let level_dbfs = power_dbfs(power);
        let floor_dbfs = self.floor.process(power);
        let voiced = self.voice.as_mut().is_some_and(|voice| voice.process(block));
        let above_floor_db =
            if voiced { self.above_floor_db.min(VOICED_ABOVE_FLOOR_DB) } else { self.above_floor_db };
        let speech = level_dbfs > (floor_dbfs + above_floor_db).max(self.min_level_dbfs);
        self.voiced = self.voiced.map(|blocks| blocks.saturating_sub(1));
        if voiced && speech {
            self.voiced = [VOICE_BLOCKS, self.voiced[0]];
        }
        self.burst =
            if speech { (self.burst + 1).min(self.burst_blocks) } else { self.burst.saturating_sub(1) };
        let was_open = self.open;
        if self.burst == self.burst_blocks && (self.voice.is_none() || self.voiced[1] > 0) {
            self.open = true;
        }
        // Half a burst keeps it open: words inside a sentence need not prove themselves as its first one did,
        // but a single click does not count.
        if speech && 2 * self.burst >= self.burst_blocks {
            self.quiet = 0;
        } else if self.open {
            self.quiet += 1;
            if self.quiet >= self.hangover_blocks {
                self.open = false;
                self.quiet = 0;
                self.burst = 0;
            }
        }
        Reading {
            speech,
            voiced,
            open: self.open,
            opened: self.open && !was_open,
            closed: was_open && !self.open,
            level_dbfs,
            floor_dbfs,
            barge_in: None,
            gain_db: 0.0,
        }
    }

    /// Closes it and forgets the noise: for another microphone or another room.
    pub fn reset(&mut self) {
        self.floor = NoiseFloor::new();
        self.close();
    }

    /// Closes it, and keeps what it knows of the noise.
    pub fn close(&mut self) {
        self.voiced = [0; 2];
        if let Some(voice) = &mut self.voice {
            voice.reset();
        }
        self.burst = 0;
        self.quiet = 0;
        self.open = false;
    }
}

#[cfg(test)]
mod tests;
