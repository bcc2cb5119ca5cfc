use super::*;
use crate::synth::{at_level, pink, rms, speech, to_db, white};
use crate::{Gate, GateSettings};

const S: usize = 16_000;

/// What comes out, and the gain in dB after each block.
fn run(gain: &mut Gain, sound: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let mut gate = Gate::new(GateSettings::default());
    let mut out = Vec::new();
    let mut gains = Vec::new();
    for block in sound.chunks_exact(BLOCK) {
        let mut block: Block = block.try_into().unwrap();
        let reading = gate.process(&block);
        gain.process(&reading, true, &mut block);
        out.extend_from_slice(&block);
        gains.push(gain.gain_db());
    }
    (out, gains)
}

fn fresh() -> Gain {
    Gain::new(GainSettings::default())
}

/// `speech` at this active level in a room at -70 dBFS: its pauses count for nothing, as in the stage.
fn voice(seed: u64, len: usize, dbfs: f64) -> Vec<f32> {
    let said = at_level(speech(seed, len), dbfs - 1.5);
    said.iter().zip(at_level(pink(seed, len), -70.0)).map(|(a, b)| a + b).collect()
}

#[test]
fn voices_from_far_and_near_come_to_the_target() {
    for (level_dbfs, expected_db) in
        [(-40.0, 17.0), (-33.0, 10.0), (-14.0, -9.0), (-60.0, 20.0), (-8.0, -10.0)]
    {
        for seed in 1..=4 {
            let sound = [at_level(pink(seed, 2 * S), -70.0), voice(seed, 12 * S, level_dbfs)].concat();
            let (_, gains) = run(&mut fresh(), &sound);
            let last = *gains.last().unwrap();
            assert!((last - expected_db).abs() < 3.0, "{level_dbfs} dBFS, seed {seed}: {last} dB");
        }
    }
}

#[test]
fn a_voice_that_is_right_already_keeps_every_bit() {
    let sound = [at_level(pink(1, S), -60.0), voice(1, 10 * S, -23.0)].concat();
    let (out, gains) = run(&mut fresh(), &sound);
    assert!(gains.iter().all(|&db| db == 0.0), "{:?}", gains.last());
    assert_eq!(out, sound);
}

#[test]
fn switched_off_it_leaves_every_bit() {
    let sound = voice(2, 6 * S, -45.0);
    assert_eq!(run(&mut Gain::new(GainSettings::OFF), &sound).0, sound);
}

#[test]
fn it_goes_up_slowly_and_down_quickly() {
    let quiet = [at_level(pink(3, 2 * S), -70.0), voice(3, 10 * S, -40.0)].concat();
    let loud = voice(4, 6 * S, -18.0);
    let (_, gains) = run(&mut fresh(), &[quiet.clone(), loud].concat());
    let (start, end) = (quiet.len() / BLOCK, gains.len());
    let risen = gains[..start].windows(100).map(|w| w[99] - w[0]).fold(0.0, f32::max);
    assert!(risen <= 6.0, "{risen} dB in a second");
    assert!(gains[start - 1] > 13.0 && gains[end - 1] < 0.0);
    let down = gains[start..].iter().position(|&db| db < 2.0).unwrap();
    assert!(down < 150, "{down} blocks");
}

#[test]
fn it_holds_between_words_and_over_a_pause_of_minutes() {
    let mut gain = fresh();
    let (_, gains) = run(&mut gain, &[at_level(pink(5, 2 * S), -60.0), voice(5, 8 * S, -38.0)].concat());
    let held = *gains.last().unwrap();
    let (_, gains) = run(&mut gain, &at_level(pink(6, 120 * S), -60.0));
    assert!(held > 10.0 && gains.iter().all(|&db| db == held), "{held} and {:?}", gains.last());
}

#[test]
fn noise_is_never_learnt() {
    for seed in 1..=4 {
        let (_, gains) = run(&mut fresh(), &at_level(white(seed, 60 * S), -45.0));
        assert!(gains.iter().all(|&db| db == 0.0));
    }
}

#[test]
fn echo_is_never_learnt() {
    let mut gain = fresh();
    let mut gate = Gate::new(GateSettings::default());
    for block in [at_level(pink(1, 2 * S), -60.0), voice(1, 8 * S, -40.0)].concat().chunks_exact(BLOCK) {
        let mut block: Block = block.try_into().unwrap();
        let reading = gate.process(&block);
        gain.process(&reading, false, &mut block);
    }
    assert_eq!(gain.gain_db(), 0.0);
    assert_eq!(gain.speech_dbfs(), None);
}

#[test]
fn however_loud_it_gets_nothing_leaves_more_than_20_db_over_the_target() {
    let mut gain = fresh();
    let mut sound = [at_level(pink(7, 2 * S), -70.0), voice(7, 14 * S, -50.0)].concat();
    let start = sound.len();
    sound.extend((0..4 * S).map(|n| if n / 8 % 2 == 0 { 1.0 } else { -1.0 }));
    sound.extend([f32::MAX, f32::NAN, f32::NEG_INFINITY, 4.0].repeat(S));
    let (out, gains) = run(&mut gain, &sound);
    assert!(gains.iter().all(|&db| (-10.0..=20.0).contains(&db)));
    assert!(gains[start / BLOCK] > 17.0);
    let most = from_db(-23.0 + 20.0) + 1e-6;
    assert!(out.iter().all(|s| s.is_finite() && s.abs() <= most));
}

#[test]
fn full_scale_nonsense_is_forgotten_within_a_second() {
    for nonsense in [1.0, f32::NAN, f32::INFINITY, 0.0] {
        let mut gain = fresh();
        let before = [at_level(pink(8, 2 * S), -60.0), voice(8, 8 * S, -38.0)].concat();
        let (_, gains) = run(&mut gain, &before);
        let held = *gains.last().unwrap();
        let square: Vec<f32> =
            (0..5 * S).map(|n| if n / 8 % 2 == 0 { nonsense } else { -nonsense }).collect();
        run(&mut gain, &square);
        let (out, gains) = run(&mut gain, &[at_level(pink(9, S), -60.0), voice(8, 3 * S, -38.0)].concat());
        assert!((gains[gains.len() - 1] - held).abs() < 3.0, "{held} then {:?}", gains.last());
        assert!((to_db(rms(&out[S..])) + 25.0).abs() < 3.5, "{}", to_db(rms(&out[S..])));
    }
}

#[test]
fn it_moves_without_steps() {
    let sound = vec![0.01; 8 * S];
    let mut gain = fresh();
    let reading = Reading {
        speech: true,
        voiced: true,
        open: true,
        opened: false,
        closed: false,
        level_dbfs: -40.0,
        floor_dbfs: -70.0,
        barge_in: None,
        gain_db: 0.0,
    };
    let mut out = Vec::new();
    for block in sound.chunks_exact(BLOCK) {
        let mut block: Block = block.try_into().unwrap();
        gain.process(&reading, true, &mut block);
        out.extend_from_slice(&block);
    }
    let step = out.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    assert!(step < 1e-5 && out[out.len() - 1] > 0.05, "{step}");
}

#[test]
fn odd_settings_are_brought_into_bounds_and_a_reset_is_0_db() {
    let odd = GainSettings { on: true, target_dbfs: f32::NAN, max_boost_db: f32::NAN };
    let mut gain = Gain::new(odd);
    let sound = [at_level(pink(5, 2 * S), -70.0), voice(5, 8 * S, -45.0)].concat();
    let (_, gains) = run(&mut gain, &sound);
    assert!(gains.iter().all(|&db| db == 0.0), "no boost was allowed");
    let mut gain = Gain::new(GainSettings { max_boost_db: 90.0, ..GainSettings::default() });
    run(&mut gain, &sound);
    assert!(gain.gain_db() > 15.0 && gain.gain_db() <= 20.0);
    gain.reset();
    assert_eq!(gain.gain_db(), 0.0);
}
