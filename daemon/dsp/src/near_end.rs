//! Hears a person who speaks over the answer, and tells a person from a cough.
//!
//! It works on what the echo canceller leaves and decides in two steps, because they are wanted at different times.
//! *Suspected* comes with the first blocks that neither the room's noise nor what may be left of the echo explain: the
//! answer is turned down, which costs little if nobody was speaking. Then either enough voice follows and the
//! suspicion is *confirmed* (the answer is dropped), or the sound ends and it is *dismissed* (the same sentence comes
//! back).

mod echo;
mod usual;

use crate::{Block, EchoReading, Reading, blocks_of_ms};
use echo::Echo;
use usual::Usual;

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
        Self { on: true, confirm_ms: 280 }
    }
}

impl NearEndSettings {
    /// Nobody listens.
    pub const OFF: Self = Self { on: false, confirm_ms: 280 };
}

/// A far end below this level, in dBFS, is no answer.
const FAR_SOUNDS_DBFS: f32 = -70.0;
/// An answer pauses between sentences; for so long after its last sound it is still being heard.
const ANSWER_PAUSE_MS: u32 = 2_000;
/// Nobody speaks so softly; over a floor of digital silence a card's last bit would be a sound.
const QUIETEST_DBFS: f32 = -65.0;
/// What is suspected stands so far above the noise floor, in dB.
const ABOVE_FLOOR_DB: f32 = 9.0;
/// And so many standard deviations above what is usual here: most of what people at the other end of the room say, and of
/// what the canceller leaves, is softer. Without this, babble was confirmed once in ten minutes.
const ABOVE_USUAL: f32 = 0.9;
/// Share of the near end in the canceller's output: below it is echo, above it surely somebody.
const NEAR: [f32; 2] = [0.35, 0.6];
/// Voice with a smaller share of the near end is none.
const NEAR_VOICE: f32 = 0.5;
/// A block so far above the noise is full evidence, in dB.
const LOUD_DB: f32 = 14.0;
/// Evidence, in full blocks, before anything is suspected: one block alone is what echo leaves now and then.
const ONSET: f32 = 1.05;
/// What is left of it after a block without sound.
const ONSET_FADES: f32 = 0.6;
/// Voice that is not below the echo by more than this, in dB, is no echo, however little of that is taken off.
const BELOW_ECHO_DB: f32 = 5.0;
/// For so long, in ms, after the far end fell silent its room sounds on, and the canceller knows that part least: what is
/// suspected then is no further below the echo than this, in dB.
const FALLS_MS: u32 = 300;
const BELOW_FALL_DB: f32 = 10.0;
/// Where the canceller expects the microphone to be echo, give or take this in dB, and yet takes off less than that, the
/// echo has moved, or somebody drowns it.
const EXPECTED_DB: f32 = 3.0;
const TAKEN_OFF_DB: f32 = 2.0;
/// Nobody is confirmed by voice of which more than this share is such. After a jump of the echo it is all, over an answer
/// a tenth.
const UNEXPLAINED: f32 = 0.5;
/// Blocks of such voice before a suspicion is confirmed. A person who is 12 dB softer than the echo gives one in five;
/// a canceller that has just lost the room one in a hundred.
const CLEAR_BLOCKS: f32 = 8.0;
/// For so long, in ms of far end, a canceller is new to its room: only what stands out of the echo is suspected.
const NEW_MS: u32 = 3_000;
/// After the echo path moved for so long nobody is confirmed: what comes through may be echo.
const UNSETTLED_MS: u32 = 700;
/// A suspicion that saw no sound for so long is dismissed. Longer than a gap between syllables (70 ms); short, because
/// the sentence is to be back 400 ms after a cough and needs 150 ms of them to swell.
const SILENT_MS: u32 = 160;
/// A sound that goes on for so long without enough voice is the room's, whatever it is: a tap, a machine.
const UNVOICED_MS: u32 = 1_500;
/// After a confirmed person's last sound for so long the next one is a new suspicion.
const FORGET_MS: u32 = 700;
/// Voiced blocks before unvoiced ones count, too, by half: the consonants of a word.
const WORD: f32 = 5.0;
/// What is left of gathered voice after each block: two thirds after a second, so that "stop … please" counts whole.
const FADES: f32 = 0.997;

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
    echo: Echo,
    usual: Usual,
    /// Evidence of sound that is not the answer, in blocks.
    onset: f32,
    /// Blocks since the last sound.
    silent: usize,
    /// Blocks since the suspicion.
    suspected: usize,
    /// Voice gathered, in blocks, and how much of it no echo could be.
    voice: f32,
    clear: f32,
    /// How much of the voice came while echo was expected and none was taken off.
    unexplained: f32,
    /// Blocks since the far end last sounded.
    fallen: usize,
    /// Blocks until the canceller can be expected to know the room again.
    unsettled: usize,
    /// Blocks of far end for which it is new to the room.
    new: usize,
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
            echo: Echo::new(),
            usual: Usual::new(),
            onset: 0.0,
            silent: 0,
            suspected: 0,
            voice: 0.0,
            clear: 0.0,
            unexplained: 0.0,
            fallen: 0,
            unsettled: 0,
            new: blocks_of_ms(NEW_MS),
            tired: false,
        }
    }

    /// Tells that an answer is heard although `far` does not carry it: arrays that cancel in hardware.
    pub fn set_answering(&mut self, answering: bool) {
        self.answering = answering;
    }

    /// Judges the next block: `far` and `mic` as the canceller got them, `echo` and `gate` as they spoke of the same
    /// 10 ms.
    pub fn process(
        &mut self,
        far: &Block,
        mic: &Block,
        echo: &EchoReading,
        gate: &Reading,
    ) -> Option<BargeIn> {
        if !self.settings.on {
            return None;
        }
        let far_sounds = crate::block_level_dbfs(far) > FAR_SOUNDS_DBFS;
        self.fallen = if far_sounds { 0 } else { self.fallen + 1 };
        if far_sounds || self.answering {
            self.answer_blocks = blocks_of_ms(ANSWER_PAUSE_MS);
        }
        self.echo.process(echo, gate.level_dbfs);
        let near_dbfs = near_dbfs(echo, gate.level_dbfs);
        let quiet_dbfs = (gate.floor_dbfs + ABOVE_FLOOR_DB).max(QUIETEST_DBFS);
        let over_db = near_dbfs - quiet_dbfs.max(self.usual.above(ABOVE_USUAL));
        if self.answer_blocks == 0 {
            self.rest();
            return None;
        }
        self.answer_blocks -= 1;
        self.unsettled = self.unsettled.saturating_sub(1);
        let clear = near_dbfs > self.echo.dbfs - BELOW_ECHO_DB;
        let falls = (1..=blocks_of_ms(FALLS_MS)).contains(&self.fallen) && echo.active;
        let stands_out = clear || self.new == 0 && (!falls || near_dbfs > self.echo.dbfs - BELOW_FALL_DB);
        let sounds = over_db > 0.0 && echo.near_end > NEAR[0] && stands_out;
        self.new -= usize::from(echo.active && self.new > 0);
        if sounds {
            let surely = (echo.near_end - NEAR[0]) / (NEAR[1] - NEAR[0]);
            self.onset = (self.onset + (over_db / LOUD_DB).min(1.0) * surely.min(1.0)).min(2.0 * ONSET);
        } else {
            self.onset *= ONSET_FADES;
        }
        let believed = sounds && self.unsettled == 0 && !self.echo.resembles();
        let voiced = believed && gate.voiced && echo.near_end > NEAR_VOICE;
        if self.state != State::Speaking {
            self.usual.process(gate.level_dbfs);
        }
        let mic_dbfs = crate::block_level_dbfs(mic);
        let expected = echo.active && echo.echo_dbfs > mic_dbfs - EXPECTED_DB;
        let unexplained = expected && mic_dbfs - gate.level_dbfs < TAKEN_OFF_DB;
        self.unexplained = FADES * self.unexplained + f32::from(u8::from(voiced && unexplained));
        self.clear = FADES * (self.clear + f32::from(u8::from(voiced && clear)));
        // Pauses between words may be longer than those after a cough: what was gathered is kept for a while.
        self.voice *= FADES;
        if voiced {
            self.voice += 1.0;
        } else if believed && !unexplained && self.voice >= WORD {
            self.voice += 0.5;
        }
        self.decide(sounds, voiced)
    }

    /// The echo path may have moved (lost frames, another card): nobody is confirmed for a while, and what was gathered
    /// may have been echo.
    pub fn distrust(&mut self) {
        self.unsettled = blocks_of_ms(UNSETTLED_MS);
        self.forget_voice();
    }

    /// Forgets suspicion, answer and echo.
    pub fn reset(&mut self) {
        *self = Self { answering: self.answering, ..Self::new(self.settings) };
    }

    /// No answer: no suspicion either.
    pub(crate) fn rest(&mut self) {
        self.state = State::Quiet;
        (self.silent, self.suspected) = (0, 0);
        self.onset = 0.0;
        self.forget_voice();
        self.tired = false;
    }

    fn forget_voice(&mut self) {
        (self.voice, self.clear, self.unexplained) = (0.0, 0.0, 0.0);
    }

    fn decide(&mut self, sounds: bool, voiced: bool) -> Option<BargeIn> {
        self.silent = if sounds { 0 } else { self.silent + 1 };
        self.tired &= !voiced && self.silent < blocks_of_ms(SILENT_MS);
        match self.state {
            State::Quiet if self.onset >= ONSET && !self.tired => {
                self.state = State::Suspecting;
                self.suspected = 0;
                Some(BargeIn::Suspected)
            }
            State::Quiet => None,
            State::Suspecting => {
                self.suspected += 1;
                let lasts = self.voice >= blocks_of_ms(self.settings.confirm_ms) as f32;
                let explained = self.unexplained <= UNEXPLAINED * self.voice;
                if lasts && explained && self.clear >= CLEAR_BLOCKS {
                    self.state = State::Speaking;
                    return Some(BargeIn::Confirmed);
                }
                let unvoiced = self.suspected >= blocks_of_ms(UNVOICED_MS);
                if self.silent < blocks_of_ms(SILENT_MS) && !unvoiced {
                    return None;
                }
                self.tired = unvoiced;
                self.quieten();
                Some(BargeIn::Dismissed)
            }
            State::Speaking => {
                if self.silent >= blocks_of_ms(FORGET_MS) {
                    self.forget_voice();
                    self.quieten();
                }
                None
            }
        }
    }

    fn quieten(&mut self) {
        self.state = State::Quiet;
        self.onset = 0.0;
    }
}

/// Level of the near end alone in a block of this level, in dBFS.
fn near_dbfs(echo: &EchoReading, level_dbfs: f32) -> f32 {
    level_dbfs + 10.0 * echo.near_end.clamp(0.01, 1.0).log10()
}

#[cfg(test)]
mod tests;
