//! A straight line through summaries of observations, which learns from them how far they scatter.

/// Older summaries count less by e after this many seconds: long against jitter, short against a room that warms.
const MEMORY_S: f64 = 120.0;
/// What a clock's rate may be before anything is known: one standard deviation.
const SLOPE_PRIOR: f64 = 200e-6;
/// A rate carried over a jump is trusted no better than this.
const SLOPE_KEPT: f64 = 0.3e-6;
/// No summary is better than this, in s: drivers stamp in microseconds.
const SCATTER_LEAST_S: f64 = 0.5e-6;
/// The guess at the scatter counts as much as this many measurements of it.
const GUESS_WEIGHT: f64 = 2.0;
/// Measurements of the scatter count less by this factor with each new one.
const SCATTER_KEPT: f64 = 0.95;

/// y = offset + slope * t, by least squares with a forgetting factor and a prior for the slope.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    weight: f64,
    mean_t: f64,
    mean_y: f64,
    /// Sums of squares and of products around the means.
    tt: f64,
    ty: f64,
    prior_slope: f64,
    prior_variance: f64,
    /// Fades with `MEMORY_S`, so that a rate known from long ago can be unlearnt.
    prior_weight: f64,
    guess: f64,
    scatter: f64,
    scatter_weight: f64,
    summaries: u32,
    /// The last two summaries since the last jump, newest first.
    recent: [Option<(f64, f64)>; 2],
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            weight: 0.0,
            mean_t: 0.0,
            mean_y: 0.0,
            tt: 0.0,
            ty: 0.0,
            prior_slope: 0.0,
            prior_variance: SLOPE_PRIOR * SLOPE_PRIOR,
            prior_weight: 1.0,
            guess: 0.0,
            scatter: 0.0,
            scatter_weight: 0.0,
            summaries: 0,
            recent: [None; 2],
        }
    }

    /// Takes in a summary, of which somebody guesses the variance.
    pub(super) fn observe(&mut self, t: f64, y: f64, guess: f64) {
        if let [Some(newer), Some(older)] = self.recent {
            // What a straight line through two summaries misses the third by: no rate or offset is in it.
            let ratio = (t - newer.0) / (newer.0 - older.0);
            let miss = y - newer.1 - (newer.1 - older.1) * ratio;
            let variance = miss * miss / (1.0 + (1.0 + ratio) * (1.0 + ratio) + ratio * ratio);
            self.scatter = SCATTER_KEPT * self.scatter + variance;
            self.scatter_weight = SCATTER_KEPT * self.scatter_weight + 1.0;
        }
        self.guess += (guess - self.guess) * if self.weight == 0.0 { 1.0 } else { 0.1 };
        let kept = self.recent[0].map_or(1.0, |(before, _)| (-(t - before).max(0.0) / MEMORY_S).exp());
        self.recent = [Some((t, y)), self.recent[0]];
        self.summaries = self.summaries.saturating_add(1);
        self.prior_weight *= kept;
        self.weight = kept * self.weight + 1.0;
        let (dt, dy) = (t - self.mean_t, y - self.mean_y);
        let part = 1.0 - 1.0 / self.weight;
        self.tt = kept * self.tt + part * dt * dt;
        self.ty = kept * self.ty + part * dt * dy;
        self.mean_t += dt / self.weight;
        self.mean_y += dy / self.weight;
    }

    /// The line breaks: its offset is forgotten, its slope becomes the prior of the next one.
    pub(super) fn jump(&mut self) {
        if self.weight > 0.0 {
            let deviation = self.slope_deviation().max(SLOPE_KEPT);
            self.prior_slope = self.slope();
            self.prior_variance = deviation * deviation;
            self.prior_weight = 1.0;
        }
        (self.weight, self.tt, self.ty) = (0.0, 0.0, 0.0);
        (self.mean_t, self.mean_y) = (0.0, 0.0);
        self.summaries = 0;
        self.recent = [None; 2];
    }

    /// How many there were since the last jump.
    pub(super) fn summaries(&self) -> u32 {
        self.summaries
    }

    pub(super) fn at(&self, t: f64) -> f64 {
        self.mean_y + self.slope() * (t - self.mean_t)
    }

    pub(super) fn slope(&self) -> f64 {
        let ridge = self.ridge();
        (self.ty + ridge * self.prior_slope) / (self.tt + ridge)
    }

    /// One standard deviation of the slope.
    pub(super) fn slope_deviation(&self) -> f64 {
        (self.variance() / (self.tt + self.ridge())).sqrt()
    }

    /// What the prior weighs against the sums.
    fn ridge(&self) -> f64 {
        self.variance() * self.prior_weight / self.prior_variance
    }

    /// Variance of one summary.
    fn variance(&self) -> f64 {
        let known = GUESS_WEIGHT * self.guess + self.scatter;
        (known / (GUESS_WEIGHT + self.scatter_weight)).max(SCATTER_LEAST_S * SCATTER_LEAST_S)
    }
}
