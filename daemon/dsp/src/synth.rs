//! Test sounds from fixed seeds, and the measurements that tests and the benchmark share.

use std::f64::consts::TAU;

/// A small generator of random numbers (xorshift64*): the same seed gives the same sound everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Even in 0.0 to 1.0.
    pub fn even(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.even()
    }

    /// Bell-shaped, deviation 1.
    pub fn bell(&mut self) -> f64 {
        (0..6).map(|_| self.even() - 0.5).sum::<f64>() * std::f64::consts::SQRT_2
    }
}

pub fn rms(samples: &[f32]) -> f64 {
    (samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}

pub fn to_db(ratio: f64) -> f64 {
    20.0 * ratio.max(1e-12).log10()
}

/// Brings samples to this RMS.
pub fn at_level(mut samples: Vec<f32>, dbfs: f64) -> Vec<f32> {
    let gain = (10f64.powf(dbfs / 20.0) / rms(&samples)) as f32;
    samples.iter_mut().for_each(|s| *s *= gain);
    samples
}

pub fn tone(rate: u32, hz: f64, amplitude: f64, len: usize) -> Vec<f32> {
    (0..len).map(|n| (amplitude * (TAU * hz * n as f64 / f64::from(rate)).sin()) as f32).collect()
}

/// How much of a tone of this frequency is in the samples, and the RMS of all that is not.
pub fn tone_in(samples: &[f32], rate: u32, hz: f64) -> (f64, f64) {
    let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let at = |n: usize| (TAU * hz * n as f64 / f64::from(rate)).sin_cos();
    for (n, &x) in samples.iter().enumerate() {
        let (s, c) = at(n);
        let x = f64::from(x);
        ss += s * s;
        cc += c * c;
        sc += s * c;
        xs += x * s;
        xc += x * c;
    }
    let det = ss * cc - sc * sc;
    let (a, b) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
    let rest: Vec<f32> = samples
        .iter()
        .enumerate()
        .map(|(n, &x)| {
            let (s, c) = at(n);
            (f64::from(x) - a * s - b * c) as f32
        })
        .collect();
    ((a * a + b * b).sqrt(), rms(&rest))
}

pub fn white(seed: u64, len: usize) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..len).map(|_| (random.bell() * 0.1) as f32).collect()
}

/// Pink noise: what rooms and fans sound like. Six first-order poles over white noise (-3 dB per octave).
pub struct Pink {
    random: Random,
    states: [f64; 6],
}

impl Pink {
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), states: [0.0; 6] }
    }

    pub fn sample(&mut self) -> f64 {
        const POLES: [(f64, f64); 6] = [
            (0.99886, 0.0555179),
            (0.99332, 0.0750759),
            (0.96900, 0.1538520),
            (0.86650, 0.3104856),
            (0.55000, 0.5329522),
            (-0.7616, -0.0168980),
        ];
        let white = self.random.bell() * 0.1;
        let mut sum = white * 0.5362;
        for (state, (pole, gain)) in self.states.iter_mut().zip(POLES) {
            *state = *state * pole + white * gain;
            sum += *state;
        }
        sum
    }
}

pub fn pink(seed: u64, len: usize) -> Vec<f32> {
    let mut pink = Pink::new(seed);
    (0..len).map(|_| pink.sample() as f32).collect()
}

/// A piston compressor at 16 kHz: hum at 48 Hz with harmonics, puffing 16 times a second, over rumbling noise.
pub struct Compressor {
    pink: Pink,
    /// Hum and puff of one second, in which both repeat.
    second: Vec<(f64, f64)>,
    n: usize,
}

impl Compressor {
    pub fn new(seed: u64) -> Self {
        let second = (0..16_000)
            .map(|n| {
                let t = f64::from(n) / 16_000.0;
                let hum: f64 = (1..=8).map(|k| (TAU * 48.0 * f64::from(k) * t).sin() / f64::from(k)).sum();
                (0.1 * hum, 1.0 + 0.4 * (TAU * 16.0 * t).sin())
            })
            .collect();
        Self { pink: Pink::new(seed), second, n: 0 }
    }

    pub fn sample(&mut self) -> f64 {
        let (hum, puff) = self.second[self.n];
        self.n = (self.n + 1) % self.second.len();
        puff * (hum + self.pink.sample())
    }
}

pub fn compressor(seed: u64, len: usize) -> Vec<f32> {
    let mut compressor = Compressor::new(seed);
    (0..len).map(|_| compressor.sample() as f32).collect()
}

/// Something with the pitch, formants and syllables of speech at 16 kHz: words of one to four syllables, gaps of
/// 30 to 70 ms between syllables, 60 to 300 ms between words. The first sample is the start of a syllable.
pub fn speech(seed: u64, len: usize) -> Vec<f32> {
    const VOWELS: [[f64; 3]; 6] = [
        [730.0, 1090.0, 2440.0],
        [270.0, 2290.0, 3010.0],
        [300.0, 870.0, 2240.0],
        [530.0, 1840.0, 2480.0],
        [570.0, 840.0, 2410.0],
        [500.0, 1500.0, 2500.0],
    ];
    let mut random = Random::new(seed);
    let mut out: Vec<f32> = Vec::with_capacity(len + 16_000);
    while out.len() < len {
        for _ in 0..1 + (random.even() * 4.0) as usize {
            let vowel = VOWELS[(random.even() * 6.0) as usize];
            let (pitch, loud) = (random.between(95.0, 150.0), random.between(0.5, 1.0));
            let voiced = (random.between(0.11, 0.22) * 16_000.0) as usize;
            let weights: Vec<f64> = (1..=30)
                .map(|k| {
                    let hz = pitch * f64::from(k);
                    let formant = |at: f64, wide: f64| 1.0 / (1.0 + ((hz - at) / wide).powi(2));
                    formant(vowel[0], 80.0)
                        + 0.5 * formant(vowel[1], 110.0)
                        + 0.25 * formant(vowel[2], 160.0)
                        + 0.01
                })
                .collect();
            let mut phase = 0.0;
            for n in 0..voiced {
                let part = n as f64 / voiced as f64;
                phase += TAU * pitch * (1.0 + 0.06 * (part - 0.5)) / 16_000.0;
                let attack = (n as f64 / 320.0).min(1.0);
                let envelope = attack * (1.0 - part).min(0.35) / 0.35 * loud;
                let sum: f64 =
                    weights.iter().enumerate().map(|(k, w)| w * (phase * (k + 1) as f64).sin()).sum();
                out.push((0.1 * envelope * sum) as f32);
            }
            // a consonant: nearly nothing, or a hiss
            let hiss = if random.even() < 0.4 { 0.01 } else { 0.0005 };
            for _ in 0..(random.between(0.03, 0.07) * 16_000.0) as usize {
                out.push((hiss * random.bell()) as f32);
            }
        }
        let pause = (random.between(0.03, 0.23) * 16_000.0) as usize;
        out.resize(out.len() + pause, 0.0);
    }
    out.truncate(len);
    out
}

/// Mains hum at 16 kHz: 100 Hz with harmonics.
pub fn hum(seed: u64, len: usize) -> Vec<f32> {
    let phase = Random::new(seed).even();
    (0..len)
        .map(|n| {
            let t = n as f64 / 16_000.0;
            (1..=6)
                .map(|k| 0.1 / f64::from(k * k) * (TAU * f64::from(k) * (100.0 * t + phase)).sin())
                .sum::<f64>() as f32
        })
        .collect()
}

/// A cough at 16 kHz: a burst of 200 to 400 ms, dull noise that starts hard and dies away.
pub fn cough(seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let len = (random.between(0.2, 0.4) * 16_000.0) as usize;
    let mut low = 0.0;
    (0..len)
        .map(|n| {
            let part = n as f64 / len as f64;
            low += 0.35 * (random.bell() - low);
            (0.2 * low * (n as f64 / 80.0).min(1.0) * (-3.0 * part).exp() * (1.0 - part)) as f32
        })
        .collect()
}

/// A door that slams, 300 ms at 16 kHz: a click, then a thump at 60 to 90 Hz that dies away, and rattle.
pub fn door(seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let hz = random.between(60.0, 90.0);
    (0..4_800)
        .map(|n| {
            let t = f64::from(n) / 16_000.0;
            let click = if n < 48 { random.bell() } else { 0.0 };
            let thump = (TAU * hz * t).sin() * (-t / 0.06).exp();
            let rattle = 0.3 * random.bell() * (-t / 0.05).exp();
            (0.3 * (click + thump + rattle)) as f32
        })
        .collect()
}

/// "Mm-hm" at 16 kHz: two hums of a closed mouth, 150 ms each.
pub fn mm_hm(seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let pitch = random.between(100.0, 160.0);
    let mut out = Vec::new();
    for rise in [1.0, 1.25] {
        out.extend((0..2_400).map(|n| {
            let t = f64::from(n) / 16_000.0;
            let edge = (f64::from(n.min(2_399 - n)) / 400.0).min(1.0);
            let tone = |k: f64| (TAU * k * pitch * rise * t).sin();
            (0.1 * edge * (tone(1.0) + 0.4 * tone(2.0) + 0.03 * tone(3.0))) as f32
        }));
        out.extend([0.0; 960]);
    }
    out
}

/// A slow compressor at 16 kHz: four strokes a second, each a dull blow of 60 ms over the motor's noise, 12 dB above.
pub struct Strokes {
    motor: Compressor,
    random: Random,
    low: f64,
    n: usize,
}

impl Strokes {
    pub fn new(seed: u64) -> Self {
        Self { motor: Compressor::new(seed), random: Random::new(seed ^ 77), low: 0.0, n: 0 }
    }

    pub fn sample(&mut self) -> f64 {
        let t = (self.n % 4_000) as f64 / 16_000.0;
        self.n += 1;
        self.low += 0.1 * (self.random.bell() - self.low);
        self.motor.sample() + if t < 0.06 { 2.5 * self.low * (-t / 0.03).exp() } else { 0.0 }
    }
}
