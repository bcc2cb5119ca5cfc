//! Hears a person who speaks over the answer, and tells a person from a cough.
//!
//! It works on what the echo canceller leaves and decides in two steps, because they are wanted at different times.
//! *Suspected* comes with the first blocks that neither the room's noise nor what may be left of the echo explain: the
//! answer is turned down, which costs little if nobody was speaking. Then either enough voice follows and the
//! suspicion is *confirmed* (the answer is dropped), or the sound ends and it is *dismissed* (the same sentence comes
//! back).

use crate::{Block, EchoReading, Reading, blocks_of_ms};

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
/// A suspicion that saw no sound for so long is dismissed. Longer than a gap between syllables (70 ms); short, because
/// the sentence is to be back 400 ms after a cough and needs 150 ms of them to swell.
const SILENT_MS: u32 = 160;
/// A sound that goes on for so long without voice is the room's, whatever it is: a tap, a machine.
const UNVOICED_MS: u32 = 1_500;
/// After a confirmed person's last sound for so long the next one is a new suspicion.
const FORGET_MS: u32 = 700;

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
    /// Blocks with sound in a row, up to two.
    onset: usize,
    /// Blocks since the last sound.
    silent: usize,
    /// Blocks since the suspicion.
    suspected: usize,
    /// Voice gathered, in blocks.
    voice: f32,
}

impl NearEnd {
    /// Starts without a suspicion.
    pub fn new(settings: NearEndSettings) -> Self {
        Self {
            settings,
            state: State::Quiet,
            answer_blocks: 0,
            answering: false,
            onset: 0,
            silent: 0,
            suspected: 0,
            voice: 0.0,
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
        let leftover_dbfs =
            if echo.active { echo.residual_dbfs.max(gate.floor_dbfs) } else { gate.floor_dbfs };
        // The gate's own word, too: a floor of digital silence makes a sound of a card's last bit.
        let sounds = gate.speech && gate.level_dbfs > leftover_dbfs + 9.0 && echo.near_end > 0.5;
        let voice = if sounds { 1.0 } else { 0.0 };
        if self.answer_blocks == 0 {
            self.reset();
            return None;
        }
        self.answer_blocks -= 1;
        self.decide(sounds, voice)
    }

    /// Forgets suspicion and answer.
    pub fn reset(&mut self) {
        let answering = self.answering;
        *self = Self { answering, ..Self::new(self.settings) };
    }

    fn decide(&mut self, sounds: bool, voice: f32) -> Option<BargeIn> {
        self.onset = if sounds { self.onset + 1 } else { self.onset.saturating_sub(1) };
        self.silent = if sounds { 0 } else { self.silent + 1 };
        // Pauses between words may be longer than those after a cough: what was gathered is kept for a while.
        self.voice *= 0.99;
        match self.state {
            State::Quiet => {
                if self.onset < 2 {
                    return None;
                }
                self.state = State::Suspecting;
                self.suspected = 0;
                self.voice += voice;
                Some(BargeIn::Suspected)
            }
            State::Suspecting => {
                self.suspected += 1;
                self.voice += voice;
                if self.voice >= blocks_of_ms(self.settings.confirm_ms) as f32 {
                    self.state = State::Speaking;
                    return Some(BargeIn::Confirmed);
                }
                let ended = self.silent >= blocks_of_ms(SILENT_MS);
                let unvoiced = self.suspected >= blocks_of_ms(UNVOICED_MS);
                if ended || unvoiced {
                    self.state = State::Quiet;
                    self.onset = 0;
                    return Some(BargeIn::Dismissed);
                }
                None
            }
            State::Speaking => {
                if self.silent >= blocks_of_ms(FORGET_MS) {
                    self.state = State::Quiet;
                    self.onset = 0;
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{at_level, pink, speech};
    use crate::{BLOCK, Gate, GateSettings};

    const S: usize = 16_000;

    fn events(sound: &[f32], far: &[f32], settings: NearEndSettings) -> Vec<(usize, BargeIn)> {
        let (mut gate, mut near_end) = (Gate::new(GateSettings::default()), NearEnd::new(settings));
        let rest = EchoReading {
            active: false,
            erle_db: 0.0,
            echo_dbfs: crate::SILENCE_DBFS,
            residual_dbfs: crate::SILENCE_DBFS,
            near_end: 1.0,
        };
        let blocks = sound.chunks_exact(BLOCK).zip(far.chunks_exact(BLOCK));
        blocks
            .enumerate()
            .filter_map(|(n, (block, far))| {
                let reading = gate.process(block.try_into().unwrap());
                let said = near_end.process(far.try_into().unwrap(), &rest, &reading);
                said.map(|said| ((n + 1) * 10, said))
            })
            .collect()
    }

    fn with(mut noise: Vec<f32>, sound: &[f32], at: usize) -> Vec<f32> {
        noise[at..].iter_mut().zip(sound).for_each(|(out, sample)| *out += sample);
        noise
    }

    #[test]
    fn speech_over_an_answer_is_suspected_at_once_and_confirmed() {
        let far = at_level(speech(7, 6 * S), -26.0);
        for seed in 1..=8 {
            let sound =
                with(at_level(pink(seed, 6 * S), -60.0), &at_level(speech(seed, 2 * S), -26.0), 3 * S);
            let said = events(&sound, &far, NearEndSettings::default());
            assert!(said[0].1 == BargeIn::Suspected && said[0].0 <= 3_030, "{said:?}");
            let confirmed: Vec<_> = said.iter().filter(|(_, said)| *said == BargeIn::Confirmed).collect();
            assert!(confirmed.len() == 1 && confirmed[0].0 <= 3_900, "{said:?}");
        }
    }

    #[test]
    fn the_last_bit_of_a_silent_card_is_nobody() {
        let far = at_level(speech(7, 6 * S), -26.0);
        let sound = with(vec![0.0; 6 * S], &at_level(pink(3, 2 * S), -90.0), 3 * S);
        assert_eq!(events(&sound, &far, NearEndSettings::default()), []);
    }

    #[test]
    fn without_an_answer_it_says_nothing() {
        let sound = with(at_level(pink(1, 6 * S), -60.0), &at_level(speech(1, 2 * S), -26.0), 3 * S);
        assert_eq!(events(&sound, &vec![0.0; 6 * S], NearEndSettings::default()), []);
        assert_eq!(events(&sound, &at_level(speech(7, 6 * S), -26.0), NearEndSettings::OFF), []);
    }
}
