//! Where the echo lies and how fast it moves: a Kalman filter over measured shifts.

/// A rate nobody knows yet: cards are within 100 ppm of each other nearly always, within 300 at worst.
const RATE_UNKNOWN: f64 = 150e-6;
/// How much the rate wanders in a second: crystals warm up by about 0.1 ppm a minute.
const RATE_WANDERS: f64 = 0.02e-6;
/// How much the place wanders in a second, in samples: people move, templates are learnt anew.
const PLACE_WANDERS: f64 = 0.01;
const SAMPLES_PER_S: f64 = 16_000.0;
/// Measurements are trusted at most this much more and less than they say of themselves.
const SCALE_LEAST: f64 = 0.5;
const SCALE_MOST: f64 = 6.0;

/// Place of the echo in the far end's past, in samples, and its rate in samples per sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drift {
    place: f64,
    rate: f64,
    /// Covariance of the two.
    pp: f64,
    pr: f64,
    rr: f64,
    /// Measured over expected deviation, smoothed.
    scale: f64,
}

impl Drift {
    pub(super) fn new() -> Self {
        Self { place: 0.0, rate: 0.0, pp: 1e4, pr: 0.0, rr: RATE_UNKNOWN * RATE_UNKNOWN, scale: 1.5 }
    }

    pub(super) fn place(&self) -> f64 {
        self.place
    }

    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    pub(super) fn rate_deviation(&self) -> f64 {
        self.rr.max(0.0).sqrt()
    }

    pub(super) fn place_deviation(&self) -> f64 {
        self.pp.max(0.0).sqrt()
    }

    /// `samples` go by.
    pub(super) fn pass(&mut self, samples: f64) {
        let seconds = samples / SAMPLES_PER_S;
        self.place += self.rate * samples;
        self.pp +=
            2.0 * samples * self.pr + samples * samples * self.rr + PLACE_WANDERS * PLACE_WANDERS * seconds;
        self.pr += samples * self.rr;
        // After hours of silence the rate is still better known than that of a card never met.
        self.rr = (self.rr + RATE_WANDERS * RATE_WANDERS * seconds).min(RATE_UNKNOWN * RATE_UNKNOWN);
        self.pp = self.pp.min(1e8);
    }

    /// The echo lay at `place` an `age` in samples ago, give or take a few; the rate stays.
    pub(super) fn put(&mut self, place: f64, age: f64, deviation: f64) {
        self.place = place + self.rate * age;
        // Since then it moved at a rate that is not exactly known.
        self.pp = deviation * deviation + age * age * self.rr;
        self.pr = age * self.rr;
    }

    /// The rate turned out to be wrong.
    pub(super) fn doubt_rate(&mut self) {
        self.rr = RATE_UNKNOWN * RATE_UNKNOWN;
    }

    /// Counts places from elsewhere.
    pub(super) fn shift(&mut self, samples: f64) {
        self.place += samples;
    }

    /// What a measurement of `place` an `age` ago differs from what was expected by, and the deviation of that.
    pub(super) fn surprise(&self, place: f64, age: f64, deviation: f64) -> (f64, f64) {
        let expected = self.place - self.rate * age;
        let spread = self.pp - 2.0 * age * self.pr + age * age * self.rr;
        let noise = deviation * self.scale;
        (place - expected, (spread.max(0.0) + noise * noise).sqrt())
    }

    /// Takes in a measurement of `place` an `age` ago.
    pub(super) fn update(&mut self, place: f64, age: f64, deviation: f64) {
        let (surprise, spread) = self.surprise(place, age, deviation);
        let variance = spread * spread;
        let (gain_p, gain_r) = ((self.pp - age * self.pr) / variance, (self.pr - age * self.rr) / variance);
        self.place += gain_p * surprise;
        self.rate = (self.rate + gain_r * surprise).clamp(-1e-3, 1e-3);
        let (pp, pr, rr) = (self.pp, self.pr, self.rr);
        self.pp = (pp - gain_p * gain_p * variance).max(1e-8);
        self.rr = (rr - gain_r * gain_r * variance).max(1e-18);
        self.pr =
            (pr - gain_p * gain_r * variance).clamp(-(self.pp * self.rr).sqrt(), (self.pp * self.rr).sqrt());
        // If surprises are larger than announced, measurements are worse than they say.
        let ratio = (surprise * surprise / variance).min(9.0);
        let scale = self.scale * (1.0 + 0.05 * (ratio - 1.0));
        self.scale = scale.clamp(SCALE_LEAST, SCALE_MOST);
    }
}
