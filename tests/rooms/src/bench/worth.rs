//! What noise suppression, high-pass, gain and limiter are good for: the same sound with the stage and without it.

use std::f32::consts::TAU;

use pressel_dsp::{BLOCK, FrontEnd, FrontEndSettings, GainSettings, Limiter, NoiseSettings};
use pressel_rooms::estoi::estoi;
use pressel_rooms::level::{amplitude, db, rms};
use pressel_rooms::noise::{babble, compressor, pink};
use pressel_rooms::random::Random;
use pressel_rooms::speech::{Voice, speech};
use pressel_rooms::{NEAR_DBFS, RATE};

/// Somebody speaks from here to the end: every stage has learnt the room by then.
const SPEAKS: usize = 8 * RATE;
const LEN: usize = 24 * RATE;
/// Gain rises by 6 dB per second of speech: from here on it has arrived.
const ARRIVED: usize = SPEAKS + 8 * RATE;
/// A quiet speaker, in dBFS.
const QUIET_DBFS: f32 = -44.0;
/// Mains hum, and the offset of a cheap card.
const HUM_DBFS: f32 = -30.0;
const OFFSET: f32 = 0.02;
/// A whole number of periods in a second.
const TONE_HZ: f32 = 400.0;

/// One figure of a stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worth {
    pub name: &'static str,
    pub unit: &'static str,
    /// More is better; otherwise less is.
    pub more: bool,
    /// What it has to be better by: half of what the tuning seeds gain.
    pub gains: f32,
    pub without: f32,
    pub with: f32,
}

/// A path without echo: all stages on, but the gain, which would be taken for a change of the sound.
fn path() -> FrontEndSettings {
    FrontEndSettings { gain: GainSettings::OFF, ..FrontEndSettings::new(16_000, 1) }
}

/// Compares each stage over one voice.
pub fn measure(seed: u64) -> Vec<Worth> {
    let voice = Voice::random(&mut Random::of(seed, "worth"));
    let mut said = vec![0.0; SPEAKS];
    said.extend(speech(seed ^ 0x303, voice, LEN - SPEAKS));
    let mut all = noise(seed, &at(&said, NEAR_DBFS));
    all.extend(high_pass(seed, &at(&said, QUIET_DBFS + 8.0)));
    let mut whispered = vec![0.0; SPEAKS];
    whispered.extend(speech(seed ^ 0x303, Voice { whispers: true, ..voice }, LEN - SPEAKS));
    all.push(whisper(&at(&whispered, QUIET_DBFS), seed));
    all.push(gain("gain, quiet speaker: off the target", 10.0, &at(&said, QUIET_DBFS), seed));
    all.push(gain("gain, speaker at the microphone: off the target", 4.0, &at(&said, -14.0), seed));
    all.push(limiter());
    all
}

/// An answer and a sound of the device's own, together 6 dB beyond full scale: a tone over what clipping adds to it, and
/// over what the limiter does.
fn limiter() -> Worth {
    let tone: Vec<f32> =
        (0..2 * RATE).map(|n| 2.0 * (TAU * TONE_HZ * (n % RATE) as f32 / RATE as f32).sin()).collect();
    let clipped: Vec<f32> = tone.iter().map(|s| s.clamp(-1.0, 1.0)).collect();
    let mut limited = tone;
    Limiter::new(0.0, RATE as u32).process(&mut limited);
    Worth {
        name: "limiter, two sounds 6 dB too loud: a tone over its distortion",
        unit: "dB",
        more: true,
        gains: 10.0,
        without: over_rest_db(&clipped[RATE..]),
        with: over_rest_db(&limited[RATE..]),
    }
}

/// The tone in a second of sound over all that is not the tone, in dB.
fn over_rest_db(sound: &[f32]) -> f32 {
    let (mut sin, mut cos) = (0.0f64, 0.0f64);
    for (n, &sample) in sound.iter().enumerate() {
        let (s, c) = (f64::from(TAU * TONE_HZ) * n as f64 / RATE as f64).sin_cos();
        (sin, cos) = (sin + s * f64::from(sample), cos + c * f64::from(sample));
    }
    let count = sound.len() as f64;
    let all = sound.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / count;
    let tone = 2.0 * (sin * sin + cos * cos) / (count * count);
    (10.0 * (tone / (all - tone).max(1e-12)).log10()) as f32
}

fn noise(seed: u64, said: &[f32]) -> Vec<Worth> {
    let off = FrontEndSettings { noise: NoiseSettings::OFF, ..path() };
    let mut all = Vec::new();
    for (name, noise, snr_db, gains) in [
        ("noise stage, ESTOI, compressor 10 dB below", compressor(seed, LEN), 10.0, 0.01),
        ("noise stage, ESTOI, compressor 20 dB below", compressor(seed, LEN), 20.0, 0.002),
        ("noise stage, ESTOI, fan 5 dB below", pink(seed, LEN), 5.0, 0.02),
        ("noise stage, ESTOI, babble 15 dB below", babble(seed, LEN), 15.0, 0.008),
    ] {
        let heard = add(said, &at(&noise, NEAR_DBFS - snr_db));
        let clear = |settings| estoi(&said[SPEAKS..], &run(settings, &heard).0[SPEAKS..]).unwrap_or(0.0);
        all.push(Worth {
            name,
            unit: "",
            more: true,
            gains,
            without: clear(off.clone()),
            with: clear(path()),
        });
    }
    let fan = at(&pink(seed, LEN), NEAR_DBFS - 10.0);
    let snr_db = |settings: &FrontEndSettings| snr_db(settings, said, &fan);
    let name = "noise stage, speech over a fan 10 dB below";
    all.push(Worth {
        name,
        unit: "dB",
        more: true,
        gains: 0.9,
        without: snr_db(&off),
        with: snr_db(&path()),
    });
    all
}

fn high_pass(seed: u64, said: &[f32]) -> Vec<Worth> {
    let off = FrontEndSettings { high_pass_hz: 0.0, ..path() };
    let hum: Vec<f32> =
        (0..LEN).map(|n| OFFSET + (TAU * 50.0 * n as f32 / RATE as f32 % TAU).sin()).collect();
    let hum: Vec<f32> = hum.iter().map(|s| (s - OFFSET) * amplitude(HUM_DBFS + 3.0) + OFFSET).collect();
    let hum = add(&hum, &at(&pink(seed, LEN), -65.0));
    let heard = add(said, &hum);
    let snr_db = |settings: &FrontEndSettings| snr_db(settings, said, &hum);
    let open = |settings: &FrontEndSettings| 100.0 * run(settings.clone(), &heard).1;
    vec![
        Worth {
            name: "high-pass, hum and offset: speech over the rest",
            unit: "dB",
            more: true,
            gains: 4.0,
            without: snr_db(&off),
            with: snr_db(&path()),
        },
        Worth {
            name: "high-pass, hum and offset: the gate hears of speech",
            unit: "%",
            more: true,
            gains: 50.0,
            without: open(&off),
            with: open(&path()),
        },
    ]
}

/// What the gate hears of a whisper: with its second opinion, and with `voice = false`.
fn whisper(said: &[f32], seed: u64) -> Worth {
    let heard = add(said, &at(&pink(seed, LEN), -65.0));
    let open = |voice| {
        let mut settings = path();
        settings.gate.voice = voice;
        100.0 * run(settings, &heard).1
    };
    let name = "whisper, [gate] voice = false: the gate hears of it";
    Worth { name, unit: "%", more: true, gains: 15.0, without: open(true), with: open(false) }
}

fn gain(name: &'static str, gains: f32, said: &[f32], seed: u64) -> Worth {
    let heard = add(said, &at(&pink(seed, LEN), -72.0));
    let off_db = |settings| {
        let out = run(settings, &heard).0;
        (db(rms(&out[ARRIVED..])) - GainSettings::default().target_dbfs).abs()
    };
    let with = FrontEndSettings { gain: GainSettings::default(), ..path() };
    Worth { name, unit: "dB", more: false, gains, without: off_db(path()), with: off_db(with) }
}

/// What comes out, and the share of blocks with speech in which the gate was open.
fn run(settings: FrontEndSettings, heard: &[f32]) -> (Vec<f32>, f32) {
    let mut path = FrontEnd::new(settings).expect("one channel at 16 kHz is possible");
    let mut out = vec![0.0; heard.len()];
    let mut open = 0;
    for (n, (frames, out)) in heard.chunks_exact(BLOCK).zip(out.chunks_exact_mut(BLOCK)).enumerate() {
        let reading = path.process(frames, &[0.0; BLOCK], out.try_into().expect("a block long"));
        open += usize::from(reading.open && n * BLOCK >= SPEAKS);
    }
    (out, open as f32 / ((LEN - SPEAKS) / BLOCK) as f32)
}

/// Speech over everything else in the output, in dB: once with the noise and once with its opposite, half the sum is
/// what became of the speech, half the difference what became of the noise (B. Hagerman, A. Olofsson, 2004).
fn snr_db(settings: &FrontEndSettings, said: &[f32], noise: &[f32]) -> f32 {
    let against: Vec<f32> = said.iter().zip(noise).map(|(a, b)| a - b).collect();
    let (with, against) = (run(settings.clone(), &add(said, noise)).0, run(settings.clone(), &against).0);
    let half = |sign: f32| -> Vec<f32> {
        with[SPEAKS..].iter().zip(&against[SPEAKS..]).map(|(a, b)| 0.5 * (a + sign * b)).collect()
    };
    db(rms(&half(1.0))) - db(rms(&half(-1.0)))
}

fn at(samples: &[f32], dbfs: f32) -> Vec<f32> {
    samples.iter().map(|s| s * amplitude(dbfs)).collect()
}

fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}
