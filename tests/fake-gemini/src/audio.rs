//! The recordings of `tests/audio`, and other sounds an answer can be made of.

use std::f64::consts::TAU;
use std::sync::Arc;

use crate::script::{Sound, Turn};

/// Rate of everything the service says.
pub const ANSWER_HZ: u32 = 24_000;

/// A recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// What is said.
    pub words: String,
    /// 16,000 for what a person says, 24,000 for answers.
    pub rate_hz: u32,
    /// Mono.
    pub samples: Arc<[i16]>,
}

macro_rules! recordings {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../audio/", $name, ".wav")).as_slice())),*]
    };
}

const WORDS: &str = include_str!("../../audio/words.txt");
#[rustfmt::skip]
const FILES: [(&str, &[u8]); 11] = recordings![
    "question-time", "question-rain", "question-lamp", "question-moon", "question-story", "stop", "answer-time",
    "answer-rain", "answer-lamp", "answer-moon", "answer-story",
];
const ANSWERS: [&str; 5] = ["answer-time", "answer-rain", "answer-lamp", "answer-moon", "answer-story"];

/// Names of all recordings.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The recording of this name.
pub fn recording(name: &str) -> Option<Recording> {
    let (_, bytes) = FILES.iter().find(|(n, _)| *n == name)?;
    let marked = WORDS.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'))?;
    let (rate_hz, samples) = read_wav(bytes).ok()?;
    Some(Recording { words: without_marks(marked), rate_hz, samples: samples.into() })
}

/// Words without the `<…>` that steer the synthesis.
fn without_marks(text: &str) -> String {
    let mut plain = String::new();
    let mut inside = false;
    for letter in text.chars() {
        match letter {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => plain.push(letter),
            _ => {}
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads a mono 16 bit WAV file: its rate and samples.
///
/// # Errors
/// What is wrong with it.
pub fn read_wav(bytes: &[u8]) -> Result<(u32, Vec<i16>), &'static str> {
    let body = bytes.strip_prefix(b"RIFF").and_then(|b| b.get(4..)).and_then(|b| b.strip_prefix(b"WAVE"));
    let mut rest = body.ok_or("not a WAV file")?;
    let mut rate = None;
    while let [a, b, c, d, s0, s1, s2, s3, after @ ..] = rest {
        let size = u32::from_le_bytes([*s0, *s1, *s2, *s3]) as usize;
        let chunk = after.get(..size).ok_or("a chunk is cut off")?;
        match &[*a, *b, *c, *d] {
            b"fmt " => match chunk {
                [1, 0, 1, 0, r0, r1, r2, r3, _, _, _, _, _, _, 16, 0, ..] => {
                    rate = Some(u32::from_le_bytes([*r0, *r1, *r2, *r3]));
                }
                _ => return Err("not mono with 16 bit"),
            },
            b"data" => {
                let samples = chunk.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
                return Ok((rate.ok_or("no format before the data")?, samples));
            }
            _ => {}
        }
        rest = after.get(size + size % 2..).unwrap_or(&[]);
    }
    Err("no data")
}

/// What a turn says: samples at 24 kHz, and their words. `number` picks the recording where the turn names none.
///
/// # Errors
/// The recording or file that cannot be had, and why.
pub(crate) fn render(turn: &Turn, number: u32) -> Result<(Arc<[i16]>, String), String> {
    let named = |name: &str| match recording(name) {
        Some(found) if found.rate_hz == ANSWER_HZ => Ok((found.samples.to_vec(), found.words)),
        Some(_) => Err(format!("recording \"{name}\" is not at 24 kHz")),
        None => Err(format!("there is no recording \"{name}\"")),
    };
    let (mut samples, words) = match &turn.answer {
        Sound::Next => named(ANSWERS[number.saturating_sub(1) as usize % ANSWERS.len()])?,
        Sound::Recording(name) => named(name)?,
        Sound::Noise { ms, seed } => (noise(samples_of(*ms), *seed), "A noise.".to_owned()),
        Sound::Tone { hz, ms } => (tone(samples_of(*ms), *hz), "A tone.".to_owned()),
        Sound::File(path) => {
            let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
            match read_wav(&bytes) {
                Ok((ANSWER_HZ, samples)) => (samples, "A file.".to_owned()),
                Ok(_) => return Err(format!("{}: not at 24 kHz", path.display())),
                Err(e) => return Err(format!("{}: {e}", path.display())),
            }
        }
    };
    if let Some(ms) = turn.length_ms {
        let length = samples_of(ms);
        samples = samples.iter().copied().cycle().take(length).collect();
    }
    let words = turn.words.clone().unwrap_or(words);
    Ok((if turn.audio { samples.into() } else { Arc::new([]) }, words))
}

/// Milliseconds as samples of an answer.
pub(crate) fn samples_of(ms: u64) -> usize {
    (ms * u64::from(ANSWER_HZ) / 1000) as usize
}

fn noise(length: usize, seed: u64) -> Vec<i16> {
    // SplitMix64: good enough for noise, and the same everywhere
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 48) as u16 as i16 / 4
    };
    (0..length).map(|_| next()).collect()
}

fn tone(length: usize, hz: f64) -> Vec<i16> {
    let step = TAU * hz / f64::from(ANSWER_HZ);
    (0..length).map(|n| (8192.0 * (step * n as f64).sin()) as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recording_has_words_and_the_rate_its_name_promises() {
        assert_eq!(WORDS.lines().count(), FILES.len());
        for name in names() {
            let found = recording(name).unwrap_or_else(|| panic!("{name}"));
            let rate = if name.starts_with("answer-") { 24_000 } else { 16_000 };
            assert_eq!(found.rate_hz, rate, "{name}");
            let seconds = found.samples.len() as f64 / f64::from(rate);
            assert!((0.5..6.0).contains(&seconds), "{name}: {seconds}");
            assert!(!found.words.is_empty() && !found.words.contains('<'), "{name}: {}", found.words);
            assert!(found.samples.iter().any(|s| s.unsigned_abs() > 8000), "{name} is quiet");
        }
    }

    #[test]
    fn an_answer_is_cut_or_repeated_to_its_length() {
        let turn = Turn { length_ms: Some(10_000), ..Turn::recording("answer-time") };
        let (samples, words) = render(&turn, 1).unwrap();
        let once = recording("answer-time").unwrap();
        assert_eq!((samples.len(), words), (240_000, once.words));
        assert_eq!(samples[once.samples.len()..2 * once.samples.len()], *once.samples);
    }

    #[test]
    fn turns_without_a_recording_take_them_in_order() {
        let words = |number| render(&Turn::default(), number).unwrap().1;
        assert_eq!(words(2), recording("answer-rain").unwrap().words);
        assert_eq!(words(1), words(6));
        let missing = render(&Turn::recording("answer-none"), 1).unwrap_err();
        assert_eq!(missing, "there is no recording \"answer-none\"");
        assert_eq!(render(&Turn::recording("stop"), 1).unwrap_err(), "recording \"stop\" is not at 24 kHz");
    }

    #[test]
    fn noise_is_the_same_for_the_same_seed_and_never_repeats_itself() {
        let one = noise(24_000, 5);
        assert_eq!(one, noise(24_000, 5));
        assert_ne!(one, noise(24_000, 6));
        let start = &one[..16];
        assert_eq!(one.windows(16).filter(|w| w == &start).count(), 1);
        assert!(one.iter().all(|s| s.unsigned_abs() <= 8192));
    }

    #[test]
    fn what_is_no_mono_16_bit_wav_is_refused() {
        assert_eq!(read_wav(b"RIFX"), Err("not a WAV file"));
        let mut stereo = FILES[0].1.to_vec();
        stereo[22] = 2;
        assert_eq!(read_wav(&stereo), Err("not mono with 16 bit"));
        assert_eq!(read_wav(&FILES[0].1[..1000]), Err("a chunk is cut off"));
    }
}
