//! Sounds that nobody makes by speaking.

use std::f32::consts::TAU;

use crate::level::{at_level, rms};
use crate::random::Random;
use crate::room::{Biquad, convolve, response};
use crate::speech::{Voice, speech};

/// Pink noise of RMS 1: what rooms and fans sound like (-3 dB per octave).
pub fn pink(seed: u64, len: usize) -> Vec<f32> {
    // P. Kellet's six poles over white noise, within 0.05 dB above 10 Hz
    const POLES: [(f32, f32); 6] = [
        (0.99886, 0.0555179),
        (0.99332, 0.0750759),
        (0.96900, 0.153_852),
        (0.86650, 0.3104856),
        (0.55000, 0.5329522),
        (-0.7616, -0.0168980),
    ];
    let mut random = Random::of(seed, "pink");
    let mut states = [0.0f32; 6];
    let samples = (0..len)
        .map(|_| {
            let white = random.bell();
            let mut sum = white * 0.5362;
            for (state, (pole, gain)) in states.iter_mut().zip(POLES) {
                *state = *state * pole + white * gain;
                sum += *state;
            }
            sum
        })
        .collect();
    at_level(samples, 0.0)
}

/// A piston compressor of RMS 1: hum at 48 Hz with harmonics, puffing 16 times a second, over rumbling noise. It runs
/// up within half a second.
pub fn compressor(seed: u64, len: usize) -> Vec<f32> {
    let samples = pink(seed ^ 0xC0, len)
        .iter()
        .enumerate()
        .map(|(n, pink)| {
            let t = n as f32 / 16_000.0;
            let hum: f32 = (1..=8).map(|k| (TAU * 48.0 * k as f32 * t.fract()).sin() / k as f32).sum();
            let puff = 1.0 + 0.4 * (TAU * 16.0 * t.fract()).sin();
            (t / 0.5).min(1.0) * puff * (hum + pink)
        })
        .collect();
    at_level(samples, 0.0)
}

/// Eight people talking far away, RMS 1.
pub fn babble(seed: u64, len: usize) -> Vec<f32> {
    let mut random = Random::of(seed, "babble");
    let mut sum = vec![0.0; len];
    for person in 0..8u64 {
        let voice = Voice::random(&mut random);
        let said = speech(seed ^ (0xBAB + (person << 20)), voice, len);
        sum.iter_mut().zip(said).for_each(|(sum, sample)| *sum += sample);
    }
    at_level(convolve(&sum, &response(&mut random, 0.5, 6.0)), 0.0)
}

/// One or two coughs at the level of loud speech: air that bursts through the throat, then hisses out, 250 to 400 ms
/// each, seldom with voice at the end.
pub fn cough(random: &mut Random) -> Vec<f32> {
    let mut out = Vec::new();
    for _ in 0..if random.chance(0.4) { 2 } else { 1 } {
        let len = (random.between(0.25, 0.4) * 16_000.0) as usize;
        let (mut high, mut low) =
            (Biquad::high_pass(350.0), Biquad::low_pass(random.between(2500.0, 5000.0)));
        let pitch_hz = random.between(140.0, 260.0);
        let voiced = if random.chance(0.4) { 0.5 } else { 0.0 };
        let burst: Vec<f32> = (0..len)
            .map(|n| {
                let t = n as f32 / 16_000.0;
                let part = n as f32 / len as f32;
                let swell = (t / 0.008).min(1.0);
                let air = (-t / 0.05).exp() + 0.35 * (1.0 - part);
                let voice = voiced * (part - 0.6).max(0.0) * (TAU * pitch_hz * t).sin();
                swell * (low.process(high.process(random.bell())) * air + voice * (1.0 - part))
            })
            .collect();
        out.extend(at_level(burst, 2.0));
        out.extend(std::iter::repeat_n(0.0, (random.between(0.05, 0.12) * 16_000.0) as usize));
    }
    while out.last() == Some(&0.0) {
        out.pop();
    }
    out
}

/// "Mm-hm": two hums of a closed mouth, the second higher, 120 to 180 ms each, at the level of soft speech. What comes out
/// of the nose has little above 500 Hz.
pub fn mm_hm(random: &mut Random) -> Vec<f32> {
    let pitch_hz = random.between(100.0, 210.0);
    let mut nose = Biquad::low_pass(random.between(350.0, 600.0));
    let mut out = Vec::new();
    for rise in [1.0, random.between(1.15, 1.35)] {
        let len = (random.between(0.12, 0.18) * 16_000.0) as usize;
        let mut phase = 0.0f32;
        out.extend((0..len).map(|n| {
            let edge = (n.min(len - 1 - n) as f32 / 400.0).min(1.0);
            phase = (phase + TAU * pitch_hz * rise * (1.0 + 0.05 * n as f32 / len as f32) / 16_000.0) % TAU;
            let buzz: f32 = (1..=12).map(|k| (k as f32 * phase).sin() / k as f32).sum();
            edge * nose.process(buzz)
        }));
        out.extend(std::iter::repeat_n(0.0, (random.between(0.03, 0.07) * 16_000.0) as usize));
    }
    while out.last() == Some(&0.0) {
        out.pop();
    }
    at_level(out, -4.0)
}

/// A door: a crack and a thump that the room carries on, 200 to 350 ms.
pub fn slam(random: &mut Random) -> Vec<f32> {
    let mut low = Biquad::low_pass(random.between(150.0, 500.0));
    let decay_s = random.between(0.02, 0.05);
    let struck: Vec<f32> = (0..5600)
        .map(|n| {
            let t = n as f32 / 16_000.0;
            let crack = random.bell() * (-t / 0.004).exp();
            6.0 * low.process(random.bell()) * (-t / decay_s).exp() + crack
        })
        .collect();
    let mut heard = convolve(&struck, &response(random, 0.25, 3.0));
    // over when 30 dB below its loudest 10 ms
    let loudest = heard.chunks(160).map(rms).fold(0.0, f32::max);
    let last = heard.chunks(160).rposition(|chunk| rms(chunk) > loudest / 30.0).unwrap_or(0);
    heard.truncate((last + 1) * 160);
    at_level(heard, 4.0)
}
