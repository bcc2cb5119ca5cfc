//! Test scenes: plane waves and diffuse noise on an array.

use std::f64::consts::TAU;

use super::design::SPEED_OF_SOUND;
use crate::synth::Random;

/// A sound from one direction as each microphone hears it, with fractional delays (windowed sinc, 32 taps).
pub(crate) fn plane_wave(
    sound: &[f32],
    positions_m: &[[f64; 3]],
    azimuth_deg: f64,
    elevation_deg: f64,
) -> Vec<Vec<f32>> {
    let (sin, cos) = azimuth_deg.to_radians().sin_cos();
    let flat = elevation_deg.to_radians().cos();
    let up = elevation_deg.to_radians().sin();
    positions_m
        .iter()
        .map(|p| {
            let lead = (flat * (p[0] * cos + p[1] * sin) + up * p[2]) / SPEED_OF_SOUND * 16_000.0;
            delayed(sound, 16.0 - lead)
        })
        .collect()
}

/// The sound this many samples later.
fn delayed(sound: &[f32], delay: f64) -> Vec<f32> {
    let whole = delay.floor() as usize;
    let part = delay - delay.floor();
    let taps: Vec<f32> = (0..32)
        .map(|n| {
            let x = f64::from(n) - 15.0 - part;
            let sinc = if x.abs() < 1e-9 { 1.0 } else { (TAU / 2.0 * x).sin() / (TAU / 2.0 * x) };
            let window = 0.5 + 0.5 * (TAU / 2.0 * (x / 16.5)).cos();
            (sinc * window) as f32
        })
        .collect();
    (0..sound.len())
        .map(|n| {
            taps.iter()
                .enumerate()
                .map(|(k, tap)| {
                    let at = (n + 15).checked_sub(k + whole);
                    at.and_then(|at| sound.get(at)).map_or(0.0, |s| s * tap)
                })
                .sum()
        })
        .collect()
}

/// Noise from everywhere: independent waves from 40 directions spread evenly over a sphere.
pub(crate) fn diffuse(
    seed: u64,
    len: usize,
    positions_m: &[[f64; 3]],
    mut noise: impl FnMut(u64, usize) -> Vec<f32>,
) -> Vec<Vec<f32>> {
    const WAVES: usize = 40;
    let mut sums = vec![vec![0.0; len]; positions_m.len()];
    let turn = Random::new(seed).between(0.0, 360.0);
    for wave in 0..WAVES {
        // a spiral from pole to pole, each turn by the golden angle
        let up = 1.0 - (2.0 * wave as f64 + 1.0) / WAVES as f64;
        let azimuth = turn + 137.507_764 * wave as f64;
        let sound = noise(seed * 1000 + wave as u64, len);
        let waves = plane_wave(&sound, positions_m, azimuth, up.asin().to_degrees());
        for (sum, wave) in sums.iter_mut().zip(waves) {
            for (sum, sample) in sum.iter_mut().zip(wave) {
                *sum += sample / (WAVES as f32).sqrt();
            }
        }
    }
    sums
}
