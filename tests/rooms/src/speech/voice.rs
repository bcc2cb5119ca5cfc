//! How it sounds: a glottal pulse or breath through a row of resonances, hisses beside it.

use std::f32::consts::TAU;

use super::plan::{STEP, Step};
use crate::random::Random;

const RATE: f32 = 16_000.0;

/// A speaker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Voice {
    /// Middle of the pitch range in Hz.
    pub pitch_hz: f32,
    /// Formants relative to a man's: 1.0, 1.17 for a woman.
    pub throat: f32,
    /// Speed: 1.0 is slow, 1.15 about 5 syllables a second.
    pub rate: f32,
    /// All breath, no voice.
    pub whispers: bool,
}

impl Voice {
    /// A man's voice.
    pub const MAN: Voice = Voice { pitch_hz: 105.0, throat: 1.0, rate: 1.15, whispers: false };
    /// A woman's voice.
    pub const WOMAN: Voice = Voice { pitch_hz: 195.0, throat: 1.16, rate: 1.2, whispers: false };

    /// Some man or woman.
    pub fn random(random: &mut Random) -> Voice {
        let like = if random.chance(0.5) { Voice::MAN } else { Voice::WOMAN };
        Voice {
            pitch_hz: like.pitch_hz * random.between(0.9, 1.15),
            throat: like.throat * random.between(0.97, 1.04),
            rate: like.rate * random.between(0.9, 1.1),
            whispers: false,
        }
    }
}

/// A pair of poles, gain 1 at 0 Hz.
#[derive(Clone, Copy, Default)]
struct Resonance {
    a: f32,
    b: f32,
    c: f32,
    y1: f32,
    y2: f32,
}

impl Resonance {
    fn tune(&mut self, hz: f32, width_hz: f32) {
        let radius = (-std::f32::consts::PI * width_hz / RATE).exp();
        self.c = -radius * radius;
        self.b = 2.0 * radius * (TAU * hz / RATE).cos();
        self.a = 1.0 - self.b - self.c;
    }

    fn process(&mut self, x: f32) -> f32 {
        let y = self.a * x + self.b * self.y1 + self.c * self.y2;
        (self.y2, self.y1) = (self.y1, y);
        y
    }
}

/// The synthesiser: keeps ringing from one phrase into the next.
pub(super) struct Mouth {
    random: Random,
    formants: [Resonance; 7],
    hiss: Resonance,
    hiss_last: f32,
    /// Place inside the glottal period, 0 to 1.
    phase: f32,
    /// This period's deviation from the pitch (jitter) and strength (shimmer).
    wobble: (f32, f32),
    tilt: f32,
    whispers: bool,
}

impl Mouth {
    pub(super) fn new(voice: Voice, random: Random) -> Self {
        let mut formants = [Resonance::default(); 7];
        // above the third, formants belong to the person, not to the sound
        for (k, (hz, width_hz)) in
            [(3400.0, 230.0), (4300.0, 300.0), (5400.0, 450.0), (6500.0, 600.0)].into_iter().enumerate()
        {
            formants[3 + k].tune((hz * voice.throat.sqrt()).min(7400.0), width_hz);
        }
        Mouth {
            random,
            formants,
            hiss: Resonance::default(),
            hiss_last: 0.0,
            phase: 0.0,
            wobble: (1.0, 1.0),
            tilt: 0.0,
            whispers: voice.whispers,
        }
    }

    /// Appends a phrase.
    pub(super) fn say(&mut self, steps: &[Step], out: &mut Vec<f32>) {
        // Through an open glottis the lungs damp the throat's resonances (Klatt and Klatt 1990).
        let open_hz = if self.whispers { 200.0 } else { 0.0 };
        for (n, step) in steps.iter().enumerate() {
            let next = steps.get(n + 1).unwrap_or(step);
            for quarter in 0..4 {
                let part = quarter as f32 / 4.0;
                let mix = |from: f32, to: f32| from + (to - from) * part;
                for k in 0..3 {
                    self.formants[k].tune(
                        mix(step.formants_hz[k], next.formants_hz[k]),
                        mix(step.widths_hz[k], next.widths_hz[k]) + open_hz,
                    );
                }
                self.hiss.tune(step.noise_hz.max(500.0), step.noise_width_hz.max(200.0));
                let (voiced, breath) = (mix(step.voiced, next.voiced), mix(step.breath, next.breath));
                let (voiced, breath) = if self.whispers { (0.0, voiced + breath) } else { (voiced, breath) };
                let (noise, pitch_hz) = (mix(step.noise, next.noise), mix(step.pitch_hz, next.pitch_hz));
                for _ in 0..STEP / 4 {
                    let sample = self.sample(voiced, breath, noise, pitch_hz, step.noise_width_hz);
                    out.push(sample);
                }
            }
        }
    }

    fn sample(&mut self, voiced: f32, breath: f32, noise: f32, pitch_hz: f32, noise_width_hz: f32) -> f32 {
        self.phase += pitch_hz * self.wobble.0 / RATE;
        if self.phase >= 1.0 {
            self.phase -= 1.0;
            self.wobble = (1.0 + 0.01 * self.random.bell(), 1.0 + 0.04 * self.random.bell());
        }
        // Flow derivative of the open glottis (Klatt and Klatt 1990): rises, then shuts with a jump.
        const OPEN: f32 = 0.6;
        let (pulse, open) = if self.phase < OPEN {
            let t = self.phase / OPEN;
            (2.0 * t - 3.0 * t * t, 1.0)
        } else {
            (0.0, 0.4)
        };
        self.tilt += 0.85 * (pulse * self.wobble.1 - self.tilt);
        let air = self.random.bell();
        let mut throat = voiced * (self.tilt + 0.01 * open * air) + 0.25 * breath * air;
        for formant in &mut self.formants {
            throat = formant.process(throat);
        }
        // A resonance has gain 1 at 0 Hz: what passes it is made even over widths, and loses its bass.
        let hiss = self.hiss.process(self.random.bell() * noise);
        let bright = hiss - self.hiss_last;
        self.hiss_last = hiss;
        throat + 0.06 * (noise_width_hz / 1800.0).max(0.2) * bright
    }
}
