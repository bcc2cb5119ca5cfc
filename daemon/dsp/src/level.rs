//! Levels: between numbers and decibels, and what a sample may be.

use crate::Block;

/// What digital silence reads as, in dBFS; no level is ever below it.
pub const SILENCE_DBFS: f32 = -120.0;

/// 18 dB above full scale. A float card or a wild device may exceed full scale; beyond this it is nonsense, and
/// filters fed with it could reach infinity.
const LOUDEST: f32 = 8.0;

/// A sample as stages want it: what is not a number or infinite becomes silence, what is absurd is limited.
#[inline]
pub(crate) fn sane(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-LOUDEST, LOUDEST) } else { 0.0 }
}

/// Amplitude or RMS to dBFS. 1.0 is 0 dBFS, so a full-scale sine has an RMS of -3 dBFS.
pub fn dbfs(amplitude: f32) -> f32 {
    power_dbfs(amplitude * amplitude)
}

/// Decibels to an amplitude factor.
pub fn from_db(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// RMS level of a block in dBFS.
pub fn block_level_dbfs(block: &Block) -> f32 {
    power_dbfs(mean_square(block))
}

/// Mean square to dBFS.
pub(crate) fn power_dbfs(power: f32) -> f32 {
    // 1e-12 is SILENCE_DBFS
    10.0 * power.max(1e-12).log10()
}

/// Mean square of samples; 0 for none.
pub(crate) fn mean_square(samples: &[f32]) -> f32 {
    // Independent sums: the additions of one sum wait for each other.
    let mut sums = [0.0f32; 8];
    let chunks = samples.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, &sample) in sums.iter_mut().zip(chunk) {
            let sample = sane(sample);
            *sum += sample * sample;
        }
    }
    let rest: f32 = rest.iter().map(|&s| sane(s) * sane(s)).sum();
    (sums.iter().sum::<f32>() + rest) / samples.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BLOCK;

    #[test]
    fn full_scale_is_zero_dbfs_and_silence_is_finite() {
        assert_eq!(dbfs(1.0), 0.0);
        assert!((dbfs(0.5) + 6.02).abs() < 0.01);
        assert_eq!(dbfs(0.0), SILENCE_DBFS);
        assert!((from_db(-6.0206) - 0.5).abs() < 1e-5);
    }

    #[test]
    fn a_sine_at_full_scale_reads_minus_three() {
        let block: Block =
            std::array::from_fn(|n| (n as f32 * std::f32::consts::TAU * 8.0 / BLOCK as f32).sin());
        assert!((block_level_dbfs(&block) + 3.01).abs() < 0.01);
    }

    #[test]
    fn what_is_not_a_number_counts_as_silence() {
        assert_eq!(block_level_dbfs(&[f32::NAN; BLOCK]), SILENCE_DBFS);
        assert_eq!(block_level_dbfs(&[f32::NEG_INFINITY; BLOCK]), SILENCE_DBFS);
        assert!(block_level_dbfs(&[f32::MAX; BLOCK]) < 19.0);
    }

    #[test]
    fn an_odd_length_is_counted_whole() {
        assert!((mean_square(&[0.5; 13]) - 0.25).abs() < 1e-7);
        assert_eq!(mean_square(&[]), 0.0);
    }
}
