//! What is said: words of syllables, with stress and an intonation, as one set of parameters every 5 ms.

use super::Voice;
use super::phonemes::{CONSONANTS, Manner, Phoneme, SCHWA, VOWELS};
use crate::random::Random;

/// Samples between two sets of parameters: 5 ms.
pub(super) const STEP: usize = 80;

/// Parameters of the synthesiser for 5 ms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    pub pitch_hz: f32,
    pub formants_hz: [f32; 3],
    pub widths_hz: [f32; 3],
    /// Strength of the voice, 0 to 1.
    pub voiced: f32,
    /// Strength of breath through the whole throat.
    pub breath: f32,
    /// Strength, centre and width of noise at teeth and lips.
    pub noise: f32,
    pub noise_hz: f32,
    pub noise_width_hz: f32,
}

/// One phrase of three to nine words.
pub(super) fn phrase(random: &mut Random, voice: &Voice) -> Vec<Step> {
    let mut steps = Vec::new();
    // where stress lifts the pitch: (step, lift)
    let mut accents = Vec::new();
    let words = 3 + (random.even() * 7.0) as usize;
    for word in 0..words {
        let syllables = *random.pick(&[1, 1, 1, 2, 2, 3]);
        let stressed = (random.even() * syllables as f32) as usize;
        for syllable in 0..syllables {
            let stress = syllable == stressed && !(syllables == 1 && random.chance(0.35));
            if stress {
                accents.push((steps.len() as f32 + 8.0, random.between(0.08, 0.28)));
            }
            let last = word + 1 == words && syllable + 1 == syllables;
            say_syllable(random, voice, stress, if last { 1.35 } else { 1.0 }, &mut steps);
        }
        if random.chance(0.12) {
            let mut still = *steps.last().expect("a syllable was said");
            (still.voiced, still.breath, still.noise) = (0.0, 0.0, 0.0);
            steps.extend(std::iter::repeat_n(still, 6 + (random.even() * 14.0) as usize));
        }
    }
    intone(random, voice, &accents, &mut steps);
    smooth(&mut steps);
    steps
}

fn say_syllable(random: &mut Random, voice: &Voice, stress: bool, slow: f32, steps: &mut Vec<Step>) {
    let vowel = if stress || random.chance(0.35) { *random.pick(&VOWELS) } else { SCHWA };
    let (strength, length) = if stress { (1.0, 1.1) } else { (0.5, 0.8) };
    let length = length * slow / voice.rate;
    for _ in 0..*random.pick(&[0, 1, 1, 1, 1, 2]) {
        let onset = *random.pick(&CONSONANTS);
        say(random, voice, onset, vowel, 1.0 / voice.rate, strength, steps);
    }
    say(random, voice, vowel, vowel, length, strength, steps);
    for _ in 0..*random.pick(&[0, 0, 1, 1, 2]) {
        let coda = *random.pick(&CONSONANTS);
        say(random, voice, coda, vowel, slow / voice.rate, 0.8 * strength, steps);
    }
}

fn say(
    random: &mut Random,
    voice: &Voice,
    phoneme: Phoneme,
    vowel: Phoneme,
    length: f32,
    strength: f32,
    steps: &mut Vec<Step>,
) {
    let count = ((phoneme.length_ms * length * random.between(0.85, 1.15) / 5.0) as usize).max(5);
    let (noise_hz, noise_width_hz, noise) = phoneme.noise;
    for n in 0..count {
        let part = n as f32 / count as f32;
        let (from, to) = match phoneme.manner {
            Manner::Aspirate => (vowel.start_hz, vowel.start_hz),
            _ => (phoneme.start_hz, phoneme.end_hz),
        };
        let mut step = Step {
            formants_hz: std::array::from_fn(|k| (from[k] + (to[k] - from[k]) * part) * voice.throat),
            widths_hz: phoneme.width_hz,
            noise_hz: noise_hz.min(6200.0),
            noise_width_hz,
            ..Step::default()
        };
        match phoneme.manner {
            Manner::Vowel => step.voiced = strength * (1.0 - 0.25 * part),
            Manner::Glide => step.voiced = 0.35 * strength,
            Manner::Nasal => step.voiced = 0.25 * strength,
            Manner::Aspirate => step.breath = 0.25 * strength,
            Manner::Fricative { voiced } => {
                step.noise = noise * (0.5 + 0.5 * strength);
                step.voiced = if voiced { 0.25 * strength } else { 0.0 };
            }
            Manner::Stop { voiced } => {
                // closure, burst of 10 ms, then breath until the vowel's voice sets in
                let burst = count * if voiced { 3 } else { 2 } / 4;
                if n < burst {
                    step.voiced = if voiced { 0.08 } else { 0.0 };
                } else if n < burst + 2 {
                    step.noise = noise * (0.5 + 0.5 * strength);
                } else if !voiced {
                    step.breath = 0.2 * strength;
                } else {
                    step.voiced = 0.4 * strength;
                }
            }
        }
        steps.push(step);
    }
}

/// Pitch: falls over the phrase, rises with each stress, sinks or rises at the end.
fn intone(random: &mut Random, voice: &Voice, accents: &[(f32, f32)], steps: &mut [Step]) {
    let len = steps.len() as f32;
    let (top, bottom) = (random.between(1.05, 1.2), random.between(0.8, 0.9));
    let end = if random.chance(0.25) { 0.25 } else { -0.12 };
    for (n, step) in steps.iter_mut().enumerate() {
        let n = n as f32;
        let line = top + (bottom - top) * n / len;
        let lift: f32 = accents.iter().map(|(at, lift)| lift * (-((n - at) / 18.0).powi(2)).exp()).sum();
        let last = end * ((n - len + 40.0) / 40.0).max(0.0);
        step.pitch_hz = voice.pitch_hz * (line + lift + last);
    }
}

/// A mouth moves: formants take 30 to 40 ms from one sound to the next, strengths 10.
fn smooth(steps: &mut [Step]) {
    let slow = |value: fn(&mut Step) -> &mut f32, steps: &mut [Step], share: f32| {
        let mut state = *value(&mut steps[0]);
        for step in steps.iter_mut() {
            state += share * (*value(step) - state);
            *value(step) = state;
        }
        for step in steps.iter_mut().rev() {
            state += share * (*value(step) - state);
            *value(step) = state;
        }
    };
    for value in [
        (|s| &mut s.formants_hz[0]) as fn(&mut Step) -> &mut f32,
        |s| &mut s.formants_hz[1],
        |s| &mut s.formants_hz[2],
        |s| &mut s.widths_hz[0],
        |s| &mut s.widths_hz[1],
        |s| &mut s.widths_hz[2],
    ] {
        slow(value, steps, 0.35);
    }
    slow(|s| &mut s.voiced, steps, 0.6);
    slow(|s| &mut s.breath, steps, 0.7);
    slow(|s| &mut s.noise, steps, 0.75);
}
