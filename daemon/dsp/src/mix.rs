//! Adds a second, local source (earcons, spoken lines) to the answer.

use crate::level::sane;

/// Adds `source` to `samples`, as many as both have. The sum may pass full scale: [`crate::Limiter`] comes after.
/// Where the source is silent the samples stay bit for bit.
pub fn mix(samples: &mut [f32], source: &[f32]) {
    for (sample, &source) in samples.iter_mut().zip(source) {
        *sample = sane(*sample) + sane(source);
    }
}

/// As [`mix`], held at full scale: for a path without a limiter.
pub fn mix_saturating(samples: &mut [f32], source: &[f32]) {
    for (sample, &source) in samples.iter_mut().zip(source) {
        *sample = (sane(*sample) + sane(source)).clamp(-1.0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sources_add_up_as_far_as_both_reach() {
        let mut samples = [0.25, -0.5, 0.75];
        mix(&mut samples, &[0.25, 0.25]);
        assert_eq!(samples, [0.5, -0.25, 0.75]);
    }

    #[test]
    fn a_silent_source_changes_no_bit() {
        let mut samples: Vec<f32> = (i16::MIN..=i16::MAX).map(crate::from_i16).collect();
        let before = samples.clone();
        mix(&mut samples, &vec![0.0; before.len()]);
        mix_saturating(&mut samples, &vec![0.0; before.len()]);
        assert_eq!(samples, before);
    }

    #[test]
    fn loud_sums_pass_full_scale_only_without_saturation() {
        let mut samples = [0.9, -0.9];
        mix(&mut samples, &[0.9, -0.9]);
        assert_eq!(samples, [1.8, -1.8]);
        mix_saturating(&mut samples, &[0.0, 0.0]);
        assert_eq!(samples, [1.0, -1.0]);
    }

    #[test]
    fn nonsense_from_either_side_is_silence() {
        let mut samples = [f32::NAN, 0.5, f32::INFINITY];
        mix(&mut samples, &[0.25, f32::NAN, f32::NEG_INFINITY]);
        assert_eq!(samples, [0.25, 0.5, 0.0]);
    }
}
