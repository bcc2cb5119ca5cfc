//! What is done to the sound on its way to the card, on a card whose time is turned by hand: sound that breaks off,
//! filters, the limiter, and what a speaker that says nothing is given.

use std::f32::consts::TAU;
use std::sync::atomic::Ordering::Relaxed;

use pressel_dsp::{Band, BandKind, Equalizer, from_i16};

use super::feed::Fed;
use super::player_rig::{FADE, LEAD, RATE, RING, Rig, floats};
use super::settings::KeepAwake;

/// 40 ms.
const MADE_UP_MAX: usize = RATE as usize * 40 / 1_000;
/// 4 ms: how often the thread turns here.
const STEP: u64 = 96;

/// A voice: 150 Hz and a harmonic.
fn voice(samples: usize) -> Vec<i16> {
    let wave = |n: usize, hz: f32| (n as f32 * hz * TAU / RATE as f32).sin();
    (0..samples).map(|n| (6_000.0 * wave(n, 150.0) + 3_000.0 * wave(n, 450.0)) as i16).collect()
}

fn largest_step(samples: &[f32]) -> f32 {
    samples.windows(2).map(|pair| (pair[0] - pair[1]).abs()).fold(0.0, f32::max)
}

fn concealing(can_rewind: bool) -> Rig {
    Rig::with(can_rewind, |settings| settings.conceal = true)
}

#[test]
fn an_answer_that_breaks_off_fades_out_and_comes_back_softly() {
    for can_rewind in [true, false] {
        let mut rig = concealing(can_rewind);
        let answer = voice(9_000);
        rig.say(1, &answer[..5_000]);
        rig.turn();
        rig.pass(8_000, STEP);
        let gone = rig.card.heard();
        let quiet = LEAD + 5_000 + MADE_UP_MAX;
        assert_eq!(gone[LEAD..LEAD + 5_000], floats(&answer[..5_000]));
        let made_up = &gone[LEAD + 5_000..quiet];
        assert!(made_up[..200].iter().any(|sample| sample.abs() > 0.15), "it goes on for a moment");
        assert!(gone[quiet..].iter().all(|&sample| sample == 0.0));
        assert!(largest_step(&gone[LEAD..]) < 1.2 * largest_step(&floats(&answer)), "a click");
        rig.say(1, &answer[5_000..]);
        rig.end(1);
        rig.turn();
        rig.pass(6_000, STEP);
        let heard = rig.card.heard();
        let rest = floats(&answer[5_000 + FADE..]);
        let back =
            heard.windows(rest.len()).position(|window| window == rest).expect("every sample after the fade");
        assert!(back >= 8_000 + FADE);
        assert!(largest_step(&heard[LEAD..back + 3_000]) < 1.2 * largest_step(&floats(&answer)));
        assert_eq!(rig.facts.playback.starved.load(Relaxed), 1);
        assert_eq!(rig.notes(), ["started", "drained"]);
    }
}

#[test]
fn what_still_comes_in_time_is_heard_as_if_nothing_had_been_missing() {
    for before_end in [500, 400, 200, 100, LEAD as u64 + 1] {
        let mut rig = concealing(true);
        let answer = voice(9_000);
        rig.say(1, &answer[..5_000]);
        rig.turn();
        rig.pass(LEAD as u64 + 5_000 - before_end, STEP);
        rig.say(1, &answer[5_000..]);
        rig.end(1);
        rig.turn();
        rig.pass(9_000, STEP);
        let heard = rig.card.heard();
        assert_eq!(heard[LEAD..LEAD + 9_000], floats(&answer), "{before_end} frames before the end");
        assert!(heard[LEAD + 9_000..].iter().all(|&sample| sample == 0.0));
        assert_eq!(rig.facts.playback.starved.load(Relaxed), 0);
    }
}

#[test]
fn what_comes_while_it_fades_takes_over_from_what_was_made_up() {
    for late in [0, 1, 200, 600, 900] {
        let mut rig = concealing(true);
        let answer = voice(9_000);
        rig.say(1, &answer[..5_000]);
        rig.turn();
        rig.pass(LEAD as u64 + 5_000 + late, STEP);
        rig.say(1, &answer[5_000..]);
        rig.turn();
        rig.pass(6_000, STEP);
        let heard = rig.card.heard();
        let back = LEAD + 5_000 + late as usize + LEAD;
        assert_eq!(heard[back + FADE..back + 4_000], floats(&answer[5_000 + FADE..9_000]), "late by {late}");
        let meant = largest_step(&floats(&answer));
        assert!(largest_step(&heard[LEAD..back + 4_000]) < 1.3 * meant, "late by {late}: a click");
        assert_eq!(rig.facts.playback.starved.load(Relaxed), 1);
    }
}

#[test]
fn an_answer_whose_end_is_told_late_has_nothing_made_up_for_long() {
    let mut rig = concealing(true);
    let answer = voice(5_000);
    rig.say(1, &answer);
    rig.turn();
    rig.pass(LEAD as u64 + 4_800, STEP);
    rig.end(1);
    rig.turn();
    rig.pass(3_000, STEP);
    assert_eq!(
        rig.sounding(),
        floats(&answer).into_iter().filter(|&sample| sample != 0.0).collect::<Vec<_>>()
    );
    assert_eq!(rig.notes(), ["started", "drained"]);
    rig.say(2, &answer);
    rig.turn();
    rig.pass(9_000, STEP);
    rig.end(2);
    rig.turn();
    rig.pass(1_000, STEP);
    assert_eq!(rig.notes(), ["started", "drained"]);
    assert_eq!(rig.facts.playback.starved.load(Relaxed), 0, "nothing was missing");
}

#[test]
fn a_flush_of_what_was_made_up_is_a_flush() {
    let mut rig = concealing(true);
    rig.say(1, &voice(5_000));
    rig.turn();
    rig.pass(LEAD as u64 + 5_000 + 100, STEP);
    rig.flush(1);
    rig.pass(2_000, STEP);
    let heard = rig.card.heard();
    assert!(heard[5_100 + 2 * LEAD + FADE..].iter().all(|&sample| sample == 0.0));
    assert!(largest_step(&heard[LEAD..]) < 0.12);
    rig.say(2, &[5_000; 1_000]);
    rig.turn();
    rig.pass(1_500, STEP);
    assert_eq!(rig.card.heard()[heard.len() + LEAD], from_i16(5_000), "the next turn begins as ever");
}

/// However the messages come: no click, and nothing is left of what was made up when the sound is over.
#[test]
fn no_arrival_of_messages_makes_a_click() {
    let answer = voice(24_000);
    let meant = largest_step(&floats(&answer));
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let can_rewind = random.bool();
        let mut rig = concealing(can_rewind);
        let mut rest = &answer[..];
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(random.usize(600..3_000).min(rest.len()));
            rig.say(1, piece);
            rest = left;
            rig.turn();
            // Silent, and yet the ring is taken back.
            if can_rewind && random.u8(0..6) == 0 {
                let samples = vec![0; random.usize(1..500)].into();
                rig.local.push(Fed::Sound { turn: 0, samples }).ok().unwrap();
                rig.turn();
            }
            rig.pass(random.u64(1..4_000), STEP);
        }
        rig.end(1);
        rig.pass(20_000, STEP);
        let heard = rig.card.heard();
        let end = heard.iter().rposition(|&sample| sample != 0.0).unwrap();
        // It begins and ends at a zero of the wave, or nearly.
        let heard = &heard[..end];
        let click = heard.windows(2).position(|pair| (pair[0] - pair[1]).abs() > 1.6 * meant);
        let around = click.map(|at| (at, &heard[at.saturating_sub(5)..(at + 6).min(end)]));
        assert_eq!(around, None, "seed {seed}, rewinds {can_rewind}");
    }
}

#[test]
fn filters_are_those_of_the_whole_answer_however_the_ring_is_taken_back() {
    let band = Band { kind: BandKind::HighPass, hz: 300.0, gain_db: 0.0, q: 0.7 };
    let peak = Band { kind: BandKind::Peak, hz: 2_000.0, gain_db: -6.0, q: 1.0 };
    let mut rig = Rig::with(true, |settings| settings.eq = vec![band, peak]);
    let answer = voice(9_000);
    rig.say(1, &answer[..5_000]);
    rig.turn();
    rig.pass(1_000, 500);
    // Silent, and yet the ring is taken back.
    rig.local.push(Fed::Sound { turn: 0, samples: vec![0; 300].into() }).ok().unwrap();
    rig.turn();
    rig.say(1, &answer[5_000..]);
    rig.turn();
    rig.pass(9_500, 500);
    let mut meant = floats(&answer);
    Equalizer::new(&[band, peak], RATE).process(&mut meant);
    assert_eq!(rig.card.heard()[LEAD..LEAD + 9_000], meant);
}

#[test]
fn nothing_leaves_beyond_the_limit_and_taking_the_ring_back_makes_no_click() {
    let mut rig = Rig::with(true, |settings| settings.limit_dbfs = -6.0);
    let answer: Vec<i16> = voice(20_000).iter().map(|sample| sample * 3).collect();
    rig.say(1, &answer);
    rig.turn();
    for _ in 0..20 {
        rig.pass(611, 200);
        rig.local.push(Fed::Sound { turn: 0, samples: vec![0; 50].into() }).ok().unwrap();
        rig.turn();
    }
    let heard = rig.card.heard();
    assert!(heard.iter().all(|sample| sample.abs() <= 0.502));
    assert!(heard.iter().any(|sample| sample.abs() > 0.45), "and no softer than it must be");
    let mut undisturbed = Rig::with(true, |settings| settings.limit_dbfs = -6.0);
    undisturbed.say(1, &answer);
    undisturbed.turn();
    undisturbed.pass(heard.len() as u64, 200);
    let differ = heard.iter().zip(&undisturbed.card.heard()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(differ < 1e-5, "{differ}");
}

#[test]
fn a_speaker_that_is_kept_awake_is_written_to_all_the_time_and_answers_as_quickly() {
    for (kind, loudest) in [(KeepAwake::Zeros, 0.0), (KeepAwake::Dither, 1.0 / 32_768.0)] {
        let mut rig = Rig::with(true, |settings| settings.keep_awake = kind);
        rig.turn();
        rig.pass(10_000, 1_000);
        assert!(rig.player.refill().is_some(), "{kind:?}");
        let quiet = rig.card.heard();
        assert!(quiet.iter().all(|sample| sample.abs() <= loudest));
        assert_eq!(kind == KeepAwake::Dither, quiet[RING..].iter().filter(|s| **s != 0.0).count() > 4_000);
        let answer = voice(3_000);
        rig.say(1, &answer);
        rig.end(1);
        rig.turn();
        rig.pass(5_000, 1_000);
        let heard = rig.card.heard();
        let meant = floats(&answer);
        let off = heard[10_000 + LEAD..].iter().zip(&meant).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off <= loudest, "{kind:?}: {off}");
        assert!(heard[13_000 + LEAD..].iter().all(|sample| sample.abs() <= loudest));
        assert_eq!(rig.facts.playback.xruns.load(Relaxed), 0);
        assert_eq!(rig.notes(), ["started", "drained"]);
    }
}
