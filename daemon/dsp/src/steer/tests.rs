use super::*;
use crate::Asynchronous;
use crate::synth::{Random, at_level, pink, speech};

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

/// Far end and microphone: an echo at -20 dBFS whose direct sound lies `lag(n)` samples back.
struct Scene {
    seconds: usize,
    seed: u64,
    noise_dbfs: f64,
    near_dbfs: Option<f64>,
}

impl Scene {
    fn new(seconds: usize, seed: u64) -> Self {
        Self { seconds, seed, noise_dbfs: -60.0, near_dbfs: None }
    }

    fn make(&self, lag: impl Fn(usize) -> f64) -> (Vec<f32>, Vec<f32>) {
        let len = self.seconds * 16_000;
        let far = at_level(speech(self.seed, len), -23.0);
        let mut mic = at_level(convolve(&heard(&far, lag), &room(self.seed + 1, 0.25)), -20.0);
        let noise = at_level(pink(self.seed + 2, len), self.noise_dbfs);
        mic.iter_mut().zip(noise).for_each(|(mic, noise)| *mic += noise);
        if let Some(dbfs) = self.near_dbfs {
            let near = at_level(speech(self.seed + 3, len), dbfs);
            mic.iter_mut().zip(near).for_each(|(mic, near)| *mic += near);
        }
        (far, mic)
    }
}

/// Block in which the echo was first said to be found.
fn found(readings: &[SteerReading]) -> usize {
    readings.iter().position(|reading| reading.delay_ms > 0.0).unwrap_or(usize::MAX)
}

#[test]
fn the_delay_is_found_within_a_second_of_speech_wherever_it_is() {
    let mut blocks = Vec::new();
    for (n, delay_ms) in [0.5, 15.0, 40.0, 120.0, 250.0, 380.0, 490.0].into_iter().enumerate() {
        for (noise_dbfs, near_dbfs) in [(-60.0, None), (-30.0, None), (-60.0, Some(-20.0))] {
            let scene = Scene { noise_dbfs, near_dbfs, ..Scene::new(4, 10 * n as u64) };
            let (far, mic) = scene.make(|_| delay_ms * 16.0);
            let (_, readings) = run(&mut Steer::new(true), &far, &mic);
            let at = found(&readings);
            let case = format!("{delay_ms} ms, noise {noise_dbfs}, near {near_dbfs:?}");
            if noise_dbfs < -50.0 && near_dbfs.is_none() {
                assert!(at < 100, "{case}: after {at} blocks");
            }
            assert!(at < 200, "{case}: after {at} blocks");
            let off_ms = f64::from(readings[at].delay_ms) - delay_ms;
            assert!((-4.0..1.0).contains(&off_ms), "{case}: {off_ms:.2} ms off");
            blocks.push(at);
        }
    }
    blocks.sort_unstable();
    assert!(blocks[blocks.len() / 2] < 80, "median: {} blocks", blocks[blocks.len() / 2]);
}

#[test]
fn two_people_who_speak_at_once_are_no_echo() {
    for seed in 0..6 {
        let far = at_level(speech(100 + seed, 480_000), -23.0);
        let near = at_level(speech(200 + seed, 480_000), -23.0);
        let (sound, readings) = run(&mut Steer::new(true), &far, &near);
        assert_eq!(found(&readings), usize::MAX, "seed {seed}: {:?}", readings[found(&readings)]);
        assert_eq!(sound, far);
    }
}

#[test]
fn the_drift_of_two_clocks_is_gone_within_20_seconds() {
    for (n, ppm) in [-300.0, -100.0, -30.0, 30.0, 100.0, 300.0].into_iter().enumerate() {
        let (far, mic) = Scene::new(26, 300 + n as u64).make(|n| 2_000.0 - n as f64 * ppm * 1e-6);
        let mut steer = Steer::new(true);
        let mut lags = Vec::new();
        let mut last = SteerReading::UNKNOWN;
        let mut out = [0.0; BLOCK];
        for (n, (far, mic)) in far.chunks_exact(BLOCK).zip(mic.chunks_exact(BLOCK)).enumerate() {
            last = steer.process(far.try_into().unwrap(), mic.try_into().unwrap(), &mut out);
            // how far the reference is from its echo
            lags.push(steer.reference.lag - 2_000.0 + ((n + 1) * BLOCK) as f64 * ppm * 1e-6);
        }
        let left = |from: usize, to: usize| (lags[to] - lags[from]) / ((to - from) * BLOCK) as f64 * 1e6;
        assert!(left(2_000, 2_500).abs() < 2.5, "{ppm} ppm: {:.2} left", left(2_000, 2_500));
        assert!((f64::from(last.drift_ppm) - ppm).abs() < 1.0, "{ppm} ppm: {last:?}");
        assert!(last.locked);
        // Nothing but the drift has moved it: no step larger than 2 ppm on top.
        for pair in lags[2_000..].windows(2) {
            assert!((pair[1] - pair[0]).abs() < 0.001, "{ppm} ppm: a step of {}", pair[1] - pair[0]);
        }
    }
}

#[test]
fn a_jump_is_announced_within_half_a_second_and_put_right() {
    for (n, jump) in [-1_500.0, -200.0, 40.0, 700.0, 3_000.0].into_iter().enumerate() {
        let at = 12 * 16_000 + 937 * n;
        let (far, mic) =
            Scene::new(18, 400 + n as u64).make(|n| if n < at { 2_000.0 } else { 2_000.0 + jump });
        let (_, readings) = run(&mut Steer::new(true), &far, &mic);
        let before = readings[at / BLOCK - 1];
        let after = readings[at / BLOCK..].iter().position(|reading| reading.jumped);
        let after = after.unwrap_or(usize::MAX);
        assert!(after <= 50, "jump by {jump}: {after} blocks");
        let moved = f64::from(readings[1_799].delay_ms - before.delay_ms) * 16.0;
        assert!((moved - jump).abs() < 1.0, "jump by {jump}: moved by {moved}");
        assert!(readings[1_799].locked && readings[1_799].drift_ppm.abs() < 2.0, "{:?}", readings[1_799]);
        assert!(readings[100..at / BLOCK].iter().all(|reading| !reading.jumped), "jump by {jump}");
    }
}

#[test]
fn where_the_canceller_finds_its_echo_the_reference_stays() {
    // 700 samples later the echo is still within the canceller's reach: its place becomes known, and nothing is moved.
    let at = 12 * 16_000;
    let (far, mic) = Scene::new(18, 450).make(|n| if n < at { 2_000.0 } else { 2_700.0 });
    let mut steer = Steer::new(true);
    let mut readings = Vec::new();
    for (far, mic) in far.chunks_exact(BLOCK).zip(mic.chunks_exact(BLOCK)) {
        let mut out = [0.0; BLOCK];
        readings.push(steer.process(far.try_into().unwrap(), mic.try_into().unwrap(), &mut out));
        steer.heed(1.0);
    }
    let moved = f64::from(readings[1_799].delay_ms - readings[at / BLOCK - 1].delay_ms) * 16.0;
    assert!((moved - 700.0).abs() < 64.0, "{moved}");
    assert!(readings[at / BLOCK..].iter().all(|reading| !reading.jumped));
}

#[test]
fn what_is_known_survives_two_hours_of_silence() {
    // At 5 ppm the echo has moved by 36 ms.
    let (far, mic) = Scene::new(20, 500).make(|n| 2_000.0 + n as f64 * 5e-6);
    let mut steer = Steer::new(true);
    let (_, readings) = run(&mut steer, &far, &mic);
    let before = readings[1_999];
    let silence = [0.0; BLOCK];
    let mut out = [1.0; BLOCK];
    for _ in 0..720_000 {
        let reading = steer.process(&silence, &silence, &mut out);
        assert!((reading.drift_ppm - before.drift_ppm).abs() < 0.01);
    }
    assert_eq!(out, silence);
    let lag = 2_000.0 + 115_200_000.0 * 5e-6;
    let (far, mic) = Scene::new(4, 500).make(|n| lag + (n + 320_000) as f64 * 5e-6);
    let (_, readings) = run(&mut steer, &far, &mic);
    let off_ms = f64::from(readings[200].delay_ms) - lag / 16.0;
    assert!(off_ms.abs() < 1.5, "{off_ms} ms, {:?}", readings[200]);
}

#[test]
fn a_short_delay_without_drift_comes_through_bit_for_bit() {
    for delay in [0.0, 24.0, 250.0] {
        let (far, mic) = Scene::new(20, 600).make(|_| delay);
        let (sound, readings) = run(&mut Steer::new(true), &far, &mic);
        assert!(sound == far, "{delay}");
        let last = readings[1_999];
        assert!(last.locked && last.drift_ppm.abs() < 0.5, "{last:?}");
        assert!(readings.iter().all(|reading| !reading.jumped));
    }
}

#[test]
fn a_long_delay_without_drift_is_a_copy_of_whole_samples() {
    let (far, mic) = Scene::new(15, 700).make(|_| 1_600.0);
    let (sound, _) = run(&mut Steer::new(true), &far, &mic);
    let lag = (0..1_600).find(|lag| sound[200_000..] == far[200_000 - lag..far.len() - lag]);
    assert!(lag.is_some_and(|lag| (1_600 - LEAD - 64..=1_600 - LEAD + 2).contains(&lag)), "{lag:?}");
}

#[test]
fn nonsense_on_either_side_never_comes_out_and_is_survived() {
    let (far, mic) = Scene::new(12, 800).make(|n| 1_000.0 - n as f64 * 50e-6);
    let mut steer = Steer::new(true);
    let nonsense = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1.0];
    let wild: Vec<f32> = (0..32_000).map(|n| nonsense[(n * 7 + n / 5) % 6]).collect();
    let (sound, _) = run(&mut steer, &wild, &wild);
    assert!(sound.iter().all(|sample| sample.is_finite()));
    let (sound, readings) = run(&mut steer, &far, &mic);
    assert!(sound.iter().all(|sample| sample.is_finite()));
    let last = readings[1_199];
    assert!(last.locked && (last.drift_ppm - 50.0).abs() < 3.0, "{last:?}");
}

#[test]
fn switched_off_it_says_nothing_and_changes_nothing() {
    let (far, mic) = Scene::new(2, 900).make(|_| 1_000.0);
    let (sound, readings) = run(&mut Steer::new(false), &far, &mic);
    assert_eq!(sound, far);
    assert!(readings.iter().all(|reading| *reading == SteerReading::UNKNOWN));
}
