//! Speech that nobody ever said: random words through a formant synthesiser, any number of seeds of it.
//!
//! It has what matters to a canceller, a gate and an intelligibility measure: pitch with an intonation, moving
//! formants, hisses, bursts, stops, syllables at four to five a second, phrases with pauses. It has no meaning.

mod phonemes;
mod plan;
mod voice;

pub use voice::Voice;

use crate::random::Random;

/// Speech of one person at 16 kHz, `len` samples, RMS 1 over everything that is not a pause between phrases.
pub fn speech(seed: u64, voice: Voice, len: usize) -> Vec<f32> {
    let mut random = Random::of(seed, "speech");
    let mut out = Vec::with_capacity(len + 64_000);
    let mut mouth = voice::Mouth::new(voice, Random::of(seed, "breath"));
    while out.len() < len {
        let phrase = plan::phrase(&mut random, &voice);
        mouth.say(&phrase, &mut out);
        out.resize(out.len() + (random.between(0.12, 0.4) * 16_000.0) as usize, 0.0);
    }
    out.truncate(len);
    let floor = out.iter().fold(0.0f32, |max, s| max.max(s.abs())) * 1e-3;
    let spoken: Vec<f32> =
        out.chunks(160).filter(|c| c.iter().any(|s| s.abs() > floor)).flatten().copied().collect();
    let gain = 1.0 / crate::level::rms(&spoken).max(1e-9);
    out.iter_mut().for_each(|sample| *sample *= gain);
    out
}

#[cfg(test)]
mod tests;
