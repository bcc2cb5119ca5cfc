//! How loud it is while nobody means the device.

/// Softer than this, in dBFS, is all the same.
const SOFT_DBFS: f32 = -65.0;
/// Memory, per block: 2.5 s.
const LEARN: f32 = 0.004;

/// Level of the room over an answer, and how much it varies. The noise floor says how quiet a room gets; people at its
/// other end, or what a canceller leaves of each vowel, are louder than that again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usual {
    /// Mean of the levels, in dB: a short loud sound does not count for more than its length.
    mean_dbfs: f32,
    variance: f32,
}

impl Usual {
    pub(super) fn new() -> Self {
        Self { mean_dbfs: SOFT_DBFS, variance: 0.0 }
    }

    /// Takes in the level of a block in which nobody is known to speak.
    pub(super) fn process(&mut self, level_dbfs: f32) {
        let off = level_dbfs.max(SOFT_DBFS) - self.mean_dbfs;
        self.mean_dbfs += LEARN * off;
        self.variance += LEARN * (off * off - self.variance);
    }

    /// What lies so many standard deviations above the mean, in dBFS.
    pub(super) fn above(&self, deviations: f32) -> f32 {
        self.mean_dbfs + deviations * self.variance.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cough_hardly_counts_and_babble_does() {
        let mut usual = Usual::new();
        (0..1_000).for_each(|_| usual.process(-60.0));
        let quiet = usual.above(1.0);
        assert!((quiet + 60.0).abs() < 1.5, "{quiet}");
        (0..30).for_each(|_| usual.process(-20.0));
        assert!(usual.above(1.0) < -40.0, "after a cough: {}", usual.above(1.0));
        (0..1_000).for_each(|n| usual.process(if n % 50 < 20 { -40.0 } else { -54.0 }));
        let babble = usual.above(1.0);
        assert!((-43.0..-38.0).contains(&babble), "{babble}");
    }
}
