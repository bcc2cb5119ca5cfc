use super::*;
use crate::synth::{Compressor, Pink, at_level, compressor, pink, rms, speech, tone, white};
use crate::{BLOCK, HighPass, SILENCE_DBFS};

const S: usize = 16_000;

/// Readings of all blocks, the gate as the configuration has it by default.
fn listen(sound: &[f32]) -> Vec<Reading> {
    listen_with(Gate::new(GateSettings::default()), sound)
}

fn listen_with(mut gate: Gate, sound: &[f32]) -> Vec<Reading> {
    sound.chunks_exact(BLOCK).map(|block| gate.process(block.try_into().unwrap())).collect()
}

/// When it opened or closed, in ms.
fn times(readings: &[Reading], which: fn(&Reading) -> bool) -> Vec<usize> {
    readings.iter().enumerate().filter(|(_, r)| which(r)).map(|(n, _)| (n + 1) * 10).collect()
}

fn add(mut noise: Vec<f32>, sound: &[f32], at: usize) -> Vec<f32> {
    for (out, &sample) in noise[at..].iter_mut().zip(sound) {
        *out += sample;
    }
    noise
}

/// 16 s of each noise at -50 dBFS, as the high-pass in front of the gate leaves it.
fn noises(seed: u64) -> [(&'static str, Vec<f32>); 3] {
    [("white", white(seed, 16 * S)), ("pink", pink(seed, 16 * S)), ("compressor", compressor(seed, 16 * S))]
        .map(|(name, mut noise)| {
            HighPass::new(80.0, 16_000).process(&mut noise);
            (name, at_level(noise, -50.0))
        })
}

#[test]
fn speech_in_noise_opens_it_within_100_ms_and_the_hangover_closes_it() {
    for seed in 1..=8 {
        for snr_db in [12.0, 20.0, 35.0] {
            for (name, noise) in noises(seed) {
                let said = at_level(speech(seed, 5 * S), -50.0 + snr_db);
                let readings = listen(&add(noise, &said, 4 * S));
                let case = format!("seed {seed}, {snr_db} dB over {name}");
                let opened = times(&readings, |r| r.opened);
                assert_eq!(opened.len(), 1, "{case}: opened at {opened:?}");
                assert!((4_060..=4_100).contains(&opened[0]), "{case}: opened at {opened:?}");
                let closed = times(&readings, |r| r.closed);
                assert_eq!(closed.len(), 1, "{case}: closed at {closed:?}");
                assert!((9_300..=9_750).contains(&closed[0]), "{case}: closed at {closed:?}");
            }
        }
    }
}

#[test]
fn two_hours_of_steady_noise_never_open_it() {
    let (mut pink, mut compressor) = (Pink::new(21), Compressor::new(22));
    let sources: [(&str, &mut dyn FnMut() -> f64); 2] =
        [("pink", &mut || pink.sample()), ("compressor", &mut || compressor.sample())];
    for (name, source) in sources {
        let mut gate = Gate::new(GateSettings { min_level_dbfs: -90.0, ..GateSettings::default() });
        let mut high_pass = HighPass::new(80.0, 16_000);
        let mut speech = 0;
        for n in 0..360_000 {
            let mut block: Block = std::array::from_fn(|_| source() as f32);
            high_pass.process(&mut block);
            let reading = gate.process(&block);
            speech += u32::from(reading.speech);
            assert!(!reading.open, "{name}: open after {} s", n / 100);
        }
        assert!(speech < 36, "{name}: {speech} blocks taken for speech");
    }
}

#[test]
fn the_floor_follows_a_15_db_step_within_3_s_and_falls_back_at_once() {
    for seed in 1..=8 {
        for (name, noise) in noises(seed) {
            let louder: Vec<f32> = noise[..8 * S].iter().map(|s| s * 5.623).collect();
            let readings = listen(&[&noise[..6 * S], &louder, &noise].concat());
            let floor = |ms: usize| readings[ms / 10 - 1].floor_dbfs;
            assert!((floor(6_000) + 50.0).abs() < 1.5, "{name}: before {}", floor(6_000));
            assert!((floor(9_000) + 35.0).abs() < 1.5, "{name}: 3 s after the step {}", floor(9_000));
            assert!(floor(14_300) < -47.0, "{name}: 0.3 s after it ended {}", floor(14_300));
            let closed = times(&readings, |r| r.closed);
            assert!(closed.iter().all(|&ms| ms <= 9_000), "{name}: closed at {closed:?}");
            assert!(!readings[900].open, "{name}");
        }
    }
}

#[test]
fn a_compressor_that_starts_under_speech_is_learnt_in_the_first_pause() {
    let quiet = at_level(pink(3, 16 * S), -60.0);
    let noise = at_level(compressor(3, 13 * S), -42.0);
    let sound = add(add(quiet, &noise, 3 * S), &at_level(speech(3, 4 * S), -25.0), 2 * S);
    let readings = listen(&sound);
    assert!(readings[590].floor_dbfs < -55.0, "learnt under speech: {}", readings[590].floor_dbfs);
    assert!(
        (readings[820].floor_dbfs + 42.0).abs() < 2.0,
        "2.2 s into the pause: {}",
        readings[820].floor_dbfs
    );
    assert!(!readings[890].open);
}

#[test]
fn ten_seconds_of_speech_are_not_learnt() {
    for seed in 1..=8 {
        for (name, noise) in noises(seed) {
            for level_dbfs in [-38.0, -20.0] {
                let said = at_level(speech(seed, 10 * S), level_dbfs);
                let readings = listen(&add(noise.clone(), &said, 4 * S));
                let highest = readings[400..].iter().map(|r| r.floor_dbfs).fold(SILENCE_DBFS, f32::max);
                assert!(highest < -47.5, "seed {seed}, speech at {level_dbfs} in {name}: floor {highest}");
            }
        }
    }
}

#[test]
fn speech_over_digital_silence_opens_it_and_is_not_learnt() {
    let said = at_level(speech(5, 20 * S), -30.0);
    let readings = listen(&[vec![0.0; S], said, vec![0.0; 2 * S]].concat());
    assert_eq!(times(&readings, |r| r.opened).len(), 1);
    assert_eq!(times(&readings, |r| r.closed).len(), 1);
    assert!(readings.iter().all(|r| r.floor_dbfs < -60.0));
}

#[test]
fn a_person_who_speaks_from_the_first_block_on_is_heard_after_the_first_gap() {
    let readings = listen(&add(at_level(pink(9, 6 * S), -55.0), &at_level(speech(9, 6 * S), -30.0), 0));
    let opened = times(&readings, |r| r.opened);
    assert!(opened.len() == 1 && opened[0] < 800, "opened at {opened:?}");
}

#[test]
fn a_card_that_wakes_up_with_silence_does_not_open_it() {
    for zeros in [0, BLOCK, 15 * BLOCK] {
        let readings = listen(&[vec![0.0; zeros], at_level(pink(4, 3 * S), -45.0)].concat());
        assert!(readings.iter().all(|r| !r.open), "after {zeros} zeros");
    }
}

#[test]
fn it_opens_after_the_burst_and_closes_after_the_hangover_to_the_block() {
    let settings = GateSettings { min_burst_ms: 60, hangover_ms: 300, ..GateSettings::default() };
    let sound = [vec![0.0; S], tone(16_000, 500.0, 0.1, 8_000), vec![0.0; S]].concat();
    let readings = listen_with(Gate::new(settings), &sound);
    assert_eq!(times(&readings, |r| r.speech).len(), 50);
    assert_eq!(times(&readings, |r| r.opened), [1_060]);
    assert_eq!(times(&readings, |r| r.closed), [1_500 + 300]);
    assert_eq!(times(&readings, |r| r.open).len(), 45 + 29);
}

#[test]
fn an_onset_that_flickers_opens_it_only_a_little_later() {
    let syllable = [tone(16_000, 500.0, 0.1, 3 * BLOCK), vec![0.0; BLOCK]].concat();
    let readings = listen(&[vec![0.0; S], syllable.repeat(20)].concat());
    assert_eq!(times(&readings, |r| r.opened), [1_100]);
}

#[test]
fn clicks_do_not_open_it_and_do_not_keep_it_open() {
    let click = [tone(16_000, 2_000.0, 0.3, 2 * BLOCK), vec![0.0; 8 * BLOCK]].concat();
    let clicks = click.repeat(50);
    let readings = listen(&clicks);
    assert!(readings.iter().all(|r| !r.open));
    let readings = listen(&[vec![0.0; S], tone(16_000, 500.0, 0.1, 8_000), clicks].concat());
    assert_eq!(times(&readings, |r| r.closed), [1_500 + 20 + 700]);
}

#[test]
fn what_is_below_the_least_level_is_never_speech() {
    let said = [vec![0.0; 3 * S], at_level(speech(7, 3 * S), -70.0)].concat();
    let sound = add(at_level(pink(6, 6 * S), -95.0), &said, 0);
    assert!(listen(&sound).iter().all(|r| !r.speech));
    let settings = GateSettings { min_level_dbfs: -85.0, ..GateSettings::default() };
    assert!(listen_with(Gate::new(settings), &sound).iter().any(|r| r.open));
}

#[test]
fn levels_and_floor_are_finite_and_true() {
    let noise = at_level(white(8, 4 * S), -42.0);
    let last = *listen(&noise).last().unwrap();
    assert!((last.level_dbfs + 42.0).abs() < 1.0 && (last.floor_dbfs + 42.0).abs() < 1.0, "{last:?}");
    assert!((rms(&noise) - 10f64.powf(-42.0 / 20.0)).abs() < 1e-6);
    for nonsense in [0.0, f32::NAN, f32::INFINITY, f32::MIN] {
        for reading in listen(&[nonsense; 8 * S]) {
            assert!(reading.level_dbfs.is_finite() && reading.floor_dbfs.is_finite());
        }
    }
}

#[test]
fn a_second_of_full_scale_nonsense_is_forgotten_within_a_second() {
    let noise = at_level(pink(10, 12 * S), -50.0);
    let square: Vec<f32> = (0..5 * S).map(|n| if n / 8 % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let readings = listen(&[&noise[..3 * S], &square, &noise].concat());
    assert!(readings[900].floor_dbfs < -47.0, "{}", readings[900].floor_dbfs);
    assert!(!readings[900].open);
}

#[test]
fn a_reset_closes_it_and_forgets_the_noise() {
    let mut gate = Gate::new(GateSettings { voice: false, ..GateSettings::default() });
    let loud: Block = [0.1; BLOCK];
    gate.process(&[0.0001; BLOCK]);
    assert!((0..20).any(|_| gate.process(&loud).open));
    gate.reset();
    let reading = gate.process(&loud);
    assert!(!reading.open && !reading.speech && reading.floor_dbfs > -25.0);
}

#[test]
fn strokes_of_a_slow_compressor_hum_and_a_fan_open_it_less_than_once_an_hour() {
    use crate::synth::{Strokes, hum};
    let (mut strokes, mut fan) = (Strokes::new(31), Pink::new(32));
    let mains = hum(33, S);
    let (mut h, mut n) = (0, 0);
    let sources: [(&str, &mut dyn FnMut() -> f64); 3] = [
        ("strokes", &mut || strokes.sample()),
        ("hum", &mut || {
            h += 1;
            f64::from(mains[h % S])
        }),
        // blades pass 40 times a second
        ("fan", &mut || {
            n += 1;
            fan.sample() * (1.0 + 0.3 * (n as f64 / 400.0 * std::f64::consts::TAU).sin())
        }),
    ];
    for (name, source) in sources {
        let mut gate = Gate::new(GateSettings { min_level_dbfs: -90.0, ..GateSettings::default() });
        let mut high_pass = HighPass::new(80.0, 16_000);
        let mut opened = 0;
        for _ in 0..360_000 {
            let mut block: Block = std::array::from_fn(|_| source() as f32);
            high_pass.process(&mut block);
            opened += u32::from(gate.process(&block).opened);
        }
        assert_eq!(opened, 0, "{name}");
    }
}

#[test]
fn coughs_and_doors_do_not_open_it() {
    use crate::synth::{cough, door};
    for seed in 1..=10 {
        for sound in [cough(seed), door(seed)] {
            let mut sound = add(at_level(pink(seed, 4 * S), -60.0), &sound, 2 * S);
            HighPass::new(80.0, 16_000).process(&mut sound);
            assert_eq!(times(&listen(&sound), |r| r.opened), [], "seed {seed}");
        }
    }
}

#[test]
fn speech_6_db_above_noise_opens_it_before_the_pre_roll_is_over() {
    let mut late = 0;
    for seed in 1..=8 {
        for (name, noise) in noises(seed) {
            let said = at_level(speech(seed, 5 * S), -44.0);
            let opened = times(&listen(&add(noise, &said, 4 * S)), |r| r.opened);
            let first = opened.iter().find(|&&ms| ms > 4_000);
            assert!(first.is_some_and(|&ms| ms <= 4_600), "seed {seed} over {name}: {opened:?}");
            late += u32::from(first.is_none_or(|&ms| ms > 4_300));
        }
    }
    assert!(late <= 2, "{late} of 24 first syllables were cut");
}
