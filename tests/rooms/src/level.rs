//! Levels.

/// Root of the mean square.
pub fn rms(samples: &[f32]) -> f32 {
    let sum: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    (sum / samples.len().max(1) as f64).sqrt() as f32
}

/// An amplitude in dB; silence is -200.
pub fn db(amplitude: f32) -> f32 {
    20.0 * amplitude.max(1e-10).log10()
}

/// The amplitude of so many dB.
pub fn amplitude(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// Brings samples to this RMS in dBFS.
pub fn at_level(mut samples: Vec<f32>, dbfs: f32) -> Vec<f32> {
    let gain = amplitude(dbfs) / rms(&samples).max(1e-10);
    samples.iter_mut().for_each(|sample| *sample *= gain);
    samples
}
