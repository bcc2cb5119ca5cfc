//! Removes DC and rumble.

use crate::level::sane;

/// Second-order Butterworth high-pass: flat above the corner, 12 dB per octave below, nothing at DC.
#[derive(Clone, Debug)]
pub struct HighPass {
    /// None when off.
    coefficients: Option<Coefficients>,
    s1: f32,
    s2: f32,
}

#[derive(Clone, Copy, Debug)]
struct Coefficients {
    b0: f32,
    b1: f32,
    b2: f32,
    a1: f32,
    a2: f32,
}

impl HighPass {
    /// `corner_hz` is where 3 dB are lost; 0 or less switches the stage off. At most a quarter of the rate.
    pub fn new(corner_hz: f32, rate_hz: u32) -> Self {
        let coefficients = (corner_hz > 0.0).then(|| {
            // bilinear transform of s² / (s² + √2 s + 1)
            let rate = f64::from(rate_hz);
            let k = (std::f64::consts::PI * f64::from(corner_hz).min(rate / 4.0) / rate).tan();
            let norm = 1.0 / (1.0 + std::f64::consts::SQRT_2 * k + k * k);
            Coefficients {
                b0: norm as f32,
                b1: (-2.0 * norm) as f32,
                b2: norm as f32,
                a1: (2.0 * (k * k - 1.0) * norm) as f32,
                a2: ((1.0 - std::f64::consts::SQRT_2 * k + k * k) * norm) as f32,
            }
        });
        Self { coefficients, s1: 0.0, s2: 0.0 }
    }

    /// Filters in place; switched off it leaves the samples as they are.
    pub fn process(&mut self, samples: &mut [f32]) {
        let Some(Coefficients { b0, b1, b2, a1, a2 }) = self.coefficients else { return };
        let (mut s1, mut s2) = (self.s1, self.s2);
        for sample in samples {
            // transposed direct form II: the one that rounds least in f32 at low corners
            let x = sane(*sample);
            let y = b0 * x + s1;
            s1 = b1 * x - a1 * y + s2;
            s2 = b2 * x - a2 * y;
            *sample = y;
        }
        // A decaying tail ends in denormals, which are slow on most cores.
        let rests = |s: f32| if s.abs() < 1e-20 { 0.0 } else { s };
        (self.s1, self.s2) = (rests(s1), rests(s2));
    }

    /// Forgets what was heard.
    pub fn reset(&mut self) {
        self.prime(0.0);
    }

    /// Starts as if `level` had been there forever, so that a card's DC offset makes no thump.
    pub fn prime(&mut self, level: f32) {
        let Some(Coefficients { b0, b2, .. }) = self.coefficients else { return };
        let level = sane(level);
        // at rest y = 0: s1 = -b0·level, s2 = b2·level
        (self.s1, self.s2) = (-b0 * level, b2 * level);
    }
}
