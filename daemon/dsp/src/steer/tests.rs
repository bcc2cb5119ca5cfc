use super::*;
use crate::synth::{Random, at_level, pink, rms, speech, white};

/// A room: direct sound, then a tail of noise that decays by 60 dB in `decay_s`, as loud as the direct sound.
fn room(seed: u64, decay_s: f64) -> Vec<f64> {
    let mut random = Random::new(seed);
    let len = (decay_s * 16_000.0) as usize;
    let mut taps: Vec<f64> = (0..len)
        .map(|n| if n < 20 { 0.0 } else { random.bell() * 10f64.powf(-3.0 * n as f64 / len as f64) })
        .collect();
    let energy: f64 = taps.iter().map(|t| t * t).sum();
    taps.iter_mut().for_each(|t| *t /= energy.max(1e-9).sqrt());
    if taps.is_empty() {
        taps.push(0.0);
    }
    taps[0] = 1.0;
    taps
}

fn convolve(sound: &[f32], taps: &[f64]) -> Vec<f32> {
    let mut out = vec![0.0f32; sound.len()];
    for (k, &tap) in taps.iter().enumerate() {
        let tap = tap as f32;
        for (out, sample) in out[k..].iter_mut().zip(sound) {
            *out += tap * sample;
        }
    }
    out
}

/// What the microphone hears of `sound` at a place in its past that moves: `lag(n)` samples.
fn heard(sound: &[f32], lag: impl Fn(usize) -> f64) -> Vec<f32> {
    let read = Asynchronous::new(16_000, 16_000).unwrap();
    (0..sound.len())
        .map(|n| {
            let mut out = [0.0];
            read.read(sound, n as f64 - lag(n), 1.0, &mut out);
            out[0]
        })
        .collect()
}

fn run(steer: &mut Steer, far: &[f32], mic: &[f32]) -> (Vec<f32>, Vec<SteerReading>) {
    let (mut sound, mut readings) = (Vec::new(), Vec::new());
    for (far, mic) in far.chunks_exact(BLOCK).zip(mic.chunks_exact(BLOCK)) {
        let mut out = [0.0; BLOCK];
        readings.push(steer.process(far.try_into().unwrap(), mic.try_into().unwrap(), &mut out));
        sound.extend_from_slice(&out);
    }
    (sound, readings)
}

#[test]
fn look() {
    for (ppm, delay, noise) in CASES {
        let len = 16_000 * 30;
        let far = at_level(speech(1, len), -23.0);
        let echo = at_level(convolve(&heard(&far, |n| delay - n as f64 * ppm * 1e-6), &room(3, 0.3)), -20.0);
        let noise = at_level(pink(5, len), noise);
        let mic: Vec<f32> = echo.iter().zip(noise).map(|(a, b)| a + b).collect();
        let mut steer = Steer::new(true);
        let start = std::time::Instant::now();
        let (_, readings) = run(&mut steer, &far, &mic);
        println!("{ppm} {delay}: {:.1} us", start.elapsed().as_secs_f64() * 1e6 / readings.len() as f64);
        for (n, r) in readings.iter().enumerate() {
            if r.jumped || n % 100 == 99 && (n < 1000 || n % 500 == 499) {
                println!("{:.2} {r:?} lag {}", n as f64 / 100.0, steer.lag);
            }
        }
    }
    let _ = (rms(&[0.0]), white(1, 1));
}

const CASES: [(f64, f64, f64); 8] = [
    (300.0, 1920.0, -60.0),
    (0.0, 960.0, -80.0),
    (30.0, 960.0, -60.0),
    (100.0, 960.0, -60.0),
    (-300.0, 1920.0, -60.0),
    (-300.0, 6920.0, -40.0),
    (-30.0, 6920.0, -26.0),
    (0.0, 20.0, -80.0),
];
