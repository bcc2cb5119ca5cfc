//! Hears a person who speaks over the answer, and tells a person from a cough.
//!
//! It works on what the echo canceller leaves and decides in two steps, because they are wanted at different times.
//! *Suspected* comes with the first blocks that neither the room's noise nor what may be left of the echo explain: the
//! answer is turned down, which costs little if nobody was speaking. Then either enough voice follows and the
//! suspicion is *confirmed* (the answer is dropped), or the sound ends and it is *dismissed* (the same sentence comes
//! back).

use crate::{Block, EchoReading, Reading, SILENCE_DBFS, blocks_of_ms};

/// What the detector says, each once and in this order: suspected, then confirmed or dismissed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BargeIn {
    /// Something sounds that is not the answer: turn it down.
    Suspected,
    /// A person speaks: drop the answer.
    Confirmed,
    /// It was a cough, a door, an "mm-hm": let the sentence come back.
    Dismissed,
}

/// When sound over the answer is taken for a person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearEndSettings {
    /// Off it never says anything.
    pub on: bool,
    /// So much voice confirms a suspicion, in ms.
    pub confirm_ms: u32,
}

impl Default for NearEndSettings {
    fn default() -> Self {
        Self { on: true, confirm_ms: 300 }
    }
}

impl NearEndSettings {
    /// Nobody listens.
    pub const OFF: Self = Self { on: false, confirm_ms: 300 };
}

/// A far end below this level, in dBFS, is no answer.
const FAR_SOUNDS_DBFS: f32 = -70.0;
/// An answer pauses between sentences; for so long after its last sound it is still being heard.
const ANSWER_PAUSE_MS: u32 = 2_000;
/// Nobody speaks so softly; over a floor of digital silence a card's last bit would be a sound.
const QUIETEST_DBFS: f32 = -65.0;
/// What is suspected stands so far above the noise floor, in dB.
const ABOVE_FLOOR_DB: f32 = 9.0;
/// And so far above what the echo has been seen to leave, in dB.
const ABOVE_LEFT_DB: f32 = 3.0;
/// Least share of the near end in the canceller's output.
const NEAR: f32 = 0.4;
/// Blocks with sound before anything is suspected: one alone is what echo leaves now and then.
const ONSET_BLOCKS: usize = 2;
/// A suspicion that saw no sound for so long is dismissed. Longer than a gap between syllables (70 ms); short, because
/// the sentence is to be back 400 ms after a cough and needs 150 ms of them to swell.
const SILENT_MS: u32 = 160;
/// A sound that goes on for so long without enough voice is the room's, whatever it is: a tap, a machine.
const UNVOICED_MS: u32 = 1_500;
/// After a confirmed person's last sound for so long the next one is a new suspicion.
const FORGET_MS: u32 = 700;
/// Voiced blocks before unvoiced ones count, too, by half: the consonants of a word.
const WORD: f32 = 5.0;
/// Levels that rise and fall with the echo's as closely as this are echo, whatever else speaks for a person.
const ECHOES: f32 = 0.8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Quiet,
    Suspecting,
    Speaking,
}

/// Detector of speech over the answer. It watches while an answer is heard: while the far end sounds and 2 s after.
#[derive(Clone, Debug)]
pub struct NearEnd {
    settings: NearEndSettings,
    state: State,
    /// Blocks until the answer counts as over.
    answer_blocks: usize,
    /// The caller knows of an answer that the far end does not show.
    answering: bool,
    leftover: Leftover,
    /// Blocks with sound in a row.
    onset: usize,
    /// Blocks since the last sound.
    silent: usize,
    /// Blocks since the suspicion.
    suspected: usize,
    /// Voice gathered, in blocks.
    voice: f32,
    /// The sound that goes on was dismissed for want of voice.
    tired: bool,
}

impl NearEnd {
    /// Starts without a suspicion.
    pub fn new(settings: NearEndSettings) -> Self {
        Self {
            settings,
            state: State::Quiet,
            answer_blocks: 0,
            answering: false,
            leftover: Leftover::new(),
            onset: 0,
            silent: 0,
            suspected: 0,
            voice: 0.0,
            tired: false,
        }
    }

    /// Tells that an answer is heard although `far` does not carry it: arrays that cancel in hardware.
    pub fn set_answering(&mut self, answering: bool) {
        self.answering = answering;
    }

    /// Judges the next block: `far` as the canceller got it, `echo` and `gate` as they spoke of the same 10 ms.
    pub fn process(&mut self, far: &Block, echo: &EchoReading, gate: &Reading) -> Option<BargeIn> {
        if !self.settings.on {
            return None;
        }
        if crate::block_level_dbfs(far) > FAR_SOUNDS_DBFS || self.answering {
            self.answer_blocks = blocks_of_ms(ANSWER_PAUSE_MS);
        }
        let left_dbfs = self.leftover.process(echo, gate.level_dbfs, self.state == State::Quiet);
        let near_dbfs = near_dbfs(echo, gate.level_dbfs);
        let floor_dbfs = (gate.floor_dbfs + ABOVE_FLOOR_DB).max(QUIETEST_DBFS);
        let sounds = near_dbfs > floor_dbfs.max(left_dbfs + ABOVE_LEFT_DB) && echo.near_end > NEAR;
        if self.answer_blocks == 0 {
            self.rest();
            return None;
        }
        self.answer_blocks -= 1;
        let voiced = sounds && gate.voiced && !self.leftover.echoes();
        self.decide(sounds, voiced)
    }

    /// The echo path may have moved (lost frames, another card): what the echo leaves is unknown for a while.
    pub fn distrust(&mut self) {
        self.leftover = Leftover::new();
    }

    /// Forgets suspicion, answer and echo.
    pub fn reset(&mut self) {
        *self = Self { answering: self.answering, ..Self::new(self.settings) };
    }

    /// No answer: no suspicion either.
    fn rest(&mut self) {
        self.state = State::Quiet;
        (self.onset, self.silent, self.suspected) = (0, 0, 0);
        self.voice = 0.0;
        self.tired = false;
    }

    fn decide(&mut self, sounds: bool, voiced: bool) -> Option<BargeIn> {
        self.onset = if sounds { self.onset + 1 } else { self.onset.saturating_sub(1) };
        self.silent = if sounds { 0 } else { self.silent + 1 };
        // Pauses between words may be longer than those after a cough: what was gathered is kept for a while.
        self.voice *= 0.994;
        if voiced {
            self.voice += 1.0;
        } else if sounds && self.voice >= WORD {
            self.voice += 0.5;
        }
        self.tired &= !voiced && self.silent < blocks_of_ms(SILENT_MS);
        match self.state {
            State::Quiet if self.onset >= ONSET_BLOCKS && !self.tired => {
                self.state = State::Suspecting;
                self.suspected = 0;
                Some(BargeIn::Suspected)
            }
            State::Quiet => None,
            State::Suspecting => {
                self.suspected += 1;
                if self.voice >= blocks_of_ms(self.settings.confirm_ms) as f32 {
                    self.state = State::Speaking;
                    return Some(BargeIn::Confirmed);
                }
                let unvoiced = self.suspected >= blocks_of_ms(UNVOICED_MS);
                if self.silent < blocks_of_ms(SILENT_MS) && !unvoiced {
                    return None;
                }
                self.tired = unvoiced;
                self.leftover.doubt();
                self.quieten();
                Some(BargeIn::Dismissed)
            }
            State::Speaking => {
                if self.silent >= blocks_of_ms(FORGET_MS) {
                    self.voice = 0.0;
                    self.quieten();
                }
                None
            }
        }
    }

    fn quieten(&mut self) {
        self.state = State::Quiet;
        self.onset = 0;
    }
}

/// Level of the near end alone in a block of this level, in dBFS.
fn near_dbfs(echo: &EchoReading, level_dbfs: f32) -> f32 {
    level_dbfs + 10.0 * echo.near_end.clamp(0.01, 1.0).log10()
}

/// What the echo is seen to leave behind the canceller, against the echo itself, while nobody else speaks.
///
/// Behind a good canceller up to a quarter of the blocks hold more than a quiet speaker would: how much, depends on
/// loudspeaker and room, so it is learnt, as the level that one block in a hundred exceeds.
#[derive(Clone, Debug)]
struct Leftover {
    /// Echo in the microphone, falling by 1 dB per block at most: the room sounds on.
    echo_dbfs: f32,
    /// What it leaves, in dB against itself.
    left_db: f32,
    /// Blocks it was learnt from.
    learnt: u32,
    /// Running means of both levels, their variances and covariance.
    means: [f32; 2],
    variances: [f32; 2],
    covariance: f32,
}

/// Until it is learnt: an unsettled canceller leaves much.
const FIRST_LEFT_DB: f32 = -8.0;
/// A block above the learnt level raises it by so much, in dB.
const UP_DB: f32 = 0.5;
/// Any other lowers it, in dB: in the first 5 s, and later.
const DOWN_DB: [f32; 2] = [0.02, 0.004];
const FIRST_BLOCKS: u32 = 500;
/// A suspicion that came to nothing may have been echo, in dB.
const DOUBT_DB: f32 = 0.5;
/// Echo below this level, in dBFS, teaches nothing.
const TEACHES_DBFS: f32 = -55.0;
/// Memory of the comparison of levels: half a second.
const COMPARE: f32 = 0.02;

impl Leftover {
    fn new() -> Self {
        Self {
            echo_dbfs: SILENCE_DBFS,
            left_db: FIRST_LEFT_DB,
            learnt: 0,
            means: [-60.0; 2],
            variances: [0.0; 2],
            covariance: 0.0,
        }
    }

    /// Takes in a block of this level; returns what may be left of the echo in it, in dBFS.
    fn process(&mut self, echo: &EchoReading, level_dbfs: f32, learn: bool) -> f32 {
        self.echo_dbfs = echo.echo_dbfs.max(self.echo_dbfs - 1.0).max(SILENCE_DBFS);
        if !echo.active {
            return SILENCE_DBFS;
        }
        self.compare(echo.echo_dbfs.max(-70.0), level_dbfs.max(-70.0));
        if learn && self.echo_dbfs > TEACHES_DBFS {
            let over = near_dbfs(echo, level_dbfs) > self.echo_dbfs + self.left_db;
            let down = DOWN_DB[usize::from(self.learnt >= FIRST_BLOCKS)];
            self.left_db = (self.left_db + if over { UP_DB } else { -down }).clamp(-60.0, 0.0);
            self.learnt = self.learnt.saturating_add(1);
        }
        self.echo_dbfs + self.left_db
    }

    fn compare(&mut self, echo_dbfs: f32, level_dbfs: f32) {
        let off = [echo_dbfs - self.means[0], level_dbfs - self.means[1]];
        for ((mean, variance), off) in self.means.iter_mut().zip(&mut self.variances).zip(off) {
            *mean += COMPARE * off;
            *variance += COMPARE * (off * off - *variance);
        }
        self.covariance += COMPARE * (off[0] * off[1] - self.covariance);
    }

    /// The output's level goes up and down as the echo's does.
    fn echoes(&self) -> bool {
        let size = (self.variances[0] * self.variances[1]).sqrt();
        size > 4.0 && self.covariance > ECHOES * size
    }

    fn doubt(&mut self) {
        self.left_db = (self.left_db + DOUBT_DB).min(0.0);
    }
}

#[cfg(test)]
mod tests;
