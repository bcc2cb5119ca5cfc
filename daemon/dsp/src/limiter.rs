//! Keeps sums and small loudspeakers within bounds.

use crate::level::{from_db, sane};

/// Time in which the gain comes back after a peak, in ms (to 1/e of the excess).
const RELEASE_MS: f32 = 80.0;

/// Peak limiter without look-ahead: it turns down at the very sample that would pass the ceiling, which leaves
/// the wave continuous, and comes back slowly. Below the ceiling samples come out bit for bit.
#[derive(Clone, Debug)]
pub struct Limiter {
    ceiling: f32,
    /// Factor per frame on the held peak.
    release: f32,
    /// Recent peak, decaying; at or below the ceiling it has no effect.
    peak: f32,
}

impl Limiter {
    /// `ceiling_dbfs` is 0 for full scale or below it for a small loudspeaker.
    pub fn new(ceiling_dbfs: f32, rate_hz: u32) -> Self {
        let release = (-1000.0 / (RELEASE_MS * rate_hz.max(1) as f32)).exp();
        Self { ceiling: from_db(ceiling_dbfs.min(0.0)), release, peak: 0.0 }
    }

    /// Limits mono samples in place; none leaves beyond the ceiling.
    pub fn process(&mut self, samples: &mut [f32]) {
        let ceiling = self.ceiling;
        let mut peak = self.peak;
        for sample in samples {
            let x = sane(*sample);
            peak = x.abs().max(peak * self.release);
            *sample = if peak > ceiling { (x * (ceiling / peak)).clamp(-ceiling, ceiling) } else { x };
        }
        // A peak far below anything audible ends as zero instead of a denormal.
        self.peak = if peak < 1e-20 { 0.0 } else { peak };
    }

    /// How much it turns down now, in dB; 0.0 when it does nothing.
    pub fn reduction_db(&self) -> f32 {
        if self.peak > self.ceiling { 20.0 * (self.peak / self.ceiling).log10() } else { 0.0 }
    }

    /// Forgets the last peak.
    pub fn reset(&mut self) {
        self.peak = 0.0;
    }
}
