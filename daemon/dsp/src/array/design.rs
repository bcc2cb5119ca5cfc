//! Filters of a superdirective beam: the least diffuse noise that keeps the speaker as he is.
//!
//! For each frequency the weights are w = (Γ + μI)⁻¹d / (dᴴ(Γ + μI)⁻¹d) with the coherence Γ of a spherically
//! diffuse field and the steering vector d of a plane wave (Bitzer and Simmer, "Superdirective Microphone Arrays",
//! 2001). μ is the smallest that keeps the white noise gain 1/(wᴴw) above a bound: without it, low frequencies would
//! be made from differences of nearly equal signals, and the microphones' own noise and tolerances with them.
//! Γ depends on no direction, so its eigenvectors are found once and each μ costs a sum over the microphones.

use std::f64::consts::{PI, TAU};

use realfft::num_complex::Complex;

use crate::BLOCK_RATE;

/// Taps of a filter: 4 ms, enough for what the bound of the white noise gain leaves of the low frequencies.
pub(crate) const TAPS: usize = 64;
/// Samples by which the beam lags behind the array's middle: 2 ms.
pub(crate) const DELAY: usize = TAPS / 2;
/// Points of the frequency grid.
const GRID: usize = 256;
/// m/s, at 20 °C.
pub(crate) const SPEED_OF_SOUND: f64 = 343.0;
/// Smallest and largest μ that are tried.
const LOADING: (f64, f64) = (1e-6, 1e2);

/// When sound from `azimuth_rad` reaches a microphone, in seconds against the array's middle (negative: earlier).
pub(crate) fn arrival_s(position_m: &[f64; 3], azimuth_rad: f64) -> f64 {
    -(position_m[0] * azimuth_rad.cos() + position_m[1] * azimuth_rad.sin()) / SPEED_OF_SOUND
}

/// Designs beams for one set of microphones.
pub(crate) struct Designer {
    positions_m: Vec<[f64; 3]>,
    /// Per frequency of the grid: eigenvalues and eigenvectors of Γ.
    diffuse: Vec<(Vec<f64>, Vec<Vec<f64>>)>,
    white_noise_gain: f64,
    /// A turn of the circle in as many steps as the grid has.
    circle: Vec<Complex<f64>>,
}

impl Designer {
    /// `white_noise_gain_db` is the bound: 0 makes a beam as sensitive to its microphones' own noise as a single
    /// one is, below it more.
    pub(crate) fn new(positions_m: &[[f64; 3]], white_noise_gain_db: f64) -> Self {
        let diffuse = (0..=GRID / 2)
            .map(|bin| {
                let omega = TAU * frequency_hz(bin);
                let coherence = |a: &[f64; 3], b: &[f64; 3]| {
                    let distance: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
                    let x = omega * distance / SPEED_OF_SOUND;
                    if x < 1e-9 { 1.0 } else { x.sin() / x }
                };
                let matrix = positions_m
                    .iter()
                    .map(|a| positions_m.iter().map(|b| coherence(a, b)).collect())
                    .collect();
                eigen(matrix)
            })
            .collect();
        Self {
            positions_m: positions_m.to_vec(),
            diffuse,
            white_noise_gain: 10f64.powf(white_noise_gain_db / 10.0),
            circle: (0..GRID).map(|step| Complex::from_polar(1.0, TAU * step as f64 / GRID as f64)).collect(),
        }
    }

    /// Taps of each microphone's filter for sound from `azimuth_rad`, newest sample first.
    pub(crate) fn superdirective(&self, azimuth_rad: f64) -> Vec<[f32; TAPS]> {
        let spectra: Vec<Vec<Complex<f64>>> =
            (0..=GRID / 2).map(|bin| self.weights(bin, azimuth_rad)).collect();
        (0..self.positions_m.len()).map(|m| self.taps(|bin| spectra[bin][m])).collect()
    }

    /// The same for delay-and-sum before the sum is divided by the number of microphones.
    pub(crate) fn delays(&self, azimuth_rad: f64) -> Vec<[f32; TAPS]> {
        (0..self.positions_m.len())
            .map(|m| {
                let lead_s = arrival_s(&self.positions_m[m], azimuth_rad);
                self.taps(|bin| Complex::from_polar(1.0, TAU * frequency_hz(bin) * lead_s))
            })
            .collect()
    }

    /// Transfer functions of the microphones' filters at a frequency of the grid.
    fn weights(&self, bin: usize, azimuth_rad: f64) -> Vec<Complex<f64>> {
        let (values, vectors) = &self.diffuse[bin];
        let omega = TAU * frequency_hz(bin);
        let steering: Vec<Complex<f64>> = self
            .positions_m
            .iter()
            .map(|position| Complex::from_polar(1.0, -omega * arrival_s(position, azimuth_rad)))
            .collect();
        let turned: Vec<Complex<f64>> = vectors
            .iter()
            .map(|vector| vector.iter().zip(&steering).map(|(u, d)| d * *u).sum::<Complex<f64>>())
            .collect();
        let gain_at = |loading: f64| {
            let (mut signal, mut noise) = (0.0, 0.0);
            for (value, d) in values.iter().zip(&turned) {
                let share = d.norm_sqr() / (value.max(0.0) + loading);
                signal += share;
                noise += share / (value.max(0.0) + loading);
            }
            signal * signal / noise
        };
        // The white noise gain grows with μ, up to the number of microphones.
        let (mut low, mut high) = LOADING;
        let bound = self.white_noise_gain.min(0.999 * values.len() as f64);
        if gain_at(low) < bound {
            for _ in 0..14 {
                let middle = (low * high).sqrt();
                if gain_at(middle) < bound { low = middle } else { high = middle }
            }
        } else {
            high = low;
        }
        let signal: f64 = values.iter().zip(&turned).map(|(v, d)| d.norm_sqr() / (v.max(0.0) + high)).sum();
        (0..steering.len())
            .map(|m| {
                let w: Complex<f64> = vectors
                    .iter()
                    .zip(values.iter().zip(&turned))
                    .map(|(vector, (value, d))| d * (vector[m] / (value.max(0.0) + high)))
                    .sum();
                // the filter is the conjugate of the weight
                w.conj() / signal
            })
            .collect()
    }

    /// From a transfer function to taps around `DELAY`, newest sample first. An inverse transform in which only the taps
    /// are worked out: an FFT of this precision would be half a megabyte of program for a thing done at the start.
    fn taps(&self, transfer: impl Fn(usize) -> Complex<f64>) -> [f32; TAPS] {
        let spectrum: Vec<Complex<f64>> = (0..=GRID / 2).map(transfer).collect();
        std::array::from_fn(|n| {
            let wave = |bin: usize| {
                // Real filters: the bins between the ends are there twice, mirrored.
                let share = if bin % (GRID / 2) == 0 { 1.0 } else { 2.0 };
                share * (spectrum[bin] * self.circle[bin * (n + GRID - DELAY) % GRID]).re
            };
            ((0..=GRID / 2).map(wave).sum::<f64>() / GRID as f64 * window(n)) as f32
        })
    }
}

/// Frequency of a point of the grid, in Hz.
fn frequency_hz(bin: usize) -> f64 {
    bin as f64 * f64::from(BLOCK_RATE) / GRID as f64
}

/// Flat in the middle, so that delays keep their shape; the ends go softly to nothing.
fn window(n: usize) -> f64 {
    let distance = (n as f64 - DELAY as f64).abs() / DELAY as f64;
    let flat = 0.25;
    if distance <= flat { 1.0 } else { 0.5 + 0.5 * (PI * (distance - flat) / (1.0 - flat)).cos() }
}

/// Eigenvalues and eigenvectors (as rows) of a small symmetric matrix, by Jacobi rotations.
fn eigen(mut a: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = a.len();
    let mut vectors: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _sweep in 0..12 {
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q].abs() < 1e-15 {
                    continue;
                }
                let angle = 0.5 * (2.0 * a[p][q]).atan2(a[q][q] - a[p][p]);
                let (sin, cos) = angle.sin_cos();
                for row in &mut a {
                    let (x, y) = (row[p], row[q]);
                    row[p] = cos * x - sin * y;
                    row[q] = sin * x + cos * y;
                }
                for k in 0..n {
                    let (x, y) = (a[p][k], a[q][k]);
                    a[p][k] = cos * x - sin * y;
                    a[q][k] = sin * x + cos * y;
                    let (x, y) = (vectors[p][k], vectors[q][k]);
                    vectors[p][k] = cos * x - sin * y;
                    vectors[q][k] = sin * x + cos * y;
                }
            }
        }
    }
    ((0..n).map(|i| a[i][i]).collect(), vectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Geometry;

    /// Response of a set of filters to a plane wave.
    fn response(taps: &[[f32; TAPS]], positions_m: &[[f64; 3]], hz: f64, azimuth_rad: f64) -> Complex<f64> {
        let omega = TAU * hz;
        positions_m
            .iter()
            .zip(taps)
            .map(|(position, taps)| {
                let filter: Complex<f64> = taps
                    .iter()
                    .enumerate()
                    .map(|(n, &tap)| {
                        Complex::from_polar(f64::from(tap), -omega * n as f64 / f64::from(BLOCK_RATE))
                    })
                    .sum();
                filter * Complex::from_polar(1.0, -omega * arrival_s(position, azimuth_rad))
            })
            .sum()
    }

    /// Directivity against a diffuse field: the mean over a sphere of plane waves, in dB.
    fn directivity_db(taps: &[[f32; TAPS]], positions_m: &[[f64; 3]], hz: f64, azimuth_rad: f64) -> f64 {
        let look = response(taps, positions_m, hz, azimuth_rad).norm_sqr();
        let (mut sum, mut weight) = (0.0, 0.0);
        for elevation in -8..=8 {
            let elevation = f64::from(elevation) * 10.0f64.to_radians();
            // a wave from above reaches a flat array as a slower one along it
            let flat: Vec<[f64; 3]> = positions_m.iter().map(|p| p.map(|x| x * elevation.cos())).collect();
            for azimuth in 0..36 {
                let power = response(taps, &flat, hz, f64::from(azimuth) * 10.0f64.to_radians()).norm_sqr();
                sum += power * elevation.cos();
                weight += elevation.cos();
            }
        }
        10.0 * (look / (sum / weight)).log10()
    }

    #[test]
    fn a_beam_is_deaf_to_diffuse_noise_and_keeps_the_speaker_as_he_is() {
        // least directivity in dB at 200, 500, 1000, 2000, 4000 Hz
        for (geometry, least_db) in [
            (Geometry::ReSpeakerUsb4, [2.5, 5.9, 6.6, 6.4, 5.2]),
            (Geometry::ReSpeakerSquare4, [3.2, 6.2, 6.6, 6.2, 6.0]),
            (Geometry::ReSpeakerCircular6, [4.1, 6.8, 9.1, 9.9, 7.8]),
            (Geometry::Linear2, [0.9, 2.2, 2.4, 2.6, 2.6]),
        ] {
            let positions = geometry.positions_m();
            let azimuth = 60f64.to_radians();
            let taps = Designer::new(&positions, -6.0).superdirective(azimuth);
            for (hz, least_db) in [200.0, 500.0, 1_000.0, 2_000.0, 4_000.0].into_iter().zip(least_db) {
                let db = directivity_db(&taps, &positions, hz, azimuth);
                assert!(db > least_db, "{geometry:?}, {hz} Hz: {db:.1} dB");
            }
            for hz in [150.0, 300.0, 700.0, 1_500.0, 3_000.0, 6_000.0] {
                let look = response(&taps, &positions, hz, azimuth);
                let late = look * Complex::from_polar(1.0, TAU * hz * DELAY as f64 / 16_000.0);
                let db = 20.0 * look.norm().log10();
                assert!(db.abs() < 1.4, "{geometry:?}, {hz} Hz: {db:.2} dB towards the speaker");
                assert!(late.arg().abs() < 0.05, "{geometry:?}, {hz} Hz: {:.3} rad", late.arg());
            }
        }
    }

    #[test]
    fn the_bound_of_the_white_noise_gain_holds() {
        let positions = Geometry::ReSpeakerUsb4.positions_m();
        for bound_db in [0.0, -6.0] {
            let designer = Designer::new(&positions, bound_db);
            for bin in 1..GRID / 2 {
                let noise: f64 = designer.weights(bin, 1.0).iter().map(|w| w.norm_sqr()).sum();
                assert!(-10.0 * noise.log10() > bound_db - 0.05, "bin {bin}: {noise}");
            }
        }
    }

    #[test]
    fn eigenvectors_bring_the_matrix_back() {
        let matrix = vec![vec![1.0, 0.5, 0.2], vec![0.5, 1.0, -0.3], vec![0.2, -0.3, 0.7]];
        let (values, vectors) = eigen(matrix.clone());
        for i in 0..3 {
            for j in 0..3 {
                let back: f64 = (0..3).map(|k| values[k] * vectors[k][i] * vectors[k][j]).sum();
                assert!((back - matrix[i][j]).abs() < 1e-12, "{i} {j}: {back}");
            }
        }
    }

    #[test]
    fn one_microphone_alone_is_only_delayed() {
        let taps = Designer::new(&[[0.03, 0.0, 0.0]], -6.0).superdirective(0.0);
        let positions = [[0.03, 0.0, 0.0]];
        for hz in [100.0, 1_000.0, 7_000.0] {
            let gain = response(&taps, &positions, hz, 0.0).norm();
            assert!((gain - 1.0).abs() < 0.02, "{hz} Hz: {gain}");
        }
    }
}
