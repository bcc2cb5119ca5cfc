//! The room: what is said in it, what became of the cables, and how long things took against what the talk says.

use std::ops::Range;
use std::time::Duration;

use fake_gemini::audio;
use pressel_live::settings::TalkMode;
use pressel_world::card::Noise;
use pressel_world::talk::script::{Cable, Room};

/// Samples per millisecond of the microphone.
pub(super) const PER_MS: u64 = 16;
/// Quieter than this is no speech (the recordings go up to 32,767).
const QUIET: u16 = 600;

/// The room around the microphone.
pub(super) struct RealRoom {
    /// Speech without pauses, and how much of it has been used.
    speech: Vec<i16>,
    used: usize,
    /// Added to it, so that no two stretches are alike and none is silent.
    breath: Noise,
    /// Microphone samples that are speech.
    spoken: Vec<Range<u64>>,
    /// Microphone samples of which the talk says how long they are; the rest is time that a real machine takes.
    meant: Vec<Range<u64>>,
    pub(super) microphone: Cable,
    pub(super) speaker: Cable,
    /// The gate decides what is sent.
    pub(super) gated: bool,
    pre_roll: u64,
    tail: u64,
}

impl RealRoom {
    pub(super) fn new(room: &Room, mode: &TalkMode) -> Self {
        let samples = |time: Duration| time.as_millis() as u64 * PER_MS;
        let tail = if let TalkMode::Hold { tail } = mode { *tail } else { Duration::ZERO };
        RealRoom {
            speech: speech(),
            used: 0,
            breath: Noise::new(5, 6),
            spoken: Vec::new(),
            meant: Vec::new(),
            microphone: Cable::Back,
            speaker: Cable::Back,
            gated: matches!(mode, TalkMode::Open { .. }),
            pre_roll: samples(room.pre_roll),
            tail: samples(tail),
        }
    }

    /// Something to say for so long.
    pub(super) fn words(&mut self, time: Duration) -> Vec<i16> {
        let count = (time.as_millis() as u64 * PER_MS) as usize;
        let speech = self.speech.iter().cycle().skip(self.used).take(count);
        let words = speech.map(|sample| sample.saturating_add(self.breath.next_sample())).collect();
        self.used = (self.used + count) % self.speech.len();
        words
    }

    /// These samples are speech, and as long as the talk says.
    pub(super) fn spoke(&mut self, samples: Range<u64>) {
        self.spoken.push(samples.clone());
        self.meant.push(samples);
    }

    /// These samples are as long as the talk says.
    pub(super) fn passed(&mut self, from: u64, time: Duration) {
        self.meant.push(from..from + time.as_millis() as u64 * PER_MS);
    }

    /// Length of an utterance without the time that only a real machine takes, and how much of it is speech.
    pub(super) fn measure(&self, parts: &[Range<u64>]) -> (Duration, Duration) {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Default::default() };
        // Between press and release; before and after it the time is the daemon's own.
        let held =
            if self.gated { 0..0 } else { first.start + self.pre_roll..last.end.saturating_sub(self.tail) };
        let all: u64 = parts.iter().map(|part| part.end - part.start).sum();
        let within: u64 = parts.iter().map(|part| overlap(part, &held)).sum();
        let meant: u64 =
            parts.iter().flat_map(|part| self.meant.iter().map(|m| overlap(&cut(part, &held), m))).sum();
        let spoken: u64 = parts.iter().flat_map(|part| self.spoken.iter().map(|s| overlap(part, s))).sum();
        let time = |samples: u64| Duration::from_micros(samples * 1000 / PER_MS);
        (time(all - within.saturating_sub(meant)), time(spoken))
    }
}

fn cut(a: &Range<u64>, b: &Range<u64>) -> Range<u64> {
    a.start.max(b.start)..a.end.min(b.end)
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> u64 {
    let both = cut(a, b);
    both.end.saturating_sub(both.start)
}

/// All questions one after the other, without the pauses in them: who speaks in a talk, speaks all the time.
fn speech() -> Vec<i16> {
    let names = audio::names().filter(|name| name.starts_with("question-"));
    let mut speech = Vec::new();
    for recording in names.filter_map(audio::recording) {
        let loud = |piece: &&[i16]| piece.iter().any(|sample| sample.unsigned_abs() > QUIET);
        speech.extend(recording.samples.chunks(20 * PER_MS as usize).filter(loud).flatten());
    }
    speech
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_the_talk_does_not_know_is_left_out() {
        let ms = Duration::from_millis;
        let room = Room {
            pre_roll: ms(300),
            hangover: ms(700),
            dial: None,
            fails: None,
            pong: None,
            goodbye: ms(0),
        };
        let mut real = RealRoom::new(&room, &TalkMode::Hold { tail: ms(200) });
        let samples = |from: u64, to: u64| from * PER_MS..to * PER_MS;
        // Pressed at 1000, speech from 1045 to 1545, released at 1553.
        real.spoke(samples(1045, 1545));
        assert_eq!(real.measure(&[samples(700, 1753)]), (ms(1000), ms(500)));
        assert_eq!(real.measure(&[]), (ms(0), ms(0)));
    }

    #[test]
    fn speech_has_no_pauses() {
        let speech = speech();
        assert!(speech.len() > 5 * 16_000, "{}", speech.len());
        let loud = |piece: &[i16]| piece.iter().any(|sample| sample.unsigned_abs() > QUIET);
        assert!(speech.chunks(320).filter(|piece| !loud(piece)).count() <= 5, "ends of recordings");
    }
}
