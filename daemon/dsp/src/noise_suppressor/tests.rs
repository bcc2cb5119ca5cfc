use super::*;
use crate::synth::{at_level, compressor, pink, rms, speech, to_db, white};

const S: usize = 16_000;

fn run(settings: NoiseSettings, sound: &[f32]) -> Vec<f32> {
    let (mut spectrum, mut noise) = (Spectrum::new(), NoiseSpectrum::new());
    let mut suppressor = NoiseSuppressor::new(settings);
    let mut out = Vec::new();
    for block in sound.chunks_exact(BLOCK) {
        let mut block: Block = block.try_into().unwrap();
        spectrum.process(&block);
        noise.process(spectrum.bands());
        suppressor.process(&spectrum, &noise, &mut block);
        out.extend_from_slice(&block);
    }
    out
}

fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Ratio of signal to everything else in `out`, in dB, once a common gain is taken out.
fn likeness_db(signal: &[f32], out: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let gain = dot(signal, out) / dot(signal, signal);
    let rest: Vec<f32> = signal.iter().zip(out).map(|(s, o)| o - gain as f32 * s).collect();
    to_db(gain * rms(signal) / rms(&rest))
}

#[test]
fn steady_noise_is_turned_down_by_2_to_4_db_within_4_seconds() {
    for (name, noise) in
        [("pink", pink(1, 6 * S)), ("white", white(1, 6 * S)), ("compressor", compressor(1, 6 * S))]
    {
        let noise = at_level(noise, -32.0);
        let out = run(NoiseSettings::default(), &noise);
        let taken_db = to_db(rms(&noise[4 * S..])) - to_db(rms(&out[4 * S..]));
        assert!((2.0..=4.0).contains(&taken_db), "{name}: {taken_db:.1} dB");
    }
}

#[test]
fn a_bolder_setting_takes_more_away() {
    let noise = at_level(pink(1, 6 * S), -32.0);
    let left = [3.0, 6.0, 12.0, 20.0]
        .map(|max_attenuation_db| rms(&run(NoiseSettings { max_attenuation_db }, &noise)[4 * S..]));
    assert!(left.windows(2).all(|pair| pair[1] < 0.9 * pair[0]), "{left:?}");
}

#[test]
fn speech_in_noise_comes_out_clearer_and_in_step() {
    for seed in 1..=4 {
        for noise in [pink(seed, 11 * S), white(seed, 11 * S)] {
            let said = [vec![0.0; 5 * S], at_level(speech(seed, 6 * S), -30.0)].concat();
            let noisy = add(&said, &at_level(noise, -35.0));
            let out = run(NoiseSettings::default(), &noisy);
            let (before, after) =
                (likeness_db(&said[5 * S..], &noisy[5 * S..]), likeness_db(&said[5 * S..], &out[5 * S..]));
            assert!(after > before + 1.0, "seed {seed}: {before:.1} then {after:.1} dB");
            // a sample late or early and the likeness is worse
            let late = likeness_db(&said[5 * S..11 * S - 8], &out[5 * S + 8..]);
            assert!(late < after, "it is late by half a millisecond");
        }
    }
}

#[test]
fn what_is_left_of_noise_is_as_even_as_it_was() {
    // Musical noise is peaks that come and go: the spread of bands over time, in dB.
    let spread = |sound: &[f32]| {
        let mut spectrum = Spectrum::new();
        let (mut sum, mut squares, mut count) = (0.0f64, 0.0f64, 0.0f64);
        for block in sound.chunks_exact(BLOCK) {
            spectrum.process(block.try_into().unwrap());
            for &power in &spectrum.bands()[48..] {
                let db = f64::from(power_dbfs(power));
                (sum, squares, count) = (sum + db, squares + db * db, count + 1.0);
            }
        }
        (squares / count - (sum / count).powi(2)).sqrt()
    };
    let noise = at_level(white(7, 20 * S), -40.0);
    let out = run(NoiseSettings::default(), &noise);
    let (before, after) = (spread(&noise[2 * S..]), spread(&out[2 * S..]));
    assert!(after < 1.3 * before, "{before:.2} dB then {after:.2} dB");
}

#[test]
fn clear_speech_a_quiet_room_and_the_stage_switched_off_keep_every_bit() {
    let said = [vec![0.0; S], at_level(speech(3, 6 * S), -26.0)].concat();
    let same = |settings, sound: &[f32]| run(settings, sound) == sound;
    assert!(same(NoiseSettings::default(), &said));
    let clear = add(&said, &at_level(pink(3, 7 * S), -60.0));
    assert!(same(NoiseSettings::default(), &clear));
    let loud = add(&said, &at_level(pink(3, 7 * S), -35.0));
    assert!(same(NoiseSettings::OFF, &loud));
    assert!(same(NoiseSettings { max_attenuation_db: f32::NAN }, &loud));
    let quiet = at_level(pink(4, 2 * S), -85.0);
    assert!(same(NoiseSettings::default(), &quiet));
}

#[test]
fn nonsense_never_leaves_and_is_forgotten_within_a_second() {
    let noise = at_level(pink(5, 3 * S), -40.0);
    for nonsense in [f32::NAN, f32::INFINITY, f32::MAX, 1.0, 0.0] {
        let square: Vec<f32> =
            (0..2 * S).map(|n| if n / 8 % 2 == 0 { nonsense } else { -nonsense }).collect();
        let out = run(NoiseSettings::default(), &[&noise[..], &square, &noise].concat());
        assert!(out[3 * S..].iter().all(|s| nonsense.is_nan() || nonsense.is_infinite() || s.is_finite()));
        let level = to_db(rms(&out[6 * S..]));
        assert!((-51.0..=-39.0).contains(&level), "after {nonsense}: {level:.1} dBFS");
    }
}

#[test]
fn a_filter_that_takes_everything_down_alike_is_a_plain_gain() {
    let mut cepstrum = [0.0; CEPSTRUM];
    cepstrum[0] = CEPSTRUM as f32 * 0.5f32.ln();
    let taps = minimum_phase(&cepstrum);
    assert!((taps[0] - 0.5).abs() < 1e-6 && taps[1..].iter().all(|&tap| tap == 0.0));
}
