use super::*;
use crate::level::{mean_square, power_dbfs};
use crate::synth::{at_level, cough, door, mm_hm, pink, speech};
use crate::{BLOCK, Gate, GateSettings, HighPass};

const S: usize = 16_000;

/// A canceller that leaves `left` of an echo at `echo`'s level, and knows of nine tenths of it: behind the real one
/// the near end's share of what only echo left is .03 at the median and .15 in one block of ten.
fn events(near: &[f32], left: &[f32], echo: &[f32], settings: NearEndSettings) -> Vec<(usize, BargeIn)> {
    let (mut gate, mut near_end) = (Gate::new(GateSettings::default()), NearEnd::new(settings));
    let mut high_pass = HighPass::new(80.0, 16_000);
    let mut said = Vec::new();
    let mut echo_power = 0.0;
    for n in 0..near.len() / BLOCK {
        let part = n * BLOCK..(n + 1) * BLOCK;
        let mut block: Block = std::array::from_fn(|k| near[part.start + k] + left[part.start + k]);
        high_pass.process(&mut block);
        echo_power += 0.2 * (mean_square(&echo[part.clone()]) - echo_power);
        let (person, rest) = (mean_square(&near[part.clone()]), mean_square(&left[part.clone()]));
        let reading = EchoReading {
            active: true,
            erle_db: 25.0,
            echo_dbfs: power_dbfs(echo_power),
            residual_dbfs: power_dbfs(0.9 * rest),
            near_end: (person + 0.1 * rest + 1e-9) / (person + rest + 1e-9),
            explained: 1.0,
            unsettled: false,
            later: 0,
        };
        let judged = gate.process(&block);
        let far: Block = echo[part.clone()].try_into().unwrap();
        let mic: Block = std::array::from_fn(|k| near[part.start + k] + echo[part.start + k]);
        if let Some(what) = near_end.process(&far, &mic, &reading, &judged) {
            said.push(((n + 1) * 10, what));
        }
    }
    said
}

/// Noise at -60 dBFS for 16 s, with a sound in it.
fn room(seed: u64, sound: &[f32], at: usize) -> Vec<f32> {
    let mut noise = at_level(pink(seed, 16 * S), -60.0);
    noise[at..].iter_mut().zip(sound).for_each(|(out, sample)| *out += sample);
    noise
}

/// An answer whose echo is louder than a person, and what is left of it 25 dB below.
fn answer(seed: u64, len: usize) -> (Vec<f32>, Vec<f32>) {
    let echo = at_level(speech(seed + 100, len), -20.0);
    let left = at_level(speech(seed + 100, len), -45.0);
    (echo, left)
}

#[test]
fn speech_over_an_answer_is_suspected_within_40_ms_and_confirmed_by_280_ms_of_voice() {
    let mut waits = Vec::new();
    for seed in 1..=10 {
        let (echo, left) = answer(seed, 16 * S);
        let said = at_level(speech(seed, 3 * S), -26.0);
        let events = events(&room(seed, &said, 10 * S), &left, &echo, NearEndSettings::default());
        let after: Vec<_> = events.iter().filter(|(ms, _)| *ms > 10_000).collect();
        assert!(after[0].1 == BargeIn::Suspected && after[0].0 <= 10_060, "seed {seed}: {events:?}");
        waits.push(after[0].0 - 10_000);
        let confirmed: Vec<_> = events.iter().filter(|(_, what)| *what == BargeIn::Confirmed).collect();
        assert!(!confirmed.is_empty(), "seed {seed}: {events:?}");
        assert!((10_260..=11_500).contains(&confirmed[0].0), "seed {seed}: {events:?}");
    }
    waits.sort_unstable();
    assert!(waits[5] <= 40, "{waits:?}");
}

#[test]
fn coughs_doors_and_mm_hm_are_dismissed_within_250_ms_of_their_end_and_never_confirmed() {
    for seed in 1..=10 {
        for (name, sound) in [("cough", cough(seed)), ("door", door(seed)), ("mm-hm", mm_hm(seed))] {
            let (echo, left) = answer(seed, 16 * S);
            let sound = at_level(sound, -24.0);
            let end = 10_000 + sound.len() / 16;
            let events = events(&room(seed, &sound, 10 * S), &left, &echo, NearEndSettings::default());
            assert!(events.iter().all(|(_, what)| *what != BargeIn::Confirmed), "{name} {seed}: {events:?}");
            let after: Vec<_> = events.iter().filter(|(ms, _)| (10_000..end + 300).contains(ms)).collect();
            let last = after.last().unwrap_or_else(|| panic!("{name} {seed} is not noticed: {events:?}"));
            assert!(last.1 == BargeIn::Dismissed && last.0 <= end + 250, "{name} {seed}: {events:?}");
        }
    }
}

#[test]
fn ten_minutes_of_answer_alone_confirm_nobody_and_rarely_make_it_doubt() {
    let mut suspected = 0;
    for seed in 1..=5 {
        let (echo, left) = answer(seed, 120 * S);
        let quiet = at_level(pink(seed, 120 * S), -60.0);
        let events = events(&quiet, &left, &echo, NearEndSettings::default());
        assert!(events.iter().all(|(_, what)| *what != BargeIn::Confirmed), "seed {seed}: {events:?}");
        suspected += events.iter().filter(|(_, what)| *what == BargeIn::Suspected).count();
    }
    assert!(suspected <= 20, "{suspected} in ten minutes");
}

#[test]
fn a_machine_that_starts_is_dismissed_and_not_suspected_again_and_again() {
    let (echo, left) = answer(1, 16 * S);
    let machine = at_level(pink(2, 6 * S), -35.0);
    let events = events(&room(1, &machine, 10 * S), &left, &echo, NearEndSettings::default());
    let after = events.iter().filter(|(ms, _)| *ms > 10_000).count();
    assert!(after <= 6, "{events:?}");
    assert!(events.iter().all(|(_, what)| *what != BargeIn::Confirmed), "{events:?}");
}

#[test]
fn without_an_answer_or_switched_off_it_says_nothing() {
    let said = room(1, &at_level(speech(1, 2 * S), -26.0), 10 * S);
    let silence = vec![0.0; said.len()];
    assert_eq!(events(&said, &silence, &silence, NearEndSettings::default()), []);
    let (echo, left) = answer(1, 16 * S);
    assert_eq!(events(&said, &left, &echo, NearEndSettings::OFF), []);
}

#[test]
fn an_answer_that_only_the_caller_knows_of_is_watched_too() {
    let mut near_end = NearEnd::new(NearEndSettings::default());
    let mut gate = Gate::new(GateSettings::default());
    let said = room(1, &at_level(speech(1, 2 * S), -26.0), 10 * S);
    near_end.set_answering(true);
    let mut heard = Vec::new();
    for block in said.chunks_exact(BLOCK) {
        let reading = gate.process(block.try_into().unwrap());
        heard.extend(near_end.process(
            &[0.0; BLOCK],
            block.try_into().unwrap(),
            &EchoReading::REST,
            &reading,
        ));
    }
    assert_eq!(heard[0], BargeIn::Suspected);
    assert!(heard.contains(&BargeIn::Confirmed));
}

#[test]
fn an_echo_that_jumps_is_no_person() {
    // After five seconds it comes 45 ms later: the canceller expects it where it was, and takes nothing off.
    const JUMP: usize = 5 * S / BLOCK;
    for seed in 1..=10 {
        let echo = at_level(speech(seed + 100, 6 * S), -20.0);
        let late = [vec![0.0; 720], echo.clone()].concat();
        let left = at_level(pink(seed, 6 * S), -58.0);
        let (mut gate, mut near_end) =
            (Gate::new(GateSettings::default()), NearEnd::new(NearEndSettings::default()));
        let mut echo_power = 0.0;
        for n in 0..JUMP + 40 {
            let part = |sound: &[f32]| -> Block { sound[n * BLOCK..][..BLOCK].try_into().unwrap() };
            let far = part(&echo);
            let (mic, out, share) =
                if n < JUMP { (far, part(&left), 0.05) } else { (part(&late), part(&late), 0.95) };
            echo_power += 0.2 * (mean_square(&far) - echo_power);
            let reading = EchoReading {
                active: true,
                echo_dbfs: power_dbfs(echo_power),
                near_end: share,
                ..EchoReading::REST
            };
            let said = near_end.process(&far, &mic, &reading, &gate.process(&out));
            assert_ne!(said, Some(BargeIn::Confirmed), "seed {seed}: {n}");
        }
    }
}

#[test]
fn the_last_bit_of_a_card_over_digital_silence_is_nobody() {
    let near_end = |level_dbfs: f32| {
        let mut near_end = NearEnd::new(NearEndSettings::default());
        near_end.set_answering(true);
        let mut gate = Gate::new(GateSettings::default());
        let said = [vec![0.0; S], at_level(speech(1, S), f64::from(level_dbfs))].concat();
        let mut hear = |block: &Block| {
            near_end.process(&[0.0; BLOCK], block, &EchoReading::REST, &gate.process(block)).is_some()
        };
        said.chunks_exact(BLOCK).any(|block| hear(block.try_into().unwrap()))
    };
    assert!(!near_end(-80.0), "so soft is no person, whatever the floor is");
    assert!(near_end(-45.0));
}
