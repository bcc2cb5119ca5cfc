//! Four microphones, a person at 60°, noise from everywhere.

use pressel_dsp::{ArraySettings, BLOCK, Block, FrontEnd, FrontEndSettings, Geometry};
use pressel_rooms::estoi::estoi;
use pressel_rooms::level::{amplitude, db, rms};
use pressel_rooms::noise::pink;
use pressel_rooms::random::Random;
use pressel_rooms::room::Between;
use pressel_rooms::speech::{Voice, speech};
use pressel_rooms::{NEAR_DBFS, RATE, Scene, lag};

use super::figures::Measured;

const GEOMETRY: Geometry = Geometry::ReSpeakerSquare4;
const AZIMUTH_DEG: f64 = 60.0;
const LOUDSPEAKER_DEG: f64 = 200.0;
const SNR_DB: f32 = 5.0;
const LEN: usize = 16 * RATE;
/// The direction is found in what comes before.
const SETTLED: usize = 4 * RATE;
/// Directions that diffuse noise is made of.
const WAVES: u32 = 40;
/// Metres that sound travels in a sample.
const SAMPLE_M: f64 = 343.0 / RATE as f64;

/// What the beam gains over its first microphone: signal to noise, and intelligibility.
pub fn measure(seed: u64) -> Measured {
    let voice = Voice::random(&mut Random::of(seed, "array"));
    let said: Vec<f32> = speech(seed, voice, LEN).iter().map(|s| s * amplitude(NEAR_DBFS)).collect();
    let near = wave(&said, AZIMUTH_DEG, 0.0);
    let mut noise = vec![vec![0.0f32; LEN]; near.len()];
    for n in 0..WAVES {
        // evenly over a sphere: a spiral by the golden angle
        let height = 1.0 - 2.0 * (f64::from(n) + 0.5) / f64::from(WAVES);
        let from =
            wave(&pink(seed ^ (u64::from(n) << 24), LEN), f64::from(n) * 137.508, height.asin().to_degrees());
        for (sum, from) in noise.iter_mut().zip(from) {
            sum.iter_mut().zip(from).for_each(|(sum, sample)| *sum += sample);
        }
    }
    let gain = amplitude(db(rms(&near[0])) - SNR_DB) / rms(&noise[0]);
    noise.iter_mut().flatten().for_each(|s| *s *= gain);

    // Once with the noise and once with its opposite: half the sum is what became of the person, half the difference
    // what became of the noise (B. Hagerman, A. Olofsson, 2004).
    let (with, against) = (beam(&near, &noise, 1.0), beam(&near, &noise, -1.0));
    let halves = |sign: f32| -> Vec<f32> {
        with.iter().zip(&against).skip(SETTLED).map(|(a, b)| 0.5 * (a + sign * b)).collect()
    };
    let snr_db = |near: &[f32], noise: &[f32]| db(rms(near)) - db(rms(noise));
    let gain_db = snr_db(&halves(1.0), &halves(-1.0)) - snr_db(&near[0][SETTLED..], &noise[0][SETTLED..]);
    let one: Vec<f32> = near[0].iter().zip(&noise[0]).map(|(near, noise)| near + noise).collect();
    let late = lag(&near[0][SETTLED..], &with[SETTLED..]);
    let clean = &near[0][SETTLED..LEN - late];
    let one = estoi(clean, &one[SETTLED..LEN - late]).unwrap_or(0.0);
    let beam = estoi(clean, &with[SETTLED + late..]).unwrap_or(0.0);
    Measured { array: vec![(gain_db, one, beam)], ..Measured::default() }
}

/// The array with its beam.
pub fn settings() -> ArraySettings {
    ArraySettings { geometry: GEOMETRY, ..ArraySettings::default() }
}

/// Frames of its microphones in a scene: the person at 60°, the loudspeaker elsewhere, and each its own noise.
pub fn hears(scene: &Scene, seed: u64) -> Vec<f32> {
    let (near, echo) = (wave(&scene.near, AZIMUTH_DEG, 0.0), wave(&scene.echo, LOUDSPEAKER_DEG, 0.0));
    let level = rms(&scene.noise);
    let noise: Vec<Vec<f32>> =
        (0..near.len() as u64).map(|m| pink(seed ^ (m << 24), scene.noise.len())).collect();
    (0..scene.mic.len())
        .flat_map(|n| (0..near.len()).map(move |m| (n, m)))
        .map(|(n, m)| near[m][n] + echo[m][n] + level * noise[m][n])
        .collect()
}

/// The beam's output for the person and `sign` times the noise.
fn beam(near: &[Vec<f32>], noise: &[Vec<f32>], sign: f32) -> Vec<f32> {
    let settings =
        FrontEndSettings { array: settings(), ..FrontEndSettings::bare(16_000, near.len() as u32) };
    let mut path = FrontEnd::new(settings).expect("a known array at 16 kHz is possible");
    let mut out = vec![0.0; LEN];
    let far: Block = [0.0; BLOCK];
    let mut frames = vec![0.0; BLOCK * near.len()];
    for (n, out) in out.chunks_exact_mut(BLOCK).enumerate() {
        for (k, frame) in frames.chunks_exact_mut(near.len()).enumerate() {
            for (channel, sample) in frame.iter_mut().enumerate() {
                *sample = near[channel][n * BLOCK + k] + sign * noise[channel][n * BLOCK + k];
            }
        }
        path.process(&frames, &far, out.try_into().expect("a block long"));
    }
    out
}

/// A sound from far away as each microphone hears it.
fn wave(sound: &[f32], azimuth_deg: f64, elevation_deg: f64) -> Vec<Vec<f32>> {
    let (sin, cos) = azimuth_deg.to_radians().sin_cos();
    let (up, flat) = elevation_deg.to_radians().sin_cos();
    let between = Between::new(sound);
    let hear = |at: [f64; 3]| -> Vec<f32> {
        let lead = (flat * (at[0] * cos + at[1] * sin) + up * at[2]) / SAMPLE_M;
        (0..sound.len()).map(|n| between.at(n as f64 + lead)).collect()
    };
    GEOMETRY.positions_m().into_iter().map(hear).collect()
}
